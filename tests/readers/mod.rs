//! DuckDB, Polars, pyarrow, pandas and DataFusion for Python read what `analyze sql` reads.

use crate::cli::{answer, sample};
use crate::live::{program, python};
use capture::partition::PartitionFile;
use capture::spool::Segment;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use schema::partition::{FileName, Hour};
use std::collections::BTreeMap;
use std::path::Path;
use tests::given;

/// Rows of what a quiet week has none of.
const MORE: &str = r#"
    [[floods]]
    minute = "2026-01-05 10:00:00"
    peer_ip = "240.0.0.1"
    method = "get_peers"
    count = 4_000_000_000
    repeat = 60
    every = 60
    [[floods]]
    minute = "2026-01-05 10:59:00"
    peer_ip = "2001:db8::"

    [[day_summaries]]
    day = "2026-01-05 00:00:00"
    events = 6612
    first_ts = "2026-01-05 00:00:01"
    top_country = "DE"
    [[day_summaries]]
    day = "2026-01-06 00:00:00"
"#;

/// All readers and `analyze` see the same rows and types below `data`.
pub fn agree_on(data: &Path) {
    let analyze = program("analyze");
    let arguments = ["--data".as_ref(), data.as_os_str(), "--analyze".as_ref(), analyze.as_os_str()];
    python("readers/readers.py", arguments);
}

#[test]
fn every_reader_agrees_on_every_table() {
    let data = sample();
    let more: BTreeMap<String, Vec<toml::Table>> = toml::from_str(MORE).expect("tables");
    for (name, rows) in more {
        let table = schema::captured(&name).expect("a captured table");
        for rows in rows {
            let rows = given::batch(table.columns, &[rows]).expect("rows");
            let times = rows.column_by_name(table.time).expect("times");
            let first = times.as_primitive::<TimestampMicrosecondType>().value(0);
            let name = FileName { sensor: "world".to_owned(), start: first / 1_000_000, part: 0 };
            let segment = Segment { table, hour: Hour::of(first), name };
            let mut file = PartitionFile::create(data.path(), &segment).expect("a file");
            file.write(&rows).expect("rows written");
            file.finish().expect("a whole file");
        }
    }
    for table in schema::CAPTURED {
        assert!(data.path().join("captured").join(table.name).is_dir(), "{} is not read", table.name);
    }
    answer("analyze", &["compute", "--data", data.path().to_str().expect("UTF-8")]);
    agree_on(data.path());
}
