//! The spool: rows on their way from memory to Parquet, safe from a crash once they are synced.
//!
//! A segment holds rows of one table and one hour, in
//! `<data>/spool/<sensor>/<table>.<YYYY-MM-DDTHH>.<file name>.spool`. It is a sequence of frames
//! `[length u32 LE][crc32 u32 LE][Arrow IPC message]`; the first declares the schema. A crash can
//! leave a frame half written or the tail filled with zeros: neither passes the check, and the
//! segment ends before it.
//!
//! The name of the final file is part of the segment's name from the beginning, so that a segment
//! sealed twice gives one file. Nothing here knows what the columns mean, except which of them
//! says the hour.

use crate::clock::{Micros, SECOND};
use crate::merge::{merge, times};
use arrow_array::{RecordBatch, new_null_array};
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::writer::StreamEncoder;
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};
use schema::Table;
use schema::partition::{FileName, Hour, date_text, parse_date, parse_hour_folder};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of all spools, below the dataset's root.
pub const SPOOL: &str = "spool";
/// The file in a spool's folder that its daemon has locked.
const LOCK: &str = "lock";
/// The longest frame that is believed: far more than any batch we write.
const MAX_FRAME: u32 = 1 << 28;
/// Segments open at once. More hours than that come from a clock gone wild or a bulk load.
const MOST_OPEN: usize = 64;
/// Bytes in front of a frame's message.
const HEADER: usize = 8;
/// The shortest life of a segment: long enough for whoever follows the spool to notice it, and for
/// other late rows of its hour to join it.
const SHORTEST_LIFE: Micros = 2 * SECOND;
/// Added to the name of a segment that cannot be read without loss.
const ASIDE: &str = "aside";

/// Why rows could not be spooled or sealed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another daemon works in this folder.
    #[error(
        "another capture is writing as sensor `{sensor}` into {data}: stop it, or give this one another --sensor or --data"
    )]
    Locked {
        /// Name of the sensor.
        sensor: String,
        /// Root of the dataset.
        data: String,
    },
    /// The file system refused.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Recording has stopped before the disk is full.
    #[error(
        "{path} has {free} bytes left, below the --free-space-floor of {floor}: make room there, or lower the floor"
    )]
    Full {
        /// Root of the dataset.
        path: String,
        /// Bytes that may still be used.
        free: u64,
        /// Bytes that must stay free.
        floor: u64,
    },
    /// Somebody removed a segment that was being written.
    #[error("{path} was removed while it was written: {rows} rows are lost with it")]
    Removed {
        /// The segment.
        path: String,
        /// Rows that were in it.
        rows: usize,
    },
    /// The rows are not what their table declares.
    #[error("rows of {table} cannot be written: {cause}")]
    Rows {
        /// Name of the table.
        table: &'static str,
        /// What is wrong with them.
        cause: ArrowError,
    },
    /// Parquet refused.
    #[error("cannot write {path}: {cause}")]
    Parquet {
        /// The file.
        path: String,
        /// What the writer said.
        cause: parquet::errors::ParquetError,
    },
}

/// Says what was being done to which file when the system refused.
pub(crate) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SpoolError + 'a {
    move |cause| SpoolError::Io { action, path: path.display().to_string(), cause }
}

pub(crate) fn rows_error(table: &'static Table) -> impl Fn(ArrowError) -> SpoolError {
    move |cause| SpoolError::Rows { table: table.name, cause }
}

/// The rows of one table and hour that end up in one file.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The table.
    pub table: &'static Table,
    /// The hour that every row belongs to.
    pub hour: Hour,
    /// Name of the final file.
    pub name: FileName,
}

impl Segment {
    /// Where the segment is spooled.
    #[must_use]
    pub fn spool_path(&self, data: &Path) -> PathBuf {
        let hour = format!("{}T{:02}", date_text(self.hour.day()), self.hour.0.rem_euclid(24));
        folder(data, &self.name.sensor).join(format!("{}.{hour}.{}.spool", self.table.name, self.name))
    }

    /// Where it ends up.
    #[must_use]
    pub fn final_path(&self, data: &Path) -> PathBuf {
        data.join(self.hour.folder(self.table.name)).join(format!("{}.parquet", self.name))
    }

    /// The segment that a file in a spool folder holds.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let mut parts = file_name.strip_suffix(".spool")?.splitn(3, '.');
        let table = schema::captured(parts.next()?)?;
        let (date, hour) = parts.next()?.split_once('T')?;
        let hour = parse_hour_folder(&format!("hour={hour}"))?;
        let hour = Hour(i64::from(parse_date(date)?) * 24 + hour);
        Some(Self { table, hour, name: parts.next()?.parse().ok()? })
    }
}

/// The spool folder of a sensor.
#[must_use]
pub fn folder(data: &Path, sensor: &str) -> PathBuf {
    data.join(SPOOL).join(sensor)
}

/// Whether a running daemon writes as `sensor` below `data`.
#[must_use]
pub fn is_locked(data: &Path, sensor: &str) -> bool {
    File::open(folder(data, sensor).join(LOCK))
        .is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Appends rows to the segments of one sensor. There is one at a time: the folder is locked.
pub struct Spool {
    data: PathBuf,
    sensor: String,
    open: BTreeMap<(Hour, &'static str), Appender>,
    /// Segments closed to make room for others.
    closed: Vec<Segment>,
    /// Released by the system when the process ends, however it ends.
    lock: File,
}

/// A segment that was removed while it was being written.
#[derive(Debug)]
pub struct Removed {
    /// Table of its rows.
    pub table: &'static Table,
    /// How many rows were in it.
    pub rows: usize,
    /// The earliest time among them.
    pub since: Micros,
    /// The same in words.
    pub error: SpoolError,
}

impl Spool {
    /// Opens the spool of `sensor` and returns the segments that an earlier run left behind, cut
    /// back to their last whole frame, in order. A segment whose columns do not fit those of
    /// today is named and kept aside.
    ///
    /// # Errors
    /// When another process has it open, or the folder cannot be used.
    pub fn open(data: &Path, sensor: &str) -> Result<(Self, Vec<Segment>), SpoolError> {
        let lock = lock(data, sensor)?;
        let folder = folder(data, sensor);
        let mut left = Vec::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let path = entry.map_err(io_error("list", &folder))?.path();
            let segment = path.file_name().and_then(|name| name.to_str()).and_then(Segment::parse);
            // Those of another sensor may be in use where they come from.
            let segment = segment.filter(|segment| segment.name.sensor == sensor);
            if segment.is_none() && path.extension().is_some_and(|ending| ending == "spool") {
                tracing::warn!(
                    "{}: not a segment of {sensor}, left alone; if it holds rows, give it its old name in the folder \
                     of its own sensor, and start that one",
                    path.display()
                );
            }
            left.extend(segment);
        }
        left.sort_by_key(|segment| (segment.hour, segment.name.start, segment.name.part));
        let mut readable = Vec::new();
        for segment in left {
            let path = segment.spool_path(data);
            cut(&path)?;
            match Batches::open(segment.table, &path)?.check()? {
                Ok(()) => readable.push(segment),
                Err(why) => set_aside(&path, &why)?,
            }
        }
        let (data, sensor) = (data.to_owned(), sensor.to_owned());
        Ok((Self { data, sensor, open: BTreeMap::new(), closed: Vec::new(), lock }, readable))
    }

    /// Appends `batch`, each row to the segment of its hour; a segment opened for it is named after
    /// `now`. Nothing is safe before [`Spool::sync`].
    ///
    /// # Errors
    /// When rows could not be written: how many, and why. Segments stay readable.
    pub fn append(
        &mut self,
        table: &'static Table,
        batch: &RecordBatch,
        now: Micros,
    ) -> Result<(), (usize, SpoolError)> {
        let mut rows = batch.num_rows();
        let batch =
            merge(table, std::slice::from_ref(batch)).map_err(|error| (rows, rows_error(table)(error)))?;
        let times = times(table, &batch);
        let mut start = 0;
        while start < times.len() {
            let hour = Hour::of(times[start]);
            let length = times[start..].partition_point(|&ts| Hour::of(ts) == hour);
            self.append_hour(table, hour, &batch.slice(start, length), now).map_err(|error| (rows, error))?;
            start += length;
            rows -= length;
        }
        Ok(())
    }

    fn append_hour(
        &mut self,
        table: &'static Table,
        hour: Hour,
        batch: &RecordBatch,
        now: Micros,
    ) -> Result<(), SpoolError> {
        if !self.open.contains_key(&(hour, table.name)) {
            if self.open.len() >= MOST_OPEN
                && let Some(&oldest) = self.open.keys().next()
            {
                self.closed = self.close(|key, _| key == oldest)?;
            }
            self.hold_lock()?;
            let segment = new_segment(&self.data, &self.sensor, table, hour, now);
            self.open.insert((hour, table.name), Appender::create(&self.data, segment, now)?);
        }
        match self.open.get_mut(&(hour, table.name)) {
            Some(appender) => appender.append(batch),
            None => Ok(()),
        }
    }

    /// Makes everything appended so far survive a crash.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        self.open.values_mut().try_for_each(Appender::sync)
    }

    /// Takes the lock again when its file is no longer in the folder: whoever removed the folder
    /// made room for a second writer.
    fn hold_lock(&mut self) -> Result<(), SpoolError> {
        let path = folder(&self.data, &self.sensor).join(LOCK);
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let held = self.lock.metadata().map(identity).map_err(io_error("read", &path))?;
        match fs::metadata(&path).map(identity) {
            Ok(found) if found == held => {}
            _ => self.lock = lock(&self.data, &self.sensor)?,
        }
        Ok(())
    }

    /// Gives up the segments that were removed while they were open, and says what was in them.
    pub fn removed(&mut self) -> Vec<Removed> {
        self.open
            .extract_if(.., |_, appender| appender.is_removed())
            .map(|(_, gone)| gone.removed())
            .collect()
    }

    /// Closes the segments whose hour ended before `end`, at the time `now`; they are ready to be
    /// sealed.
    ///
    /// # Errors
    /// When a segment cannot be synced; it stays open.
    pub fn close_ended(&mut self, end: Micros, now: Micros) -> Result<Vec<Segment>, SpoolError> {
        self.close(|(hour, _), opened| hour.end() <= end && (now - opened).abs() >= SHORTEST_LIFE)
    }

    /// Closes all segments.
    ///
    /// # Errors
    /// When a segment cannot be synced; it stays open.
    pub fn close_all(&mut self) -> Result<Vec<Segment>, SpoolError> {
        self.close(|_, _| true)
    }

    fn close(&mut self, ended: impl Fn((Hour, &str), Micros) -> bool) -> Result<Vec<Segment>, SpoolError> {
        let ended = |(&key, appender): (_, &Appender)| ended(key, appender.opened).then_some(key);
        let keys: Vec<_> = self.open.iter().filter_map(ended).collect();
        for key in keys {
            if let Some(appender) = self.open.get_mut(&key) {
                appender.sync()?;
            }
            self.closed.extend(self.open.remove(&key).map(|appender| appender.segment));
        }
        Ok(std::mem::take(&mut self.closed))
    }
}

/// Creates the spool folder of `sensor` and locks it.
fn lock(data: &Path, sensor: &str) -> Result<File, SpoolError> {
    let folder = folder(data, sensor);
    fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
    let path = folder.join(LOCK);
    let lock = File::create(&path).map_err(io_error("open", &path))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            SpoolError::Locked { sensor: sensor.to_owned(), data: data.display().to_string() }
        }
        TryLockError::Error(cause) => io_error("lock", &path)(cause),
    })?;
    Ok(lock)
}

/// Puts the segment at `path` where no start finds it again.
fn set_aside(path: &Path, why: &ArrowError) -> Result<(), SpoolError> {
    let aside = path.with_added_extension(ASIDE);
    fs::rename(path, &aside).map_err(io_error("rename", path))?;
    tracing::error!(
        "{}: kept aside, because {why}; start the capture that wrote it after removing `.{ASIDE}` from the name",
        aside.display()
    );
    Ok(())
}

/// Spools and closes `batch` as one segment that is ready to be sealed: rows that were computed and
/// would be computed again after a crash. They all belong to `hour`.
///
/// # Errors
/// When the segment cannot be written; nothing of it stays then.
pub fn write_segment(
    data: &Path,
    sensor: &str,
    table: &'static Table,
    hour: Hour,
    batch: &RecordBatch,
    now: Micros,
) -> Result<Segment, SpoolError> {
    let segment = new_segment(data, sensor, table, hour, now);
    let mut appender = Appender::create(data, segment, now)?;
    appender.append(batch).and_then(|()| appender.sync()).inspect_err(|_| appender.discard())?;
    Ok(appender.segment)
}

/// A segment whose names are not taken, neither in the spool nor among the sealed files.
fn new_segment(data: &Path, sensor: &str, table: &'static Table, hour: Hour, now: Micros) -> Segment {
    let name = FileName { sensor: sensor.to_owned(), start: now.div_euclid(SECOND), part: 0 };
    let mut segment = Segment { table, hour, name };
    while segment.spool_path(data).exists() || segment.final_path(data).exists() {
        segment.name.part += 1;
    }
    segment
}

/// Writes the frames of one segment.
struct Appender {
    segment: Segment,
    path: PathBuf,
    file: File,
    encoder: StreamEncoder,
    /// When it was created.
    opened: Micros,
    rows: usize,
    /// The earliest time of its rows.
    since: Micros,
    /// Length up to the last whole frame.
    length: u64,
    synced: bool,
}

impl Appender {
    fn create(data: &Path, segment: Segment, now: Micros) -> Result<Self, SpoolError> {
        let path = segment.spool_path(data);
        let schema = segment.table.arrow();
        let encoder = StreamEncoder::try_new(&schema).map_err(rows_error(segment.table))?;
        let file = File::create_new(&path).map_err(io_error("create", &path))?;
        let mut appender = Self {
            segment,
            path,
            file,
            encoder,
            opened: now,
            rows: 0,
            since: Micros::MAX,
            length: 0,
            synced: true,
        };
        // The first message declares the schema; without rows it stands in a frame of its own.
        sync_folder(&appender.path)
            .and_then(|()| appender.append(&RecordBatch::new_empty(schema)))
            .inspect_err(|_| appender.discard())?;
        Ok(appender)
    }

    /// Removes what could not be written: on a full disk every attempt would leave a file behind.
    fn discard(&self) {
        // What remains is a segment without rows.
        let _ = fs::remove_file(&self.path);
    }

    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    fn removed(self) -> Removed {
        let Self { segment, path, rows, since, .. } = self;
        let error = SpoolError::Removed { path: path.display().to_string(), rows };
        Removed { table: segment.table, rows, since, error }
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<(), SpoolError> {
        let message = self.encoder.encode(batch).map_err(rows_error(self.segment.table))?;
        let mut frame = vec![0; HEADER];
        for buffer in &message {
            frame.extend_from_slice(buffer);
        }
        let length = (frame.len() - HEADER) as u32;
        let crc = crc32fast::hash(&frame[HEADER..]);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..HEADER].copy_from_slice(&crc.to_le_bytes());
        if let Err(error) = self.file.write_all(&frame) {
            // Half a frame would hide every later one: take it back.
            let undo = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
            undo.map_err(io_error("shorten", &self.path))?;
            return Err(io_error("write", &self.path)(error));
        }
        self.length += frame.len() as u64;
        self.rows += batch.num_rows();
        self.since = times(self.segment.table, batch).iter().copied().fold(self.since, Micros::min);
        self.synced = false;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        if !self.synced {
            self.file.sync_data().map_err(io_error("sync", &self.path))?;
            self.synced = true;
        }
        Ok(())
    }
}

/// Makes the directory entry of `path` survive a crash.
pub(crate) fn sync_folder(path: &Path) -> Result<(), SpoolError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync", folder))
}

/// Cuts a segment back to its last whole frame.
fn cut(path: &Path) -> Result<(), SpoolError> {
    let mut frames = Frames::open(path)?;
    while frames.next()?.is_some() {}
    let file = OpenOptions::new().write(true).open(path).map_err(io_error("open", path))?;
    let length = file.metadata().map_err(io_error("read", path))?.len();
    if length > frames.valid {
        tracing::warn!(
            "{}: dropped {} bytes after the last whole frame, left by a crash",
            path.display(),
            length - frames.valid
        );
        file.set_len(frames.valid).and_then(|()| file.sync_all()).map_err(io_error("shorten", path))?;
    }
    Ok(())
}

/// Reads frames up to the first that is not whole, and goes on from there when asked again.
struct Frames {
    path: PathBuf,
    file: BufReader<File>,
    /// Length of the whole frames so far.
    valid: u64,
}

impl Frames {
    fn open(path: &Path) -> Result<Self, SpoolError> {
        let file = File::open(path).map_err(io_error("open", path))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), valid: 0 })
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, SpoolError> {
        let frame = match self.frame() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            other => other,
        };
        let frame = frame.map_err(io_error("read", &self.path))?;
        if frame.is_none() {
            // What is half written now may be whole the next time.
            self.file.seek(SeekFrom::Start(self.valid)).map_err(io_error("read", &self.path))?;
        }
        Ok(frame)
    }

    fn frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut header = [0; HEADER];
        self.file.read_exact(&mut header)?;
        let [a, b, c, d, crc @ ..] = header;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length == 0 || length > MAX_FRAME {
            return Ok(None);
        }
        // Not allocated in advance: a torn length must not cost memory.
        let mut message = Vec::new();
        (&mut self.file).take(u64::from(length)).read_to_end(&mut message)?;
        if message.len() != length as usize || crc32fast::hash(&message) != u32::from_le_bytes(crc) {
            return Ok(None);
        }
        self.valid += HEADER as u64 + u64::from(length);
        Ok(Some(message))
    }
}

/// The batches of a segment, in the order they were appended. A segment that is still being
/// written ends where its last whole frame ends, and goes on when there are more.
pub struct Batches {
    table: &'static Table,
    frames: Frames,
    /// Columns of the segment, from its first frame.
    written: Option<SchemaRef>,
}

impl Batches {
    /// Opens the spool file at `path`, which holds rows of `table`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(table: &'static Table, path: &Path) -> Result<Self, SpoolError> {
        Ok(Self { table, frames: Frames::open(path)?, written: None })
    }

    /// Whether the rows fit into the columns of today; read before the first batch.
    fn check(mut self) -> Result<Result<(), ArrowError>, SpoolError> {
        let Some(first) = self.frames.next()? else { return Ok(Ok(())) };
        let empty = self.decode(&Buffer::from(first));
        let schema = self.written.unwrap_or_else(|| self.table.arrow());
        let fits = conform(&self.table.arrow(), &RecordBatch::new_empty(schema));
        Ok(empty.and(fits).map(drop))
    }

    /// Whether the segment has been sealed and removed: no more rows will come.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_removed(&self) -> Result<bool, SpoolError> {
        let metadata = self.frames.file.get_ref().metadata().map_err(io_error("read", &self.frames.path))?;
        Ok(metadata.nlink() == 0)
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, SpoolError> {
        while let Some(frame) = self.frames.next()? {
            let batch = self.decode(&Buffer::from(frame)).map_err(rows_error(self.table))?;
            if let Some(batch) = batch.filter(|batch| batch.num_rows() > 0) {
                return conform(&self.table.arrow(), &batch).map(Some).map_err(rows_error(self.table));
            }
        }
        Ok(None)
    }

    /// Reads the messages of a frame: a batch, and in the first frame the schema before it. Our
    /// tables have no dictionaries, so Arrow's reader for whole streams is not needed.
    fn decode(&mut self, frame: &Buffer) -> Result<Option<RecordBatch>, ArrowError> {
        let broken = |what: &dyn std::fmt::Display| ArrowError::IpcError(format!("broken message: {what}"));
        let mut start = 0;
        while start < frame.len() {
            // A message is a continuation marker, a length, that many bytes of metadata, and the body.
            let length = frame.get(start + 4..start + 8).ok_or_else(|| broken(&"no length"))?;
            let body = start + 8 + u32::from_le_bytes(std::array::from_fn(|i| length[i])) as usize;
            let metadata = frame.get(start + 8..body).ok_or_else(|| broken(&"no metadata"))?;
            let message = root_as_message(metadata).map_err(|error| broken(&error))?;
            let body_length = usize::try_from(message.bodyLength()).unwrap_or(usize::MAX);
            let end = body.saturating_add(body_length);
            if end > frame.len() {
                return Err(broken(&"the body is cut off"));
            }
            match (message.header_type(), &self.written) {
                (MessageHeader::Schema, None) => {
                    let schema = message.header_as_schema().ok_or_else(|| broken(&"no schema"))?;
                    self.written = Some(Arc::new(fb_to_schema(schema)));
                }
                (MessageHeader::RecordBatch, Some(schema)) => {
                    let rows = message.header_as_record_batch().ok_or_else(|| broken(&"no rows"))?;
                    let body = frame.slice_with_length(body, body_length);
                    let (no_dictionaries, version) = (HashMap::new(), message.version());
                    let decoder =
                        RecordBatchDecoder::try_new(&body, rows, schema.clone(), &no_dictionaries, &version)?;
                    return decoder.read_record_batch().map(Some);
                }
                (other, _) => return Err(broken(&format!("{other:?} was not expected"))),
            }
            start = end;
        }
        Ok(None)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// `batch` in the columns of `schema`: an older writer may have left some out. Those of a newer one
/// are refused, because they would be lost.
fn conform(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    if let Some(unknown) =
        batch.schema_ref().fields().iter().find(|field| schema.index_of(field.name()).is_err())
    {
        return Err(ArrowError::SchemaError(format!("the column `{}` is not known", unknown.name())));
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => Ok(column.clone()),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
            None => Err(ArrowError::SchemaError(format!("the column `{}` is missing", field.name()))),
        })
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Rows, sample};
    use crate::tables::sample::{HERE, gaps};
    use schema::gaps::TABLE;
    use schema::partition::HOUR;

    fn read(path: &Path) -> Vec<Micros> {
        let batches = Batches::open(&TABLE, path).expect("opened");
        batches.flat_map(|batch| times(&TABLE, &batch.expect("a batch")).to_vec()).collect()
    }

    fn spooled(data: &Path, batches: &[&[Micros]]) -> Segment {
        let (mut spool, left) = Spool::open(data, HERE).expect("opened");
        assert!(left.is_empty());
        for starts in batches {
            spool.append(&TABLE, &gaps(starts), 7 * SECOND).map_err(|(_, error)| error).expect("appended");
        }
        let closed = spool.close_all().expect("closed");
        assert_eq!(closed.len(), 1);
        closed[0].clone()
    }

    #[test]
    fn names_say_table_hour_and_file() {
        let name = FileName { sensor: "vps.1-a".into(), start: 1_795_239_480, part: 2 };
        let segment = Segment { table: &TABLE, hour: Hour(498_677), name };
        let path = segment.spool_path(Path::new("d"));
        assert_eq!(
            path.to_str(),
            Some("d/spool/vps.1-a/gaps.2026-11-21T05.vps.1-a-20261121T053800Z-2.spool")
        );
        let back =
            Segment::parse(path.file_name().and_then(|name| name.to_str()).expect("a name")).expect("parsed");
        assert_eq!((back.table.name, back.hour, &back.name), ("gaps", segment.hour, &segment.name));
        for other in [
            "lock",
            "seed",
            "gaps.spool",
            "gaps.2026-11-21T+5.a-20261121T053800Z-2.spool",
            "x.2026-11-21T05.a-20261121T053800Z-2.spool",
        ] {
            assert!(Segment::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_segment_of_another_sensor_is_left_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let theirs = spooled(data.path(), &[&[1]]).spool_path(data.path());
        let copy = folder(data.path(), "there").join(theirs.file_name().expect("a name"));
        fs::create_dir_all(folder(data.path(), "there")).expect("created");
        fs::copy(&theirs, &copy).expect("copied");
        let (_, left) = Spool::open(data.path(), "there").expect("opened");
        assert!(left.is_empty() && copy.exists());
        fs::remove_file(&theirs).expect("removed");
        assert!(Spool::open(data.path(), "there").is_ok(), "what it is named after need not be there");
    }

    #[test]
    fn a_tail_torn_at_any_byte_costs_only_the_frame_it_is_in() {
        let data = tempfile::tempdir().expect("a folder");
        let segment = spooled(data.path(), &[&[1, 2], &[3], &[4, 5, 6]]);
        let path = segment.spool_path(data.path());
        let whole = fs::read(&path).expect("read");
        let mut frames = Frames::open(&path).expect("opened");
        let mut ends = Vec::new();
        while frames.next().expect("read").is_some() {
            ends.push(frames.valid as usize);
        }
        assert_eq!((ends.len(), ends.last()), (4, Some(&whole.len())));
        let rows_by_frame: [&[Micros]; 4] = [&[], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4, 5, 6]];
        for length in 0..=whole.len() {
            // Each case costs a sync: a zero-filled tail need not follow every byte.
            let tails: &[&[u8]] = if length % 16 == 0 { &[&[], &[0; 100]] } else { &[&[]] };
            for tail in tails {
                let torn = [&whole[..length], *tail].concat();
                fs::write(&path, &torn).expect("written");
                // A frame that ends in zeros is whole again when zeros follow.
                let frames = ends.iter().filter(|&&end| torn.starts_with(&whole[..end])).count();
                let rows = frames.checked_sub(1).map_or(&[][..], |last| rows_by_frame[last]);
                let (_, left) = Spool::open(data.path(), HERE).expect("opened");
                assert_eq!(left.len(), 1);
                assert_eq!(read(&path), rows, "cut at {length}");
                let kept = frames.checked_sub(1).map_or(0, |last| ends[last]);
                assert_eq!(fs::metadata(&path).expect("a file").len() as usize, kept);
            }
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_segment_before_it() {
        let data = tempfile::tempdir().expect("a folder");
        let segment = spooled(data.path(), &[&[1], &[2]]);
        let path = segment.spool_path(data.path());
        let mut bytes = fs::read(&path).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).expect("written");
        assert_eq!(read(&path), [1]);
    }

    #[test]
    fn a_row_belongs_to_the_hour_of_its_time() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        let batch = gaps(&[2 * HOUR, HOUR - 1, HOUR, 2 * HOUR - 1]);
        spool.append(&TABLE, &batch, 0).map_err(|(_, error)| error).expect("appended");
        let early = spool.close_ended(2 * HOUR, 2 * HOUR).expect("closed");
        let rows: Vec<_> = early.iter().map(|segment| read(&segment.spool_path(data.path()))).collect();
        assert_eq!(rows, [vec![HOUR - 1], vec![HOUR, 2 * HOUR - 1]]);
        let late = spool.close_all().expect("closed");
        assert_eq!(late.iter().map(|segment| segment.hour).collect::<Vec<_>>(), [Hour(2)]);
    }

    #[test]
    fn a_bulk_load_of_many_hours_keeps_few_files_open() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        let starts: Vec<_> = (0..200).map(|hour| hour * HOUR).collect();
        spool.append(&TABLE, &gaps(&starts), 0).map_err(|(_, error)| error).expect("appended");
        assert!(spool.open.len() <= MOST_OPEN);
        assert_eq!(spool.close_all().expect("closed").len(), 200);
    }

    #[test]
    fn a_second_writer_is_refused() {
        let data = tempfile::tempdir().expect("a folder");
        let first = Spool::open(data.path(), HERE).expect("opened");
        let refused = Spool::open(data.path(), HERE).err().expect("refused").to_string();
        assert!(refused.contains("another capture") && refused.contains(HERE), "{refused}");
        assert!(Spool::open(data.path(), "there").is_ok());
        drop(first);
        assert!(Spool::open(data.path(), HERE).is_ok());
    }

    /// A segment that another version left, with `batch` in its columns.
    fn spooled_by_another(data: &Path, table: &'static Table, batch: &RecordBatch) -> PathBuf {
        let name = FileName { sensor: HERE.to_owned(), start: 7, part: 0 };
        let path = Segment { table, hour: Hour(0), name }.spool_path(data);
        fs::create_dir_all(folder(data, HERE)).expect("created");
        let mut encoder = StreamEncoder::try_new(&batch.schema()).expect("an encoder");
        let message =
            encoder.encode(batch).expect("encoded").iter().flat_map(|part| part.to_vec()).collect::<Vec<_>>();
        let (length, crc) = (message.len() as u32, crc32fast::hash(&message));
        fs::write(&path, [&length.to_le_bytes()[..], &crc.to_le_bytes(), &message].concat())
            .expect("written");
        path
    }

    #[test]
    fn rows_of_an_older_version_get_nulls_for_new_columns() {
        let data = tempfile::tempdir().expect("a folder");
        let events = &schema::events::TABLE;
        let mut rows = Rows::new(HERE);
        rows.push(sample::event());
        let today = rows.take();
        let older: Vec<_> =
            (0..today.num_columns()).filter(|&i| events.columns[i].name != "country").collect();
        let path = spooled_by_another(data.path(), events, &today.project(&older).expect("fewer columns"));
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        assert_eq!(left.len(), 1);
        let batches: Vec<_> = Batches::open(events, &path).expect("opened").flatten().collect();
        assert_eq!(batches, [today], "a country is null when an event is spooled");
    }

    #[test]
    fn a_segment_without_a_column_that_must_be_there_is_kept_aside() {
        let data = tempfile::tempdir().expect("a folder");
        let batch = gaps(&[1, 2]).project(&[0, 1, 2]).expect("no reason");
        let path = spooled_by_another(data.path(), &TABLE, &batch);
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        assert!(left.is_empty() && !path.exists());
        assert!(path.with_added_extension(ASIDE).exists(), "nothing is thrown away");
    }

    #[test]
    fn a_segment_of_a_newer_version_is_kept_aside_as_it_is() {
        let data = tempfile::tempdir().expect("a folder");
        let batch = gaps(&[1, 2]);
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(arrow_schema::Field::new("mood", arrow_schema::DataType::UInt8, true)));
        let mut columns = batch.columns().to_vec();
        columns.push(new_null_array(&arrow_schema::DataType::UInt8, batch.num_rows()));
        let newer = Arc::new(arrow_schema::Schema::new(fields));
        let batch = RecordBatch::try_new(newer, columns).expect("more columns");
        let path = spooled_by_another(data.path(), &TABLE, &batch);
        let why = Batches::open(&TABLE, &path).expect("opened").check().expect("read").expect_err("unknown");
        assert!(why.to_string().contains("`mood`"), "{why}");
        let bytes = fs::read(&path).expect("read");
        let (_, left) = Spool::open(data.path(), HERE).expect("opened");
        assert!(left.is_empty() && !path.exists());
        assert_eq!(fs::read(path.with_added_extension(ASIDE)).expect("kept"), bytes);
    }

    #[test]
    fn a_segment_that_is_removed_while_it_is_written_is_missed_and_replaced() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        let append = |spool: &mut Spool, starts: &[Micros]| {
            spool.append(&TABLE, &gaps(starts), 0).map_err(|(_, error)| error).expect("appended");
        };
        append(&mut spool, &[5, 3]);
        assert!(spool.removed().is_empty());
        fs::remove_dir_all(data.path().join(SPOOL)).expect("removed");
        let removed = spool.removed();
        assert_eq!(removed.len(), 1);
        assert_eq!((removed[0].table.name, removed[0].rows, removed[0].since), (TABLE.name, 2, 3));
        append(&mut spool, &[7]);
        let refused = Spool::open(data.path(), HERE).err().expect("locked again").to_string();
        assert!(refused.contains("another capture"), "{refused}");
        let closed = spool.close_all().expect("closed");
        assert_eq!(read(&closed[0].spool_path(data.path())), [7]);
    }

    #[test]
    fn a_clock_that_is_set_a_day_ahead_and_back_ends_hours_early_and_loses_nothing() {
        const DAY: Micros = 24 * HOUR;
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        let mut closed = Vec::new();
        for now in [DAY, 2 * DAY, DAY + 30 * SECOND, 2 * DAY + HOUR, 30 * SECOND, DAY + HOUR] {
            spool.append(&TABLE, &gaps(&[now]), now).map_err(|(_, error)| error).expect("appended");
            closed.extend(spool.close_ended(now, now).expect("closed"));
        }
        closed.extend(spool.close_all().expect("closed"));
        let mut rows: Vec<_> =
            closed.iter().flat_map(|segment| read(&segment.spool_path(data.path()))).collect();
        rows.sort_unstable();
        assert_eq!(rows, [30 * SECOND, DAY, DAY + 30 * SECOND, DAY + HOUR, 2 * DAY, 2 * DAY + HOUR]);
        assert!(closed.iter().all(|segment| segment.hour.end() <= 2 * DAY + 2 * HOUR));
    }
}
