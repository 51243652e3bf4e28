//! One row per return: who came back to an infohash, by what clock, and who went through several
//! infohashes together.
//!
//! # What it measures
//! Visits (see `visits`: a return is what comes after an hour of absence) of one operator, over all days
//! held.
//!
//! * `SCHEDULED`: at least `min_visits` visits to one infohash whose intervals vary by at most `max_cv` of
//!   their mean. One row a pair.
//! * `RETURN_VISIT`: two visits or more without such a rhythm. One row a pair, descriptive.
//! * `CROSS_HASH`: at least `cross_hashes` infohashes within `cross_window`. One row an occasion, which is
//!   as long as it can be: windows that share a visit make one. Upkeep of routing tables (see
//!   `pair_days`) takes no part.
//!
//! Intervals lie between the starts of visits; their spread is the population standard deviation.
//! The `confidence` of a schedule is the lesser of 1 − `cv` and 1 − 1/(2n): five visits, every 24 hours
//! give or take half an hour, have 0.9.
//!
//! # Why it is evidence
//! People come back when they feel like it. Whoever checks whether something is still there, or collects
//! who else asks, comes back by the clock, mostly with a single lookup (`solo_visits`), and goes through
//! the same list each time.
//!
//! # Benign look-alikes
//! Three visits at random meet the rule on 30 in 100 times, four on 11, five on 4: among many pairs most
//! short schedules are chance. Clients that announce again every 15 to 75 minutes come back by the
//! clock (`explained_by = 'client_reannounce'`); many clients behind one address come back at any time
//! (`shared_ip`). People have daily habits. Our presences change their ids every twelve hours, so that
//! an infohash can come into view twice a day. A client that starts asks for everything it has,
//! and makes one `CROSS_HASH`.
//!
//! # Limits
//! A pair whose lookups seldom reach us shows gaps that are multiples of its real interval. A visit that
//! goes on after midnight counts as solo when its part before midnight is a single lookup. Visits
//! leave with the raw events; what is left of a pair is judged anew.
//!
//! # References
//! * BEP 5, DHT Protocol: what a client sends when it looks up and announces an infohash.
//! * T. Chothia, M. Cova, C. Novakovic, C. González Toro: The Unbearable Lightness of Monitoring: Direct
//!   Monitoring in BitTorrent. SecureComm 2012.

use crate::parameter::parameters;
use crate::table::folder;
use crate::{Grain, Live, Retention, Table, View};
use schema::columns;

/// See the module.
pub const TABLE: Table = Table {
    grain: Grain::Window,
    retention: Retention::Subjects(&["kind", "operator", "infohash", "first_seen"]),
    parameters: parameters! {
        /// Visits that a schedule needs. Three are the fewest that have two intervals to compare.
        /// Raising it drops most chance findings, and monitors that were seen a few times only.
        min_visits: Count = 3 ["visits"];
        /// `SCHEDULED` up to this coefficient of variation of the intervals. Raising it lets looser
        /// clocks in, and with them ever more chance.
        max_cv: Ratio = 0.3 ["SD / mean"];
        /// Time in which the infohashes of a `CROSS_HASH` follow each other. Raising it joins separate
        /// errands of one evening.
        cross_window: Duration = 7200 ["s"];
        /// Different infohashes that a `CROSS_HASH` needs within that time. Raising it misses short
        /// lists; lowering it finds everybody with a handful of torrents.
        cross_hashes: Count = 5 ["infohashes"];
        /// Infohashes that a row of `CROSS_HASH` names, the first ones visited. Raising it makes the rows of
        /// crawlers long; `n` counts all of them.
        listed_hashes: Count = 100 ["infohashes"];
        /// Least mean interval of a client that announces again. Clients wait 15 minutes at least.
        /// Raising it takes fewer rhythms for theirs.
        reannounce_least: Duration = 900 ["s"];
        /// Greatest mean interval of a client that announces again. Some wait 75 minutes. Raising it
        /// explains slower clocks away.
        reannounce_most: Duration = 4500 ["s"];
        /// Share of visits with an announce from which on the visitor is a client of the swarm,
        /// whatever its rhythm. Announces seldom reach us, so half of them is much. Raising it
        /// leaves more clients unexplained.
        announcing_share: Ratio = 0.5 ["0–1"];
        /// Share of infohashes near the operator's own id, among all it asks for, from which on what
        /// nobody else asks for and nobody asks for twice is upkeep as well. By chance one in 256 is
        /// near. Raising it leaves the upkeep of clients with many torrents unexplained.
        upkeep_share: Ratio = 0.1 ["0–1"];
        /// Node ids within one clock hour from which on an address is shared. Two are a client that
        /// started anew. Raising it leaves small translators unexplained.
        shared_ids: Count = 3 ["ids"];
    },
    columns: columns! {
        /// `SCHEDULED`, `RETURN_VISIT` or `CROSS_HASH`.
        kind: Text ["–"];
        /// IPv4 address or IPv6 /64 of the visitor.
        operator: Text ["–"];
        /// Infohash, hexadecimal; null for `CROSS_HASH`.
        infohash: Text null ["40 hex digits"];
        /// The first `listed_hashes` infohashes of a `CROSS_HASH`, in order of visit; null for other kinds.
        infohashes: Texts null ["40 hex digits"];
        /// Autonomous system of the operator.
        asn: U32 null ["AS number"];
        /// Country of the operator.
        country: Text null ["ISO 3166-1 alpha-2"];
        /// What a test is over: the visits, or the different infohashes of a `CROSS_HASH`.
        n: I64 ["–"];
        /// Visits that began.
        visits: I64 ["visits"];
        /// Visits that were a single lookup.
        solo_visits: I64 ["visits"];
        /// announce_peer lookups in them.
        announces: I64 ["lookups"];
        /// Queries received in them.
        observations: I64 ["events"];
        /// Start of the first visit.
        first_seen: Timestamp ["µs, UTC"];
        /// End of the last visit.
        last_seen: Timestamp ["µs, UTC"];
        /// Mean interval between the starts of neighbouring visits.
        mean_interval_h: F64 ["h"];
        /// Standard deviation of the intervals, of the population; null for `CROSS_HASH`.
        interval_sd_h: F64 null ["h"];
        /// Coefficient of variation of the intervals; null for `CROSS_HASH`.
        cv: F64 null ["SD / mean"];
        /// Lesser of 1 − `cv` and 1 − 1/(2n); null for kinds that claim no schedule.
        confidence: F64 null ["0–1"];
        /// What explains the finding without any monitoring; null when no rule does.
        explained_by: Text null ["–"];
        /// The finding in words.
        detail: Text ["–"];
        /// When this row was computed.
        computed_at: Timestamp ["µs, UTC"];
    },
    summary: Some(include_str!("summary.sql")),
    views: &[View {
        flag: "rendezvous",
        help: "Returns to infohashes: schedules, lists gone through together, repeat visits",
        argument: None,
        sql: include_str!("report.sql"),
    }],
    live: Some(Live { every: 30, by_operator: false, sql: include_str!("live.sql") }),
    ..folder!()
};
