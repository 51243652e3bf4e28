//! `crowded_stretches(ts, key, window, least) → LIST of STRUCT(first, last)`: the stretches of time in
//! which at least `least` different keys of a group fall into some `window`, in order of time.
//!
//! Every stretch is as long as it can be: a row belongs to it when it lies in any window, both ends
//! included, with that many keys, and windows that share a row make one stretch. `key` is a BIGINT
//! UNSIGNED, such as a `hash64`; `window` and `least` are constants.

use super::timestamps::{Fold, constant_count, constant_micros, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, ListArray, StructArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), DataType::UInt64];
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), DataType::Int64];
    let returns = DataType::List(Arc::new(item()));
    over_rows("crowded_stretches", row, constants, returns, Crowds::new)
}

fn fields() -> Fields {
    ["first", "last"].map(|name| Field::new(name, timestamp_type(), false)).into_iter().collect()
}

fn item() -> Field {
    Field::new_list_field(DataType::Struct(fields()), true)
}

/// Slides a window over the rows and counts the keys in it.
#[derive(Debug)]
struct Crowds {
    window: i64,
    least: usize,
}

impl Crowds {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        Ok(Self { window: constant_micros(args, 2)?, least: constant_count(args, 3)?.max(1) })
    }

    /// First and last row of every stretch in `rows` of time and key.
    fn stretches(&self, rows: &[[i64; 2]]) -> Vec<(usize, usize)> {
        let mut stretches = Vec::<(usize, usize)>::new();
        let mut held = HashMap::<i64, usize>::new();
        let mut first = 0;
        for (last, &[end, key]) in rows.iter().enumerate() {
            *held.entry(key).or_default() += 1;
            while end - rows[first][0] > self.window {
                if let Some(count) = held.get_mut(&rows[first][1]) {
                    *count -= 1;
                    if *count == 0 {
                        held.remove(&rows[first][1]);
                    }
                }
                first += 1;
            }
            if held.len() >= self.least {
                match stretches.last_mut() {
                    Some((_, until)) if *until >= first => *until = last,
                    _ => stretches.push((first, last)),
                }
            }
        }
        stretches
    }
}

impl Fold for Crowds {
    fn fold(&self, numbers: &[i64]) -> ScalarValue {
        let (rows, _) = numbers.as_chunks::<2>();
        let stretches = self.stretches(rows);
        let times = |row: fn(&(usize, usize)) -> usize| -> ArrayRef {
            let times = stretches.iter().map(|stretch| rows[row(stretch)][0]);
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
        };
        let columns = vec![times(|stretch| stretch.0), times(|stretch| stretch.1)];
        let structs = StructArray::new(fields(), columns, None);
        let offsets = OffsetBuffer::from_lengths([stretches.len()]);
        ScalarValue::List(Arc::new(ListArray::new(Arc::new(item()), offsets, Arc::new(structs), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stretches of three keys within ten, as times of their first and last rows.
    fn stretches(rows: &[[i64; 2]]) -> Vec<(i64, i64)> {
        let found = Crowds { window: 10, least: 3 }.stretches(rows);
        found.into_iter().map(|(first, last)| (rows[first][0], rows[last][0])).collect()
    }

    #[test]
    fn both_ends_of_the_window_count_and_a_moment_more_does_not() {
        assert_eq!(stretches(&[[0, 1], [5, 2], [10, 3]]), [(0, 10)]);
        assert_eq!(stretches(&[[0, 1], [5, 2], [11, 3]]), []);
    }

    #[test]
    fn a_key_counts_once_in_a_window() {
        assert_eq!(stretches(&[[0, 1], [1, 1], [2, 2], [3, 2]]), []);
        assert_eq!(stretches(&[[0, 1], [1, 1], [2, 2], [11, 3]]), [(1, 11)]);
    }

    #[test]
    fn windows_that_share_a_row_make_one_stretch() {
        assert_eq!(stretches(&[[0, 1], [1, 2], [10, 3], [18, 4], [19, 5]]), [(0, 19)]);
        assert_eq!(stretches(&[[0, 1], [1, 2], [2, 3], [40, 1], [41, 2], [42, 3]]), [(0, 2), (40, 42)]);
    }

    #[test]
    fn a_group_without_stretches_gives_an_empty_list() {
        let empty = Crowds { window: 10, least: 3 }.fold(&[]);
        assert_eq!(empty.data_type(), DataType::List(Arc::new(item())));
        assert!(!empty.is_null());
    }
}
