//! One computation at a time: a lock on the folder of derived tables.

use anyhow::{Context, Result};
use schema::partition;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use thiserror::Error;

/// Name of the file that is locked. It stays; the lock ends with the process that holds it.
const FILE: &str = ".computing";

/// Somebody else is computing.
#[derive(Debug, Error)]
#[error("another analyze (process {process}) is computing {folder}: wait until it has finished")]
pub struct Taken {
    process: String,
    folder: String,
}

/// The right to write derived files; given back when dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "open as long as the lock is held")] File);

impl Lock {
    /// Takes the lock of the dataset at `root`.
    ///
    /// # Errors
    /// [`Taken`] when another process holds it; otherwise when the folder cannot be written.
    pub fn take(root: &Path) -> Result<Self> {
        let folder = root.join(partition::DERIVED);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(FILE);
        let file = File::options().read(true).append(true).create(true).open(&path);
        let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
                return Err(Taken { process, folder: folder.display().to_string() }.into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()))?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let root = tempfile::tempdir().expect("a folder");
        let first = Lock::take(root.path()).expect("the lock");
        let said = Lock::take(root.path()).expect_err("must be refused").to_string();
        assert!(said.contains(&format!("(process {})", std::process::id())), "{said}");
        drop(first);
        Lock::take(root.path()).expect("the lock, given back");
    }
}
