//! The detectors held against the truth: what they find of what was planted, what else they find,
//! and what they find where there is nothing.
//!
//! * [`findings`] asks the detectors, [`verdict`] counts and prints, [`goals`] are the rates that are meant to be
//!   reached.
//! * Units that cannot be observed, because too few of their lookups can be expected to reach us, are counted
//!   apart: no detector can find them. What is found about a planted subject beyond its units is neither
//!   right nor wrong, and counted as `beside`.
//! * Thresholds are chosen on [`TUNING_SEEDS`] and the parameter ranges for tuning, and judged on
//!   [`EVALUATION_SEEDS`] and those for evaluation. Nobody looks at single worlds of the latter.

pub mod findings;
pub mod goals;
pub mod verdict;

use super::actors::Cast;
use super::contact::ContactModel;
use super::nulls::Null;
use super::population::Society;
use super::{Settings, World};
use anyhow::{Result, ensure};
use findings::find;
use serde::Serialize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};
use verdict::{Counts, Verdict};

/// Seeds of worlds by which thresholds are chosen.
pub const TUNING_SEEDS: Range<u64> = 1..1000;
/// Seeds of worlds by which they are judged: planted ones, then nulls.
pub const EVALUATION_SEEDS: Range<u64> = 1000..3000;
/// The first seed of nulls among [`EVALUATION_SEEDS`].
const FIRST_NULL: u64 = 2000;

/// The worlds that are looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Extent {
    /// Worlds with actors: these settings, but for the seed and the contact model.
    pub planted: Settings,
    /// Their seeds.
    pub planted_seeds: Range<u64>,
    /// Their contact models: each seed makes a world with each.
    pub contacts: Vec<ContactModel>,
    /// Worlds without actors, likewise; the contact models take turns.
    pub null: Settings,
    /// Their seeds.
    pub null_seeds: Range<u64>,
}

impl Extent {
    /// What the tests look at each time.
    #[must_use]
    pub fn small() -> Self {
        let mut small = Self::judging(3, 1, 10);
        small.planted.society.clients = 4000;
        (small.null.society.clients, small.null.days) = (1000, 5);
        small
    }

    /// What the published rates come from: 160 actors of each kind, and 100 worlds of each null.
    #[must_use]
    pub fn full() -> Self {
        Self::judging(8, 10, 100)
    }

    /// The first `planted` and `null` of the seeds for evaluation. Actors of one kind share a world, where they
    /// have addresses and infohashes of their own; a few of them, so that a world still is one of people.
    fn judging(copies: u32, planted: u64, null: u64) -> Self {
        let settings = |clients, days| Settings {
            days,
            society: Society { clients, ..Society::default() },
            ..Settings::default()
        };
        Self {
            planted: Settings { cast: Cast::Evaluation, copies, ..settings(10_000, 14) },
            planted_seeds: EVALUATION_SEEDS.start..EVALUATION_SEEDS.start + planted,
            contacts: vec![ContactModel::Tables, ContactModel::Acquaintance],
            null: settings(2000, 6),
            null_seeds: FIRST_NULL..FIRST_NULL + null,
        }
    }

    /// # Errors
    /// When its actors are drawn for tuning and its seeds kept for evaluation, or the other way round.
    fn check(&self) -> Result<()> {
        let own = if self.planted.cast == Cast::Evaluation { EVALUATION_SEEDS } else { TUNING_SEEDS };
        for seeds in [&self.planted_seeds, &self.null_seeds] {
            let fits = seeds.is_empty() || own.contains(&seeds.start) && own.contains(&(seeds.end - 1));
            ensure!(
                fits,
                "the seeds {}..{} are not for this cast: tuning has {}..{}, evaluation {}..{}",
                seeds.start,
                seeds.end,
                TUNING_SEEDS.start,
                TUNING_SEEDS.end,
                EVALUATION_SEEDS.start,
                EVALUATION_SEEDS.end,
            );
        }
        Ok(())
    }

    /// The worlds, and the null that each is one of.
    fn worlds(&self, nulls: &[&'static Null]) -> Vec<(Settings, Option<&'static str>)> {
        let mut worlds = Vec::new();
        if self.planted.cast != Cast::Nobody {
            for seed in self.planted_seeds.clone() {
                let of = |&contact: &_| (Settings { seed, contact, ..self.planted.clone() }, None);
                worlds.extend(self.contacts.iter().map(of));
            }
        }
        for seed in self.null_seeds.clone() {
            let contact = self.contacts[seed as usize % self.contacts.len()];
            let settings = Settings { seed, contact, ..self.null.clone() };
            worlds.extend(nulls.iter().map(|null| (null.settings(&settings), Some(null.name))));
        }
        worlds
    }
}

/// Judges every detector by the worlds of `extent`, its nulls being those of `nulls`. `progress` hears of each
/// world before it is looked at.
///
/// # Errors
/// When seeds and cast do not belong together, a world cannot be written to the temporary folder, or a detector
/// fails.
pub fn evaluate(extent: Extent, nulls: &[&'static Null], progress: impl Fn(&str) + Sync) -> Result<Verdict> {
    extent.check()?;
    let worlds = extent.worlds(nulls);
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Counts> {
        let mut counts = Counts::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((settings, null)) = worlds.get(number) else { return Ok(counts) };
            let name = null.unwrap_or("actors");
            progress(&format!("world {} of {}: {name}, seed {}", number + 1, worlds.len(), settings.seed));
            let world = World::new(settings.clone())?;
            let found = find(&world)?;
            match null {
                None => counts.add_planted(&world, &found),
                Some(name) => counts.add_null(name, &found),
            }
        }
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let counts = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_fold(Counts::default(), |counts, worker| {
            let more = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            anyhow::Ok(counts.and(more))
        })
    })?;
    Ok(Verdict::new(extent, nulls, counts))
}
