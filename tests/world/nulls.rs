//! Worlds in which there is nothing to find: whatever a detector calls significant here is chance, or
//! one of the harmless habits of people and programs.

use super::Settings;
use super::actors::Cast;
use super::background::Arrivals;

/// A world without actors.
#[derive(Debug)]
pub struct Null {
    /// Its name.
    pub name: &'static str,
    /// What sets it apart from the full background.
    pub doc: &'static str,
    change: fn(&mut Settings),
}

impl Null {
    /// `settings` with nobody planted, and what this null changes.
    #[must_use]
    pub fn settings(&self, settings: &Settings) -> Settings {
        let mut settings = Settings { cast: Cast::Nobody, ..settings.clone() };
        (self.change)(&mut settings);
        settings
    }

    /// The null called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        NULLS.iter().find(|null| null.name == name)
    }
}

/// All of them.
pub const NULLS: [Null; 10] = [
    Null {
        name: "poisson",
        doc: "lookups at random, with the same rate at all times",
        change: |settings| at_random(settings, Arrivals::Poisson),
    },
    Null {
        name: "diurnal",
        doc: "lookups at random, with a rate that follows the time of day",
        change: |settings| at_random(settings, Arrivals::DiurnalPoisson),
    },
    Null { name: "background", doc: "the full background", change: |_| {} },
    Null {
        name: "season_packs",
        doc: "everybody downloads whole seasons",
        change: |settings| settings.society.packs = 1.0,
    },
    Null { name: "outages", doc: "the sensor fails eight times", change: |settings| settings.outages = 8 },
    Null {
        name: "translators",
        doc: "most people share addresses, and one datagram in ten is lost or sent twice",
        change: |settings| {
            settings.society.translated = 0.7;
            settings.society.loss = (0.05, 0.1);
        },
    },
    Null {
        name: "flash_crowds",
        doc: "every flash crowd draws a fifth of all people",
        change: |settings| settings.society.flash = 0.2,
    },
    Null {
        name: "reannouncers",
        doc: "two clients in five are always online, and one in a hundred is a seedbox",
        change: |settings| {
            settings.society.seeders = 0.4;
            settings.society.seedboxes = 0.01;
        },
    },
    Null {
        name: "faithful",
        doc: "everybody comes back every day at the same time for the same torrents",
        change: |settings| settings.society.faithful = 1.0,
    },
    Null {
        name: "shuffled",
        doc: "the times of the queries of an address are exchanged within each hour",
        change: |settings| settings.shuffled = true,
    },
];

/// Everybody is always online, so that nothing but `arrivals` shapes the day; as many are left as make
/// about as many queries.
fn at_random(settings: &mut Settings, arrivals: Arrivals) {
    settings.arrivals = arrivals;
    settings.society.seeders = 1.0;
    settings.society.clients = settings.society.clients.div_ceil(6);
}
