//! A damaged file is named and left out; everything else is answered as if it were not there.

use crate::cli::{captured_files, run, sample};
use analyze::dataset::Dataset;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// The report on `data` as JSON, without the time of computation, and what was said about it.
fn report(data: &Path) -> (Option<i32>, String, String) {
    let data = data.to_str().expect("UTF-8");
    let output = run("analyze", &["report", "--data", data, "--format", "json"]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Damages one file of a copy of the sample; the answer must be the one without that file.
fn damaged(harm: impl Fn(&Path)) {
    let (intact, harmed) = (sample(), sample());
    let index = 20;
    fs::remove_file(&captured_files(intact.path(), "events")[index]).expect("one file less");
    let victim = captured_files(harmed.path(), "events")[index].clone();
    harm(&victim);

    let (code, wanted, _) = report(intact.path());
    assert_eq!(code, Some(0));
    let (code, got, said) = report(harmed.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(victim.to_str().expect("UTF-8")) && said.contains("skipped"), "{said}");
    assert_eq!(said.matches("skipped").count(), 1, "{said}");
    assert_eq!(got, wanted);
}

#[test]
fn a_truncated_file_is_named_and_left_out() {
    damaged(|victim| {
        let length = victim.metadata().expect("a file").len();
        OpenOptions::new().write(true).open(victim).and_then(|file| file.set_len(length / 2)).expect("a cut");
    });
}

#[test]
fn an_empty_file_is_named_and_left_out() {
    damaged(|victim| fs::write(victim, b"").expect("a write"));
}

#[test]
fn a_file_with_spoiled_pages_is_named_and_left_out() {
    damaged(spoil);
}

#[test]
fn what_is_known_to_be_damaged_is_looked_for_once() {
    let data = sample();
    let root = data.path().to_str().expect("UTF-8");
    let compute = |more: &[&str]| {
        let output = run("analyze", &[&["compute", "--data", root], more].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let victim = captured_files(data.path(), "events")[20].clone();
    let whole = fs::read(&victim).expect("a file");
    spoil(&victim);
    compute(&[]);
    let (code, stale, said) = compute(&["--explain"]);
    assert_eq!((code, stale.trim()), (Some(1), "(none)"), "{said}");
    assert!(said.contains(victim.to_str().expect("UTF-8")) && said.contains("skipped"), "{said}");
    // The same bytes as before, and the same footer all the time: what came of it is another file.
    fs::write(&victim, whole).expect("a write");
    let (code, stale, said) = compute(&["--explain"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(stale.contains("changed: captured.events of"), "{stale}");
    compute(&[]);
    let (code, stale, _) = compute(&["--explain"]);
    assert_eq!((code, stale.trim()), (Some(0), "(none)"));
}

#[test]
fn a_spoiled_derived_file_is_computed_again() {
    let data = sample();
    let (_, wanted, quiet) = report(data.path());
    let victim = data.path().join("derived/hash_behavior_profiles/data.parquet");
    fs::write(&victim, b"PAR1 this is no table PAR1").expect("a write");
    let (_, got, said) = report(data.path());
    assert_eq!(got, wanted, "{said}");
    let (code, got, said) = report(data.path());
    assert_eq!((code, got, said), (Some(0), wanted, quiet));
}

/// Overwrites what is between the head and the footer of a file.
pub fn spoil(victim: &Path) {
    let mut file = OpenOptions::new().write(true).open(victim).expect("a file");
    let length = file.metadata().expect("a file").len();
    file.seek(SeekFrom::Start(4)).expect("a seek");
    file.write_all(&vec![0xff; usize::try_from(length / 3).expect("a small file")]).expect("a write");
}

#[test]
fn a_derived_file_with_spoiled_pages_is_named_and_computed_again() {
    let data = sample();
    let (_, wanted, quiet) = report(data.path());
    let victim = data.path().join("derived/daily_summaries/data.parquet");
    spoil(&victim);
    let (code, got, said) = report(data.path());
    assert_eq!((code, &got), (Some(1), &wanted), "{said}");
    assert!(said.contains(victim.to_str().expect("UTF-8")), "{said}");
    assert_eq!(report(data.path()), (Some(0), wanted, quiet));
}

#[test]
fn a_derived_file_that_was_computed_again_is_not_set_aside_for_good() {
    let data = sample();
    report(data.path());
    let victim = data.path().join("derived/daily_summaries/data.parquet");
    let whole = fs::read(&victim).expect("a file");
    spoil(&victim);
    let mut dataset = Dataset::open(data.path()).expect("a dataset");
    assert!(dataset.derived("daily_summaries").is_empty() && !dataset.reopen().expect("a dataset"));
    fs::write(&victim, whole).expect("a write");
    dataset.refresh("daily_summaries", victim, None).expect("a whole file");
    assert!(!dataset.reopen().expect("a dataset"), "nothing is new");
    assert_eq!(dataset.derived("daily_summaries").len(), 1);
}

#[test]
fn a_query_that_fails_by_itself_blames_no_file() {
    let data = sample();
    spoil(&captured_files(data.path(), "events")[0]);
    let path = data.path().to_str().expect("UTF-8");
    let output = run("analyze", &["sql", "SELECT 1 / 0", "--data", path]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("Divide by zero") && !said.contains("skipped"), "{said}");
}

#[test]
fn what_rsync_left_half_done_is_not_read() {
    let data = sample();
    let (_, wanted, quiet) = report(data.path());
    let whole = captured_files(data.path(), "events")[3].clone();
    let name = whole.file_name().and_then(|name| name.to_str()).expect("a name");
    fs::write(whole.with_file_name(format!(".{name}.a1b2c3")), b"half").expect("a write");
    assert_eq!(report(data.path()), (Some(0), wanted, quiet));
}
