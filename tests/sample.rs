//! The committed sample is what the simulated world writes today.

use crate::cli::captured_files;
use std::fs;
use std::path::Path;
use tests::world::{World, output, sample, truth};

#[test]
fn the_sample_can_be_made_again_byte_for_byte() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let world = World::new(sample()).expect("a world");
    output::write(&world, made.path()).expect("a dataset");
    truth::write(&world, made.path()).expect("its truth");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample");
    let remedy = "remove all but README.md from data/sample and run `cargo run --release --package tests --bin world -- sample data/sample`";
    for table in ["events", "presences", "gaps", "system_metrics"] {
        let (made_files, kept_files) = (captured_files(made.path(), table), captured_files(&kept, table));
        assert_eq!(made_files.len(), kept_files.len(), "captured.{table}: {remedy}");
        for (made_file, kept_file) in made_files.iter().zip(&kept_files) {
            let names = (made_file.strip_prefix(made.path()), kept_file.strip_prefix(&kept));
            assert_eq!(names.0.ok(), names.1.ok(), "{remedy}");
            same(made_file, kept_file, remedy);
        }
    }
    for file in [truth::FILE, truth::VISIBILITY] {
        same(&made.path().join(file), &kept.join(file), remedy);
    }
}

fn same(made: &Path, kept: &Path, remedy: &str) {
    let bytes = (fs::read(made).expect("a file"), fs::read(kept).expect("a file"));
    assert!(bytes.0 == bytes.1, "{} differs: {remedy}", kept.display());
}
