//! `lookup_sessions(ts, presence, gap, since) → LIST of STRUCT`: the lookups among the queries of a
//! group, which asks for one thing: a lookup ends where the group is silent for longer than `gap`.
//!
//! Of each lookup with a query at or after `since`: `start` (the first query from then on), `end`,
//! `raw_events` and `presences` (different ones) from then on, and whether it `continued` what began
//! before. `presence` is a BIGINT UNSIGNED, such as a `hash64`; `gap` and `since` are constants.

use super::sessions::{Session, over_sessions};
use super::timestamps::timestamp_type;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::AggregateUDF;
use std::collections::BTreeSet;

pub(super) fn function() -> AggregateUDF {
    over_sessions::<Lookup, 2, 5>("lookup_sessions")
}

#[derive(Debug)]
struct Lookup;

impl Session<2, 5> for Lookup {
    fn row() -> [DataType; 2] {
        [timestamp_type(), DataType::UInt64]
    }

    fn fields() -> [(&'static str, DataType); 5] {
        [
            ("start", timestamp_type()),
            ("end", timestamp_type()),
            ("raw_events", DataType::Int64),
            ("presences", DataType::Int64),
            ("continued", DataType::Boolean),
        ]
    }

    fn end([ts, _]: &[i64; 2]) -> i64 {
        *ts
    }

    fn describe(rows: &[[i64; 2]], since: i64) -> Option<[i64; 5]> {
        let new = &rows[rows.partition_point(|[ts, _]| *ts < since)..];
        let presences = match new {
            [_] => 1,
            several => several.iter().map(|[_, presence]| presence).collect::<BTreeSet<_>>().len(),
        };
        let (first, last) = (new.first()?, new.last()?);
        Some([first[0], last[0], new.len() as i64, presences as i64, i64::from(new.len() < rows.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presences_are_counted_once_and_what_came_before_is_only_told() {
        let rows = [[1, 7], [5, 8], [5, 9], [6, 8]];
        assert_eq!(Lookup::describe(&rows, 0), Some([1, 6, 4, 3, 0]));
        assert_eq!(Lookup::describe(&rows, 2), Some([5, 6, 3, 2, 1]));
        assert_eq!(Lookup::describe(&rows, 6), Some([6, 6, 1, 1, 1]));
        assert_eq!(Lookup::describe(&rows, 7), None);
    }
}
