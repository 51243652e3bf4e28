//! Values as text.

use anyhow::Result;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use queries::functions::ip_text;
use std::fmt::Write;
use std::sync::Arc;

/// The batch with its binary columns as text: 16 bytes as an address, all others in hexadecimal.
pub(super) fn readable(batch: &RecordBatch) -> Result<RecordBatch> {
    map_columns(batch, |column| match column.data_type() {
        DataType::FixedSizeBinary(16) => {
            let values = column.as_fixed_size_binary().iter();
            let texts = values.map(|bytes| bytes.and_then(|bytes| bytes.try_into().ok()).map(ip_text));
            Ok(Some(Arc::new(texts.collect::<StringArray>()) as ArrayRef))
        }
        DataType::FixedSizeBinary(_) => {
            let values = column.as_fixed_size_binary().iter();
            Ok(Some(Arc::new(values.map(|bytes| bytes.map(hex)).collect::<StringArray>()) as ArrayRef))
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>().iter();
            Ok(Some(Arc::new(values.map(|bytes| bytes.map(hex)).collect::<StringArray>()) as ArrayRef))
        }
        _ => Ok(None),
    })
}

/// The batch with its columns of lists as text, for formats that have no lists; for a `terminal`, all text as
/// [`cell`] shows it.
pub(super) fn flat(batch: &RecordBatch, terminal: bool) -> Result<RecordBatch> {
    map_columns(batch, |column| {
        let ty = column.data_type();
        if !matches!(ty, DataType::List(_)) && !(terminal && ty.is_string()) {
            return Ok(None);
        }
        let shown = |row| (!column.is_null(row)).then(|| cell(column, row)).transpose();
        let texts: Result<StringArray> = (0..column.len()).map(shown).collect();
        Ok(Some(Arc::new(texts?) as ArrayRef))
    })
}

fn map_columns(
    batch: &RecordBatch,
    map: impl Fn(&ArrayRef) -> Result<Option<ArrayRef>>,
) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = map(column)?.unwrap_or_else(|| Arc::clone(column));
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One value as people read it. What came off the wire may hold anything, so control characters
/// are shown as escapes: a terminal must not obey them.
pub(super) fn cell(column: &ArrayRef, row: usize) -> Result<String> {
    if column.is_null(row) {
        return Ok(String::new());
    }
    let text = match column.data_type() {
        DataType::Float64 => {
            short(column.as_primitive::<datafusion::arrow::datatypes::Float64Type>().value(row))
        }
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(row);
            (0..values.len()).map(|row| cell(&values, row)).collect::<Result<Vec<_>>>()?.join(", ")
        }
        _ => {
            let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S"));
            ArrayFormatter::try_new(column, &options)?.value(row).to_string()
        }
    };
    Ok(text.chars().flat_map(printable).collect())
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let escape = c.is_control().then(|| c.escape_default());
    escape.into_iter().flatten().chain((!c.is_control()).then_some(c))
}

/// Three decimals, without those that say nothing; a power of ten where they would say 0.
fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.0005 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_no_control_characters() {
        let column: ArrayRef = Arc::new(StringArray::from(vec!["get\u{1b}[31m_peers\n"]));
        assert_eq!(cell(&column, 0).expect("a cell"), "get\\u{1b}[31m_peers\\n");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([short(1.0), short(0.25), short(2.0 / 3.0), short(0.0)], ["1", "0.25", "0.667", "0"]);
        assert_eq!([short(1.4e-9), short(-0.0005), short(0.0004)], ["1e-9", "-0.001", "4e-4"]);
    }
}
