//! The files of a dataset: what is there, and whether it can be read.
//!
//! Only footers are read here. A file whose footer cannot be read is set aside and named; it takes
//! no part in anything. Damage behind an intact footer shows when a query reads it, and so does that another command
//! has replaced or deleted a file: see [`Dataset::recover`].

use crate::aside::Aside;
use crate::digest::Digest;
use crate::error::Failure;
use crate::inputs::Inputs;
use crate::memory::TooLittle;
use crate::plan::{Source, Tier};
use anyhow::{Context, Result, anyhow, bail};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use queries::Retention;
use schema::{partition, version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::mem;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

/// The last bytes of a Parquet file: length of the metadata, little endian, and the magic.
const TAIL: u64 = 8;
const MAGIC: &[u8] = b"PAR1";

/// In the folder of a captured day: it was pruned, and what is there nevertheless takes no part in anything.
pub const PRUNED: &str = ".pruned";

/// Path, day and hour of a file that was found.
type Found = (PathBuf, Option<i32>, Option<i32>);

/// One readable Parquet file.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Day of its partition, counted from 1970-01-01; none for a window table.
    pub day: Option<i32>,
    /// Hour of its partition, 0 to 23; none for a derived table.
    pub hour: Option<i32>,
    /// Size in bytes.
    pub size: u64,
    /// Rows, from the footer.
    pub rows: u64,
    /// What a derived file was computed from; of a captured file, its footer, which holds the
    /// size, position and extremes of every column chunk.
    pub digest: Digest,
    /// What that digest was made of; none for a captured file.
    pub inputs: Option<Inputs>,
    /// Digest of the parameters that a derived file was computed with.
    pub config: Option<String>,
}

impl DataFile {
    /// Where its partition begins, microseconds since 1970-01-01 UTC; none for a window table.
    #[must_use]
    pub fn begins(&self) -> Option<i64> {
        let hour = i64::from(self.hour.unwrap_or(0));
        Some(i64::from(self.day?) * partition::DAY + hour * partition::HOUR)
    }
}

/// A file that cannot be read, and why.
#[derive(Clone, Debug)]
pub struct Damaged {
    /// Where it is.
    pub path: PathBuf,
    /// What the reader said.
    pub reason: String,
}

/// Every file of a dataset.
#[derive(Debug)]
pub struct Dataset {
    root: PathBuf,
    captured: BTreeMap<&'static str, Vec<DataFile>>,
    derived: BTreeMap<&'static str, Vec<DataFile>>,
    retired: Vec<PathBuf>,
    returned: Vec<PathBuf>,
    damaged: Vec<Damaged>,
}

impl Dataset {
    /// Lists the dataset at `root`.
    ///
    /// # Errors
    /// [`Failure::NoData`] when there is no readable captured file; otherwise when a folder
    /// cannot be read or a file was written by a newer version.
    pub fn open(root: &Path) -> Result<Self> {
        let mut dataset = Self {
            root: root.to_owned(),
            captured: BTreeMap::new(),
            derived: BTreeMap::new(),
            retired: Vec::new(),
            returned: Vec::new(),
            damaged: Vec::new(),
        };
        let aside = Aside::read(root);
        for table in schema::CAPTURED {
            let folder = root.join(partition::CAPTURED).join(table.name);
            let files = dataset.captured_files(&folder, &aside)?;
            dataset.captured.insert(table.name, files);
        }
        for table in queries::TABLES {
            let files = dataset.derived_files(table)?;
            dataset.derived.insert(table.name, files);
        }
        dataset.retire();
        if dataset.captured.values().all(Vec::is_empty) && dataset.derived.values().all(Vec::is_empty) {
            return Err(dataset.no_data().into());
        }
        Ok(dataset)
    }

    /// Lists the dataset anew, and says whether it has other files than before. What is known to be damaged stays
    /// aside.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn reopen(&mut self) -> Result<bool> {
        let before = mem::replace(self, Self::open(&self.root)?);
        let known = before.damaged;
        let is_known = |path: &Path| known.iter().any(|damaged| damaged.path == path);
        // A derived file that was damaged may have been computed again.
        let listed = before.captured.values().chain(before.derived.values()).flatten();
        let stays_aside = |path: &Path| is_known(path) && !listed.clone().any(|file| file.path == path);
        for files in self.captured.values_mut().chain(self.derived.values_mut()) {
            files.retain(|file| !stays_aside(&file.path));
        }
        self.damaged.retain(|damaged| !is_known(&damaged.path));
        self.damaged.extend(known);
        Ok((&before.captured, &before.derived) != (&self.captured, &self.derived))
    }

    /// Takes the days of [`Retention::Raw`] tables whose queries are gone out of the dataset, and the sums over such
    /// days. Without any query held, nothing says that they were deleted: then the files stay.
    fn retire(&mut self) {
        let days = self.days();
        let records = queries::TABLES.iter().filter(|table| table.retention == Retention::Raw);
        for table in records.filter(|_| !days.is_empty()) {
            let files = self.derived.entry(table.name).or_default();
            let left = |file: &mut DataFile| match file.day {
                Some(day) => !days.contains(&day),
                None => file.inputs.iter().flat_map(Inputs::days).any(|day| !days.contains(&day)),
            };
            self.retired.extend(files.extract_if(.., left).map(|file| file.path));
        }
    }

    fn no_data(&self) -> Failure {
        let place = self.root.join(partition::CAPTURED);
        let why = if !self.root.is_dir() {
            format!("{} is not a directory", self.root.display())
        } else if self.damaged.is_empty() {
            format!("there is no captured file below {}", place.display())
        } else {
            format!("none of the {} files below {} can be read", self.damaged.len(), place.display())
        };
        Failure::NoData(format!(
            "{why}; name a directory that `capture run --data DIR` wrote with --data, such as data/sample"
        ))
    }

    fn captured_files(&mut self, folder: &Path, aside: &Aside) -> Result<Vec<DataFile>> {
        let mut files = Vec::new();
        for (name, dates) in entries(folder)? {
            let Some(day) = partition::parse_date_folder(&name) else { continue };
            let hours = entries(&dates)?;
            let pruned = hours.iter().any(|(name, _)| name == PRUNED);
            for (name, hours) in hours {
                let Some(hour) = partition::parse_hour_folder(&name) else { continue };
                for (_, path) in entries(&hours)?.into_iter().filter(|(name, _)| is_data(name)) {
                    if pruned {
                        self.returned.push(path);
                    } else if let Some(damaged) = aside.damaged(&path) {
                        self.damaged.push(damaged);
                    } else {
                        files.push((path, Some(day), Some(i32::try_from(hour)?)));
                    }
                }
            }
        }
        self.read(files)
    }

    fn derived_files(&mut self, table: &queries::Table) -> Result<Vec<DataFile>> {
        let folder = self.root.join(partition::DERIVED).join(table.name);
        let mut files = Vec::new();
        match table.grain {
            queries::Grain::Window => {
                let path = folder.join(partition::DATA_FILE);
                if path.is_file() {
                    files.push((path, None, None));
                }
            }
            queries::Grain::Day { .. } => {
                for (name, path) in entries(&folder)? {
                    let Some(day) = partition::parse_date_folder(&name) else { continue };
                    let path = path.join(partition::DATA_FILE);
                    if path.is_file() {
                        files.push((path, Some(day), None));
                    }
                }
            }
        }
        self.read(files)
    }

    /// The readable ones of `files`, in their order; of the others, note is taken.
    fn read(&mut self, files: Vec<Found>) -> Result<Vec<DataFile>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let read: Vec<_> = thread::scope(|scope| {
            let parts = files.chunks(files.len().div_ceil(threads).max(1));
            let parts: Vec<_> = parts
                .map(|part| scope.spawn(|| part.iter().cloned().map(read).collect::<Vec<_>>()))
                .collect();
            parts
                .into_iter()
                .map(|part| part.join().map_err(|_| anyhow!("a thread that read files ended")))
                .collect::<Result<_>>()
        })?;
        let mut readable = Vec::new();
        for file in read.into_iter().flatten() {
            match file? {
                Ok(file) => readable.push(file),
                Err(damaged) => self.damaged.push(damaged),
            }
        }
        Ok(readable)
    }

    /// The dataset's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The readable files of `captured.<table>`, in order of day, hour and name.
    #[must_use]
    pub fn captured(&self, table: &str) -> &[DataFile] {
        self.captured.get(table).map_or(&[], Vec::as_slice)
    }

    /// The readable files of `derived.<table>`, in order of day.
    #[must_use]
    pub fn derived(&self, table: &str) -> &[DataFile] {
        self.derived.get(table).map_or(&[], Vec::as_slice)
    }

    /// The readable files of `sources`.
    pub fn files<'a>(&'a self, sources: &'a BTreeSet<Source>) -> impl Iterator<Item = &'a DataFile> {
        sources.iter().flat_map(|source| match source.tier {
            Tier::Captured => self.captured(source.name),
            Tier::Derived => self.derived(source.name),
            Tier::User => &[],
        })
    }

    /// Files of days whose queries are gone, which leave with them.
    #[must_use]
    pub fn retired(&self) -> &[PathBuf] {
        &self.retired
    }

    /// Deletes the [`Dataset::retired`] files and the folders of their days.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn delete_retired(&mut self) -> Result<()> {
        for path in self.retired.drain(..) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot delete {}", path.display()));
                }
                _ => {}
            }
            // Another program's file may keep the folder.
            let _ = path.parent().map(fs::remove_dir);
        }
        Ok(())
    }

    /// Captured files of days that were pruned, see [`PRUNED`].
    #[must_use]
    pub fn returned(&self) -> &[PathBuf] {
        &self.returned
    }

    /// The files that were set aside.
    #[must_use]
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Every day of which queries are held.
    #[must_use]
    pub fn days(&self) -> BTreeSet<i32> {
        self.captured(schema::events::TABLE.name).iter().filter_map(|file| file.day).collect()
    }

    /// Every day of which queries are held. Where none are, because they were not copied, every day of which it is
    /// still told who asked for what.
    #[must_use]
    pub fn on_record(&self) -> BTreeSet<i32> {
        let days = self.days();
        if !days.is_empty() {
            return days;
        }
        let records = queries::TABLES.iter().filter(|table| table.retention == Retention::Raw);
        records.flat_map(|table| self.derived(table.name)).filter_map(|file| file.day).collect()
    }

    /// Every day of which anything is held: day tables outlive the queries they were computed from.
    #[must_use]
    pub fn held(&self) -> BTreeSet<i32> {
        self.captured.values().chain(self.derived.values()).flatten().filter_map(|file| file.day).collect()
    }

    /// The days held, for people: `2026-01-05 to 2026-01-07`.
    #[must_use]
    pub fn extent(&self) -> String {
        let held = self.held();
        let day = |day: Option<&i32>| day.copied().map(partition::date_text);
        match (day(held.first()), day(held.last())) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(only), _) => only,
            _ => "no day".to_owned(),
        }
    }

    /// Where the newest hour held ends, or the newest day when nothing captured is held; microseconds since
    /// 1970-01-01 UTC. An hour without a query counts, as long as something says that it was watched.
    #[must_use]
    pub fn end(&self) -> i64 {
        let newest = self.captured.values().flatten().filter_map(DataFile::begins).max();
        let day_end = || self.held().last().map(|day| (i64::from(*day) + 1) * partition::DAY);
        newest.map(|begins| begins + partition::HOUR).or_else(day_end).unwrap_or(0)
    }

    /// Takes note of a derived file that was just written.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub fn refresh(&mut self, table: &'static str, path: PathBuf, day: Option<i32>) -> Result<()> {
        let named = path.clone();
        let file = self.read(vec![(path, day, None)])?.pop();
        let file = file.with_context(|| format!("{} cannot be read back", named.display()))?;
        let files = self.derived.entry(table).or_default();
        files.retain(|held| held.path != file.path);
        files.push(file);
        files.sort_by_key(|file| file.day);
        Ok(())
    }

    /// Whether what ended with `error` can be asked again: because other commands have replaced or deleted files, which
    /// are listed anew; or because files turn out to be damaged behind an intact footer, which are set aside.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn recover(&mut self, error: &anyhow::Error) -> Result<bool> {
        Ok(may_be_of_files(error) && (self.reopen()? || self.set_aside()))
    }

    /// Reads every file to its end and sets those aside that fail. Whether there are any. Those captured are noted, or
    /// found again by who must not write.
    fn set_aside(&mut self) -> bool {
        let before = self.damaged.len();
        for files in self.captured.values_mut().chain(self.derived.values_mut()) {
            files.retain(|file| match read_through(&file.path) {
                Ok(()) => true,
                Err(error) => {
                    let reason = format!("{error:#}");
                    self.damaged.push(Damaged { path: file.path.clone(), reason });
                    false
                }
            });
        }
        let found = self.damaged.len() > before;
        if found {
            let _ = Aside::write(&self.root, &self.damaged);
        }
        found
    }
}

/// Whether a query may have failed with `error` because of what it read, rather than of what it asked.
fn may_be_of_files(error: &anyhow::Error) -> bool {
    let asked = |error: &DataFusionError| match error.find_root() {
        DataFusionError::ArrowError(error, _) => matches!(
            **error,
            ArrowError::DivideByZero
                | ArrowError::ArithmeticOverflow(_)
                | ArrowError::CastError(_)
                | ArrowError::ParseError(_)
                | ArrowError::ComputeError(_)
        ),
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Execution(_) => true,
        _ => false,
    };
    let explained = error.is::<Failure>() || error.is::<TooLittle>();
    !explained && !error.chain().filter_map(|cause| cause.downcast_ref()).any(asked)
}

/// The names and paths in a folder, sorted; none when the folder is missing.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", folder.display())),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

fn is_data(name: &str) -> bool {
    name.ends_with(".parquet") && !name.starts_with('.')
}

/// What the footer of a file says, or why it cannot be read.
fn read((path, day, hour): Found) -> Result<Result<DataFile, Damaged>> {
    let (size, bytes, footer) = match footer(&path) {
        Ok(parts) => parts,
        Err(error) => return Ok(Err(Damaged { path, reason: format!("{error:#}") })),
    };
    let value = |key| {
        let pairs = footer.file_metadata().key_value_metadata();
        pairs.into_iter().flatten().find(|pair| pair.key == key).and_then(|pair| pair.value.clone())
    };
    let written = value(version::DATASET_VERSION).and_then(|text| text.parse::<u32>().ok());
    if written.is_some_and(|written| written > version::DATASET) {
        bail!(
            "{} has dataset version {}, this program knows {}: install the newer analyze",
            path.display(),
            written.unwrap_or_default(),
            version::DATASET
        );
    }
    let digest = match value(version::INPUT_DIGEST).and_then(|text| text.parse().ok()) {
        Some(digest) => digest,
        None => Digest::of([bytes.as_slice()]),
    };
    let inputs = value(version::INPUTS).and_then(|text| text.parse().ok());
    let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
    let config = value(version::CONFIG_DIGEST);
    Ok(Ok(DataFile { path, day, hour, size, rows, digest, inputs, config }))
}

/// Size, raw footer and parsed footer of a Parquet file, without the statistics of its columns.
fn footer(path: &Path) -> Result<(u64, Vec<u8>, ParquetMetaData)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut tail = [0; TAIL as usize];
    if size < 2 * TAIL {
        bail!("{size} bytes are too few for a Parquet file");
    }
    file.read_exact_at(&mut tail, size - TAIL)?;
    if &tail[4..] != MAGIC {
        bail!("it does not end as a Parquet file does; it may be truncated");
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let start = size.checked_sub(TAIL + length).context("its footer is longer than the file")?;
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, start)?;
    let nothing = ParquetStatisticsPolicy::SkipAll;
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(nothing.clone())
        .with_encoding_stats_policy(nothing.clone())
        .with_size_stats_policy(nothing);
    let metadata = ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options))?;
    Ok((size, bytes, metadata))
}

fn read_through(path: &Path) -> Result<()> {
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        batch?;
    }
    Ok(())
}
