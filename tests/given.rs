//! Tables written down by hand: only the columns that matter to a case, everything else filled in.
//!
//! Values are as people write them: timestamps as `08:30:00` on [`DAY`] or `2026-01-02 08:30:00`,
//! ids and infohashes as hexadecimal digits that are repeated to full length, addresses as text.
//! `repeat = N` and `every = SECONDS` make N rows of one, each later than the one before.

use anyhow::{Context, Result, bail, ensure};
use chrono::{NaiveDateTime, NaiveTime};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::ScalarValue;
use schema::{Column, Type};
use std::net::IpAddr;
use toml::{Table, Value};

/// The day of a case, unless it says otherwise: 2026-01-01, in days since 1970-01-01.
pub const DAY: i32 = 20_454;

/// The rows as a batch with every column in `columns`.
///
/// # Errors
/// When a row names an unknown column or a value does not fit its column.
pub fn batch(columns: &[Column], rows: &[Table]) -> Result<RecordBatch> {
    let rows = repeated(columns, rows)?;
    let schema = schema::table::arrow(columns);
    let arrays: Result<Vec<ArrayRef>> = columns
        .iter()
        .map(|column| {
            let values: Vec<ScalarValue> =
                rows.iter().map(|row| value_or_default(column, row)).collect::<Result<_>>()?;
            match values.is_empty() {
                true => Ok(datafusion::arrow::array::new_empty_array(&column.ty.arrow())),
                false => Ok(ScalarValue::iter_to_array(values)?),
            }
        })
        .collect();
    Ok(RecordBatch::try_new(schema, arrays?)?)
}

/// The value of `text` in `column`.
///
/// # Errors
/// When it does not fit.
pub fn value(column: &Column, value: &Value) -> Result<ScalarValue> {
    parse(column.ty, value).with_context(|| format!("column {}: {value}", column.name))
}

fn repeated(columns: &[Column], rows: &[Table]) -> Result<Vec<Table>> {
    let mut all = Vec::new();
    for row in rows {
        let mut row = row.clone();
        let repeat =
            row.remove("repeat").map_or(Some(1), |n| n.as_integer()).context("repeat takes a number")?;
        let every = row.remove("every").map_or(Some(0.0), seconds).context("every takes seconds")?;
        for key in row.keys() {
            ensure!(columns.iter().any(|column| column.name == key), "there is no column `{key}`");
        }
        for n in 0..repeat {
            let mut copy = row.clone();
            for column in columns.iter().filter(|column| column.ty == Type::Timestamp) {
                if let Some(text) = row.get(column.name) {
                    let micros = micros(text)? + (n as f64 * every * 1e6) as i64;
                    copy.insert(column.name.into(), Value::Integer(micros));
                }
            }
            all.push(copy);
        }
    }
    Ok(all)
}

fn seconds(value: Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

fn value_or_default(column: &Column, row: &Table) -> Result<ScalarValue> {
    match row.get(column.name) {
        Some(given) => value(column, given),
        None if column.nullable => Ok(ScalarValue::try_from(&column.ty.arrow())?),
        None => default(column.ty),
    }
}

fn default(ty: Type) -> Result<ScalarValue> {
    let text = |text: &str| parse(ty, &Value::String(text.into()));
    match ty {
        Type::Timestamp => text("00:00:00"),
        Type::Address => text("192.0.2.1"),
        Type::Id => text("00"),
        Type::Text => text("x"),
        Type::Bool => parse(ty, &Value::Boolean(false)),
        Type::F64 => parse(ty, &Value::Float(0.0)),
        Type::Port | Type::U8 | Type::U16 | Type::U32 | Type::I64 => parse(ty, &Value::Integer(1)),
        Type::Date | Type::Texts | Type::Bytes | Type::Nonce => bail!("a case must give this column"),
    }
}

fn parse(ty: Type, value: &Value) -> Result<ScalarValue> {
    let text = || value.as_str().context("expected text");
    let whole = || value.as_integer().context("expected a whole number");
    Ok(match ty {
        Type::Timestamp => ScalarValue::TimestampMicrosecond(Some(micros(value)?), Some("UTC".into())),
        Type::Date => ScalarValue::Date32(schema::partition::parse_date(text()?)),
        Type::Text => ScalarValue::Utf8(Some(text()?.into())),
        Type::Texts => {
            let texts = value.as_array().context("expected a list")?;
            let texts: Vec<_> = texts.iter().map(|text| ScalarValue::from(text.as_str())).collect();
            let list = ScalarValue::new_list_nullable(&texts, &datafusion::arrow::datatypes::DataType::Utf8);
            ScalarValue::List(list)
        }
        Type::Bytes | Type::Nonce => ScalarValue::Binary(Some(hex(text()?)?)),
        Type::Id => {
            let digits = text()?;
            let repeated = hex(&digits.chars().cycle().take(40).collect::<String>())?;
            ScalarValue::FixedSizeBinary(20, Some(repeated))
        }
        Type::Address => {
            let address = match text()?.parse::<IpAddr>()? {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            ScalarValue::FixedSizeBinary(16, Some(address.octets().to_vec()))
        }
        Type::Bool => ScalarValue::Boolean(Some(value.as_bool().context("expected true or false")?)),
        Type::U8 => ScalarValue::UInt8(Some(whole()?.try_into()?)),
        Type::Port | Type::U16 => ScalarValue::UInt16(Some(whole()?.try_into()?)),
        Type::U32 => ScalarValue::UInt32(Some(whole()?.try_into()?)),
        Type::I64 => ScalarValue::Int64(Some(whole()?)),
        Type::F64 => ScalarValue::Float64(Some(seconds(value.clone()).context("expected a number")?)),
    })
}

fn hex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.is_ascii() && text.len() % 2 == 0, "`{text}` is not hexadecimal");
    (0..text.len()).step_by(2).map(|i| Ok(u8::from_str_radix(&text[i..i + 2], 16)?)).collect()
}

/// Microseconds since 1970-01-01 UTC.
fn micros(value: &Value) -> Result<i64> {
    if let Some(micros) = value.as_integer() {
        return Ok(micros);
    }
    let text = value.as_str().context("expected a time")?;
    if let Ok(time) = text.parse::<NaiveTime>() {
        let since_midnight = time.signed_duration_since(NaiveTime::MIN);
        let micros = since_midnight.num_microseconds().context("a time of day")?;
        return Ok(i64::from(DAY) * schema::partition::DAY + micros);
    }
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")?;
    Ok(time.and_utc().timestamp_micros())
}
