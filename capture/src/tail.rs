//! New rows of a running daemon as an Arrow IPC stream: `ssh vps capture tail | analyze watch --from -`.
//!
//! The daemon knows nothing of it. Segments of the spool are opened when they appear and read as they
//! grow; a segment that was sealed and removed is still read to its end, because it is open here. So no
//! row is missed when one hour hands over to the next, however slow the reader is: opening and printing
//! are two threads, and only printing waits for the reader.
//!
//! Columns that are filled in when an hour is sealed are still null here. An empty batch goes out once
//! a minute when there is nothing else, for a pipe does not say that its reader went away until
//! something is written to it.

use crate::sealed::{list, name};
use crate::spool::{Batches, Segment, SpoolError, folder, io_error};
use anyhow::{Context as _, bail};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::writer::StreamEncoder;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use schema::Table;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Time between two looks for new rows. The daemon writes once every sync interval.
const POLL: Duration = Duration::from_millis(100);
/// Silence after which an empty batch is sent.
const SILENCE: Duration = Duration::from_secs(60);
/// Time after SIGTERM for a reader that is slow to take what has been begun.
const GRACE: Duration = Duration::from_secs(2);

/// Writes new rows of `table` of the daemon called `sensor` to `out`, as [`run`] prints them, until nobody
/// reads any more.
///
/// # Errors
/// As [`run`].
pub fn follow(
    data: &Path,
    sensor: &str,
    table: &'static Table,
    unsealed: bool,
    out: impl Write,
) -> anyhow::Result<()> {
    let (opened, segments) = mpsc::channel();
    let folder = existing(data, sensor)?;
    thread::spawn(move || watch(&folder, table, unsealed, &opened));
    print(table, &segments, &AtomicBool::new(false), out)
}

fn existing(data: &Path, sensor: &str) -> anyhow::Result<PathBuf> {
    let folder = folder(data, sensor);
    if !folder.is_dir() {
        bail!("{} is not there: say with --data and --sensor where which daemon writes", folder.display());
    }
    Ok(folder)
}

/// Prints new rows of `table` until SIGTERM, SIGINT or a closed pipe; with `unsealed` first those that
/// are in the spool already.
///
/// # Errors
/// When there is no such spool, or it cannot be read.
pub fn run(data: &Path, sensor: &str, table: &'static Table, unsealed: bool) -> anyhow::Result<()> {
    let folder = existing(data, sensor)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let (opened, segments) = mpsc::channel();
        let (done, mut printed) = oneshot::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let enough = ended.clone();
        thread::spawn(move || watch(&folder, table, unsealed, &opened));
        thread::spawn(move || done.send(print(table, &segments, &enough, io::stdout().lock())));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            result = &mut printed => return result?,
        }
        ended.store(true, Ordering::Relaxed);
        // A reader that takes nothing any more cannot be given a whole stream.
        tokio::time::timeout(GRACE, printed).await.unwrap_or(Ok(Ok(())))?
    })
}

/// Opens the segments of `table` in a spool folder as they appear, and skips what is in those that are
/// there at the start unless it is wanted too. The last message says why there will be no more.
fn watch(folder: &Path, table: &'static Table, unsealed: bool, opened: &Sender<Result<Batches, SpoolError>>) {
    let follow = || -> Result<(), SpoolError> {
        let system = |errno: Errno| io_error("watch", folder)(errno.into());
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC).map_err(system)?;
        inotify.add_watch(folder, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR).map_err(system)?;
        let mut skip = !unsealed;
        let mut known = HashSet::new();
        let mut paths = list(folder)?;
        loop {
            for path in paths.drain(..) {
                let segment = name(&path).and_then(Segment::parse);
                if segment.is_none_or(|segment| segment.table.name != table.name)
                    || !known.insert(path.clone())
                {
                    continue;
                }
                match open(table, &path, skip) {
                    Ok(segment) => {
                        if opened.send(Ok(segment)).is_err() {
                            return Ok(());
                        }
                    }
                    Err(error) => tracing::warn!("{error}; find its rows in the sealed files"),
                }
            }
            skip = false;
            for event in inotify.read_events().map_err(system)? {
                match event.name {
                    Some(name) => paths.push(folder.join(name)),
                    None if event.mask.contains(AddWatchFlags::IN_IGNORED) => {
                        return Err(system(Errno::ENOENT));
                    }
                    // The system had more to tell than it could keep.
                    None => paths = list(folder)?,
                }
            }
        }
    };
    if let Err(error) = follow() {
        // If nobody listens any more, nobody needs to know.
        let _ = opened.send(Err(error));
    }
}

fn open(table: &'static Table, path: &Path, skip: bool) -> Result<Batches, SpoolError> {
    let mut batches = Batches::open(table, path)?;
    if skip {
        batches.by_ref().try_for_each(|batch| batch.map(drop))?;
    }
    Ok(batches)
}

/// Writes the rows of segments as they grow, until it is `enough` or nobody reads any more.
fn print(
    table: &'static Table,
    segments: &Receiver<Result<Batches, SpoolError>>,
    enough: &AtomicBool,
    out: impl Write,
) -> anyhow::Result<()> {
    match stream(table, segments, enough, out) {
        Err(error) if error.downcast_ref().is_some_and(is_closed) => Ok(()),
        result => result,
    }
}

fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn stream(
    table: &'static Table,
    segments: &Receiver<Result<Batches, SpoolError>>,
    enough: &AtomicBool,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let empty = RecordBatch::new_empty(table.arrow());
    let mut encoder = StreamEncoder::try_new(&table.arrow())?;
    let mut open: Vec<Batches> = Vec::new();
    // The columns at once, so that the reader knows that somebody is there.
    let mut news = vec![empty.clone()];
    let mut spoken = Instant::now();
    loop {
        let last = enough.load(Ordering::Relaxed);
        if news.is_empty() && spoken.elapsed() >= SILENCE {
            news.push(empty.clone());
        }
        for batch in news.drain(..) {
            write(&mut out, &encoder.encode(&batch)?)?;
            spoken = Instant::now();
        }
        out.flush()?;
        if last {
            write(&mut out, &encoder.finish()?)?;
            return Ok(out.flush()?);
        }
        match segments.recv_timeout(POLL) {
            Ok(segment) => open.push(segment?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the spool is not watched any more"),
        }
        for mut segment in std::mem::take(&mut open) {
            // Asked before the rest is read: a segment is removed after its last row.
            let over = segment.is_removed()?;
            for batch in segment.by_ref() {
                news.push(batch?);
            }
            if !over {
                open.push(segment);
            }
        }
    }
}

fn write(out: &mut impl Write, message: &[Buffer]) -> io::Result<()> {
    message.iter().try_for_each(|buffer| out.write_all(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;
    use crate::geo::Geo;
    use crate::merge::times;
    use crate::partition::seal;
    use crate::spool::Spool;
    use crate::tables::sample::{HERE, gaps};
    use arrow_ipc::reader::StreamReader;
    use schema::gaps::TABLE;
    use schema::partition::HOUR;

    /// What a reader has been sent so far.
    #[derive(Clone, Default)]
    struct Pipe(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Pipe {
        fn rows(&self) -> Vec<i64> {
            let bytes = self.0.lock().expect("not poisoned").clone();
            let Ok(reader) = StreamReader::try_new(bytes.as_slice(), None) else { return Vec::new() };
            // A stream that is not finished yet ends with an error.
            reader.map_while(Result::ok).flat_map(|batch| times(&TABLE, &batch).to_vec()).collect()
        }

        fn wait_for(&self, rows: &[i64]) {
            let deadline = Instant::now() + Duration::from_secs(10);
            while self.rows() != rows {
                assert!(Instant::now() < deadline, "{:?} instead of {rows:?}", self.rows());
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Follows the spool in `data` while `scene` plays, then ends. Returns the whole stream.
    fn follow(data: &Path, unsealed: bool, scene: impl FnOnce(&Pipe)) -> Pipe {
        let pipe = Pipe::default();
        let (opened, segments) = mpsc::channel();
        let (spool, out, enough) = (folder(data, HERE), pipe.clone(), Arc::new(AtomicBool::new(false)));
        let ended = enough.clone();
        thread::spawn(move || watch(&spool, &TABLE, unsealed, &opened));
        let printer = thread::spawn(move || print(&TABLE, &segments, &enough, out));
        // The columns come first; with them everything is in place but the watch, which is older.
        while pipe.0.lock().expect("not poisoned").is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(2 * POLL);
        scene(&pipe);
        ended.store(true, Ordering::Relaxed);
        printer.join().expect("no panic").expect("printed");
        pipe
    }

    fn append(spool: &mut Spool, starts: &[i64]) {
        spool.append(&TABLE, &gaps(starts), 0).map_err(|(_, error)| error).expect("appended");
    }

    #[test]
    fn rows_are_followed_across_hours_and_sealings() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        append(&mut spool, &[1]);
        let pipe = follow(data.path(), false, |pipe| {
            append(&mut spool, &[2]);
            pipe.wait_for(&[2]);
            append(&mut spool, &[3]);
            append(&mut spool, &[HOUR + 4]);
            for segment in spool.close_ended(HOUR, 5 * SECOND).expect("closed") {
                seal(data.path(), &segment, &mut Geo::default()).expect("sealed");
            }
            append(&mut spool, &[HOUR + 5]);
            pipe.wait_for(&[2, 3, HOUR + 4, HOUR + 5]);
        });
        let bytes = pipe.0.lock().expect("not poisoned").clone();
        let mut reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
        assert_eq!(reader.schema(), TABLE.arrow());
        assert!(reader.by_ref().all(|batch| batch.is_ok()) && reader.is_finished());
    }

    #[test]
    fn what_is_not_sealed_yet_comes_first_when_asked_for() {
        let data = tempfile::tempdir().expect("a folder");
        let (mut spool, _) = Spool::open(data.path(), HERE).expect("opened");
        append(&mut spool, &[1, 2]);
        let pipe = follow(data.path(), true, |pipe| pipe.wait_for(&[1, 2]));
        assert_eq!(pipe.rows(), [1, 2]);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (_opened, segments) = mpsc::channel();
        print(&TABLE, &segments, &AtomicBool::new(false), Closed).expect("success");
    }
}
