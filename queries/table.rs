//! What a derived table consists of.

use crate::Parameter;
use schema::Column;

/// A derived table: the constant `TABLE` of its folder.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The folder's name.
    pub name: &'static str,
    /// The folder's `mod.rs`, whose module comment is the documentation: see [`Table::doc`].
    pub source: &'static str,
    /// How much of the dataset one file covers.
    pub grain: Grain,
    /// Whether it can be computed one slice of the keyspace after another, in as little memory as the largest takes: the
    /// query of a table over all days reads infohashes from `$first` to `$last` and orders its rows by them.
    pub sliced: bool,
    /// What becomes of its days and rows when the queries they were computed from are deleted.
    pub retention: Retention,
    /// The thresholds that the query and the views may name as `$name`.
    pub parameters: &'static [Parameter],
    /// The columns that the query must produce, in this order.
    pub columns: &'static [Column],
    /// SQL over the columns that tells apart the families in which its rows were tested together; none for
    /// one family, and for a table without tests.
    pub families: Option<&'static str>,
    /// `query.sql`: one SELECT over `captured.*`, `derived.*` and `user.*`.
    pub query: &'static str,
    /// `summary.sql`: this table's part of the plain report.
    pub summary: Option<&'static str>,
    /// The views that the report offers by flag.
    pub views: &'static [View],
    /// How `analyze watch` tells what is found while it happens; none for a table that it does not look at.
    pub live: Option<Live>,
}

/// How a detector takes part in `analyze watch`.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// How often it looks, seconds.
    pub every: u64,
    /// Whether what is found about an operator follows from its own queries alone: then only those of
    /// operators that were just heard of are looked at.
    pub by_operator: bool,
    /// `live.sql`: one SELECT over the table. `finding` names a finding and stays the same while it goes
    /// on, `line` is what people see, `at` the time of the newest query that it rests on; other columns are
    /// for programs.
    pub sql: &'static str,
}

/// How much of the dataset one file of a derived table covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// One file a day. The query reads that day as `[$since, $until)`, and before it as much as
    /// the duration parameter named here says. It never reads ahead, so a closed day stays closed.
    Day {
        /// Name of the duration parameter; none when the day alone is enough.
        lookback: Option<&'static str>,
    },
    /// One file, computed over all days held.
    Window,
}

/// What becomes of a derived table when the raw queries of its first days are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Days stay, for ever. A window table is computed from all that stays.
    Days,
    /// Days leave with their queries: the table says which address asked for what.
    Raw,
    /// A window table is computed from the days whose queries are held. What its rows are about is told by these
    /// expressions over its columns. Once the first of it has left (column `first_seen`), a row stays as last
    /// computed, until something new comes (`last_seen`).
    Subjects(&'static [&'static str]),
    /// The same for rows about groups, which go by other names when a member leaves: they stay as last
    /// computed once all of it has left.
    Groups(&'static [&'static str]),
}

impl Retention {
    /// Whether a window table is computed from those days alone whose queries are held.
    #[must_use]
    pub fn of_held_days(self) -> bool {
        matches!(self, Self::Subjects(_) | Self::Groups(_))
    }
}

/// A view of the report.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its flag without the dashes: `behavior` is shown by `report --behavior`.
    pub flag: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// What the flag takes, if anything; the SQL sees it as [`Argument::parameters`].
    pub argument: Option<Argument>,
    /// SQL in sections: see [`sections`]. Columns that hold an operator, an AS number, an infohash
    /// or a country are called `operator`, `asn`, `infohash` and `country`: by these names rows are
    /// hidden at the user's wish.
    pub sql: &'static str,
}

/// What the flag of a view takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// An infohash, bound as `$infohash`: 40 lower-case hexadecimal digits.
    Infohash,
    /// An operator or an autonomous system: `$operator`, 16 bytes as the SQL function `operator` gives them,
    /// and `$asn`, UINT. One of them is null.
    Operator,
}

impl Argument {
    /// The names under which SQL sees what the flag was given.
    #[must_use]
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Infohash => &["infohash"],
            Self::Operator => &["operator", "asn"],
        }
    }
}

/// One titled result of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Heading for people.
    pub title: &'static str,
    /// One SELECT.
    pub sql: &'static str,
    /// For a section that is drawn as a picture: what its levels mean, the lowest first.
    pub grid: Option<&'static str>,
}

impl Table {
    /// The documentation: the module comment of the folder's `mod.rs`, as Markdown.
    #[must_use]
    pub fn doc(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// Whether its rows depend on `parameter`, and not only what is shown of them.
    #[must_use]
    pub fn depends_on(&self, parameter: &Parameter) -> bool {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut named = self.query.split('$').skip(1).map(|rest| rest.split(|c: char| !is_name(c)).next());
        let lookback = matches!(self.grain, Grain::Day { lookback: Some(name) } if name == parameter.name);
        lookback || named.any(|name| name == Some(parameter.name))
    }

    /// Whether it covers all days and leaves with them: it adds up day tables and finds nothing.
    #[must_use]
    pub fn sums(&self) -> bool {
        self.grain == Grain::Window && self.retention == Retention::Raw
    }

    /// The first paragraph of the documentation, on one line.
    #[must_use]
    pub fn headline(&self) -> String {
        self.doc().lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The sections of a `summary.sql` or `report.sql`. Each starts with a comment line
/// `-- section: Title`. A second line `-- grid: few, some, …, many` has it drawn for people as a
/// picture instead of a table: its columns `row`, `col` and `level`, all from 0, give every cell one
/// of the levels named in that line, the lowest first.
pub fn sections(sql: &'static str) -> impl Iterator<Item = Section> {
    sql.split("-- section: ").skip(1).map(|part| {
        let (title, sql) = part.split_once('\n').unwrap_or((part, ""));
        let sql = sql.trim();
        let grid = sql.strip_prefix("-- grid: ").and_then(|rest| rest.lines().next());
        Section { title: title.trim(), sql, grid: grid.map(str::trim) }
    })
}

/// Declares the modules of the derived tables and the list of them, [`TABLES`](crate::TABLES).
#[macro_export]
#[doc(hidden)]
macro_rules! tables {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// Every derived table.
        pub const TABLES: &[$crate::Table] = &[$($name::TABLE),*];
    };
}

/// What follows from the folder alone: its name, its documentation and its query. Everything
/// else is empty, for the struct update syntax.
macro_rules! folder {
    () => {
        $crate::Table {
            name: module_path!().split_at("queries::".len()).1,
            source: include_str!("mod.rs"),
            grain: $crate::Grain::Window,
            sliced: false,
            retention: $crate::Retention::Days,
            parameters: &[],
            columns: &[],
            families: None,
            query: include_str!("query.sql"),
            summary: None,
            views: &[],
            live: None,
        }
    };
}
pub(crate) use folder;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_made_of_titled_sections() {
        let sql =
            "-- about the view\n-- section: One\nSELECT 1\n\n-- section: Two\n-- grid: low, high\nSELECT 2\n";
        let found: Vec<_> = sections(sql).collect();
        let titles: Vec<_> = found.iter().map(|section| section.title).collect();
        assert_eq!(titles, ["One", "Two"]);
        assert_eq!(found[0].sql, "SELECT 1");
        assert_eq!([found[0].grid, found[1].grid], [None, Some("low, high")]);
    }
}
