//! `world DIR [SEED]`: writes the simulated sample dataset into a directory.

use anyhow::{Context, Result};
use std::path::PathBuf;
use tests::world::SAMPLE_SEED;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().map(PathBuf::from).context("usage: world DIR [SEED]")?;
    let seed = arguments.next().map_or(Ok(SAMPLE_SEED), |text| text.parse()).context("SEED is a number")?;
    tests::world::write(&data, seed)
}
