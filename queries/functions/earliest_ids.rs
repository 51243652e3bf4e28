//! `earliest_ids(ts, id, limit) → LIST of VARCHAR`: the ids of a group in order of time, in hexadecimal, up to
//! `limit` of them; those of the same time in order of id. `id` has 20 bytes, `limit` is a constant.

use super::timestamps::{FoldAll, ID_WORDS, constant_count, id, over_words, timestamp_type};
use datafusion::arrow::array::{ArrayRef, ListArray, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use std::fmt::Write;
use std::sync::Arc;

/// A row: its time and its id.
const ROW: usize = 1 + ID_WORDS;

pub(super) fn function() -> AggregateUDF {
    let returns = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let row = vec![timestamp_type(), DataType::FixedSizeBinary(20)];
    over_words::<_, ROW>("earliest_ids", row, vec![DataType::Int64], returns, |args| {
        Ok(Earliest { limit: constant_count(args, 2)? })
    })
}

#[derive(Debug)]
struct Earliest {
    limit: usize,
}

impl Earliest {
    fn lists<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> ListArray {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for numbers in groups {
            for [_, words @ ..] in numbers.as_chunks::<ROW>().0.iter().take(self.limit) {
                let text = lists.values();
                for byte in id(words) {
                    // A builder takes whatever is written to it.
                    let _ = write!(text, "{byte:02x}");
                }
                text.append_value("");
            }
            lists.append(true);
        }
        lists.finish()
    }
}

impl FoldAll for Earliest {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(self.lists(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Array, AsArray};

    #[test]
    fn ids_come_by_time_then_by_their_bytes_and_end_at_the_limit() {
        // Times 7 and 7, then 9; the ids ff00…, 01… and 00…, as the rows of a group are ordered.
        let words = |first: u64| [(first ^ 1 << 63).cast_signed(), i64::MIN, i64::MIN];
        let row = |ts: i64, first: u64| std::iter::once(ts).chain(words(first)).collect::<Vec<_>>();
        let mut rows = [row(9, 0), row(7, 0xff << 56), row(7, 1 << 56)];
        rows.sort();
        let lists = Earliest { limit: 2 }.lists([rows.concat().as_slice(), &[]].into_iter());
        let ids: Vec<_> = lists.value(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        assert_eq!(ids, [format!("01{}", "00".repeat(19)), format!("ff{}", "00".repeat(19))]);
        assert_eq!((lists.len(), lists.value(1).len()), (2, 0));
    }
}
