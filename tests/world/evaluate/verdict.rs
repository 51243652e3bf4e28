//! What the evaluation comes to: counts that add up over worlds, and the rates that follow from them.

use super::super::World;
use super::super::contact::ContactModel;
use super::super::nulls::Null;
use super::Extent;
use super::findings::{Found, RULE, SIGNIFICANT, detectors, is_strictest};
use super::goals::{FALSE_ALARMS, GOALS, Goal, MACRO_F1, UNKNOWN};
use comfy_table::{Table, presets};
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write};

/// The tier of what was planted for a detector that does not take part.
const NO_DETECTOR: &str = "none";
/// Both contact models together.
pub const BOTH: &str = "both";
/// Anything that a detector says, whatever the label.
const ANY: &str = "any";
/// The alarm over all detectors.
const RUN_WIDE: &str = "run-wide alarm";
/// The class of an operator about whom there is nothing to say, and that of one that no rule fits.
const NORMAL: &str = "normal_client";
const UNKNOWN_CLASS: &str = "unknown";

/// What a label is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
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

impl Score {
    fn and(self, other: Self) -> Self {
        Self {
            instances: self.instances + other.instances,
            observable: self.observable + other.observable,
            found: self.found + other.found,
            right: self.right + other.right,
            wrong: self.wrong + other.wrong,
            beside: self.beside + other.beside,
        }
    }
}

/// A label of a detector under a contact model; for one part of an actor, or as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: &'static str,
    tier: &'static str,
    label: String,
    role: Option<&'static str>,
    contact: &'static str,
}

/// What was counted in worlds, and adds up.
#[derive(Debug, Default)]
pub struct Counts {
    scores: BTreeMap<Key, Score>,
    /// Operators by contact model, true class and given class.
    profiles: BTreeMap<(&'static str, String, String), u64>,
    /// Worlds with any finding, and findings, by table, tier, label and null.
    alarms: BTreeMap<(&'static str, &'static str, String, &'static str), (u64, u64)>,
    missed: BTreeSet<String>,
    mistaken: BTreeSet<String>,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (key, score) in other.scores {
            let entry = self.scores.entry(key).or_default();
            *entry = entry.and(score);
        }
        for (key, count) in other.profiles {
            *self.profiles.entry(key).or_default() += count;
        }
        for (key, (worlds, findings)) in other.alarms {
            let entry = self.alarms.entry(key).or_default();
            (entry.0, entry.1) = (entry.0 + worlds, entry.1 + findings);
        }
        self.missed.extend(other.missed);
        self.mistaken.extend(other.mistaken);
        self
    }

    /// Adds what `found` is worth in a world of the null called `null`.
    pub fn add_null(&mut self, null: &'static str, found: &Found) {
        let mut add = |table, tier, label: &str, findings: u64| {
            let entry = self.alarms.entry((table, tier, label.to_owned(), null)).or_default();
            (entry.0, entry.1) = (entry.0 + u64::from(findings > 0), entry.1 + findings);
        };
        for (&(table, tier), labels) in &found.labels {
            for (label, subjects) in labels {
                add(table, tier, label, subjects.len() as u64);
            }
            add(table, tier, ANY, labels.values().map(|subjects| subjects.len() as u64).sum());
        }
        add(RUN_WIDE, SIGNIFICANT, ANY, u64::from(found.alarm));
    }

    /// Adds what `found` is worth in `world`, in which something was planted.
    pub fn add_planted(&mut self, world: &World, found: &Found) {
        let contact = world.settings.contact.name();
        let actors = &world.plan.actors;
        let units = || actors.iter().flat_map(|actor| actor.units.iter().map(move |unit| (actor, unit)));
        for (actor, unit) in units() {
            let of_table = found.labels.iter().filter(|((table, _), _)| *table == unit.table);
            let mut tiers: Vec<_> = of_table
                .map(|((_, tier), labels)| {
                    (*tier, labels.get(unit.label).is_some_and(|subjects| subjects.contains(&unit.subject)))
                })
                .collect();
            if tiers.is_empty() {
                tiers.push((NO_DETECTOR, false));
            }
            for (tier, is_found) in tiers {
                let key =
                    Key { table: unit.table, tier, label: unit.label.into(), role: Some(unit.role), contact };
                let observable = actor.is_observable(unit);
                let entry = self.scores.entry(key).or_default();
                entry.instances += 1;
                entry.right += u64::from(is_found);
                entry.observable += u64::from(observable);
                entry.found += u64::from(is_found && observable);
                if observable && !is_found && is_strictest(unit.table, tier) {
                    self.missed.insert(format!(
                        "{} {} {tier}: {}, seed {}, {contact}: {} ({:.0} lookups expected; {})",
                        unit.table,
                        unit.label,
                        unit.role,
                        world.settings.seed,
                        unit.subject,
                        actor.expected(unit),
                        actor.parameters,
                    ));
                }
            }
        }
        // Addresses, infohashes, and what else units are about.
        let tracks = actors.iter().flat_map(|actor| &actor.tracks);
        let planted: BTreeSet<String> = tracks
            .flat_map(|track| [Some(track.address.to_string()), track.infohash.clone()])
            .flatten()
            .chain(units().map(|(_, unit)| unit.subject.clone()))
            .collect();
        let planned: BTreeSet<_> =
            units().map(|(_, unit)| (unit.table, unit.label, unit.subject.as_str())).collect();
        for (&(table, tier), labels) in &found.labels {
            for (label, subjects) in labels {
                let key = Key { table, tier, label: label.clone(), role: None, contact };
                let entry = self.scores.entry(key).or_default();
                for subject in subjects {
                    if planned.contains(&(table, label.as_str(), subject.as_str())) {
                        continue;
                    }
                    match subject.split(' ').any(|part| planted.contains(part)) {
                        true => entry.beside += 1,
                        false => {
                            entry.wrong += 1;
                            let seed = world.settings.seed;
                            if is_strictest(table, tier) {
                                self.mistaken.insert(format!(
                                    "{table} {label} {tier}: seed {seed}, {contact}: {subject}"
                                ));
                            }
                        }
                    }
                }
            }
        }
        let classes: BTreeMap<_, _> = units()
            .filter(|(_, unit)| unit.table == "operator_profiles")
            .map(|(_, unit)| (unit.subject.as_str(), unit.label))
            .collect();
        let seedboxes = world.seedboxes();
        for (operator, class) in &found.profiles {
            // Other parties have no class of their own, and a seedbox may be called one thing or another.
            let truth = match classes.get(operator.as_str()) {
                Some(truth) => truth,
                None if planted.contains(operator) || seedboxes.contains(operator) => continue,
                None => NORMAL,
            };
            *self.profiles.entry((contact, truth.to_owned(), class.clone())).or_default() += 1;
        }
    }
}

/// A share and the 95 % interval around it (Clopper and Pearson 1934).
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
        const ONE_SIDED: f64 = 0.025;
        if whole == 0 {
            return None;
        }
        let quantile = |a: u64, b: u64, p| {
            // One of the two is 0 where the interval ends at 0 or 1.
            Beta::new(a as f64, b as f64).ok().map(|beta| beta.inverse_cdf(p))
        };
        Some(Self {
            share: part as f64 / whole as f64,
            from: quantile(part, whole - part + 1, ONE_SIDED).unwrap_or(0.0),
            to: quantile(part + 1, whole - part, 1.0 - ONE_SIDED).unwrap_or(1.0),
        })
    }
}

impl Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { share, from, to } = self;
        write!(f, "{share:.2} ({from:.2}–{to:.2})")
    }
}

/// A label of a detector, with its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The derived table.
    pub table: &'static str,
    /// `rule`, `significant`, or `none` where no detector takes part.
    pub tier: &'static str,
    /// The label.
    pub label: String,
    /// The part of an actor that was planted for it; none where nobody plants it.
    pub role: Option<&'static str>,
    /// The contact model, or `both`.
    pub contact: &'static str,
    /// Counts: `wrong` and `beside` are those of the label, whoever shows it.
    #[serde(flatten)]
    pub score: Score,
    /// Found among observable, with its 95 % interval.
    pub recall: Option<Share>,
    /// Right among right and wrong of the label, whoever shows it, with its 95 % interval.
    pub precision: Option<Share>,
}

/// What a detector says where there is nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalseAlarm {
    /// The null.
    pub null: &'static str,
    /// The derived table.
    pub table: &'static str,
    /// `rule` or `significant`.
    pub tier: &'static str,
    /// The label, or `any`.
    pub label: String,
    /// Worlds with any finding, among all.
    pub worlds: Option<Share>,
    /// Findings in all worlds.
    pub findings: u64,
}

/// How well operators are told apart by their profiles. Everybody who was not planted is a normal client; seedboxes
/// are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profiles {
    /// The contact model, or `both`.
    pub contact: &'static str,
    /// Operators by true class and given class.
    pub operators: BTreeMap<String, BTreeMap<String, u64>>,
    /// F1 of each class.
    pub f1: BTreeMap<String, f64>,
    /// Their mean.
    pub macro_f1: f64,
    /// Operators that are in no class, among all.
    pub unknown: f64,
}

/// The result of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The worlds.
    pub extent: Extent,
    /// Where something was planted.
    pub judgements: Vec<Judgement>,
    /// Operator profiles there.
    pub profiles: Vec<Profiles>,
    /// Where nothing was.
    pub false_alarms: Vec<FalseAlarm>,
    /// Observable units that were not found.
    pub missed: BTreeSet<String>,
    /// Findings about subjects that nobody planted.
    pub mistaken: BTreeSet<String>,
}

impl Verdict {
    /// What follows from `counts`, which were made in the worlds of `extent` and `nulls`.
    #[must_use]
    pub fn new(extent: Extent, nulls: &[&'static Null], counts: Counts) -> Self {
        let false_alarms = false_alarms(&extent, nulls, &counts);
        let mut scores = counts.scores;
        let both: Vec<_> =
            scores.iter().map(|(key, score)| (Key { contact: BOTH, ..key.clone() }, *score)).collect();
        for (key, score) in both {
            let entry = scores.entry(key).or_default();
            *entry = entry.and(score);
        }
        let mut profiles = BTreeMap::<_, BTreeMap<String, BTreeMap<String, u64>>>::new();
        for ((contact, truth, class), count) in counts.profiles {
            for contact in [contact, BOTH] {
                let given = profiles.entry(contact).or_default().entry(truth.clone()).or_default();
                *given.entry(class.clone()).or_default() += count;
            }
        }
        let profiles = profiles.into_iter().map(|(contact, operators)| Profiles::new(contact, operators));
        Self {
            judgements: judgements(&scores),
            profiles: profiles.collect(),
            false_alarms,
            extent,
            missed: counts.missed,
            mistaken: counts.mistaken,
        }
    }

    /// What was measured for a goal, at the strictest tier that its table has.
    #[must_use]
    pub fn measured(&self, goal: &Goal, contact: &str) -> Option<&Judgement> {
        let of_goal = self.judgements.iter().filter(|judgement| {
            (judgement.table, judgement.label.as_str()) == (goal.table, goal.label)
                && (judgement.role, judgement.contact) == (Some(goal.role), contact)
        });
        of_goal.max_by_key(|judgement| judgement.tier == SIGNIFICANT)
    }

    /// The result for people: plain tables, or Markdown.
    #[must_use]
    pub fn text(&self, markdown: bool) -> String {
        let mut text = if markdown { self.introduction() } else { String::new() };
        let mut section = |title: &str, table: Table| {
            let level = if markdown { "## " } else { "" };
            let _ = writeln!(text, "{level}{title}\n\n{table}\n");
        };
        let table = |header: Vec<String>| {
            let mut table = Table::new();
            table.load_preset(if markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING });
            table.set_header(header);
            table
        };
        if !self.judgements.is_empty() {
            section("Rates that were meant to be reached", self.goals(&table));
            section("What operators were, and what they were called", self.confusion(&table));
            section("Everything planted, and every label", self.planted(&table));
        }
        if self.false_alarms.iter().any(|alarm| alarm.worlds.is_some()) {
            let title = "Nothing planted: share of worlds with any significant finding";
            section(
                title,
                self.nulls(&table, SIGNIFICANT, |alarm| alarm.worlds.map(|share| percent(&share))),
            );
            let title = "Nothing planted: findings of the rules alone, a world";
            let worlds = self.extent.null_seeds.end - self.extent.null_seeds.start;
            let a_world = |alarm: &FalseAlarm| Some(format!("{:.1}", alarm.findings as f64 / worlds as f64));
            section(title, self.nulls(&table, RULE, a_world));
        }
        text
    }

    /// What a reader of the tables has to know.
    fn introduction(&self) -> String {
        let Extent { planted, planted_seeds, contacts, null, null_seeds } = &self.extent;
        let worlds = (planted_seeds.end - planted_seeds.start) * contacts.len() as u64;
        let contacts: Vec<_> = contacts.iter().map(|contact| format!("`{}`", contact.name())).collect();
        format!(
            "# How often the detectors are wrong

Written by `world evaluate --full --format markdown`, on simulated worlds in which it is known who does what (see the
README, \"The simulated world\"). Nothing here was measured on real traffic, where nobody knows.

* **Planted**: {worlds} worlds of {clients} clients over {days} days, seeds {from} to {to}, contact models {contacts}, with
  {copies} actors of each kind in each, drawn from the parameter ranges for evaluation. Thresholds were chosen on other
  seeds (1 to 999) and on ranges that do not overlap with these.
* **Nothing planted**: of each of the nulls (`world generate --help`) a world of {null_clients} clients over {null_days} days for
  each of the seeds {null_from} to {null_to}; the contact models take turns.
* **Tiers**: `rule` is everything that crossed the stated thresholds and is not explained by a harmless habit; `significant`
  is what would survive chance, where a detector names a null. A goal is judged by the strictest tier of its table.
* **Recall** is the share that was found of what could be observed; what reaches the sensor too seldom for anybody is counted
  apart. **Precision** is the share of right findings among right and wrong ones, and depends on how many there are to be found:
  here {copies} of each kind among {clients} clients. Parts of an actor that share a label share its precision. What is
  found about a planted address or infohash beyond what it was planted for is neither (`beside`).
* In brackets: 95 % intervals (Clopper and Pearson). `!` marks shares whose interval lies above {limit:.0} %: more false alarms
  than promised.

",
            clients = planted.society.clients,
            days = planted.days,
            from = planted_seeds.start,
            to = planted_seeds.end - 1,
            contacts = contacts.join(" and "),
            copies = planted.copies,
            null_clients = null.society.clients,
            null_days = null.days,
            null_from = null_seeds.start,
            null_to = null_seeds.end - 1,
            limit = 100.0 * FALSE_ALARMS,
        )
    }

    fn goals(&self, table: &impl Fn(Vec<String>) -> Table) -> Table {
        let header = [
            "planted",
            "found as",
            "tier",
            "goal",
            "precision",
            "recall",
            "of",
            "tables",
            "acquaintance",
            "",
        ];
        let mut rows = table(header.map(str::to_owned).to_vec());
        for goal in GOALS {
            let Some(measured) = self.measured(goal, BOTH) else { continue };
            let rates = |judgement: &Judgement| {
                let rate =
                    |share: Option<Share>| share.map_or("–".into(), |share| format!("{:.2}", share.share));
                format!("{} / {}", rate(judgement.precision), rate(judgement.recall))
            };
            let of_model =
                |model: ContactModel| self.measured(goal, model.name()).map(rates).unwrap_or_default();
            rows.add_row([
                goal.role.into(),
                format!("{} {}", goal.table, goal.label),
                measured.tier.into(),
                format!("{:.2} / {:.2}", goal.precision, goal.recall),
                shown(measured.precision),
                shown(measured.recall),
                measured.score.observable.to_string(),
                of_model(ContactModel::Tables),
                of_model(ContactModel::Acquaintance),
                match (measured.reaches(goal), &goal.missed) {
                    (true, _) => String::new(),
                    (false, missed) => missed.as_ref().map_or("missed", |missed| missed.because).into(),
                },
            ]);
        }
        for profiles in self.profiles.iter().filter(|profiles| profiles.contact == BOTH) {
            let of_model = |model: ContactModel| {
                let of = self.profiles.iter().find(|profiles| profiles.contact == model.name());
                of.map_or(String::new(), |of| format!("{:.2} / {:.2}", of.macro_f1, of.unknown))
            };
            let reached = profiles.macro_f1 >= MACRO_F1 && profiles.unknown <= UNKNOWN;
            rows.add_row([
                "every class: macro-F1 / share of unknown".into(),
                "operator_profiles".into(),
                RULE.into(),
                format!("≥ {MACRO_F1:.2} / ≤ {UNKNOWN:.2}"),
                format!("{:.2}", profiles.macro_f1),
                format!("{:.2}", profiles.unknown),
                profiles.operators.values().flat_map(BTreeMap::values).sum::<u64>().to_string(),
                of_model(ContactModel::Tables),
                of_model(ContactModel::Acquaintance),
                if reached { String::new() } else { "missed".into() },
            ]);
        }
        rows
    }

    fn confusion(&self, table: &impl Fn(Vec<String>) -> Table) -> Table {
        let of_both = self.profiles.iter().filter(|profiles| profiles.contact == BOTH);
        let classes: BTreeSet<&String> = of_both
            .clone()
            .flat_map(|profiles| profiles.operators.values().flat_map(BTreeMap::keys))
            .collect();
        let header = ["was"].into_iter().map(str::to_owned).chain(classes.iter().map(ToString::to_string));
        let mut rows = table(header.chain(["F1".to_owned()]).collect());
        for (truth, given) in of_both.clone().flat_map(|profiles| &profiles.operators) {
            let cells =
                classes.iter().map(|class| given.get(*class).copied().unwrap_or_default().to_string());
            let f1 =
                of_both.clone().filter_map(|profiles| profiles.f1.get(truth)).map(|f1| format!("{f1:.3}"));
            rows.add_row([truth.clone()].into_iter().chain(cells).chain(f1));
        }
        rows
    }

    fn planted(&self, table: &impl Fn(Vec<String>) -> Table) -> Table {
        let header = [
            "table",
            "tier",
            "label",
            "planted",
            "units",
            "unobservable",
            "found",
            "wrong",
            "beside",
            "recall",
            "precision",
        ];
        let mut rows = table(header.map(str::to_owned).to_vec());
        for judgement in self.judgements.iter().filter(|judgement| judgement.contact == BOTH) {
            let Judgement { table, tier, label, role, score, recall, precision, .. } = judgement;
            rows.add_row([
                (*table).into(),
                (*tier).into(),
                label.clone(),
                role.unwrap_or("–").into(),
                score.instances.to_string(),
                (score.instances - score.observable).to_string(),
                score.found.to_string(),
                score.wrong.to_string(),
                score.beside.to_string(),
                shown(*recall),
                shown(*precision),
            ]);
        }
        rows
    }

    /// A row a detector and label, a column a null.
    fn nulls(
        &self,
        table: &impl Fn(Vec<String>) -> Table,
        tier: &str,
        cell: impl Fn(&FalseAlarm) -> Option<String>,
    ) -> Table {
        let of_tier: Vec<_> = self.false_alarms.iter().filter(|alarm| alarm.tier == tier).collect();
        let mut header = vec!["table".to_owned(), "label".to_owned()];
        let mut rows = Vec::new();
        for alarms in of_tier.chunk_by(|a, b| (a.table, &a.label) == (b.table, &b.label)) {
            header.truncate(2);
            header.extend(alarms.iter().map(|alarm| alarm.null.to_owned()));
            let mut cells = vec![alarms[0].table.to_owned(), alarms[0].label.clone()];
            cells.extend(alarms.iter().map(|alarm| cell(alarm).unwrap_or_default()));
            rows.push(cells);
        }
        let mut all = table(header);
        all.add_rows(rows);
        all
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

impl Judgement {
    /// Whether both rates are those of `goal` or better.
    #[must_use]
    pub fn reaches(&self, goal: &Goal) -> bool {
        let at_least = |share: Option<Share>, least| share.is_some_and(|share| share.share >= least);
        at_least(self.precision, goal.precision) && at_least(self.recall, goal.recall)
    }
}

impl Profiles {
    /// Of operators counted by true class and given class.
    #[must_use]
    pub fn new(contact: &'static str, operators: BTreeMap<String, BTreeMap<String, u64>>) -> Self {
        let count = |truth: &str, class: &str| {
            operators.get(truth).and_then(|given| given.get(class)).copied().unwrap_or_default() as f64
        };
        let called = |class: &str| operators.keys().map(|truth| count(truth, class)).sum::<f64>();
        let of = |truth: &str| operators[truth].values().sum::<u64>() as f64;
        let f1: BTreeMap<_, _> = operators
            .keys()
            .map(|class| (class.clone(), 2.0 * count(class, class) / (of(class) + called(class))))
            .collect();
        let all: f64 = operators.keys().map(|truth| of(truth)).sum();
        let (macro_f1, unknown) = (f1.values().sum::<f64>() / f1.len() as f64, called(UNKNOWN_CLASS) / all);
        Self { contact, operators, f1, macro_f1, unknown }
    }
}

/// Every label and who shows it, under each contact model and both.
fn judgements(scores: &BTreeMap<Key, Score>) -> Vec<Judgement> {
    let judgement = |(key, score): (&Key, &Score)| {
        let of_label = scores.iter().filter(|(other, _)| {
            (other.table, other.tier, &other.label, other.contact)
                == (key.table, key.tier, &key.label, key.contact)
        });
        let (mut whole, mut is_planted) = (Score::default(), false);
        for (other, score) in of_label {
            whole = whole.and(*score);
            is_planted |= other.role.is_some();
        }
        let Key { table, tier, label, role, contact } = key.clone();
        // What a label says beyond what was planted stands beside each part that shows it.
        (role.is_some() || !is_planted).then(|| Judgement {
            recall: Share::new(score.found, score.observable).filter(|_| tier != NO_DETECTOR),
            precision: Share::new(whole.right, whole.right + whole.wrong),
            score: Score { wrong: whole.wrong, beside: whole.beside, ..*score },
            table,
            tier,
            label,
            role,
            contact,
        })
    };
    scores.iter().filter_map(judgement).collect()
}

/// Every label of every detector under each null. One that was found nowhere is worth a line too.
fn false_alarms(extent: &Extent, nulls: &[&'static Null], counts: &Counts) -> Vec<FalseAlarm> {
    let seeds = extent.null_seeds.end - extent.null_seeds.start;
    let mut labels: BTreeSet<_> =
        counts.alarms.keys().map(|(table, tier, label, _)| (*table, *tier, label.as_str())).collect();
    labels.extend(detectors().into_iter().map(|(table, tier)| (table, tier, ANY)));
    let planted = counts.scores.keys().filter(|key| key.tier != NO_DETECTOR);
    labels.extend(planted.map(|key| (key.table, key.tier, key.label.as_str())));
    let of_null = |(table, tier, label): (&'static str, &'static str, &str), null: &'static Null| {
        let key = (table, tier, label.to_owned(), null.name);
        let (worlds, findings) = counts.alarms.get(&key).copied().unwrap_or_default();
        FalseAlarm { null: null.name, table, tier, label: key.2, worlds: Share::new(worlds, seeds), findings }
    };
    labels.into_iter().flat_map(|label| nulls.iter().map(move |null| of_null(label, null))).collect()
}

fn shown(share: Option<Share>) -> String {
    share.map_or_else(|| "–".into(), |share| share.to_string())
}

/// In per cent; marked where chance at the promised rate would hardly do.
fn percent(share: &Share) -> String {
    let mark = if share.from > FALSE_ALARMS { " !" } else { "" };
    format!("{:.0} ({:.0}–{:.0}){mark}", 100.0 * share.share, 100.0 * share.from, 100.0 * share.to)
}
