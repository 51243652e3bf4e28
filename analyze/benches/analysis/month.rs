//! A simulated month of queries, written once and kept.

use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much was captured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// As on the command line.
    pub name: &'static str,
    /// Addresses of the sensor, each with 208 presences.
    addresses: &'static str,
}

/// 5.9 million events: one address.
pub const SMALL: Size = Size { name: "5m", addresses: "1" };
/// 55 million events: twelve addresses.
pub const LARGE: Size = Size { name: "50m", addresses: "12" };

/// What both have in common: everybody that a world of full size has, and one actor of each kind.
const WORLD: [&str; 6] = ["--days", "30", "--clients", "100000", "--cast", "reference"];

/// The captured files of a month, in a folder of its own that leaves when it is no longer used. What it
/// holds may be renamed and deleted, not changed.
pub fn copy(size: Size) -> Result<tempfile::TempDir> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("month-{}", size.name));
    if !kept.exists() {
        let unfinished = kept.with_extension("tmp");
        let _ = fs::remove_dir_all(&unfinished);
        let mut world = Command::new(world()?);
        world.arg("generate").arg(&unfinished).args(WORLD).args(["--addresses", size.addresses]);
        ensure!(world.status()?.success(), "{world:?} failed");
        fs::rename(&unfinished, &kept)?;
    }
    let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    link(&kept.join("captured"), &copy.path().join("captured"))?;
    Ok(copy)
}

/// The program that simulates, which is built beside this one.
fn world() -> Result<PathBuf> {
    let here = env::current_exe()?;
    let world = here.ancestors().nth(2).map(|folder| folder.join("world"));
    world.filter(|world| world.is_file()).context(
        "there is no `world` beside this benchmark; `cargo build --release --workspace --bins` makes one",
    )
}

/// Makes the files below `from` known below `to` as well.
fn link(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}
