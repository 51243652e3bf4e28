//! What the worst queries cost: the month in which half of all queries are for one infohash, or come from one
//! address, or all are for different infohashes. Beside the month as it is.

use crate::child::analyze;
use crate::median;
use crate::month::{self, Size};
use anyhow::{Context, Result, anyhow};
use capture::partition::writer_properties;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schema::events::TABLE as EVENTS;
use sha1::{Digest, Sha1};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// The column that is changed, and what becomes of its value in a row with that number.
type Change = (&'static str, fn(u64) -> Option<Vec<u8>>);

const CASES: [(&str, Option<Change>); 4] = [
    ("as_it_is", None),
    ("one_hash", Some(("infohash", |row| row.is_multiple_of(2).then(|| vec![0xa5; 20])))),
    ("one_address", Some(("peer_ip", |row| row.is_multiple_of(2).then(|| ADDRESS.to_vec())))),
    ("different_hashes", Some(("infohash", |row| Some(Sha1::digest(row.to_le_bytes()).to_vec())))),
];

/// 198.51.100.1, as captured.
const ADDRESS: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 1];

/// Prints the figures of a month, each of which is computed so many times.
pub fn measure(size: Size, runs: usize) -> Result<()> {
    let mut plain = None;
    for (name, change) in CASES {
        let data = month::copy(size)?;
        if let Some(change) = change {
            let mut row = 0;
            rewrite(&data.path().join("captured/events"), change, &mut row)?;
        }
        let root = data.path().to_str().context("a path in UTF-8")?;
        let computed = (0..runs).map(|_| {
            let _ = fs::remove_dir_all(data.path().join("derived"));
            analyze(&["compute", "--data", root])
        });
        let run = median(computed.collect::<Result<_>>()?);
        let plain = plain.get_or_insert_with(|| run.clone());
        let (time, memory) = (run.seconds / plain.seconds, run.resident / plain.resident);
        let Size { name: size, .. } = size;
        println!("bench {size}_worst_{name} {:.2} s ratio {time:.2} vs as_it_is", run.seconds);
        println!("bench {size}_worst_{name}_memory {:.0} MiB ratio {memory:.2} vs as_it_is", run.resident);
    }
    Ok(())
}

/// Writes every file below `folder` anew, with one column changed.
fn rewrite(folder: &Path, (column, change): Change, row: &mut u64) -> Result<()> {
    let mut paths = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rewrite(&path, (column, change), row)?;
            continue;
        }
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?;
        let metadata = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
        let metadata = metadata.into_iter().filter_map(|pair| Some((pair.key, pair.value?)));
        let metadata: Vec<_> = metadata.filter(|(key, _)| key != "ARROW:schema").collect();
        let properties = writer_properties(EVENTS.columns, metadata);
        // Beside the file, which is a link to the one that is kept.
        let temporary = path.with_extension("tmp");
        let mut writer = ArrowWriter::try_new(File::create(&temporary)?, EVENTS.arrow(), Some(properties))?;
        for rows in reader.build()? {
            writer.write(&changed(&rows?, column, change, row)?)?;
        }
        writer.close()?;
        fs::rename(temporary, path)?;
    }
    Ok(())
}

fn changed(
    rows: &RecordBatch,
    name: &str,
    change: fn(u64) -> Option<Vec<u8>>,
    row: &mut u64,
) -> Result<RecordBatch> {
    let place = rows.schema().index_of(name)?;
    let column = rows.column(place);
    let before = column.as_fixed_size_binary_opt().ok_or_else(|| anyhow!("{name} has no fixed width"))?;
    let values = (0..rows.num_rows()).map(|place| {
        *row += 1;
        change(*row).or_else(|| before.is_valid(place).then(|| before.value(place).to_vec()))
    });
    let after = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, before.value_length())?;
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[place] = Arc::new(after);
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}
