//! Sealing: a closed segment of the spool becomes a Parquet file that never changes again.
//!
//! The file is written under a name that begins with a dot, synced, renamed, and its folder synced;
//! only then is the segment removed. Whatever instruction a crash hits, the next start finds either
//! the segment, and seals it again under the same name, or the finished file.
//!
//! [`writer_properties`] is the one place that says how our columns are laid out in Parquet.

use crate::clock::Micros;
use crate::geo::Geo;
use crate::merge::{merge, times};
use crate::spool::{Batches, Segment, SpoolError, io_error, rows_error, sync_folder};
use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use schema::{Column, Type, version};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Rows in a row group at most: what a reader must hold to read one.
pub const ROW_GROUP_ROWS: usize = 1 << 20;
/// Bytes of a row group that the writer may say it holds before the group ends. Ordinary traffic comes to
/// some 850,000 rows by then, fewer where nearly every row brings new ids and addresses.
const ROW_GROUP_MEMORY: usize = 40 << 20;
/// Bytes of a column's dictionary before it falls back to plain values. Ids and addresses repeat from
/// hour to hour: room for some 200,000 of them.
const ID_DICTIONARY: usize = 4 << 20;
/// The same for other columns: few values, or so many that a dictionary would only cost memory, several
/// times its size.
const DICTIONARY: usize = 256 << 10;
/// Best size for the time it takes on event columns.
const ZSTD_LEVEL: i32 = 3;

/// How `columns` are written to Parquet, with `metadata` as key-value pairs of the file. Rows are taken to be
/// in no order of ids or addresses.
///
/// # Panics
/// Never: the compression level is a valid one.
#[must_use]
pub fn writer_properties(
    columns: &[Column],
    metadata: impl IntoIterator<Item = (String, String)>,
) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("levels 1 to 22 are valid");
    let metadata: Vec<_> = metadata.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_page_size_limit(DICTIONARY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_key_value_metadata(Some(metadata));
    for column in columns {
        let path = ColumnPath::from(column.name);
        let (dictionary, encoding) = match column.ty.encoding() {
            schema::Encoding::Delta => (false, Some(Encoding::DELTA_BINARY_PACKED)),
            schema::Encoding::Plain => (false, Some(Encoding::PLAIN)),
            schema::Encoding::DeltaLength => (false, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)),
            schema::Encoding::Dictionary => (true, fallback(column.ty)),
        };
        properties = properties.set_column_dictionary_enabled(path.clone(), dictionary);
        if matches!(column.ty, Type::Id | Type::Address) {
            // The least and the greatest of many random ids say nothing.
            properties = properties
                .set_column_dictionary_page_size_limit(path.clone(), ID_DICTIONARY)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        if let Some(encoding) = encoding {
            properties = properties.set_column_encoding(path, encoding);
        }
    }
    properties.build()
}

/// What follows a full dictionary, where the writer's own choice will not do: it picks a delta
/// encoding for bytes that not every reader knows.
fn fallback(ty: Type) -> Option<Encoding> {
    matches!(ty, Type::Id | Type::Address | Type::Bytes | Type::Text).then_some(Encoding::PLAIN)
}

/// Turns a closed segment into its file, with what `geo` knows about its addresses, and removes the
/// segment. Returns the file, or `None` for a segment without rows. Doing it again after a crash at any
/// point gives the same file.
///
/// # Errors
/// When the segment cannot be read or the file cannot be written; the segment is kept then.
pub fn seal(data: &Path, segment: &Segment, geo: &mut Geo) -> Result<Option<PathBuf>, SpoolError> {
    let spool = segment.spool_path(data);
    let path = segment.final_path(data);
    let mut sealed = is_complete(&path);
    if !sealed {
        let floors = floors(segment, &spool)?;
        if !floors.is_empty() {
            let mut file = PartitionFile::create(data, segment)?;
            let temporary = file.temporary.clone();
            write(segment, &spool, &floors, &mut file, geo).and_then(|()| file.finish()).inspect_err(
                |_| {
                    // Half a file would only take the room that the spool needs.
                    let _ = fs::remove_file(&temporary);
                },
            )?;
            sealed = true;
        }
    }
    fs::remove_file(&spool).map_err(io_error("remove", &spool))?;
    sync_folder(&spool)?;
    Ok(sealed.then_some(path))
}

/// Whether `path` is a whole Parquet file. A final name is given to synced files only, so this
/// merely guards against files that somebody else put there.
fn is_complete(path: &Path) -> bool {
    const MAGIC: &[u8; 4] = b"PAR1";
    let check = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        let (mut head, mut tail) = ([0; 4], [0; 4]);
        file.read_exact(&mut head)?;
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut tail)?;
        Ok(&head == MAGIC && &tail == MAGIC)
    };
    check().unwrap_or(false)
}

/// For each batch of a segment the earliest time in it and in all later ones: rows before the next
/// batch's floor can be written.
fn floors(segment: &Segment, spool: &Path) -> Result<Vec<Micros>, SpoolError> {
    let mut floors = Vec::new();
    for batch in Batches::open(segment.table, spool)? {
        floors.push(times(segment.table, &batch?).iter().copied().min().unwrap_or(Micros::MAX));
    }
    for i in (1..floors.len()).rev() {
        floors[i - 1] = floors[i - 1].min(floors[i]);
    }
    Ok(floors)
}

/// A captured file in the making: under a name that begins with a dot until it is complete.
pub struct PartitionFile {
    writer: ArrowWriter<File>,
    rows: usize,
    temporary: PathBuf,
    path: PathBuf,
}

impl PartitionFile {
    /// Begins the file of `segment` below `data`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(data: &Path, segment: &Segment) -> Result<Self, SpoolError> {
        let path = segment.final_path(data);
        let temporary = path.with_file_name(format!(".{}.tmp", segment.name));
        create_folders(path.parent().unwrap_or(Path::new(".")))?;
        let file = File::create(&temporary).map_err(io_error("create", &temporary))?;
        let metadata = [
            (version::DATASET_VERSION, version::DATASET.to_string()),
            (version::WRITER, concat!("capture ", env!("CARGO_PKG_VERSION")).to_owned()),
            (version::SENSOR, segment.name.sensor.clone()),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
        let properties = writer_properties(segment.table.columns, metadata);
        let writer = ArrowWriter::try_new(file, segment.table.arrow(), Some(properties))
            .map_err(parquet_error(&temporary))?;
        Ok(Self { writer, rows: 0, temporary, path })
    }

    /// Adds rows, which come after all others in time.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), SpoolError> {
        self.rows += rows.num_rows();
        self.writer.write(rows).map_err(parquet_error(&self.temporary))?;
        if self.writer.memory_size() > ROW_GROUP_MEMORY {
            self.writer.flush().map_err(parquet_error(&self.temporary))?;
        }
        Ok(())
    }

    /// Syncs the file and gives it its name, which readers look for.
    ///
    /// # Errors
    /// When it cannot be written to the end.
    pub fn finish(self) -> Result<PathBuf, SpoolError> {
        let path = self.name(|file, temporary| file.sync_all().map_err(io_error("sync", temporary)))?;
        sync_folder(&path)?;
        Ok(path)
    }

    /// The same without syncing, for files that can be made again.
    ///
    /// # Errors
    /// When it cannot be written to the end.
    pub fn finish_unsynced(self) -> Result<PathBuf, SpoolError> {
        self.name(|_, _| Ok(()))
    }

    fn name(
        mut self,
        sync: impl FnOnce(&File, &Path) -> Result<(), SpoolError>,
    ) -> Result<PathBuf, SpoolError> {
        let rows = KeyValue::new(version::ROWS.to_owned(), self.rows.to_string());
        self.writer.append_key_value_metadata(rows);
        let file = self.writer.into_inner().map_err(parquet_error(&self.temporary))?;
        sync(&file, &self.temporary)?;
        fs::rename(&self.temporary, &self.path).map_err(io_error("rename", &self.temporary))?;
        Ok(self.path)
    }
}

fn parquet_error(path: &Path) -> impl FnOnce(ParquetError) -> SpoolError + '_ {
    move |cause| SpoolError::Parquet { path: path.display().to_string(), cause }
}

/// Writes the rows of `spool` in order of time to `file`.
fn write(
    segment: &Segment,
    spool: &Path,
    floors: &[Micros],
    file: &mut PartitionFile,
    geo: &mut Geo,
) -> Result<(), SpoolError> {
    let table = segment.table;
    // Rows that a later batch may still come before. Batches overlap by milliseconds unless the
    // clock was set back; waiting until as many are new as were kept bounds the sorting even then.
    let mut held: Vec<RecordBatch> = Vec::new();
    let (mut held_rows, mut kept_rows) = (0, 0);
    for (i, batch) in Batches::open(table, spool)?.enumerate() {
        let batch = batch?;
        held_rows += batch.num_rows();
        held.push(batch);
        let floor = floors.get(i + 1).copied();
        if floor.is_some() && held_rows < 2 * kept_rows {
            continue;
        }
        let merged = merge(table, &held).map_err(rows_error(table))?;
        let ready =
            floor.map_or(merged.num_rows(), |floor| times(table, &merged).partition_point(|&ts| ts < floor));
        file.write(&geo.enrich(merged.slice(0, ready)).map_err(rows_error(table))?)?;
        kept_rows = merged.num_rows() - ready;
        held_rows = kept_rows;
        held.clear();
        if kept_rows > 0 {
            held.push(merged.slice(ready, kept_rows));
        }
    }
    Ok(())
}

/// Creates `folder` and its parents, each of them synced into the one above.
fn create_folders(folder: &Path) -> Result<(), SpoolError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_folders(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error("create", folder)(error)),
        _ => sync_folder(folder),
    }
}

/// Partitions for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;
    use crate::spool::Spool;
    use crate::tables::sample::HERE;
    use schema::Table;

    /// Seals batches of a captured table as the daemon does, and returns the files. Each is named after its
    /// first row.
    pub(crate) fn seal_all(
        data: &Path,
        table: &'static Table,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Vec<PathBuf> {
        let (mut spool, mut segments) = Spool::open(data, HERE).expect("opened");
        for batch in batches {
            let first = times(table, &batch).iter().copied().min().unwrap_or_default();
            spool.append(table, &batch, first).map_err(|(_, error)| error).expect("appended");
        }
        segments.extend(spool.close_all().expect("closed"));
        let seal = |segment: &Segment| seal(data, segment, &mut Geo::default()).expect("sealed");
        segments.iter().filter_map(seal).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::sample::seal_all;
    use super::*;
    use crate::spool::Spool;
    use crate::tables::sample::{HERE, gaps};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;
    use schema::gaps::TABLE;
    use schema::partition::{HOUR, Hour};

    fn read(path: &Path) -> Vec<Micros> {
        let file = File::open(path).expect("opened");
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
        reader.flat_map(|batch| times(&TABLE, &batch.expect("a batch")).to_vec()).collect()
    }

    fn files(data: &Path) -> Vec<PathBuf> {
        let folder = data.join(Hour(0).folder(TABLE.name));
        fs::read_dir(folder)
            .map_or_else(|_| Vec::new(), |entries| entries.map(|e| e.expect("an entry").path()).collect())
    }

    #[test]
    fn a_sealed_segment_is_one_sorted_file_with_metadata() {
        let data = tempfile::tempdir().expect("a folder");
        let sealed = seal_all(data.path(), &TABLE, [gaps(&[30, 10]), gaps(&[20, 40])]);
        assert_eq!(files(data.path()), sealed);
        assert_eq!(read(&sealed[0]), [10, 20, 30, 40]);
        let file = File::open(&sealed[0]).expect("opened");
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
        assert_eq!(reader.schema().fields(), TABLE.arrow().fields());
        let pairs = reader.metadata().file_metadata().key_value_metadata().expect("metadata");
        let value =
            |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
        assert_eq!(value(version::ROWS), Some("4"));
        assert_eq!(value(version::SENSOR), Some(HERE));
        assert_eq!(value(version::DATASET_VERSION), Some("1"));
        assert!(value(version::WRITER).is_some_and(|writer| writer.starts_with("capture ")));
    }

    #[test]
    fn whatever_a_crash_leaves_the_next_start_makes_the_same_file() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        spool.append(&TABLE, &gaps(&[1, 2]), 0).map_err(|(_, error)| error).expect("appended");
        let segment = spool.close_all().expect("closed").remove(0);
        drop(spool);
        let path = segment.spool_path(data.path());
        let spooled = fs::read(&path).expect("read");
        let temporary = segment.final_path(data.path()).with_file_name(format!(".{}.tmp", segment.name));

        // Killed while the temporary file was being written.
        fs::create_dir_all(temporary.parent().expect("a folder")).expect("created");
        fs::write(&temporary, b"PAR1 half").expect("written");
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        let sealed = seal(data.path(), &left[0], &mut Geo::default()).expect("sealed").expect("a file");
        assert_eq!(read(&sealed), [1, 2]);
        assert_eq!(files(data.path()), std::slice::from_ref(&sealed));
        let first = fs::read(&sealed).expect("read");

        // Killed between the rename and the removal of the segment.
        fs::write(&path, &spooled).expect("written");
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        assert_eq!(seal(data.path(), &left[0], &mut Geo::default()).expect("sealed"), Some(sealed.clone()));
        assert_eq!(files(data.path()), std::slice::from_ref(&sealed));
        assert_eq!(fs::read(&sealed).expect("read"), first, "a visible file never changes");

        // Nothing left: nothing to do.
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        assert!(left.is_empty());
    }

    #[test]
    fn a_segment_without_rows_leaves_no_file() {
        let data = tempfile::tempdir().expect("a folder");
        let sealed = seal_all(data.path(), &TABLE, [gaps(&[])]);
        assert!(sealed.is_empty() && files(data.path()).is_empty());
    }

    #[test]
    fn two_loads_of_the_same_rows_are_two_files() {
        let data = tempfile::tempdir().expect("a folder");
        seal_all(data.path(), &TABLE, [gaps(&[1])]);
        seal_all(data.path(), &TABLE, [gaps(&[1])]);
        assert_eq!(files(data.path()).len(), 2);
    }

    #[test]
    fn columns_are_laid_out_as_their_types_say() {
        let properties = writer_properties(schema::events::TABLE.columns, []);
        let layout = |column| {
            let path = ColumnPath::from(column);
            (properties.dictionary_enabled(&path), properties.encoding(&path))
        };
        assert_eq!(layout("ts"), (false, Some(Encoding::DELTA_BINARY_PACKED)));
        assert_eq!(layout("transaction_id"), (false, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)));
        assert_eq!(layout("peer_port"), (true, None));
        for column in ["infohash", "peer_ip", "client_version", "method"] {
            assert_eq!(layout(column), (true, Some(Encoding::PLAIN)), "{column}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rows_come_out_in_order_whatever_order_they_came_in(
            batches in prop::collection::vec(prop::collection::vec(0..HOUR, 1..20), 1..30),
        ) {
            let data = tempfile::tempdir().expect("a folder");
            let mut all: Vec<_> = batches.concat();
            all.sort_unstable();
            let sealed = seal_all(data.path(), &TABLE, batches.iter().map(|starts| gaps(starts)));
            prop_assert_eq!(sealed.len(), 1);
            prop_assert_eq!(read(&sealed[0]), all);
        }
    }
}
