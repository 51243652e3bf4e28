//! The invariants that are about what is absent.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["tree", "--prefix", "none"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

#[test]
fn capture_links_no_query_engine() {
    let tree = tree(&["--package", "capture", "--edges", "normal"]);
    assert!(tree.contains("parquet v"), "cargo tree lists what capture links");
    assert!(!tree.contains("datafusion"), "{tree}");
}

/// The only sockets are of datagrams: what has no name in the sources is never opened.
#[test]
fn capture_knows_no_tcp() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../capture/src")];
    let mut datagrams = false;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).expect("UTF-8");
            for stream in ["Tcp", "IPPROTO_TCP", "SockType::Stream", "SOCK_STREAM"] {
                assert!(!source.contains(stream), "{} says {stream}", path.display());
            }
            datagrams |= source.contains("SockType::Datagram");
        }
    }
    assert!(datagrams, "sockets are made elsewhere");
}

#[test]
fn schema_depends_on_arrow_alone() {
    let tree = tree(&["--package", "schema", "--edges", "normal", "--depth", "1"]);
    for line in tree.lines().skip(1) {
        assert!(line.starts_with("arrow-"), "{line}");
    }
    assert!(tree.lines().count() > 1, "{tree}");
}

/// Otherwise the first command of the README and the tests would each build DataFusion.
#[test]
fn analyze_alone_is_built_with_the_features_of_the_workspace() {
    let lines = |selection: &[&str], edges| -> BTreeSet<String> {
        let arguments = [selection, &["--edges", edges, "--format", "{p} {f}"]].concat();
        tree(&arguments)
            .lines()
            .filter(|line| !line.contains("(/"))
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect()
    };
    let alone = lines(&["--package", "analyze"], "normal,build");
    let workspace = lines(&["--workspace"], "normal,build,dev");
    let others: Vec<_> = alone.difference(&workspace).collect();
    assert!(others.is_empty(), "not in the workspace with these features: {others:?}");
}

#[test]
fn the_table_names_are_the_folders() {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
    for table in queries::TABLES {
        assert!(queries.join(table.name).join("query.sql").is_file(), "{}", table.name);
        assert!(table.headline().ends_with('.'), "{}: the first paragraph says what a row is", table.name);
        assert!(schema::captured(table.name).is_none(), "{} is captured too", table.name);
    }
}

#[test]
fn a_scored_table_states_its_null_and_counts_for_the_alarm() {
    let alarm = queries::table("daily_summaries").and_then(|table| table.summary).expect("a summary");
    let scored = |table: &&queries::Table| table.columns.iter().any(|column| column.name == "significant");
    let evidence = ["n", "p_value", "q_value", "tests", "significant", "explained_by"];
    for table in queries::TABLES.iter().filter(scored) {
        assert!(table.doc().contains("\n# Null\n"), "{} does not say under which null", table.name);
        let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        assert!(names.windows(evidence.len()).any(|some| some == evidence), "{}: {names:?}", table.name);
        // What only passes on the evidence of others is no detector of its own.
        let tests = table.parameters.iter().any(|parameter| parameter.name == "false_discovery");
        let counted = alarm.contains(&format!("FROM derived.{}\n", table.name));
        assert_eq!(tests, counted, "{} and the alarms of the summary", table.name);
    }
}

#[test]
fn every_column_of_a_derived_table_says_what_it_means() {
    for table in queries::TABLES {
        for column in table.columns {
            assert!(column.doc.trim().ends_with('.'), "{}.{}", table.name, column.name);
            assert!(!column.unit.is_empty(), "{}.{} has no unit", table.name, column.name);
        }
        for parameter in table.parameters {
            assert!(
                parameter.doc.contains("Raising it") || parameter.doc.contains("raising it"),
                "{}.{} does not say what raising it costs",
                table.name,
                parameter.name
            );
        }
    }
}
