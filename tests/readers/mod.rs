//! DuckDB, Polars, pyarrow, pandas and DataFusion for Python read what `analyze sql` reads.

use crate::live::{program, python};
use std::path::Path;

/// All readers and `analyze` see the same rows and types below `data`.
pub fn agree_on(data: &Path) {
    let analyze = program("analyze");
    let arguments = ["--data".as_ref(), data.as_os_str(), "--analyze".as_ref(), analyze.as_os_str()];
    python("readers/readers.py", arguments);
}

#[test]
fn every_reader_agrees_on_the_sample() {
    agree_on(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample"));
}
