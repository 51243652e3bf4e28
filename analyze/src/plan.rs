//! Which table needs which: read from the SQL, never declared beside it.

use crate::actors;
use anyhow::{Context, Result, bail, ensure};
use datafusion::common::TableReference;
use datafusion::sql::parser::DFParser;
use datafusion::sql::resolve::resolve_table_references;
use queries::Table;
use schema::Column;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter;

/// The schemas of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Written by `capture`.
    Captured,
    /// Computed here.
    Derived,
    /// Written by the user.
    User,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Captured, Self::Derived, Self::User];

    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Captured => schema::partition::CAPTURED,
            Self::Derived => schema::partition::DERIVED,
            Self::User => "user",
        }
    }
}

/// A table that a query may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Its schema.
    pub tier: Tier,
    /// Its name within the schema.
    pub name: &'static str,
}

impl Source {
    /// Every table there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let captured =
            schema::CAPTURED.into_iter().map(|table| Self { tier: Tier::Captured, name: table.name });
        let derived = queries::TABLES.iter().map(|table| Self { tier: Tier::Derived, name: table.name });
        captured.chain(derived).chain([Self { tier: Tier::User, name: actors::NAME }])
    }

    /// Its columns, without those that come from the folders its files stand in.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        let columns = match self.tier {
            Tier::Captured => schema::captured(self.name).map(|table| table.columns),
            Tier::Derived => queries::table(self.name).map(|table| table.columns),
            Tier::User => Some(actors::COLUMNS),
        };
        columns.unwrap_or(&[])
    }

    /// The table, if it only adds up days: see [`Table::sums`].
    #[must_use]
    pub fn sums(self) -> Option<&'static Table> {
        let table = queries::table(self.name).filter(|_| self.tier == Tier::Derived);
        table.filter(|table| table.sums())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tier.name(), self.name)
    }
}

/// The tables that `sql`, one statement, reads; common table expressions are left out.
///
/// # Errors
/// When the SQL does not parse or names a table that is not in [`Source::all`].
pub fn sources(sql: &str) -> Result<BTreeSet<Source>> {
    let statements = DFParser::parse_sql(sql)?;
    ensure!(statements.len() == 1, "expected one SQL statement, found {}", statements.len());
    let (references, _) = resolve_table_references(&statements[0], true)?;
    let source = |reference: &TableReference| {
        let name = reference.to_string();
        let source = Source::all().find(|source| source.to_string() == name);
        source.with_context(|| format!("the query reads `{name}`, which does not exist"))
    };
    references.iter().map(source).collect()
}

/// The derived tables in an order in which each comes after what it reads.
#[derive(Debug)]
pub struct Plan {
    sources: BTreeMap<&'static str, BTreeSet<Source>>,
    order: Vec<&'static Table>,
}

impl Plan {
    /// Reads the dependencies of `tables` from their queries.
    ///
    /// # Errors
    /// When a query does not parse, names an unknown table, reads ahead of its own grain, or the
    /// tables depend on each other in a circle.
    pub fn new(tables: &'static [Table]) -> Result<Self> {
        let mut plan = Self { sources: BTreeMap::new(), order: Vec::new() };
        for table in tables {
            let found = sources(table.query).with_context(|| format!("derived.{}", table.name))?;
            plan.sources.insert(table.name, found);
        }
        for table in tables {
            plan.visit(tables, table, &mut Vec::new())?;
        }
        Ok(plan)
    }

    fn visit(
        &mut self,
        tables: &'static [Table],
        table: &'static Table,
        path: &mut Vec<&'static str>,
    ) -> Result<()> {
        if self.order.iter().any(|done| done.name == table.name) {
            return Ok(());
        }
        let circle = path.contains(&table.name);
        path.push(table.name);
        if circle {
            bail!("derived tables depend on each other in a circle: {}", path.join(" → "));
        }
        for source in self.sources[table.name].clone() {
            if source.tier != Tier::Derived {
                continue;
            }
            let needed = tables.iter().find(|other| other.name == source.name);
            let needed = needed.with_context(|| format!("derived.{} reads unknown {source}", table.name))?;
            if needed.grain == queries::Grain::Window && table.grain != queries::Grain::Window {
                bail!("derived.{}, a day table, reads {source}, which covers all days", table.name);
            }
            self.visit(tables, needed, path)?;
        }
        path.pop();
        self.order.push(table);
        Ok(())
    }

    /// What the query of `table` reads.
    #[must_use]
    pub fn sources(&self, table: &str) -> &BTreeSet<Source> {
        static NONE: BTreeSet<Source> = BTreeSet::new();
        self.sources.get(table).unwrap_or(&NONE)
    }

    /// `source`, and of sums over days what they add up.
    pub fn beneath(&self, source: Source) -> impl Iterator<Item = Source> {
        let sums = source.sums().into_iter().flat_map(|table| self.sources(table.name));
        iter::once(source).chain(sums.copied())
    }

    /// `wanted` and everything below it, in the order of computation.
    #[must_use]
    pub fn closure(&self, wanted: &BTreeSet<&str>) -> Vec<&'static Table> {
        let mut needed: BTreeSet<&str> = wanted.clone();
        for table in self.order.iter().rev() {
            if needed.contains(table.name) {
                let below = self.sources(table.name).iter().filter(|source| source.tier == Tier::Derived);
                needed.extend(below.map(|source| source.name));
            }
        }
        self.order.iter().copied().filter(|table| needed.contains(table.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queries::Grain;

    const EMPTY: Table = Table {
        name: "",
        source: "",
        grain: Grain::Window,
        sliced: false,
        retention: queries::Retention::Days,
        parameters: &[],
        columns: &[],
        families: None,
        query: "",
        summary: None,
        views: &[],
        live: None,
    };

    fn refused(tables: &'static [Table]) -> String {
        format!("{:#}", Plan::new(tables).expect_err("must be refused"))
    }

    #[test]
    fn circles_are_refused_with_their_path() {
        static TABLES: [Table; 2] = [
            Table { name: "visits", query: "SELECT * FROM derived.lookups", ..EMPTY },
            Table { name: "lookups", query: "SELECT * FROM derived.visits", ..EMPTY },
        ];
        assert!(refused(&TABLES).contains("visits → lookups → visits"));
    }

    #[test]
    fn unknown_tables_are_refused_by_name() {
        static TABLES: [Table; 1] = [Table { name: "a", query: "SELECT * FROM derived.b", ..EMPTY }];
        let message = refused(&TABLES);
        assert!(message.contains("derived.a") && message.contains("`derived.b`"), "{message}");
    }

    #[test]
    fn a_day_cannot_depend_on_all_days() {
        static TABLES: [Table; 2] = [
            Table { name: "lookups", query: "SELECT * FROM captured.events", ..EMPTY },
            Table {
                name: "visits",
                grain: Grain::Day { lookback: None },
                query: "SELECT * FROM derived.lookups",
                ..EMPTY
            },
        ];
        assert!(refused(&TABLES).contains("which covers all days"));
    }

    #[test]
    fn what_is_needed_comes_first_and_nothing_else_comes_along() {
        let plan = Plan::new(queries::TABLES).expect("the real tables");
        let names = |wanted: &str| -> Vec<_> {
            plan.closure(&BTreeSet::from([wanted])).iter().map(|table| table.name).collect()
        };
        assert_eq!(names("hash_days"), ["hash_days"]);
        assert_eq!(names("pair_days"), ["lookups", "visits", "pair_days"]);
        assert!(plan.sources("visits").iter().all(|source| source.to_string() == "derived.lookups"));
    }
}
