//! Captured files that are known to be damaged.
//!
//! Damage behind an intact footer is found by reading everything to its end. What was found is noted beside the derived
//! tables, so that it is not looked for again by every command. A file that is written or copied anew is another one.

use crate::dataset::Damaged;
use anyhow::Result;
use schema::partition;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the note, in the folder of derived tables.
const FILE: &str = ".damaged";

/// What is noted about a dataset, by the path of a file in it.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    root: PathBuf,
    files: Map<String, Value>,
}

impl Aside {
    /// What is noted about the dataset at `root`. A note that cannot be read says nothing.
    pub fn read(root: &Path) -> Self {
        let note = fs::read(note(root)).ok().and_then(|note| serde_json::from_slice(&note).ok());
        Self { root: root.to_owned(), files: note.unwrap_or_default() }
    }

    /// The file at `path`, when it is still the one that was found damaged.
    pub fn damaged(&self, path: &Path) -> Option<Damaged> {
        let known = self.files.get(path.strip_prefix(&self.root).ok()?.to_str()?)?;
        let reason = known.get("reason")?.as_str()?.to_owned();
        (known.get("state") == Some(&state(path)?)).then(|| Damaged { path: path.to_owned(), reason })
    }

    /// Notes that of the dataset at `root` the captured files among `damaged` are so.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn write(root: &Path, damaged: &[Damaged]) -> Result<()> {
        let captured = damaged.iter().filter(|file| file.path.starts_with(root.join(partition::CAPTURED)));
        let files = captured.filter_map(|Damaged { path, reason }| {
            let name = path.strip_prefix(root).ok()?.to_str()?.to_owned();
            Some((name, json!({ "state": state(path)?, "reason": reason })))
        });
        let folder = root.join(partition::DERIVED);
        fs::create_dir_all(&folder)?;
        let draft = tempfile::NamedTempFile::with_prefix_in(FILE, &folder)?;
        serde_json::to_writer_pretty(&draft, &files.collect::<Map<_, _>>())?;
        draft.persist(note(root))?;
        Ok(())
    }
}

fn note(root: &Path) -> PathBuf {
    root.join(partition::DERIVED).join(FILE)
}

/// What is different once the file was written to, or another one has taken its place: size in bytes, and when its
/// inode last changed, which no copy takes along.
fn state(path: &Path) -> Option<Value> {
    let file = path.metadata().ok()?;
    Some(json!([file.len(), file.ctime(), file.ctime_nsec()]))
}
