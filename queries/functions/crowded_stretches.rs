//! `crowded_stretches(ts, key, window, least, since) → LIST of STRUCT(first, last, continues)`: the stretches of
//! time in which at least `least` different keys of a group fall into some `window`, in order of time.
//!
//! Every stretch is as long as it can be: a row belongs to it when it lies in any window, both ends
//! included, with that many keys, and windows that share a row make one stretch. Only windows that end at or
//! after `since` count. Rows that were in an earlier one are left out, and a stretch that would have gone on from
//! them `continues`: so days that are computed apart, each with two windows before it, add up. `key` is a
//! BIGINT UNSIGNED, such as a `hash64`; `window`, `least` and `since` are constants.

use super::timestamps::{FoldAll, constant_count, constant_micros, over_rows, timestamp_type};
use datafusion::arrow::array::{ArrayRef, BooleanArray, ListArray, StructArray, TimestampMicrosecondArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::function::AccumulatorArgs;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn function() -> AggregateUDF {
    let row = [timestamp_type(), DataType::UInt64];
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), DataType::Int64, timestamp_type()];
    let returns = DataType::List(Arc::new(item()));
    over_rows("crowded_stretches", row, constants, returns, Crowds::new)
}

fn fields() -> Fields {
    let field = |name, ty| Field::new(name, ty, false);
    let times = ["first", "last"].map(|name| field(name, timestamp_type()));
    times.into_iter().chain([field("continues", DataType::Boolean)]).collect()
}

fn item() -> Field {
    Field::new_list_field(DataType::Struct(fields()), true)
}

/// Slides a window over the rows and counts the keys in it.
#[derive(Debug)]
struct Crowds {
    window: i64,
    least: usize,
    since: i64,
}

/// First and last row of a stretch, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: usize,
    last: usize,
    continues: bool,
}

impl Crowds {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        let least = constant_count(args, 3)?.max(1);
        Ok(Self { window: constant_micros(args, 2)?, least, since: constant_micros(args, 4)? })
    }

    /// The stretches in `rows` of time and key.
    fn stretches(&self, rows: &[[i64; 2]]) -> Vec<Stretch> {
        let mut stretches = Vec::<Stretch>::new();
        if rows.len() < self.least {
            return stretches;
        }
        let mut held = HashMap::<i64, usize>::new();
        // The first row of the window, and the first that was in none before `since`.
        let (mut first, mut untold) = (0, 0);
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
            if held.len() < self.least {
                continue;
            }
            if end < self.since {
                untold = last + 1;
                continue;
            }
            match stretches.last_mut() {
                Some(stretch) if stretch.last >= first => stretch.last = last,
                _ => stretches.push(Stretch { first: first.max(untold), last, continues: first < untold }),
            }
        }
        stretches
    }

    fn lists<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> ListArray {
        let (mut firsts, mut lasts, mut continues, mut lengths) = (vec![], vec![], vec![], vec![]);
        for numbers in groups {
            let (rows, _) = numbers.as_chunks::<2>();
            let stretches = self.stretches(rows);
            firsts.extend(stretches.iter().map(|stretch| rows[stretch.first][0]));
            lasts.extend(stretches.iter().map(|stretch| rows[stretch.last][0]));
            continues.extend(stretches.iter().map(|stretch| stretch.continues));
            lengths.push(stretches.len());
        }
        let times = |times: Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        };
        let columns = vec![times(firsts), times(lasts), Arc::new(BooleanArray::from(continues)) as ArrayRef];
        let structs = StructArray::new(fields(), columns, None);
        ListArray::new(Arc::new(item()), OffsetBuffer::from_lengths(lengths), Arc::new(structs), None)
    }
}

impl FoldAll for Crowds {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(self.lists(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Array;

    /// Stretches of three keys within ten, as times of their first and last rows, and whether they go on from
    /// before `since`.
    fn since(since: i64, rows: &[[i64; 2]]) -> Vec<(i64, i64, bool)> {
        let found = Crowds { window: 10, least: 3, since }.stretches(rows);
        found.into_iter().map(|it| (rows[it.first][0], rows[it.last][0], it.continues)).collect()
    }

    fn stretches(rows: &[[i64; 2]]) -> Vec<(i64, i64)> {
        since(i64::MIN, rows).into_iter().map(|(first, last, _)| (first, last)).collect()
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
        let empty = Crowds { window: 10, least: 3, since: 0 }.lists([&[][..]].into_iter());
        assert_eq!(empty.data_type(), &DataType::List(Arc::new(item())));
        assert_eq!((empty.len(), empty.is_null(0)), (1, false));
    }

    #[test]
    fn days_that_are_computed_apart_add_up() {
        let rows =
            [[80, 1], [85, 2], [90, 3], [95, 1], [98, 4], [104, 5], [108, 6], [125, 1], [126, 2], [127, 3]];
        assert_eq!(stretches(&rows), [(80, 108), (125, 127)]);
        assert_eq!(since(100, &rows), [(104, 108, true), (125, 127, false)]);
        assert_eq!(since(97, &rows), [(98, 108, true), (125, 127, false)]);
        assert_eq!(since(120, &rows), [(125, 127, false)]);
        let fresh = [[80, 1], [96, 2], [97, 3], [101, 4]];
        assert_eq!(since(100, &fresh), [(96, 101, false)]);
    }
}
