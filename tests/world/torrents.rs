//! What people download: single torrents by popularity, and season packs.

use super::chance::{Chance, Zipf};
use capture::id::Id;

/// Torrents in the world, packs among them.
pub const TORRENTS: u32 = 50_000;
/// Exponent of popularity by rank.
pub const EXPONENT: f64 = 0.9;
/// Season packs, and torrents in each; they are the last of the numbering.
const PACKS: u32 = 500;
const EPISODES: u32 = 10;
const SINGLES: u32 = TORRENTS - PACKS * EPISODES;

/// The catalogue. A torrent is a number; flash crowds have numbers from [`TORRENTS`] on.
#[derive(Debug)]
pub struct Torrents {
    chance: Chance,
    singles: Zipf,
    packs: Zipf,
    /// Infohashes of the first [`TORRENTS`], for speed.
    infohashes: Vec<Id>,
    pack_share: f64,
}

impl Torrents {
    /// A catalogue from which packs are chosen with probability `pack_share`.
    #[must_use]
    pub fn new(chance: Chance, pack_share: f64) -> Self {
        let chance = chance.named("torrents");
        Self {
            chance,
            singles: Zipf::new(SINGLES, EXPONENT),
            packs: Zipf::new(PACKS, EXPONENT),
            infohashes: (0..u64::from(TORRENTS)).map(|number| chance.of(number).id()).collect(),
            pack_share,
        }
    }

    /// The infohash of a torrent.
    #[must_use]
    pub fn infohash(&self, number: u32) -> Id {
        self.infohashes.get(number as usize).copied().unwrap_or_else(|| self.chance.of(number.into()).id())
    }

    /// Adds what somebody chooses: one torrent, or all of a pack.
    pub fn choose(&self, chance: Chance, into: &mut Vec<u32>) {
        let uniform = chance.of(0).unit();
        if chance.of(1).unit() < self.pack_share {
            let first = SINGLES + self.packs.rank(uniform) * EPISODES;
            into.extend(first..first + EPISODES);
        } else {
            into.push(self.singles.rank(uniform));
        }
    }
}
