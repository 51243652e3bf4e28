//! The least that a column can cost: its entropy, under two stated models.
//!
//! *Alone*: rows are independent draws. A value that comes once costs its own bits, one that comes again
//! is written once and referred to by the entropy of that reference. Times are the entropy of the
//! magnitude of each difference, and the bits below its leading one.
//!
//! *Given others*: the same, but a column that another one determines costs only what it adds: the
//! first value for each value of the other column, and after that the conditional entropy.

use arrow_array::{Array, RecordBatch};
use arrow_buffer::ArrowNativeType;
use arrow_data::ArrayData;
use arrow_schema::DataType;
use capture::merge::times;
use schema::events::TABLE;
use std::collections::HashMap;
use std::hash::Hash;

/// The columns that say most about each column, where others do.
const GIVEN: [(&str, &[&str]); 17] = [
    ("peer_port", &["peer_ip"]),
    ("local_port", &["source_node"]),
    ("querier_id", &["peer_ip", "peer_port"]),
    ("client_version", &["querier_id"]),
    ("read_only", &["client_version"]),
    ("implied_port", &["method", "client_version"]),
    ("announced_port", &["method", "peer_port"]),
    ("seed", &["method"]),
    ("no_seed", &["method"]),
    ("scrape", &["method"]),
    ("want", &["client_version"]),
    ("token_valid", &["method"]),
    ("ttl", &["peer_ip"]),
    ("length", &["method", "client_version"]),
    ("asn", &["peer_ip"]),
    ("as_organization", &["asn"]),
    ("country", &["asn"]),
];

/// Bytes that a column costs, at least one.
pub struct Floor {
    /// By itself.
    pub alone: f64,
    /// When other columns are known.
    pub given_others: f64,
}

/// What `column` of `batch` costs.
#[must_use]
pub fn bytes(batch: &RecordBatch, column: &str) -> Floor {
    if column == TABLE.time {
        let bits = differences(times(&TABLE, batch));
        return Floor { alone: bits / 8.0, given_others: bits / 8.0 };
    }
    let values = column_values(batch, column);
    let alone = indexed(&values);
    let given = GIVEN.iter().find(|(name, _)| *name == column);
    let given = given.map_or(alone, |(_, others)| conditional(&values, &keys(batch, others)).min(alone));
    Floor { alone: (alone / 8.0).max(1.0), given_others: (given / 8.0).max(1.0) }
}

/// Values as bytes; null is a value without any.
fn column_values(batch: &RecordBatch, column: &str) -> Vec<Option<Vec<u8>>> {
    let data = batch.column_by_name(column).map(Array::to_data);
    let data = data.unwrap_or_else(|| ArrayData::new_null(&DataType::Null, batch.num_rows()));
    (0..data.len()).map(|row| (!data.is_null(row)).then(|| value(&data, row))).collect()
}

fn value(data: &ArrayData, row: usize) -> Vec<u8> {
    let slice =
        |width: usize| data.buffers()[0].as_slice()[(data.offset() + row) * width..][..width].to_vec();
    match data.data_type() {
        DataType::Utf8 | DataType::Binary => {
            let offsets: &[i32] = data.buffer(0);
            let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
            data.buffers()[1].as_slice()[start..end].to_vec()
        }
        DataType::Boolean => {
            let bit = data.offset() + row;
            vec![data.buffers()[0].as_slice()[bit / 8] >> (bit % 8) & 1]
        }
        DataType::FixedSizeBinary(width) => shortened(slice(width.as_usize())),
        other => slice(other.primitive_width().unwrap_or_default()),
    }
}

/// An IPv4 address without the twelve bytes that map it, which cost nothing.
fn shortened(value: Vec<u8>) -> Vec<u8> {
    match value.strip_prefix(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
        Some(address) if value.len() == 16 => address.to_vec(),
        _ => value,
    }
}

/// The values of several columns, row by row.
fn keys(batch: &RecordBatch, columns: &[&str]) -> Vec<Vec<Option<Vec<u8>>>> {
    let columns: Vec<_> = columns.iter().map(|column| column_values(batch, column)).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

/// Bits of values that are written once and then referred to.
fn indexed(values: &[Option<Vec<u8>>]) -> f64 {
    let counts = count(values);
    let n = values.len() as f64;
    let own_bits: f64 =
        counts.keys().flat_map(|value| value.iter()).map(|value| 8.0 * value.len() as f64).sum();
    // "The next new value" is one symbol for all that come once.
    let once = counts.values().filter(|&&count| count == 1).count() as f64;
    let repeated = counts.values().filter(|&&count| count > 1).map(|&count| count as f64);
    own_bits
        + repeated.chain((once > 0.0).then_some(once)).map(|count| count * (n / count).log2()).sum::<f64>()
}

/// Bits of values whose keys are known.
fn conditional<K: Eq + Hash>(values: &[Option<Vec<u8>>], keys: &[K]) -> f64 {
    let mut seen = HashMap::new();
    let mut firsts = Vec::new();
    for (key, value) in keys.iter().zip(values) {
        let count: &mut usize = seen.entry(key).or_insert_with(|| {
            firsts.push(value.clone());
            0
        });
        *count += 1;
    }
    let pairs = count(keys.iter().zip(values));
    let entropy: f64 =
        pairs.iter().map(|((key, _), &count)| count as f64 * (seen[key] as f64 / count as f64).log2()).sum();
    indexed(&firsts) + entropy
}

/// Bits of the differences between neighbouring times.
fn differences(times: &[i64]) -> f64 {
    let magnitudes: Vec<u32> = times.windows(2).map(|pair| (pair[1] - pair[0] + 1).ilog2()).collect();
    let n = magnitudes.len() as f64;
    let entropy: f64 =
        count(&magnitudes).values().map(|&count| count as f64 * (n / count as f64).log2()).sum();
    entropy + magnitudes.iter().map(|&bits| f64::from(bits)).sum::<f64>()
}

fn count<T: Eq + Hash>(values: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}
