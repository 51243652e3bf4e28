//! The memory that queries share: how it is given out, and what is said where it is too little.

use crate::config::Engine;
use crate::dataset::DataFile;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use thiserror::Error;

/// Memory of one thread that every query has enough of, however few rows there are, MiB: sorting and merging
/// set some aside before the first row.
const PER_THREAD_MIB: usize = 128;
/// How much larger what a query holds is than the files it reads. Whole rows are 2.5 times (`hash_days`) to 9
/// times (`lookups`) as large; no query holds all columns of all rows at once.
const FILE_TO_MEMORY: u64 = 4;

/// A query did not get the memory that it needs.
#[derive(Debug, Error)]
#[error("{what}: {given} MiB of memory are too little; --memory {enough}MiB is enough")]
pub struct TooLittle {
    what: String,
    given: usize,
    enough: usize,
}

/// `error`, or what to do about it where memory has run out: `what` is computed from `files`. What is enough
/// follows from their size.
#[must_use]
pub fn explain<'a>(
    error: anyhow::Error,
    engine: &Engine,
    what: &str,
    files: impl IntoIterator<Item = &'a DataFile>,
) -> anyhow::Error {
    let exhausted =
        |cause: &DataFusionError| matches!(cause.find_root(), DataFusionError::ResourcesExhausted(_));
    if !error.chain().filter_map(<dyn std::error::Error>::downcast_ref).any(exhausted) {
        return error;
    }
    let bytes = files.into_iter().map(|file| file.size).sum::<u64>() * FILE_TO_MEMORY;
    let rows = usize::try_from(bytes >> 20).unwrap_or(usize::MAX);
    let enough = rows.max(2 * engine.memory_mib).max(PER_THREAD_MIB * engine.threads).next_power_of_two();
    TooLittle { what: what.to_owned(), given: engine.memory_mib, enough }.into()
}

/// A pool of which one half is for whoever comes first, and beyond it everybody who can spill has the same share of
/// the whole: where little is held, nobody writes to disk because others could have come.
///
/// Rows on their way from one thread to another are counted and never refused: there are few of them. Refused, two
/// threads could write them to disk at the same time and wait for each other without end
/// (<https://github.com/apache/datafusion/issues/24883>); and their shares, which they hardly use, would be
/// missing where rows are sorted and grouped.
#[derive(Debug)]
pub struct Pool {
    fair: FairSpillPool,
    /// Bytes.
    half: usize,
}

impl Pool {
    /// A pool of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { fair: FairSpillPool::new(bytes), half: bytes / 2 }
    }
}

/// Whether rows are only passed on; the name is that of the engine's operator.
fn passes_on(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("RepartitionExec[")
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if !passes_on(consumer) {
            self.fair.register(consumer);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if !passes_on(consumer) {
            self.fair.unregister(consumer);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if passes_on(reservation.consumer()) || self.reserved() + additional <= self.half {
            self.fair.grow(reservation, additional);
            return Ok(());
        }
        self.fair.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fair.fmt(f)
    }
}
