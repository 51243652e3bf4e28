//! Files that another version wrote: those of an older one are read, those of a newer one are refused.

use crate::cli::{answer, captured_files, run, sample};
use datafusion::arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use schema::version;
use std::fs::File;
use std::path::Path;

/// Writes the file at `path` again as dataset version `dataset`, without the column `less`.
fn write_again(path: &Path, dataset: u32, less: Option<&str>) {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
    let fields = reader.schema().fields().clone();
    let kept: Vec<usize> =
        (0..fields.len()).filter(|&index| Some(fields[index].name().as_str()) != less).collect();
    assert_eq!(kept.len(), fields.len() - usize::from(less.is_some()), "there is no column {less:?}");
    let rows: Vec<RecordBatch> = reader
        .build()
        .expect("a reader")
        .map(|rows| rows.and_then(|rows| rows.project(&kept)))
        .collect::<Result<_, _>>()
        .expect("batches");
    let says = KeyValue::new(version::DATASET_VERSION.to_owned(), dataset.to_string());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![says])).build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows[0].schema(), Some(properties)).expect("a writer");
    rows.iter().for_each(|rows| writer.write(rows).expect("rows written"));
    writer.close().expect("a whole file");
}

#[test]
fn a_file_of_a_newer_version_is_refused_by_name() {
    let data = sample();
    let newer = captured_files(data.path(), "events").swap_remove(20);
    write_again(&newer, version::DATASET + 1, None);
    let path = data.path().to_str().expect("UTF-8");
    for command in ["report", "compute", "prune"] {
        let output = run("analyze", &[command, "--data", path]);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{command}: {said}");
        assert!(said.contains(newer.to_str().expect("UTF-8")), "{command}: {said}");
        let (has, knows) = (version::DATASET + 1, version::DATASET);
        assert!(
            said.contains(&format!("dataset version {has}, this program knows {knows}")),
            "{command}: {said}"
        );
    }
    assert!(newer.exists() && !data.path().join("derived").exists(), "something was done all the same");
}

#[test]
fn a_column_that_an_older_file_lacks_is_null() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    let counts = || -> Vec<u64> {
        // Columns before and behind the one that goes, and that one.
        let query = "SELECT count(*), count(asn), count(country), sum(length), count(as_organization) \
                     FROM captured.events";
        let answer = answer("analyze", &["sql", query, "--data", path, "--format", "csv"]);
        let row = answer.lines().nth(1).expect("a row");
        row.split(',').map(|count| count.parse().expect("a number")).collect()
    };
    let whole = counts();
    assert_eq!(whole[0], whole[4], "every row has what some will lack");

    let older = captured_files(data.path(), "events").swap_remove(20);
    let file = File::open(&older).expect("a file");
    let rows = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("Parquet")
        .metadata()
        .file_metadata()
        .num_rows();
    write_again(&older, version::DATASET, Some("as_organization"));
    let less = counts();
    assert_eq!(less[..4], whole[..4]);
    assert_eq!(less[4], whole[4] - u64::try_from(rows).expect("a count"));
    answer("analyze", &["report", "--data", path]);
}
