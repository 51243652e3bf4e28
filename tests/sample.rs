//! The committed sample is what the simulated world writes today.

use crate::cli::captured_files;
use std::fs;
use std::path::Path;

#[test]
fn the_sample_can_be_made_again_byte_for_byte() {
    let made = tempfile::tempdir().expect("a temporary folder");
    tests::world::write(made.path(), tests::world::SAMPLE_SEED).expect("a world");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample");
    let remedy = "run `cargo run --release --package tests --bin world -- data/sample` on an empty folder";
    for table in ["events", "presences"] {
        let (made_files, kept_files) = (captured_files(made.path(), table), captured_files(&kept, table));
        assert_eq!(made_files.len(), kept_files.len(), "captured.{table}: {remedy}");
        for (made_file, kept_file) in made_files.iter().zip(&kept_files) {
            let names = (made_file.strip_prefix(made.path()), kept_file.strip_prefix(&kept));
            assert_eq!(names.0.ok(), names.1.ok(), "{remedy}");
            let bytes = (fs::read(made_file).expect("a file"), fs::read(kept_file).expect("a file"));
            assert!(bytes.0 == bytes.1, "{} differs: {remedy}", kept_file.display());
        }
    }
}
