//! `analyze config`: the settings in force.

use crate::cli::Options;
use crate::error::Exit;
use anyhow::Result;
use std::io::{Write, stdout};

/// Prints the settings as a commented TOML file.
///
/// # Errors
/// When standard output is closed.
pub fn run(options: &Options) -> Result<Exit> {
    stdout().write_all(options.config.to_toml().as_bytes())?;
    Ok(Exit::Ok)
}
