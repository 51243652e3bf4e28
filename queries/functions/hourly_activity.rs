//! `hourly_activity(ts, presence, querier, window, since) → STRUCT(presences, busiest, within, hours)`: how many presences
//! the events of a group reached, and how they lie in time, in one pass that holds every event once.
//!
//! `presences` is the number of different values at or after `since`, `busiest` and `within` are those of
//! [`activity`](super::activity), and `hours` is a list, in order of time, of every hour (UTC) with an event
//! at or after `since`: its start, `hour`, and how many different `presences` and `queriers` were in it. A presence
//! and a querier are BIGINT UNSIGNED, such as a `hash64`; a querier of 0 is an unknown one and not counted. `window`
//! and `since` are constants. Events with a null take no part.

use super::activity::different;
use super::busiest::Busiest;
use super::timestamps::{FoldAll, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, Int64Array, ListArray, StructArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use std::sync::Arc;

/// Microseconds.
const HOUR: i64 = 3_600_000_000;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), DataType::UInt64, DataType::UInt64];
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    over_rows("hourly_activity", row, constants, DataType::Struct(fields()), |args| {
        Ok(HourlyActivity(Busiest::new(args, 3)?))
    })
}

fn fields() -> Fields {
    let hours = Field::new("hours", DataType::List(hour()), false);
    let counts = ["presences", "busiest", "within"].map(|name| Field::new(name, DataType::Int64, false));
    counts.into_iter().chain([hours]).collect()
}

fn hour() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(hour_fields()), false))
}

fn hour_fields() -> Fields {
    let counts = ["presences", "queriers"].map(|name| Field::new(name, DataType::Int64, false));
    [Field::new("hour", timestamp_type(), false)].into_iter().chain(counts).collect()
}

#[derive(Debug)]
struct HourlyActivity(Busiest);

impl FoldAll for HourlyActivity {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        let (mut times, mut room) = (Vec::new(), Vec::new());
        let (mut reached, mut busiest, mut within) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lengths, mut hours, mut presences, mut queriers) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for numbers in groups {
            let rows: &[[i64; 3]] = numbers.as_chunks().0;
            times.clear();
            times.extend(rows.iter().map(|[ts, ..]| *ts));
            let (first, most, most_since) = self.0.since(&times);
            let since = &rows[first..];
            let presence = |row: &[i64; 3]| row[1];
            reached.push(different(since.iter().map(presence), &mut room) as i64);
            busiest.push(most as i64);
            within.push(most_since as i64);
            let before = hours.len();
            for rows in since.chunk_by(|one, next| one[0].div_euclid(HOUR) == next[0].div_euclid(HOUR)) {
                hours.push(rows[0][0].div_euclid(HOUR) * HOUR);
                presences.push(different(rows.iter().map(presence), &mut room) as i64);
                let known = rows.iter().map(|row| row[2]).filter(|querier| *querier != 0);
                queriers.push(different(known, &mut room) as i64);
            }
            lengths.push(hours.len() - before);
        }
        let column = |counts: Vec<i64>| Arc::new(Int64Array::from(counts)) as ArrayRef;
        let hours = Arc::new(TimestampMicrosecondArray::from(hours).with_timezone("UTC"));
        let hours = StructArray::new(hour_fields(), vec![hours, column(presences), column(queriers)], None);
        let hours = ListArray::new(hour(), OffsetBuffer::from_lengths(lengths), Arc::new(hours), None);
        let columns = vec![column(reached), column(busiest), column(within), Arc::new(hours)];
        Ok(Arc::new(StructArray::new(fields(), columns, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};

    #[test]
    fn hours_are_those_since_the_border_and_unknown_queriers_are_not_counted() {
        let minute = HOUR / 60;
        let rows =
            [[-minute, 9, 9], [1, 7, 5], [2, 8, 5], [2 * minute, 7, 6], [HOUR - 1, 7, 0], [3 * HOUR, 8, 0]];
        let folded = HourlyActivity(Busiest { window: 5 * minute, since: 0 })
            .fold_all([rows.as_flattened(), &[-minute, 9, 9]].into_iter())
            .expect("folds");
        let columns = folded.as_struct().columns();
        let counts = |column: &ArrayRef| column.as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(counts(&columns[0]), [2, 0]);
        assert_eq!(counts(&columns[1]), [4, 0]);
        assert_eq!(counts(&columns[2]), [3, 0]);
        let hours = columns[3].as_list::<i32>();
        assert_eq!(hours.value_offsets(), [0, 2, 2]);
        let hours = hours.values().as_struct().columns();
        assert_eq!(hours[0].as_primitive::<TimestampMicrosecondType>().values(), &[0, 3 * HOUR]);
        assert_eq!(counts(&hours[1]), [2, 1]);
        assert_eq!(counts(&hours[2]), [2, 0]);
    }
}
