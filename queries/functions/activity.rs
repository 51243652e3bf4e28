//! `activity(ts, party, network, window, since) → STRUCT(parties, networks, busiest, within, gap_squares)`: how many
//! different ones took part in the events of a group, and how the events lie in time, in one pass that
//! holds every event once.
//!
//! `parties` and `networks` are the numbers of different values at or after `since`; a network of 0 is an unknown
//! one (as AS number it is reserved, RFC 7607) and not counted. `busiest` is the largest number of timestamps inside any
//! stretch of length `window` that ends at or after `since`, `within` the same of those timestamps alone that are at or
//! after `since`, and `gap_squares` is `gap_squares(ts)` of these. A party is a BIGINT UNSIGNED, such as a `hash64`,
//! and a network a BIGINT; `window` and `since` are constants. Events with a null take no part.

use super::busiest::Busiest;
use super::gap_squares::gap_squares;
use super::timestamps::{FoldAll, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), DataType::UInt64, DataType::Int64];
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    over_rows("activity", row, constants, DataType::Struct(fields()), |args| {
        Ok(Activity(Busiest::new(args, 3)?))
    })
}

fn fields() -> Fields {
    let counts =
        ["parties", "networks", "busiest", "within"].map(|name| Field::new(name, DataType::Int64, false));
    counts.into_iter().chain([Field::new("gap_squares", DataType::Float64, false)]).collect()
}

#[derive(Debug)]
struct Activity(Busiest);

/// How many different `values` there are. They are sorted in `room`: groups are small, and a set for each would
/// be slower.
pub(super) fn different(values: impl Iterator<Item = i64>, room: &mut Vec<i64>) -> usize {
    room.clear();
    room.extend(values);
    room.sort_unstable();
    room.dedup();
    room.len()
}

impl FoldAll for Activity {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        let (mut times, mut room) = (Vec::new(), Vec::new());
        let mut counts: [Vec<i64>; 4] = Default::default();
        let mut squares = Vec::new();
        for numbers in groups {
            let rows: &[[i64; 3]] = numbers.as_chunks().0;
            times.clear();
            times.extend(rows.iter().map(|[ts, ..]| *ts));
            let (first, busiest, within) = self.0.since(&times);
            let since = || rows[first..].iter();
            let parties = different(since().map(|row| row[1]), &mut room);
            let networks = different(since().map(|row| row[2]).filter(|network| *network != 0), &mut room);
            for (count, number) in counts.iter_mut().zip([parties, networks, busiest, within]) {
                count.push(number as i64);
            }
            squares.push(gap_squares(&times[first..]));
        }
        let counts = counts.map(|count| Arc::new(Int64Array::from(count)) as ArrayRef);
        let columns = counts.into_iter().chain([Arc::new(Float64Array::from(squares)) as ArrayRef]).collect();
        Ok(Arc::new(StructArray::new(fields(), columns, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{Float64Type, Int64Type};

    #[test]
    fn what_came_before_counts_for_the_window_alone() {
        let second = 1_000_000;
        let group = [0, 7, 3, 5 * second, 8, 3, 6 * second, 9, 4, 17 * second, 8, 3];
        let folded = |since: i64| {
            let activity = Activity(Busiest { window: 10 * second, since: since * second });
            let folded = activity.fold_all([group.as_slice()].into_iter()).expect("folds");
            let columns = folded.as_struct().columns().to_vec();
            let count = |column: usize| columns[column].as_primitive::<Int64Type>().value(0);
            ([0, 1, 2, 3].map(count), columns[4].as_primitive::<Float64Type>().value(0))
        };
        assert_eq!(folded(0), ([3, 2, 3, 3], 147.0));
        assert_eq!(folded(6), ([2, 2, 3, 1], 121.0));
        assert_eq!(folded(7), ([1, 1, 1, 1], 0.0));
    }

    #[test]
    fn an_unknown_network_is_not_counted() {
        let folded = Activity(Busiest { window: 1, since: 0 })
            .fold_all([[1, 7, 0, 2, 8, 5].as_slice(), &[]].into_iter())
            .expect("folds");
        let networks = folded.as_struct().column(1).as_primitive::<Int64Type>().clone();
        assert_eq!(networks.values(), &[1, 0]);
    }
}
