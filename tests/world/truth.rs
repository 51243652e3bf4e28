//! What was planted, beside the data and never in it: `truth.json` and `visibility.parquet`.
//!
//! `truth.json` has the settings, the outages, and for each actor its parameters, its addresses, what it
//! was after (`tracks`, with planned, expected and recorded lookups) and what detectors should find
//! (`units`). A unit is *observable* when the lookups that can be expected to be recorded are as many
//! as its detector needs. `visibility.parquet` has a row per (address, infohash) of the background:
//! how likely it was that a lookup reached us.

use super::actors::script::{Actor, Unit};
use super::presences::Presences;
use super::{Micros, Settings, World, prefix};
use anyhow::{Context, Result};
use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::{Float64Array, RecordBatch};
use capture::id::Id;
use capture::partition::writer_properties;
use capture::secret::mapped;
use parquet::arrow::ArrowWriter;
use schema::partition::{DAY, HOUR};
use schema::{Column, columns};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The file of what was planted, below the dataset's root.
pub const FILE: &str = "truth.json";
/// The file of the background's visibility, below the dataset's root.
pub const VISIBILITY: &str = "visibility.parquet";
/// Pairs that are seen less often than this are left out.
const LEAST: f64 = 0.001;

/// Columns of [`VISIBILITY`].
const COLUMNS: &[Column] = columns! {
    /// Source address of the client.
    peer_ip: Address ["16 bytes"];
    /// What it is after.
    infohash: Id ["20 bytes"];
    /// Probability that one of its lookups reaches us.
    visibility: F64 ["0–1"];
};

#[derive(Serialize)]
struct Truth<'a> {
    settings: &'a Settings,
    outages: &'a [Range<Micros>],
    actors: &'a [Actor],
}

impl Actor {
    /// Lookups that can be expected to be recorded for `unit`.
    #[must_use]
    pub fn expected(&self, unit: &Unit) -> f64 {
        unit.tracks.iter().map(|&track| self.tracks[track].expected).sum()
    }

    /// Whether anybody could find `unit`.
    #[must_use]
    pub fn is_observable(&self, unit: &Unit) -> bool {
        self.expected(unit) >= unit.needs as f64
    }
}

/// Writes what is true in `world` below `data`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(world: &World, data: &Path) -> Result<()> {
    let path = data.join(FILE);
    let truth = Truth { settings: &world.settings, outages: &world.outages, actors: &world.plan.actors };
    let text = serde_json::to_string_pretty(&truth)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    write_visibility(world, &data.join(VISIBILITY))
}

fn write_visibility(world: &World, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let schema = schema::table::arrow(COLUMNS);
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(writer_properties(COLUMNS, [])))?;
    let time = world.time();
    let mut day = time.start;
    while day < time.end {
        let pairs = visibilities(world, day);
        let (mut ips, mut infohashes) = (FixedSizeBinaryBuilder::new(16), FixedSizeBinaryBuilder::new(20));
        for (ip, infohash, _) in &pairs {
            ips.append_value(mapped(*ip))?;
            infohashes.append_value(infohash.0)?;
        }
        let values = Float64Array::from_iter_values(pairs.iter().map(|pair| pair.2));
        let columns: Vec<arrow_array::ArrayRef> =
            vec![Arc::new(ips.finish()), Arc::new(infohashes.finish()), Arc::new(values)];
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
        // A row group a day: as much memory for a month as for a day.
        writer.flush()?;
        day += DAY;
    }
    writer.close()?;
    Ok(())
}

/// The pairs that come up on a day for the first time since the client has its address.
fn visibilities(world: &World, day: Micros) -> Vec<(IpAddr, Id, f64)> {
    let presences = Presences::during(&world.keyspace, &(day..day + HOUR));
    let mut pairs = Vec::new();
    let (mut stays, mut seen) = (Vec::new(), BTreeSet::new());
    for client in &world.clients {
        stays.clear();
        seen.clear();
        client.stays(&(day..day + DAY), &world.settings.society, &world.torrents, &mut stays);
        let first = day == world.time().start;
        for stay in stays.iter().filter(|stay| first || stay.online.start >= day) {
            let contacts = world.contacts(&presences, &stay.caller, day);
            for &torrent in &stay.torrents {
                if !seen.insert(torrent) {
                    continue;
                }
                let infohash = world.torrents.infohash(torrent);
                let visibility =
                    world.settings.contact.visibility(&presences, &contacts, prefix(&infohash), day);
                if visibility >= LEAST {
                    pairs.push((stay.caller.address.ip(), infohash, visibility));
                }
            }
        }
    }
    pairs
}
