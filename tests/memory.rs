//! Too small a memory pool is refused with a size that works, and a small one changes no row, but for the last
//! digits of sums: what went to disk is added in another order.

use crate::cli::{answer, run, sample};
use bytesize::ByteSize;
use serde_json::Value;
use std::fs;

/// The rows of a table, without the time at which they were computed, in an order of their own.
fn rows(data: &str, table: &str) -> Vec<String> {
    let query = format!("SELECT * FROM derived.{table}");
    let rows = answer("analyze", &["sql", "--data", data, "--format", "json", &query]);
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("JSON");
    let row = |mut row: Value| {
        let columns = row.as_object_mut().expect("a row");
        columns.remove("computed_at");
        for value in columns.values_mut().filter(|value| value.is_f64()) {
            *value = format!("{:.9e}", value.as_f64().unwrap_or_default()).into();
        }
        row.to_string()
    };
    let mut rows: Vec<String> = rows.into_iter().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn too_little_memory_is_refused_with_a_size_that_works() {
    let data = sample();
    let root = data.path().to_str().expect("UTF-8");
    let compute = |table: &str, memory: &str| {
        // What was refused has left nothing.
        let _ = fs::remove_dir_all(data.path().join("derived").join(table));
        let output = run("analyze", &["compute", "--data", root, "--memory", memory, table]);
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    answer("analyze", &["compute", "--data", root]);
    let mut refused = 0;
    let mut most = ByteSize::mib(1);
    for table in queries::TABLES {
        let before = rows(root, table.name);
        let (code, said) = compute(table.name, "1MiB");
        if code == Some(0) {
            assert!(rows(root, table.name) == before, "{} has other rows", table.name);
            continue;
        }
        refused += 1;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with(&format!("analyze: derived.{}", table.name)), "{said}");
        assert!(said.contains(": 1 MiB of memory are too little; --memory "), "{said}");
        let enough = said.split("--memory ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a size");
        let (code, said) = compute(table.name, enough);
        assert_eq!(code, Some(0), "{} with {enough}: {said}", table.name);
        assert!(rows(root, table.name) == before, "{} has other rows", table.name);
        most = most.max(enough.parse().expect("a size"));
    }
    // What is enough for each alone is enough for all: those that do not fit side by side take turns.
    fs::remove_dir_all(data.path().join("derived")).expect("derived tables");
    answer("analyze", &["compute", "--data", root, "--memory", &format!("{}B", most.as_u64())]);
    assert!(refused > queries::TABLES.len() / 2, "only {refused} tables need more than 1 MiB");
}

#[test]
fn a_query_that_runs_out_of_memory_says_so() {
    let data = sample();
    let root = data.path().to_str().expect("UTF-8");
    let query = "SELECT peer_ip, array_agg(ts ORDER BY ts) FROM captured.events GROUP BY peer_ip ORDER BY 2";
    let output = run("analyze", &["sql", "--data", root, "--memory", "1MiB", query]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("analyze: the query: 1 MiB of memory are too little; --memory "), "{said}");
    assert!(!said.contains("datafusion"), "{said}");
}
