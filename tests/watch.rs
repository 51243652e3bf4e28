//! What is found while it happens is what the tables say afterwards.

use crate::cli::{answer, captured_files, sample};
use crate::live::program;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::writer::StreamWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use queries::Parameter;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the detectors that take part say, by table, with their thresholds filled in.
fn live() -> impl Iterator<Item = (&'static str, String)> {
    queries::TABLES.iter().filter_map(|table| {
        let bind = |sql: String, parameter: &Parameter| {
            sql.replace(&format!("${}", parameter.name), &parameter.default.to_string())
        };
        Some((table.name, table.parameters.iter().fold(table.live?.sql.to_owned(), bind)))
    })
}

/// The rows of `captured.events` in order of time, one batch an hour.
fn events(data: &Path) -> Vec<RecordBatch> {
    let mut files = captured_files(data, "events");
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let file = File::open(path).expect("a file");
            ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader")
        })
        .collect::<Result<_, _>>()
        .expect("batches")
}

/// Runs `analyze watch` over `rows`, with the presences of the first hour of `data` and no query of it, as if it had
/// begun then; returns every line that it printed.
fn watch(data: &Path, rows: &[RecordBatch]) -> Vec<Value> {
    fs::remove_dir_all(data.join("captured/events")).expect("no queries");
    let mut presences = captured_files(data, "presences");
    presences.sort();
    for later in &presences[1..] {
        fs::remove_file(later).expect("a file less");
    }
    let _ = fs::remove_dir_all(data.join("derived"));
    // Not a pipe: nobody reads it while the rows are written.
    let told = data.join("told");
    let mut child = Command::new(program("analyze"))
        .args(["watch", "--from", "-", "--format", "json", "--data", data.to_str().expect("UTF-8")])
        .stdin(Stdio::piped())
        .stdout(File::create(&told).expect("a file"))
        .spawn()
        .expect("the program starts");
    let mut writer =
        StreamWriter::try_new(child.stdin.take().expect("a pipe"), &rows[0].schema()).expect("a stream");
    for rows in rows {
        writer.write(rows).expect("rows are taken");
    }
    writer.finish().expect("a whole stream");
    drop(writer);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    let text = fs::read_to_string(told).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The name of every finding of a table, with what is said of it.
type Said = BTreeMap<String, String>;

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}")).to_owned()
}

#[test]
fn the_watch_finds_what_the_tables_say() {
    let data = sample();
    let path = data.path().to_str().expect("UTF-8");
    answer("analyze", &["compute", "--data", path]);
    let batch: BTreeMap<&str, Said> = live()
        .map(|(table, sql)| {
            let rows = answer("analyze", &["sql", &sql, "--data", path, "--format", "json"]);
            let rows: Value = serde_json::from_str(&rows).expect("JSON");
            let rows = rows.as_array().expect("rows").clone();
            (table, rows.iter().map(|row| (text(row, "finding"), text(row, "line"))).collect())
        })
        .collect();
    let rows = events(data.path());
    let told = watch(data.path(), &rows);
    for (table, wanted) in &batch {
        let mine = told.iter().filter(|row| row["table"] == *table);
        // What is said of a finding last is what stands in the table.
        let mut said = Said::new();
        for row in mine {
            match row["over"] == true {
                true => said.remove(&text(row, "finding")),
                false => said.insert(text(row, "finding"), text(row, "line")),
            };
        }
        println!("watch: {table}: {} findings, {} lines", said.len(), told.len());
        for (finding, line) in wanted {
            assert_eq!(said.get(finding), Some(line), "{table}: {finding}");
        }
        for finding in said.keys() {
            assert!(wanted.contains_key(finding), "{table}: {finding} is in no table");
        }
    }
    assert!(batch.values().filter(|said| !said.is_empty()).count() >= 2, "{batch:?}");
}
