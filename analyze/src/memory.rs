//! The memory that queries share: how it is given out, and what is said where it is too little.

use crate::config::Engine;
use crate::dataset::DataFile;
use datafusion::common::{DataFusionError, resources_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Memory of one thread that every query has enough of, however few rows there are, MiB: sorting and merging
/// set some aside before the first row.
const PER_THREAD_MIB: usize = 128;
/// How much larger what a query holds is than the files it reads. Whole rows are 2.5 times (`hash_days`) to 9
/// times (`lookups`) as large; no query holds all columns of all rows at once.
const FILE_TO_MEMORY: u64 = 4;

/// The part of a pool that the files behind one slice of the keyspace are as large as: what is held of them is some
/// eight times as large, and an eighth of the pool then.
const SLICE: u64 = 64;
/// And no smaller, bytes: to open files once more for every slice would cost more than smaller slices save.
const LEAST_SLICE: u64 = 16 << 20;

/// The part of a pool that is kept from those who can spill, for merging what they spilled.
const RESERVE: usize = 16;

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

/// In how many slices of the keyspace to compute what is computed from files of so many bytes: a power of two.
#[must_use]
pub fn slices(engine: &Engine, bytes: u64) -> usize {
    let slice = (((engine.memory_mib as u64) << 20) / SLICE).max(LEAST_SLICE);
    1 << (bytes / slice).clamp(1, 256).ilog2()
}

/// A pool of which one half is for whoever comes first: where little is held, nobody writes to disk because others
/// could have come. Of the other half everybody who can spill has the same share, so that there is something left
/// for those who come last.
///
/// Rows on their way from one thread to another are counted and never refused: there are few of them. Refused, two
/// threads could write them to disk at the same time and wait for each other without end
/// (<https://github.com/apache/datafusion/issues/24883>); and their shares, which they hardly use, would be
/// missing where rows are sorted and grouped.
#[derive(Debug)]
pub struct Pool {
    /// Bytes.
    limit: usize,
    held: Mutex<Held>,
}

/// Who holds how much.
#[derive(Debug, Default)]
struct Held {
    /// How many there are who can spill.
    spillers: usize,
    /// Bytes that they hold.
    spillable: usize,
    /// Bytes of all others.
    firm: usize,
}

impl Pool {
    /// A pool of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { limit: bytes, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether rows are only passed on; the name is that of the engine's operator.
fn passes_on(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("RepartitionExec[")
}

fn spills(consumer: &MemoryConsumer) -> bool {
    consumer.can_spill() && !passes_on(consumer)
}

impl Held {
    fn bytes(&self) -> usize {
        self.spillable + self.firm
    }

    fn of(&mut self, consumer: &MemoryConsumer) -> &mut usize {
        if spills(consumer) { &mut self.spillable } else { &mut self.firm }
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.held().spillers += usize::from(spills(consumer));
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.held().spillers -= usize::from(spills(consumer));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.held().of(reservation.consumer()) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.held().of(reservation.consumer()) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let mut held = self.held();
        let (half, wanted) = (self.limit / 2, held.bytes() + additional);
        let granted = if wanted <= half || passes_on(consumer) {
            true
        } else if spills(consumer) && reservation.size() > 0 {
            let rest = self.limit - held.firm.clamp(half, self.limit);
            reservation.size() + additional <= rest / held.spillers
                && wanted <= self.limit - self.limit / RESERVE
        } else {
            // Who holds nothing has nothing to spill.
            wanted <= self.limit
        };
        if !granted {
            let (name, size) = (consumer.name(), reservation.size());
            return Err(resources_datafusion_err!(
                "{name} holds {size} bytes and asks for {additional} more; {self}"
            ));
        }
        *held.of(consumer) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held().bytes()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all there are is {} bytes", self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_more_there_is_and_the_smaller_the_pool_the_more_slices() {
        let slices = |memory_mib: usize, mib: u64| slices(&Engine { memory_mib, threads: 2 }, mib << 20);
        assert_eq!([0, 63, 64, 300, 1 << 20].map(|mib| slices(2048, mib)), [1, 1, 2, 8, 256]);
        assert_eq!([15, 32, 300].map(|mib| slices(256, mib)), [1, 2, 16]);
    }

    #[test]
    fn the_first_has_half_and_the_others_have_shares_of_the_rest() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(1000));
        let spills = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (first, second) = (spills("first"), spills("second"));
        first.try_grow(500).expect("the first half");
        first.try_grow(1).expect_err("more than its share of the rest");
        second.try_grow(10).expect("a first piece");
        second.try_grow(240).expect("its share of the rest");
        second.try_grow(1).expect_err("more than that");
        let firm = MemoryConsumer::new("firm").register(&pool);
        firm.try_grow(200).expect("there is some left");
        second.shrink(10);
        second.try_grow(10).expect_err("what is reserved");
        firm.try_grow(60).expect("what is left");
        firm.try_grow(1).expect_err("nothing is left");
        MemoryConsumer::new("RepartitionExec[1]").register(&pool).try_grow(99).expect("never refused");
        drop(first);
        assert_eq!(pool.reserved(), 500);
        firm.try_grow(500).expect("what the first gave back");
    }
}
