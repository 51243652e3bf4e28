//! Which rows of a section people see, and in which order. Rows are chosen after everything is
//! computed: what is hidden still counts in every number shown.

use super::text::{cell, readable};
use crate::error::Failure;
use crate::party::Party;
use anyhow::{Result, bail};
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{
    SortColumn, SortOptions, cast, filter_record_batch, lexsort_to_indices, not, take_record_batch,
};
use datafusion::arrow::datatypes::DataType;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// The column that says whether a row would survive chance.
pub const SIGNIFICANT: &str = "significant";

/// What is done to the rows of every section.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Rows on these parties and infohashes are hidden.
    pub hide: List,
    /// Only rows on these are shown; none for all.
    pub only: Option<List>,
    /// Only significant rows are shown: those whose column `significant`, if there is one, is true or
    /// counts any.
    pub significant: bool,
    /// The order; none for the section's own.
    pub sort: Option<Sort>,
    /// Most rows shown; none for all.
    pub limit: Option<usize>,
}

impl Rows {
    /// The rows of `batch` that are not hidden, in order.
    ///
    /// # Errors
    /// When a column cannot be read as text or sorted.
    pub(super) fn choose(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut kept = batch.clone();
        if !self.hide.0.is_empty() {
            kept = filter_record_batch(&kept, &not(&self.hide.matches(&kept)?)?)?;
        }
        if let Some(only) = &self.only
            && only.columns().iter().any(|name| kept.column_by_name(name).is_some())
        {
            kept = filter_record_batch(&kept, &only.matches(&kept)?)?;
        }
        if self.significant
            && let Some(column) = kept.column_by_name(SIGNIFICANT)
        {
            let significant = cast(column, &DataType::Boolean)?;
            kept = filter_record_batch(&kept, significant.as_boolean())?;
        }
        match &self.sort {
            Some(sort) => sort.apply(&kept),
            None => Ok(kept),
        }
    }

    /// The columns by which rows are hidden or shown, the first of each kind of entry.
    #[must_use]
    pub fn judged_by(&self) -> BTreeSet<&'static str> {
        let entries = self.hide.0.iter().chain(self.only.iter().flat_map(|only| &only.0));
        entries.filter_map(|entry| entry.columns().first().copied()).collect()
    }
}

/// A column and a direction: `events`, `events:asc`, `events:desc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The column's name, as in the result.
    pub column: String,
    descending: bool,
}

impl FromStr for Sort {
    type Err = Infallible;

    /// Headings show column names with spaces, so both spellings name the column.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (column, descending) = match text.rsplit_once(':') {
            Some((column, "desc")) => (column, true),
            Some((column, "asc")) => (column, false),
            _ => (text, false),
        };
        Ok(Self { column: column.replace(' ', "_"), descending })
    }
}

impl Sort {
    /// The rows in order, empty values last, equal ones as they were. A section that has no such
    /// column stays as it is.
    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let Some(column) = batch.column_by_name(&self.column) else { return Ok(batch.clone()) };
        let options = SortOptions { descending: self.descending, nulls_first: false };
        let position: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..batch.num_rows() as u64));
        let order = [
            SortColumn { values: Arc::clone(column), options: Some(options) },
            SortColumn { values: position, options: None },
        ];
        Ok(take_record_batch(batch, &lexsort_to_indices(&order, None)?)?)
    }
}

/// Parties, infohashes and countries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Party(Party),
    /// 40 lower-case hexadecimal digits.
    Infohash(String),
    /// Two capitals.
    Country(String),
}

impl List {
    /// The columns by which a row is about somebody or something.
    pub const COLUMNS: [&str; 5] = ["operator", "partner", "asn", "infohash", "country"];

    /// Reads entries as they are given on the command line: an address, a network, an AS number, an
    /// infohash, a country, or `@FILE` with one of these a line and comments behind `#`.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the entry that makes no sense, and where it stands.
    pub fn read(entries: &[String]) -> Result<Self> {
        let mut list = Vec::<Entry>::new();
        for entry in entries {
            match entry.strip_prefix('@') {
                None => list.push(entry.parse().map_err(Failure::Usage)?),
                Some(file) => list.extend(Self::read_file(Path::new(file))?.0),
            }
        }
        Ok(Self(list))
    }

    fn read_file(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
        let mut list = Vec::<Entry>::new();
        for (line, text) in text.lines().enumerate() {
            let entry = text.split('#').next().unwrap_or_default().trim();
            if !entry.is_empty() {
                let place = |error| Failure::Usage(format!("{}, line {}: {error}", file.display(), line + 1));
                list.push(entry.parse().map_err(place)?);
            }
        }
        Ok(Self(list))
    }

    /// The columns that the entries are compared with.
    fn columns(&self) -> BTreeSet<&'static str> {
        self.0.iter().flat_map(Entry::columns).copied().collect()
    }

    /// For every row, whether an entry names what it is about.
    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let mut matches = vec![false; batch.num_rows()];
        for name in self.columns() {
            let Ok(index) = batch.schema().index_of(name) else { continue };
            let values = readable(&batch.project(&[index])?)?;
            for (row, matched) in matches.iter_mut().enumerate() {
                let value = cell(values.column(0), row)?;
                *matched |= self.0.iter().any(|entry| entry.columns().contains(&name) && entry.names(&value));
            }
        }
        Ok(matches.into())
    }
}

impl Entry {
    /// A row about two operators is one about each of them.
    fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Party(Party::Network(_)) => &["operator", "partner"],
            Self::Party(Party::Asn(_)) => &["asn"],
            Self::Infohash(_) => &["infohash"],
            Self::Country(_) => &["country"],
        }
    }

    fn names(&self, value: &str) -> bool {
        match self {
            Self::Party(Party::Network(network)) => {
                value.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            }
            Self::Party(Party::Asn(number)) => value.parse() == Ok(*number),
            Self::Infohash(text) | Self::Country(text) => value == text,
        }
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(infohash) = infohash(text) {
            return Ok(Self::Infohash(infohash));
        }
        if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(Self::Country(text.to_ascii_uppercase()));
        }
        text.parse().map(Self::Party).map_err(|error| {
            format!("{error}, no infohash (40 hexadecimal digits) and no country (two letters)")
        })
    }
}

/// The infohash that `text` writes, in lower case.
///
/// # Errors
/// When it is not 40 hexadecimal digits.
pub fn infohash(text: &str) -> Result<String> {
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("`{text}` is not an infohash; write its 40 hexadecimal digits");
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{AsArray, Int64Array, StringArray, UInt32Array};
    use datafusion::arrow::datatypes::Int64Type;

    const HASH: &str = "00112233445566778899aabbccddeeff00112233";

    /// Four rows, numbered 0 to 3 by `events`.
    fn batch() -> RecordBatch {
        let operators = ["192.0.2.1", "192.0.2.200", "2001:db8:1:2::", "198.51.100.1"];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("events", Arc::new(Int64Array::from_iter_values(0..4))),
            ("operator", Arc::new(StringArray::from_iter_values(operators))),
            ("asn", Arc::new(UInt32Array::from(vec![Some(64_496), None, Some(64_497), Some(64_496)]))),
            ("infohash", Arc::new(StringArray::from(vec![None, Some(HASH), None, None]))),
            ("country", Arc::new(StringArray::from(vec![Some("DE"), Some("FR"), Some("DE"), None]))),
        ];
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    fn list(entries: &[&str]) -> List {
        List::read(&entries.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>()).expect("entries")
    }

    fn shown(rows: &Rows) -> Vec<i64> {
        let chosen = rows.choose(&batch()).expect("rows");
        chosen["events"].as_primitive::<Int64Type>().values().to_vec()
    }

    fn hiding(entries: &[&str]) -> Vec<i64> {
        shown(&Rows { hide: list(entries), ..Rows::default() })
    }

    #[test]
    fn every_kind_of_entry_hides_its_rows() {
        assert_eq!(hiding(&["192.0.2.0/25"]), [1, 2, 3]);
        assert_eq!(hiding(&["2001:db8:1:2:3::4"]), [0, 1, 3]);
        assert_eq!(hiding(&["AS64496"]), [1, 2]);
        assert_eq!(hiding(&[&HASH.to_uppercase()]), [0, 2, 3]);
        assert_eq!(hiding(&["de", "198.51.100.1"]), [1]);
    }

    #[test]
    fn a_pair_is_about_both_of_its_operators() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("operator", Arc::new(StringArray::from(vec!["192.0.2.1", "192.0.2.2"]))),
            ("partner", Arc::new(StringArray::from(vec!["192.0.2.3", "192.0.2.4"]))),
        ];
        let pairs = RecordBatch::try_from_iter(columns).expect("a batch");
        let left = |rows: &Rows| rows.choose(&pairs).expect("rows").num_rows();
        for address in ["192.0.2.1", "192.0.2.3"] {
            assert_eq!(left(&Rows { hide: list(&[address]), ..Rows::default() }), 1);
            assert_eq!(left(&Rows { only: Some(list(&[address])), ..Rows::default() }), 1);
        }
    }

    #[test]
    fn only_what_is_listed_is_shown_where_it_can_be_told() {
        let only = |entries: &[&str]| Rows { only: Some(list(entries)), ..Rows::default() };
        assert_eq!(shown(&only(&["AS64496", "FR"])), [0, 1, 3]);
        let both = Rows { hide: list(&["192.0.2.0/24"]), ..only(&["AS64496"]) };
        assert_eq!(shown(&both), [3]);
        let totals = batch().project(&[0]).expect("a projection");
        assert_eq!(only(&["AS64496"]).choose(&totals).expect("rows").num_rows(), 4);
    }

    #[test]
    fn rows_are_sorted_with_empty_values_last() {
        let by = |sort: &str| shown(&Rows { sort: sort.parse().ok(), ..Rows::default() });
        assert_eq!(by("events:desc"), [3, 2, 1, 0]);
        assert_eq!(by("asn"), [0, 3, 2, 1]);
        assert_eq!(by("asn:desc"), [2, 0, 3, 1]);
        assert_eq!(by("no such column"), [0, 1, 2, 3]);
    }

    #[test]
    fn lists_come_from_files_and_errors_name_the_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("a file");
            List::read(&[format!("@{}", file.path().display())])
        };
        let good = read("# ours\nAS64496\n\n192.0.2.0/24 # the lab\n").expect("a list");
        let bad = read("AS64496\nexample.org\n").expect_err("must be refused").to_string();
        assert_eq!(good, list(&["AS64496", "192.0.2.0/24"]));
        assert!(bad.contains("line 2: `example.org` is no address"), "{bad}");
    }
}
