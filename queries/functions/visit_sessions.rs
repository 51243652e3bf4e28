//! `visit_sessions(start, end, raw_events, lookups, announces, continued, gap, since) → LIST of STRUCT`:
//! the visits that the lookups of a group make up: a visit ends where nothing starts for longer than
//! `gap` after everything before has ended.
//!
//! A row is a lookup: when, of how many queries, how many of either kind it counts as, and whether it
//! continues one of the day before (1 or 0). Of each visit with a lookup that starts at or after `since`:
//! `start` (of the first of those), `end`, the sums `raw_events`, `lookups` and `announces` over
//! them, whether it was one lookup alone (`solo`), and whether it `continued` what began before. All but
//! the times are BIGINT; `gap` and `since` are constants.

use super::sessions::{Session, over_sessions};
use super::timestamps::timestamp_type;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::AggregateUDF;

pub(super) fn function() -> AggregateUDF {
    over_sessions::<Visit, 6, 7>("visit_sessions")
}

#[derive(Debug)]
struct Visit;

impl Session<6, 7> for Visit {
    fn row() -> [DataType; 6] {
        let count = DataType::Int64;
        [timestamp_type(), timestamp_type(), count.clone(), count.clone(), count.clone(), count]
    }

    fn fields() -> [(&'static str, DataType); 7] {
        [
            ("start", timestamp_type()),
            ("end", timestamp_type()),
            ("raw_events", DataType::Int64),
            ("lookups", DataType::Int64),
            ("announces", DataType::Int64),
            ("solo", DataType::Boolean),
            ("continued", DataType::Boolean),
        ]
    }

    fn end([_, end, ..]: &[i64; 6]) -> i64 {
        *end
    }

    fn describe(rows: &[[i64; 6]], since: i64) -> Option<[i64; 7]> {
        let new = &rows[rows.partition_point(|row| row[0] < since)..];
        let sum = |column: usize| new.iter().map(|row| row[column]).sum::<i64>();
        let end = rows.iter().map(Self::end).max()?;
        let goes_on = rows.iter().any(|[.., continued]| *continued != 0);
        let continued = goes_on || new.len() < rows.len();
        let solo = rows.len() == 1 && !goes_on;
        Some([new.first()?[0], end, sum(2), sum(3), sum(4), i64::from(solo), i64::from(continued)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_adds_up_what_starts_in_time_and_ends_with_the_last_of_all() {
        let rows = [[1, 90, 4, 1, 0, 0], [5, 6, 2, 0, 1, 0], [7, 8, 1, 1, 0, 0]];
        assert_eq!(Visit::describe(&rows, 0), Some([1, 90, 7, 2, 1, 0, 0]));
        assert_eq!(Visit::describe(&rows, 5), Some([5, 90, 3, 1, 1, 0, 1]));
        assert_eq!(Visit::describe(&rows, 8), None);
    }

    #[test]
    fn a_visit_is_solo_when_it_is_one_lookup_that_began_in_it() {
        assert_eq!(Visit::describe(&[[1, 2, 3, 1, 0, 0]], 0), Some([1, 2, 3, 1, 0, 1, 0]));
        assert_eq!(Visit::describe(&[[1, 2, 3, 0, 0, 1]], 0), Some([1, 2, 3, 0, 0, 0, 1]));
    }
}
