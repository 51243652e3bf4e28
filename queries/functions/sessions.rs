//! The part that functions over sessions share: cut the rows of every group where it was silent for
//! longer than `gap`, and say of each session what it consists of.
//!
//! Such a function takes columns of 64 bits, of which the first is the start of a row, and then the
//! constants `gap` and `since`. A session without a start at or after `since` is left out: it belongs
//! to the time before, which is read to tell what goes on from what begins.

use super::timestamps::{FoldAll, constant_micros, over_rows, timestamp_type};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::AggregateUDF;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

/// A kind of session over rows of `N` numbers, described by `M` numbers of 64 bits.
pub(super) trait Session<const N: usize, const M: usize>: Debug + Send + Sync + 'static {
    /// Types of the columns.
    fn row() -> [DataType; N];
    /// Names and types of what describes a session.
    fn fields() -> [(&'static str, DataType); M];
    /// When a row ends.
    fn end(row: &[i64; N]) -> i64;
    /// What the rows of one session (at least one, ascending) come to; none when all of them start
    /// before `since`.
    fn describe(rows: &[[i64; N]], since: i64) -> Option<[i64; M]>;
}

/// The aggregate function `name(column, …, gap, since) → LIST of STRUCT`.
pub(super) fn over_sessions<S: Session<N, M>, const N: usize, const M: usize>(
    name: &'static str,
) -> AggregateUDF {
    let constants = vec![DataType::Duration(TimeUnit::Microsecond), timestamp_type()];
    let returns = DataType::List(Arc::new(item::<S, N, M>()));
    over_rows(name, S::row(), constants, returns, |args| {
        let (gap, since) = (constant_micros(args, N)?, constant_micros(args, N + 1)?);
        Ok(Cut::<S, N, M> { gap, since, session: PhantomData })
    })
}

fn fields<S: Session<N, M>, const N: usize, const M: usize>() -> Fields {
    S::fields().into_iter().map(|(name, ty)| Field::new(name, ty, false)).collect()
}

fn item<S: Session<N, M>, const N: usize, const M: usize>() -> Field {
    Field::new_list_field(DataType::Struct(fields::<S, N, M>()), true)
}

/// Cuts rows into sessions.
#[derive(Debug)]
pub(super) struct Cut<S, const N: usize, const M: usize> {
    gap: i64,
    since: i64,
    session: PhantomData<S>,
}

impl<S: Session<N, M>, const N: usize, const M: usize> Cut<S, N, M> {
    /// The sessions in `rows`, in ascending order.
    fn sessions(&self, rows: &[[i64; N]], mut found: impl FnMut([i64; M])) {
        let mut first = 0;
        while let Some(row) = rows.get(first) {
            let mut end = S::end(row);
            let mut next = first + 1;
            while let Some(row) = rows.get(next).filter(|row| row[0] - end <= self.gap) {
                end = end.max(S::end(row));
                next += 1;
            }
            if let Some(session) = S::describe(&rows[first..next], self.since) {
                found(session);
            }
            first = next;
        }
    }

    fn lists<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> ListArray {
        let mut columns: [Vec<i64>; M] = std::array::from_fn(|_| Vec::new());
        let mut ends = vec![0];
        for numbers in groups {
            self.sessions(numbers.as_chunks().0, |session| {
                columns.iter_mut().zip(session).for_each(|(column, number)| column.push(number));
            });
            ends.push(columns[0].len());
        }
        let columns = S::fields().into_iter().zip(columns).map(|((_, ty), numbers)| column(&ty, numbers));
        let sessions = StructArray::new(fields::<S, N, M>(), columns.collect(), None);
        let offsets = OffsetBuffer::from_lengths(ends.windows(2).map(|ends| ends[1] - ends[0]));
        ListArray::new(Arc::new(item::<S, N, M>()), offsets, Arc::new(sessions), None)
    }
}

/// `numbers` as a column of type `ty`; what is not 0 is true.
fn column(ty: &DataType, numbers: Vec<i64>) -> ArrayRef {
    match ty {
        DataType::Timestamp(..) => Arc::new(TimestampMicrosecondArray::from(numbers).with_timezone("UTC")),
        DataType::Boolean => {
            Arc::new(numbers.into_iter().map(|number| Some(number != 0)).collect::<BooleanArray>())
        }
        _ => Arc::new(Int64Array::from(numbers)),
    }
}

impl<S: Session<N, M>, const N: usize, const M: usize> FoldAll for Cut<S, N, M> {
    fn fold_all<'a>(&self, groups: impl Iterator<Item = &'a [i64]>) -> Result<ArrayRef> {
        Ok(Arc::new(self.lists(groups)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts and ends; a session is its first start, its last end and its rows.
    #[derive(Debug)]
    struct Spans;

    impl Session<2, 3> for Spans {
        fn row() -> [DataType; 2] {
            [timestamp_type(), timestamp_type()]
        }

        fn fields() -> [(&'static str, DataType); 3] {
            [("start", timestamp_type()), ("end", timestamp_type()), ("rows", DataType::Int64)]
        }

        fn end(row: &[i64; 2]) -> i64 {
            row[1]
        }

        fn describe(rows: &[[i64; 2]], since: i64) -> Option<[i64; 3]> {
            let end = rows.iter().map(|row| row[1]).max()?;
            (end >= since).then_some([rows[0][0], end, rows.len() as i64])
        }
    }

    fn sessions(rows: &[[i64; 2]]) -> Vec<[i64; 3]> {
        let mut found = Vec::new();
        Cut::<Spans, 2, 3> { gap: 10, since: 0, session: PhantomData }
            .sessions(rows, |session| found.push(session));
        found
    }

    #[test]
    fn a_silence_longer_than_the_gap_parts_sessions() {
        assert_eq!(sessions(&[[0, 0], [10, 10], [21, 21]]), [[0, 10, 2], [21, 21, 1]]);
        assert_eq!(sessions(&[]), [] as [[i64; 3]; 0]);
    }

    #[test]
    fn silence_is_counted_from_the_latest_end() {
        assert_eq!(sessions(&[[0, 50], [1, 2], [60, 60], [71, 71]]), [[0, 60, 3], [71, 71, 1]]);
    }

    #[test]
    fn what_the_kind_leaves_out_is_no_session() {
        assert_eq!(sessions(&[[-50, -40], [0, 3]]), [[0, 3, 1]]);
    }
}
