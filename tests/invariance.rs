//! The same events give the same tables, however they are split into files, in whatever steps they
//! arrive, with however many threads, and with however many interruptions.

use crate::cli::captured_files;
use analyze::config::Config;
use analyze::dataset::Dataset;
use analyze::run::Runner;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt16Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::world::actors::Cast;
use tests::world::{Settings, World, output};

/// Random ways that are tried.
const WAYS: u64 = 20;
/// Days of the world.
const DAYS: i32 = 3;
/// Its clients.
const CLIENTS: u32 = 300;
/// Files that an hour is split into, at most.
const FILES: usize = 4;
/// Steps in which the files arrive, at most.
const STEPS: usize = 4;
/// Floats agree to this, relative to the larger of the value and 1: sums depend on their order.
const TOLERANCE: f64 = 1e-9;

#[test]
fn the_same_events_give_the_same_tables() {
    let original = tempfile::tempdir().expect("a folder");
    let mut settings = Settings { days: DAYS, cast: Cast::Reference, ..Settings::default() };
    settings.society.clients = CLIENTS;
    output::write(&World::new(settings).expect("a world"), original.path()).expect("a dataset");
    compute(original.path(), 2, None);
    let wanted = tables(original.path());
    let rows: usize = wanted.values().map(RecordBatch::num_rows).sum();
    println!("invariance: {} tables and days, {rows} rows, {WAYS} ways", wanted.len());
    for way in 0..WAYS {
        let mut chance = StdRng::seed_from_u64(way);
        let data = tempfile::tempdir().expect("a folder");
        let files = split(original.path(), data.path(), &mut chance);
        let threads = 1 + way as usize % 2;
        let steps = chance.random_range(1..=STEPS);
        for (step, files) in steps_of(files, steps, &mut chance).into_iter().enumerate() {
            for (aside, file) in files {
                fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                fs::rename(aside, file).expect("a file arrives");
            }
            let interrupted = chance.random_bool(0.5).then_some(&mut chance);
            compute(data.path(), threads, interrupted);
            println!("invariance: way {way}, step {} of {steps}, {threads} threads", step + 1);
        }
        let got = tables(data.path());
        assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "way {way}");
        for (name, wanted) in &wanted {
            same(&got[name], wanted).unwrap_or_else(|difference| panic!("way {way}, {name}: {difference}"));
        }
    }
}

/// What one sensor recorded, shared out among two: a lookup that both see stays one lookup, and presences
/// of the same number stay two.
#[test]
fn two_sensors_are_one_observatory() {
    let original = tempfile::tempdir().expect("a folder");
    let mut settings = Settings { days: DAYS, outages: 0, cast: Cast::Reference, ..Settings::default() };
    settings.society.clients = CLIENTS;
    output::write(&World::new(settings).expect("a world"), original.path()).expect("a dataset");
    let data = tempfile::tempdir().expect("a folder");
    for table in schema::CAPTURED {
        if !original.path().join("captured").join(table.name).is_dir() {
            continue;
        }
        for path in captured_files(original.path(), table.name) {
            let rows = read(&path);
            for (sensor, rows) in shared_out(&rows).into_iter().enumerate() {
                let place = path.with_file_name(format!("{}-{sensor}.parquet", SENSORS[sensor]));
                let place = data.path().join(place.strip_prefix(original.path()).expect("a path below"));
                fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
                write(&place, &rows);
            }
        }
    }
    compute(original.path(), 2, None);
    compute(data.path(), 2, None);
    let (wanted, got) = (tables(original.path()), tables(data.path()));
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (name, wanted) in &wanted {
        same(&got[name], wanted).unwrap_or_else(|difference| panic!("{name}: {difference}"));
    }
    let lookups = wanted.iter().filter(|(name, _)| name.contains("/lookups/"));
    let seen_by_several = lookups.flat_map(|(_, rows)| {
        let presences = rows.column_by_name("presences_hit").expect("a column");
        presences.as_primitive::<Int64Type>().values().to_vec()
    });
    assert!(seen_by_several.filter(|presences| *presences > 1).count() > 100, "too little is shared");
}

const SENSORS: [&str; 2] = ["east", "west"];

/// The rows of presences with even numbers for the one sensor, of odd numbers for the other, each counted
/// from 0; rows without a presence are the first one's.
fn shared_out(rows: &RecordBatch) -> Vec<RecordBatch> {
    let presences = rows.column_by_name("source_node").map(|column| column.as_primitive::<UInt16Type>());
    let schema = rows.schema();
    let of = |sensor: usize| {
        let mine = (0..rows.num_rows()).filter(|&row| {
            presences.map_or(sensor == 0, |presences| usize::from(presences.value(row)) % 2 == sensor)
        });
        let mine = UInt32Array::from_iter_values(mine.map(|row| row as u32));
        let mine = take_record_batch(rows, &mine).expect("rows");
        let columns = schema.fields().iter().zip(mine.columns()).map(|(field, column)| -> ArrayRef {
            match field.name().as_str() {
                "sensor" => Arc::new(StringArray::from(vec![SENSORS[sensor]; mine.num_rows()])),
                "source_node" => {
                    Arc::new(column.as_primitive::<UInt16Type>().unary::<_, UInt16Type>(|n| n / 2))
                }
                _ => Arc::clone(column),
            }
        });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("rows of the same table")
    };
    (0..SENSORS.len()).map(of).filter(|rows| rows.num_rows() > 0).collect()
}

fn write(path: &Path, rows: &RecordBatch) {
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
    writer.write(rows).expect("rows written");
    writer.close().expect("a whole file");
}

/// Computes every table; with `interrupted`, after having been cut off at a random moment.
fn compute(data: &Path, threads: usize, interrupted: Option<&mut StdRng>) {
    let config = Config::parse(&format!("[engine]\nthreads = {threads}\n")).expect("a configuration");
    let wanted: BTreeSet<&str> = queries::TABLES.iter().map(|table| table.name).collect();
    let run = async |limit: Duration| {
        let mut dataset = Dataset::open(data).expect("a dataset");
        let runner = Runner::new(&config).expect("a runner");
        tokio::time::timeout(limit, runner.compute(&mut dataset, &wanted))
            .await
            .map(|done| done.expect("computed"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(chance) = interrupted {
        let _ = runtime.block_on(run(Duration::from_millis(chance.random_range(20..1000))));
    }
    let start = Instant::now();
    runtime.block_on(run(Duration::from_secs(600))).expect("in time");
    assert!(start.elapsed() < Duration::from_secs(600));
}

/// The captured files of `from`, each cut into some of random length; beside each the place where it
/// belongs in `to`.
fn split(from: &Path, to: &Path, chance: &mut StdRng) -> Vec<(PathBuf, PathBuf)> {
    let mut files = Vec::new();
    for table in schema::CAPTURED {
        if !from.join("captured").join(table.name).is_dir() {
            continue;
        }
        for path in captured_files(from, table.name) {
            let rows = read(&path);
            let parts = chance.random_range(1..=FILES.min(rows.num_rows().max(1)));
            let owner: Vec<usize> = (0..rows.num_rows()).map(|_| chance.random_range(0..parts)).collect();
            for part in 0..parts {
                let mine = (0..rows.num_rows()).filter(|row| owner[*row] == part).map(|row| row as u32);
                let some = take_record_batch(&rows, &UInt32Array::from_iter_values(mine)).expect("rows");
                let aside = to.join(format!("{}.parquet", files.len()));
                write(&aside, &some);
                let place = path.with_file_name(format!("sample-{part}-{}.parquet", files.len()));
                files.push((aside, to.join(place.strip_prefix(from).expect("a path below"))));
            }
        }
    }
    files
}

/// `files` in `steps` lots: in order of time, or all mixed up.
fn steps_of(
    mut files: Vec<(PathBuf, PathBuf)>,
    steps: usize,
    chance: &mut StdRng,
) -> Vec<Vec<(PathBuf, PathBuf)>> {
    let hour = |file: &Path| {
        file.components().rev().skip(1).take(2).map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    if chance.random_bool(0.5) {
        files.sort_by_key(|(_, file)| hour(file).into_iter().rev().collect::<Vec<_>>());
    } else {
        for last in (1..files.len()).rev() {
            files.swap(last, chance.random_range(0..=last));
        }
    }
    let size = files.len().div_ceil(steps);
    files.chunks(size).map(<[_]>::to_vec).collect()
}

fn read(path: &Path) -> RecordBatch {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().expect("a reader").collect::<Result<_, _>>().expect("batches");
    concat_batches(&schema, &batches).expect("one batch")
}

/// Every derived file, by its path, in the order of its rows, without the time of its computation.
fn tables(data: &Path) -> BTreeMap<String, RecordBatch> {
    let mut tables = BTreeMap::new();
    let dataset = Dataset::open(data).expect("a dataset");
    for file in queries::TABLES.iter().flat_map(|table| dataset.derived(table.name)) {
        let rows = read(&file.path);
        let columns = rows
            .schema()
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field.name() != "computed_at")
            .map(|(index, _)| index)
            .collect::<Vec<_>>();
        let name = file.path.strip_prefix(data).expect("a path below").display().to_string();
        tables.insert(name, rows.project(&columns).expect("columns"));
    }
    tables
}

fn same(got: &RecordBatch, wanted: &RecordBatch) -> Result<(), String> {
    if got.num_rows() != wanted.num_rows() {
        return Err(format!("{} rows instead of {}", got.num_rows(), wanted.num_rows()));
    }
    let schema = wanted.schema();
    for (field, (got, wanted)) in schema.fields().iter().zip(got.columns().iter().zip(wanted.columns())) {
        let equal = match field.data_type() {
            DataType::Float64 => {
                close(got.as_primitive::<Float64Type>(), wanted.as_primitive::<Float64Type>())
            }
            _ => got == wanted,
        };
        if !equal {
            let row = (0..got.len()).find(|&row| got.slice(row, 1).as_ref() != wanted.slice(row, 1).as_ref());
            let row = row.unwrap_or(0);
            return Err(format!(
                "{}, row {row}: {:?} instead of {:?}",
                field.name(),
                got.slice(row, 1),
                wanted.slice(row, 1)
            ));
        }
    }
    Ok(())
}

fn close(got: &Float64Array, wanted: &Float64Array) -> bool {
    got.iter().zip(wanted).all(|pair| match pair {
        (Some(got), Some(wanted)) => {
            got == wanted
                || got.is_nan() && wanted.is_nan()
                || (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0)
        }
        (got, wanted) => got.is_none() && wanted.is_none(),
    })
}
