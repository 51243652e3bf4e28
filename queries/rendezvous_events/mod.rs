//! One row per return: who came back to an infohash, by what clock, and who went through several
//! infohashes together.
//!
//! # What it measures
//! Visits (see `visits`: a return is what comes after an hour of absence) of one operator, over all days
//! held.
//!
//! * `SCHEDULED`: at least `min_visits` visits to one infohash whose intervals vary by at most `max_cv` of
//!   their mean (`by_rule`), or visits whose clock is significant although some are missing. One row a pair.
//! * `RETURN_VISIT`: two visits or more without such a rhythm. One row a pair, descriptive.
//! * `CROSS_HASH`: several infohashes gone through at one stretch (see `cross_hash_days`), upkeep of routing tables
//!   left out. One row an occasion, whether or not it goes on after midnight.
//!
//! Intervals lie between the starts of visits; their spread is the population standard deviation.
//! The `confidence` of a schedule is the lesser of 1 − `cv` and 1 − 1/(2n): five visits, every 24 hours
//! give or take half an hour, have 0.9.
//!
//! # Null
//! `SCHEDULED`: the visits of a pair come independently of each other, an hour or more apart. `schedule` in
//! `queries/functions` looks for regular runs of visits and for a period that their phases agree on, and its
//! p-value counts everything it tried. A pair is tested from `tested_visits` visits on, when a share of
//! `solo_share` of them or more is a single lookup, none announces, and nothing explains them. People come back
//! daily: a period of a day, give or take `day_width`, is vetoed (`explained_by = 'daily_habit'`) unless
//! hardly anybody is as regular among those who come back daily and are not tested, one pair an operator. Such habits
//! are told by the clock itself, so they stay among the tests, with a p-value of 1 that is not shown. With
//! fewer than `least_habits` of them daily periods are not tested.
//!
//! `CROSS_HASH`: on every occasion the operator, a client that runs, asks for each of its infohashes twice
//! or more, and each lookup reaches us with the same probability. Then infohashes that are seen on nearly
//! every occasion would be seen several times on many (`single_pass_test`). An infohash is on the list because it was
//! seen once: what is tested are the other occasions. An operator is tested on all its occasions together, from
//! `tested_occasions` on that nothing explains, unless it announced any of the infohashes. Where less
//! than `return_share` of its list returns on the other occasions, p is 1.
//!
//! What is discovered is an operator that keeps a clock, or goes through a list: q-values are over operators,
//! each with its least p-value times the number of its pairs, habits included; `tests` counts operators. The
//! q-value of another pair of an operator is that of the next operator with so large a p-value.
//!
//! # Why it is evidence
//! People come back when they feel like it. Whoever checks whether something is still there, or collects
//! who else asks, comes back by the clock, mostly with a single lookup (`solo_visits`), and goes through
//! the same list each time.
//!
//! # Benign look-alikes
//! Three visits at random meet the rule on 30 in 100 times, four on 11, five on 4: among many pairs most
//! short schedules are chance. Clients that announce again every 15 to 75 minutes come back by the
//! clock, whether or not their announces reach us (`explained_by = 'client_reannounce'`); many clients behind one address come back at any time
//! (`shared_ip`). People have daily habits. Our presences change their ids every twelve hours: who asks all the time
//! comes into view twice a day, with visits that are more than a lookup (`node_rotation`). A client that starts asks for everything it has,
//! and makes one `CROSS_HASH`.
//!
//! # Limits
//! A pair whose lookups seldom reach us shows gaps that are multiples of its real interval. A visit that
//! goes on after midnight counts as solo when its part before midnight is a single lookup. Visits
//! leave with the raw events: a pair stays as it was judged, until it comes again and is judged by what is held.
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
    retention: Retention::Subjects(&["operator", "infohash", "CASE WHEN infohash IS NULL THEN last_seen END"]),
    families: Some("CASE WHEN kind = 'CROSS_HASH' THEN 'for lists' ELSE 'for a clock' END"),
    parameters: parameters! {
        /// Visits that a schedule needs by rule. Three are the fewest that have two intervals to compare.
        /// Raising it drops most chance findings, and monitors that were seen a few times only.
        min_visits: Count = 3 ["visits"];
        /// `SCHEDULED` up to this coefficient of variation of the intervals. Raising it lets looser
        /// clocks in, and with them ever more chance.
        max_cv: Ratio = 0.3 ["SD / mean"];
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
        /// Infohashes of an occasion that others ask for on the same day, or the operator again, from which on it is
        /// no upkeep. Raising it takes interests of clients with few torrents for upkeep.
        again_hashes: Count = 5 ["infohashes"];
        /// Node ids within one clock hour from which on an address is shared. Two are a client that
        /// started anew. Raising it leaves small translators unexplained.
        shared_ids: Count = 3 ["ids"];
        /// Absence that ends a visit, as in `visits`: gaps cannot be shorter. Raising it beyond that takes
        /// chance for a clock.
        visit_gap: Duration = 3600 ["s"];
        /// To what the times of visits are taken to be known. Most clients work by a clock of up to half an
        /// hour, which makes gaps equal that nobody planned. Raising it hides clocks of few hours.
        resolution: Duration = 1800 ["s"];
        /// Visits from which on a pair is tested. Raising it finds clocks later and tests fewer pairs.
        tested_visits: Count = 5 ["visits"];
        /// Share of visits that are a single lookup from which on a pair is tested. A client that runs repeats its
        /// lookups. Raising it loses monitors that look twice at times.
        solo_share: Ratio = 0.9 ["0–1"];
        /// How often our presences change their ids. Whoever asks all the time comes into view and leaves it with
        /// them. Raising it takes slower clocks for ours.
        rotation: Duration = 43200 ["s"];
        /// How far from that a rhythm still is that of a rotation: half an hour at either end. Raising it explains
        /// more clocks away.
        rotation_width: Duration = 3600 ["s"];
        /// Share of visits that are a single lookup from which on somebody passes by, and does not ask all the time.
        /// Raising it explains more rhythms of twelve hours away.
        passing_share: Ratio = 0.5 ["0–1"];
        /// How far from 24 hours a period still is a daily one. Raising it vetoes clocks of other periods.
        day_width: Duration = 14400 ["s"];
        /// Share of the operators who come back daily that may be as regular as a tested pair, which counts
        /// itself in. Raising it lets more habits through.
        habit_share: Ratio = 0.1 ["0–1"];
        /// Operators who come back daily without which no daily period is tested. With twenty, one may be as
        /// regular. Raising it leaves daily clocks of small datasets untested.
        least_habits: Count = 20 ["operators"];
        /// Occasions from which on lists are tested. A client that starts asks for everything once. Raising
        /// it finds lists later.
        tested_occasions: Count = 2 ["occasions"];
        /// Share of an operator's list that is seen on the occasions beside the one that put it there, on average,
        /// below which it does not count as returning. Raising it loses monitors that are seen in part.
        return_share: Ratio = 0.5 ["0–1"];
        /// `significant` up to this q-value: the share of chance among what is called so. Raising it finds more,
        /// and more of it wrongly.
        false_discovery: Ratio = 0.05 ["0–1"];
    },
    columns: columns! {
        /// `SCHEDULED`, `RETURN_VISIT` or `CROSS_HASH`.
        kind: Text ["–"];
        /// The stated thresholds are met; false for returns without a rhythm, and for a schedule that
        /// only the test finds.
        by_rule: Bool ["–"];
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
        /// Period of a schedule: of the test where it was made, otherwise the mean interval; null for other
        /// kinds.
        period_h: F64 null ["h"];
        /// Lesser of 1 − `cv` and 1 − 1/(2n), where visits are missing with the variation that the test
        /// found; null for kinds that claim no schedule.
        confidence: F64 null ["0–1"];
        /// What the finding is over: the visits, or the different infohashes of a `CROSS_HASH`.
        n: I64 ["visits, infohashes"];
        /// How likely the null gives as much of a clock, or all lists of the operator; null where it was not
        /// tested.
        p_value: F64 null ["0–1"];
        /// Least false discovery rate at which it is significant; null where it was not tested.
        q_value: F64 null ["0–1"];
        /// Operators tested for a clock, or for lists; null where it was not tested.
        tests: I64 null ["operators"];
        /// Tested, and the q-value is at most `false_discovery`.
        significant: Bool ["–"];
        /// What explains the finding without any monitoring; null when no rule does.
        explained_by: Text null ["client_reannounce, bucket_refresh, shared_ip, node_rotation, daily_habit"];
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
