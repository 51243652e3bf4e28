//! The detectors held against the truth: what they find of what was planted, what else they find,
//! and what they find where there is nothing.
//!
//! A detector takes part with one line in [`FINDINGS`]: a query over its table that says which label
//! it gives to what. Units that cannot be observed, because too few of their lookups can be expected
//! to reach us, are counted apart: no detector can find them. What is found about a planted subject
//! beyond its units is neither right nor wrong, and counted as `beside`.

use super::actors::Cast;
use super::nulls::NULLS;
use super::{Settings, World, output};
use analyze::config::Config;
use analyze::dataset::Dataset;
use analyze::run::Runner;
use analyze::session;
use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a detector's table says what it found.
struct Findings {
    table: &'static str,
    /// `rule` for stated thresholds, `significant` for what would survive chance.
    tier: &'static str,
    /// A query with the columns `subject` and `label`.
    sql: &'static str,
}

/// Every detector that takes part.
const FINDINGS: &[Findings] = &[
    Findings {
        table: "hash_behavior_profiles",
        tier: "rule",
        sql: "SELECT infohash AS subject, unnest(classifications) AS label FROM derived.hash_behavior_profiles",
    },
    Findings {
        table: "operators",
        tier: "rule",
        sql: "SELECT operator AS subject, classification AS label FROM derived.operators \
              WHERE classification <> 'MIXED'",
    },
    Findings {
        table: "operator_profiles",
        tier: "rule",
        sql: "SELECT operator AS subject, classification AS label FROM derived.operator_profiles \
              WHERE classification NOT IN ('normal_client', 'unknown')",
    },
    Findings {
        table: "sweep_events",
        tier: "rule",
        sql: "SELECT operator AS subject, 'keyspace_walk' AS label FROM derived.sweep_events \
              WHERE explained_by IS NULL",
    },
    Findings {
        table: "prefix_walk_events",
        tier: "rule",
        sql: "SELECT operator AS subject, 'keyspace_walk' AS label FROM derived.prefix_walk_events \
              WHERE explained_by IS NULL",
    },
    Findings {
        table: "prefix_entropy",
        tier: "rule",
        sql: "SELECT operator AS subject, shape AS label FROM derived.prefix_entropy \
              WHERE shape <> 'as_expected' AND explained_by IS NULL",
    },
    Findings {
        table: "prefix_families",
        tier: "rule",
        sql: "SELECT prefix AS subject, 'family' AS label FROM derived.prefix_families WHERE explained_by IS NULL",
    },
    Findings {
        table: "keyspace_heatmap",
        tier: "rule",
        sql: "SELECT cell AS subject, zone AS label FROM derived.keyspace_heatmap WHERE zone IS NOT NULL",
    },
    Findings {
        table: "rendezvous_events",
        tier: "rule",
        sql: "SELECT concat_ws(' ', operator, infohash) AS subject, kind AS label \
              FROM derived.rendezvous_events WHERE kind <> 'RETURN_VISIT' AND explained_by IS NULL",
    },
    Findings {
        table: "coordination",
        tier: "rule",
        sql: "SELECT unnest(make_array(operator_a, operator_b)) AS subject, 'coordinated' AS label \
              FROM derived.coordination WHERE explained_by IS NULL",
    },
    Findings {
        table: "operator_clusters",
        tier: "rule",
        sql: "SELECT unnest(members) AS subject, 'clustered' AS label FROM derived.operator_clusters",
    },
    Findings {
        table: "campaigns",
        tier: "rule",
        sql: "SELECT unnest(members) AS subject, kind AS label FROM derived.campaigns \
              WHERE explained_by IS NULL",
    },
];

/// The tier of what was planted for a detector that does not take part.
const NO_DETECTOR: &str = "none";

/// What a label is judged by.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Units planted.
    pub instances: u64,
    /// Those that could be observed.
    pub observable: u64,
    /// Observable units that were found.
    pub found: u64,
    /// Findings about units that were planted, observable or not.
    pub right: u64,
    /// Findings about subjects that nobody planted.
    pub wrong: u64,
    /// Findings about planted subjects beyond their units.
    pub beside: u64,
}

/// A label of a detector, with its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The derived table.
    pub table: String,
    /// `rule`, `significant`, or `none` where no detector takes part.
    pub tier: String,
    /// The label.
    pub label: String,
    /// Counts.
    #[serde(flatten)]
    pub score: Score,
    /// Found among observable, with its 95 % interval.
    pub recall: Option<Share>,
    /// Right among right and wrong, with its 95 % interval.
    pub precision: Option<Share>,
}

/// What a label says where there is nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalseAlarm {
    /// The null.
    pub null: String,
    /// The derived table.
    pub table: String,
    /// `rule` or `significant`.
    pub tier: String,
    /// The label.
    pub label: String,
    /// Worlds with any finding, among all.
    pub worlds: Option<Share>,
    /// Findings in all worlds.
    pub findings: u64,
}

/// A share and the 95 % interval around it (Wilson).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The share.
    pub share: f64,
    /// Lower end.
    pub from: f64,
    /// Upper end.
    pub to: f64,
}

impl Share {
    /// `part` of `whole`; nothing of nothing is no share.
    #[must_use]
    pub fn new(part: u64, whole: u64) -> Option<Self> {
        const Z: f64 = 1.96;
        if whole == 0 {
            return None;
        }
        let (n, p) = (whole as f64, part as f64 / whole as f64);
        let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let radius = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some(Self { share: p, from: (centre - radius).max(0.0), to: (centre + radius).min(1.0) })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { share, from, to } = self;
        write!(f, "{share:.2} ({from:.2}–{to:.2})")
    }
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Worlds of each kind.
    pub seeds: u64,
    /// Where something was planted.
    pub judgements: Vec<Judgement>,
    /// Where nothing was.
    pub false_alarms: Vec<FalseAlarm>,
}

/// What was found: by table and tier, the subjects of each label.
type Found = BTreeMap<(&'static str, &'static str), BTreeMap<String, BTreeSet<String>>>;

/// Judges every detector by `seeds` worlds of `settings`, and as many of each null.
///
/// # Errors
/// When a world cannot be written to the temporary folder or a detector fails.
pub fn evaluate(settings: &Settings, seeds: u64) -> Result<Verdict> {
    let seeds_of = |settings: &Settings| {
        let settings = settings.clone();
        (0..seeds).map(move |n| Settings { seed: settings.seed + n, ..settings.clone() })
    };
    let mut scores = BTreeMap::new();
    if settings.cast != Cast::Nobody {
        for settings in seeds_of(settings) {
            eprintln!("actors, seed {}", settings.seed);
            let world = World::new(settings)?;
            score(&world, &find(&world)?, &mut scores);
        }
    }
    let mut alarms = BTreeMap::<_, (u64, u64)>::new();
    for null in &NULLS {
        for settings in seeds_of(&null.settings(settings)) {
            eprintln!("null {}, seed {}", null.name, settings.seed);
            for ((table, tier), labels) in find(&World::new(settings)?)? {
                for (label, subjects) in labels {
                    let count =
                        alarms.entry((table.to_owned(), tier.to_owned(), label, null.name)).or_default();
                    count.0 += 1;
                    count.1 += subjects.len() as u64;
                }
            }
        }
    }
    // A label that was found nowhere in a null is worth a line too, and so is one that was planted only.
    let labels: BTreeSet<_> = scores
        .keys()
        .cloned()
        .chain(alarms.keys().map(|(table, tier, label, _)| (table.clone(), tier.clone(), label.clone())))
        .filter(|(_, tier, _)| tier != NO_DETECTOR)
        .collect();
    let false_alarms = labels.into_iter().flat_map(|(table, tier, label)| {
        let (alarms, key) = (&alarms, (table, tier, label));
        NULLS.iter().map(move |null| {
            let (table, tier, label) = key.clone();
            let (worlds, findings) = alarms
                .get(&(table.clone(), tier.clone(), label.clone(), null.name))
                .copied()
                .unwrap_or_default();
            FalseAlarm {
                null: null.name.into(),
                table,
                tier,
                label,
                worlds: Share::new(worlds, seeds),
                findings,
            }
        })
    });
    let false_alarms = false_alarms.collect();
    let judgements = scores.into_iter().map(|((table, tier, label), score): (_, Score)| Judgement {
        recall: Share::new(score.found, score.observable).filter(|_| tier != NO_DETECTOR),
        precision: Share::new(score.right, score.right + score.wrong),
        table,
        tier,
        label,
        score,
    });
    Ok(Verdict { seeds, judgements: judgements.collect(), false_alarms })
}

/// Adds what `found` is worth in `world`.
fn score(world: &World, found: &Found, scores: &mut BTreeMap<(String, String, String), Score>) {
    let actors = &world.plan.actors;
    let planted: BTreeSet<String> = actors
        .iter()
        .flat_map(|actor| &actor.tracks)
        .flat_map(|track| [Some(track.address.to_string()), track.infohash.clone()])
        .flatten()
        .collect();
    let units = || actors.iter().flat_map(|actor| actor.units.iter().map(move |unit| (actor, unit)));
    for (actor, unit) in units() {
        let mut tiers = found.iter().filter(|((table, _), _)| *table == unit.table).peekable();
        let mut count = |tier: &str, is_found: bool| {
            let entry = scores.entry((unit.table.into(), tier.into(), unit.label.into())).or_default();
            entry.instances += 1;
            entry.right += u64::from(is_found);
            if actor.is_observable(unit) {
                entry.observable += 1;
                entry.found += u64::from(is_found);
            }
        };
        if tiers.peek().is_none() {
            count(NO_DETECTOR, false);
        }
        for ((_, tier), labels) in tiers {
            count(tier, labels.get(unit.label).is_some_and(|subjects| subjects.contains(&unit.subject)));
        }
    }
    let planned: BTreeSet<_> =
        units().map(|(_, unit)| (unit.table, unit.label, unit.subject.as_str())).collect();
    for ((table, tier), labels) in found {
        for (label, subjects) in labels {
            let entry = scores.entry(((*table).into(), (*tier).into(), label.clone())).or_default();
            for subject in subjects {
                if planned.contains(&(*table, label.as_str(), subject.as_str())) {
                    continue;
                }
                match subject.split(' ').any(|part| planted.contains(part)) {
                    true => entry.beside += 1,
                    false => entry.wrong += 1,
                }
            }
        }
    }
}

/// What the detectors find in `world`.
fn find(world: &World) -> Result<Found> {
    let data = tempfile::tempdir()?;
    output::write(world, data.path())?;
    let config = Config::default();
    let taking_part = || FINDINGS.iter().filter(|findings| queries::table(findings.table).is_some());
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut dataset = Dataset::open(data.path())?;
        let wanted = taking_part().map(|findings| findings.table).collect();
        Runner::new(&config)?.compute(&mut dataset, &wanted).await?;
        let context = session::session(&config.engine())?;
        session::register_all(&context, &dataset, &config)?;
        let mut found = Found::new();
        for findings in taking_part() {
            let labels = found.entry((findings.table, findings.tier)).or_default();
            for batch in context.sql(findings.sql).await?.collect().await? {
                let text = |name| -> Result<_> {
                    let column = batch
                        .column_by_name(name)
                        .with_context(|| format!("{}: no {name}", findings.table))?;
                    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
                };
                let (subjects, names) = (text("subject")?, text("label")?);
                for (subject, label) in subjects.iter().flatten().zip(names.iter().flatten()) {
                    labels.entry(label.to_owned()).or_default().insert(subject.to_owned());
                }
            }
        }
        Ok(found)
    })
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |share: Option<Share>| share.map_or_else(|| "–".into(), |share| share.to_string());
        let mut planted = Table::new();
        planted.load_preset(presets::NOTHING).set_header([
            "table",
            "tier",
            "label",
            "instances",
            "unobservable",
            "found",
            "wrong",
            "beside",
            "recall",
            "precision",
        ]);
        for Judgement { table, tier, label, score, recall, precision } in &self.judgements {
            planted.add_row([
                table.clone(),
                tier.clone(),
                label.clone(),
                score.instances.to_string(),
                (score.instances - score.observable).to_string(),
                score.found.to_string(),
                score.wrong.to_string(),
                score.beside.to_string(),
                share(*recall),
                share(*precision),
            ]);
        }
        // One line a label: the share of worlds with any finding, null by null, and over all of them.
        let mut nulls = Table::new();
        let header = ["table", "tier", "label"].into_iter().chain(NULLS.iter().map(|null| null.name));
        nulls.load_preset(presets::NOTHING).set_header(header.chain(["all nulls", "findings"]));
        for alarms in
            self.false_alarms.chunk_by(|a, b| (&a.table, &a.tier, &a.label) == (&b.table, &b.tier, &b.label))
        {
            let shares = alarms.iter().filter_map(|alarm| alarm.worlds).map(|worlds| worlds.share);
            let worlds: f64 = shares.clone().map(|share| share * self.seeds as f64).sum();
            let all = Share::new(worlds.round() as u64, self.seeds * alarms.len() as u64);
            let FalseAlarm { table, tier, label, .. } = &alarms[0];
            let mut cells = vec![table.clone(), tier.clone(), label.clone()];
            cells.extend(shares.map(|share| format!("{share:.2}")));
            cells.extend([share(all), alarms.iter().map(|alarm| alarm.findings).sum::<u64>().to_string()]);
            nulls.add_row(cells);
        }
        writeln!(
            f,
            "Planted, {} worlds\n{planted}\n\nNothing planted, share of worlds with any finding\n{nulls}",
            self.seeds
        )
    }
}
