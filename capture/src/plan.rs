//! The presences as text: what would be bound, and with which ids, without binding anything.

use crate::clock::Micros;
use crate::keyspace::Keyspace;
use serde::Serialize;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// One presence.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Number of the presence, as in `source_node`.
    pub presence: u16,
    /// Address and port that it listens on.
    pub listen: SocketAddr,
    /// The id that it has now.
    pub id: String,
    /// First id of its slice.
    pub slice_first: String,
    /// Last id of its slice.
    pub slice_last: String,
    /// When it takes another id, µs since 1970-01-01 UTC; absent if it never does.
    pub until: Option<Micros>,
}

/// The presences of `keyspace` as they are at `now`.
#[must_use]
pub fn rows(keyspace: &Keyspace, now: Micros) -> Vec<Row> {
    (0..keyspace.presences())
        .map(|presence| {
            let (first, last) = keyspace.slice(presence);
            let until = keyspace.validity(presence, now).end;
            Row {
                presence,
                listen: keyspace.sockets()[keyspace.socket_of(presence)],
                id: keyspace.id(presence, now).get().to_string(),
                slice_first: first.to_string(),
                slice_last: last.to_string(),
                until: (until != Micros::MAX).then_some(until),
            }
        })
        .collect()
}

/// The rows as a table with a line for each presence. A slice is shown by the digits in which its
/// ends differ from those of its neighbours.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    /// Digits enough to tell 65,535 slices apart.
    const DIGITS: usize = 8;
    let width = rows.iter().map(|row| row.listen.to_string().len()).max().unwrap_or(0).max("listen".len());
    let mut text = format!("{:>8}  {:width$}  {:40}  slice\n", "presence", "listen", "id");
    for row in rows {
        let (listen, first, last) =
            (row.listen.to_string(), &row.slice_first[..DIGITS], &row.slice_last[..DIGITS]);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:>8}  {listen:width$}  {}  {first}…–{last}…", row.presence, row.id);
    }
    text
}

/// The rows as a JSON array.
///
/// # Errors
/// Never: the rows hold nothing that JSON cannot.
pub fn json(rows: &[Row]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(rows).map(|text| text + "\n")
}
