//! Rows of several batches in the order of their time.
//!
//! Rows are copied in runs that stay together, so batches that hardly overlap cost little more than
//! a copy. Of the Arrow kernels only the one for copying is needed, which keeps the others out of
//! the binary.

use crate::clock::Micros;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::ArrowError;
use schema::Table;

/// The values of a column of timestamps; none if there is no such column.
#[must_use]
pub fn timestamps<'a>(batch: &'a RecordBatch, column: &str) -> &'a [Micros] {
    batch
        .column_by_name(column)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .map_or(&[], |column| column.values())
}

/// The times by which the rows of a table are ordered.
#[must_use]
pub fn times<'a>(table: &Table, batch: &'a RecordBatch) -> &'a [Micros] {
    timestamps(batch, table.time)
}

/// All rows of `batches`, which have the columns of `table`, in order of time. Rows of the same
/// time keep their order.
///
/// # Errors
/// When a batch has other columns.
pub fn merge(table: &Table, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    let schema = table.arrow();
    if let Some(batch) = batches.iter().find(|batch| batch.schema_ref() != &schema) {
        return Err(ArrowError::SchemaError(format!("columns are {}", batch.schema_ref())));
    }
    if let [batch] = batches
        && times(table, batch).is_sorted()
    {
        return Ok(batch.clone());
    }
    let mut rows: Vec<(Micros, usize, usize)> = batches
        .iter()
        .enumerate()
        .flat_map(|(i, batch)| times(table, batch).iter().enumerate().map(move |(row, &ts)| (ts, i, row)))
        .collect();
    rows.sort_unstable();
    // Runs of neighbouring rows: which batch, first row, row after the last.
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for &(_, batch, row) in &rows {
        match runs.last_mut() {
            Some(run) if run.0 == batch && run.2 == row => run.2 += 1,
            _ => runs.push((batch, row, row + 1)),
        }
    }
    let columns = (0..schema.fields().len())
        .map(|column| {
            let parts: Vec<_> = batches.iter().map(|batch| batch.column(column).to_data()).collect();
            let mut merged = MutableArrayData::new(parts.iter().collect(), false, rows.len());
            for &(batch, start, end) in &runs {
                merged.try_extend(batch, start, end)?;
            }
            Ok(make_array(merged.freeze()))
        })
        .collect::<Result<_, ArrowError>>()?;
    RecordBatch::try_new(schema, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Gap, Reason, gaps};
    use schema::gaps::TABLE;

    #[test]
    fn rows_interleave_and_keep_their_values() {
        let row =
            |start| gaps("here", &[Gap { start, end: start + 7, reason: Reason::Killed }]).expect("a row");
        let merged = merge(&TABLE, &[row(5), row(1), row(3), row(1)]).expect("merged");
        assert_eq!(times(&TABLE, &merged), [1, 1, 3, 5]);
        assert_eq!(timestamps(&merged, "gap_end"), [8, 8, 10, 12]);
        assert_eq!(merged["reason"].as_string::<i32>().value(3), "killed");
    }

    #[test]
    fn other_columns_are_refused() {
        let none = gaps("here", &[]).expect("no rows");
        assert_eq!(merge(&TABLE, std::slice::from_ref(&none)).expect("merged").num_rows(), 0);
        assert!(merge(&schema::presences::TABLE, &[none]).is_err());
    }
}
