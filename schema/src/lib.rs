//! The contract between the two tiers: what `capture` writes and `analyze` reads.
//!
//! A table's columns are declared once, here, with type, unit and meaning. The Arrow schema, the
//! Parquet encodings and the data dictionary all come from that declaration. Derived tables
//! declare theirs with the same [`columns!`] macro, in `queries`.
//!
//! This crate depends on the Arrow crates alone: no query engine, no Parquet writer, no runtime.

mod column;
pub mod day_summaries;
pub mod events;
pub mod floods;
pub mod gaps;
pub mod partition;
pub mod presences;
pub mod system_metrics;
pub mod table;
pub mod version;

pub use column::{Column, Encoding, Type};
pub use table::Table;

/// Every table that `capture` writes, in the order of the data dictionary.
pub const CAPTURED: [&Table; 6] = [
    &events::TABLE,
    &floods::TABLE,
    &presences::TABLE,
    &gaps::TABLE,
    &day_summaries::TABLE,
    &system_metrics::TABLE,
];

/// The captured table called `name`, without its `captured.` prefix.
#[must_use]
pub fn captured(name: &str) -> Option<&'static Table> {
    CAPTURED.into_iter().find(|table| table.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_column_says_what_it_means() {
        for table in CAPTURED {
            let mut names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.columns.len(), "{} repeats a column", table.name);
            for column in table.columns {
                assert!(column.doc.trim().ends_with('.'), "{}.{}", table.name, column.name);
                assert!(!column.unit.is_empty(), "{}.{} has no unit", table.name, column.name);
            }
            assert!(table.arrow().index_of(table.time).is_ok(), "{}: time column", table.name);
        }
    }

    #[test]
    fn the_dictionary_names_every_column() {
        let page = events::TABLE.markdown("captured");
        for column in events::TABLE.columns {
            assert!(page.contains(&format!("| `{}` |", column.name)), "{}", column.name);
        }
    }
}
