//! One row per infohash and day: how suddenly it was asked for, as far as chance is concerned.
//!
//! # What it measures
//! The lookups of an infohash, each as often as it was asked again: a presence gets a query of a lookup `sends` times
//! at most, and what is beyond that counts as another ask. Stretches of `burst_context` with two asks or more are
//! tested: the null is that asks come independently, at a rate that holds within `burst_context` of the fullest
//! `burst_window` on either side (`bursts` in `queries/functions`, the scan statistic of Wallenstein and Neff).
//!
//! A stretch is tested on the day on which all is known that it is held against, so that days can be put
//! together: those that the next day tests are `open`, and count only when the next day is not held.
//!
//! # Benign look-alikes
//! A crowd that comes together within minutes is a burst, whoever called it.
//!
//! # Limits
//! A stretch that begins in the last two hours before midnight, by default, is in the row of the next day. Chances
//! are those of single stretches: `hash_signals` has them with all stretches of an infohash in view.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Retention, Table};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Day { lookback: Some("memory") },
    retention: Retention::Raw,
    parameters: parameters! {
        /// Length of the window that looks for bursts, as in `hash_days`. Raising it finds slower rushes.
        burst_window: Duration = 300 ["s"];
        /// Time before and after that a window is held against. Interest changes by the hour. Raising it takes
        /// evenings for bursts.
        burst_context: Duration = 3600 ["s"];
        /// How far a day looks back for what was open at midnight. Three times `burst_context` is enough, and no
        /// result changes beyond; raising it costs time.
        memory: Duration = 10800 ["s"];
        /// Queries that one presence gets of one lookup at most: the first and two retransmissions. Raising it
        /// misses who asks again and again.
        sends: Count = 3 ["queries"];
    },
    columns: columns! {
        /// Infohash.
        infohash: Id ["20 bytes"];
        /// The day.
        day: Date ["UTC"];
        /// Asks of get_peers lookups that began on this day.
        asks: I64 ["asks"];
        /// Stretches tested.
        stretches: I64 ["stretches"];
        /// Least p-value of these stretches; null when there is none.
        p_value: F64 null ["0–1"];
        /// Stretches that the next day tests.
        open_stretches: I64 ["stretches"];
        /// Least p-value of these, as far as this day knows.
        open_p_value: F64 null ["0–1"];
    },
    ..folder!()
};
