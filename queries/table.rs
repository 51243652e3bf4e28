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
    /// The thresholds that the query and the views may name as `$name`.
    pub parameters: &'static [Parameter],
    /// The columns that the query must produce, in this order.
    pub columns: &'static [Column],
    /// `query.sql`: one SELECT over `captured.*` and `derived.*`.
    pub query: &'static str,
    /// `summary.sql`: this table's part of the plain report.
    pub summary: Option<&'static str>,
    /// The views that the report offers by flag.
    pub views: &'static [View],
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

/// A view of the report.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Its flag without the dashes: `behavior` is shown by `report --behavior`.
    pub flag: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// What the flag takes, if anything; the SQL sees it as `$argument`.
    pub argument: Option<Argument>,
    /// SQL in sections: each starts with a comment line `-- section: Title`.
    pub sql: &'static str,
}

/// What the flag of a view takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// An infohash: 40 hexadecimal digits, bound as lower-case text.
    Infohash,
}

/// One titled result of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Heading for people.
    pub title: &'static str,
    /// One SELECT.
    pub sql: &'static str,
}

impl Table {
    /// The documentation: the module comment of the folder's `mod.rs`, as Markdown.
    #[must_use]
    pub fn doc(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// The first paragraph of the documentation, on one line.
    #[must_use]
    pub fn headline(&self) -> String {
        self.doc().lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The sections of a `summary.sql` or `report.sql`.
pub fn sections(sql: &'static str) -> impl Iterator<Item = Section> {
    sql.split("-- section: ").skip(1).map(|part| {
        let (title, sql) = part.split_once('\n').unwrap_or((part, ""));
        Section { title: title.trim(), sql: sql.trim() }
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
            parameters: &[],
            columns: &[],
            query: include_str!("query.sql"),
            summary: None,
            views: &[],
        }
    };
}
pub(crate) use folder;
