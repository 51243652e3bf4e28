//! `keyspace_passes(ts, target, announces, near_own_id, idle, window, min_hashes, since, until) → LIST<STRUCT>`:
//! how a group moves through the keyspace: its stretches of new infohashes, and the walks within them.
//!
//! An infohash is new when its group has not asked for it within `window`, or has been silent for longer
//! than `idle` since. A stretch is made of new infohashes no more than `idle` apart. What goes on for longer
//! than `window` is cut where the clock reaches a multiple of it, so that days that are computed apart agree
//! on the cuts. A walk is a run within a stretch in which no step goes back and none is longer than
//! [`STEP`] prefixes; no two walks share an infohash. Everything from `idle` on is a constant.
//!
//! A stretch and its walks are given out by the day `[since, until)` in which the stretch *closes*: when
//! `idle` has passed without a new infohash, or its window is over. Nobody needs to look ahead for that, and
//! nothing is given out twice.
//!
//! The result is one struct a pass, that is, a stretch or a walk of at least `min_hashes` infohashes, a
//! stretch before its walks: `walk` (false for a stretch), `windows` (among how many a walk was found: the
//! runs of at least `min_hashes` neighbours in its stretch; 1 for a stretch), `walks` (of a stretch),
//! `first_seen`, `last_seen`, `hashes`, `first_prefix`, `last_prefix`, `prefixes` (distinct),
//! `sequential_ratio`, `balance` (pairs in ascending order less those in descending), `ties` (how many
//! infohashes each prefix has), `tau_b`, `ascending`, `lookups`, `announces`, `announced`, `near_own_id`,
//! `sequence`. A prefix is the first twelve bits of an infohash, three hexadecimal digits.

use super::single::Single;
use super::timestamps::{constant, constant_micros, keeps};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, LargeBinaryArray,
    LargeBinaryBuilder, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{ScalarValue, internal_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;

/// A step from one prefix to the next is part of a movement when it is no longer than this: 4 of 4,096.
const STEP: i32 = 4;
/// Number of prefixes.
const PREFIXES: usize = 1 << 12;

/// One lookup: when, for what, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    ts: i64,
    target: [u8; 20],
    announces: bool,
    near_own_id: bool,
}

impl Sight {
    /// Bytes in which a sight travels between the stages of an aggregation.
    const PACKED: usize = 29;

    /// The first twelve bits of the target.
    fn prefix(&self) -> i32 {
        i32::from(self.target[0]) << 4 | i32::from(self.target[1]) >> 4
    }

    fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.ts.to_le_bytes());
        bytes.extend(self.target);
        bytes.push(u8::from(self.announces) | u8::from(self.near_own_id) << 1);
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (ts, rest) = bytes.split_first_chunk::<8>()?;
        let (target, flags) = rest.split_first_chunk::<20>()?;
        let [flags] = *flags else { return None };
        let (announces, near_own_id) = (flags & 1 != 0, flags & 2 != 0);
        Some(Self { ts: i64::from_le_bytes(*ts), target: *target, announces, near_own_id })
    }
}

/// The order of time. Of what came in the same microsecond, the order must be the same in every run
/// and must not be that of the keyspace.
fn in_order(sights: &mut [Sight]) {
    sights.sort_unstable_by_key(|sight| (sight.ts, reversed(sight.target), sight.announces));
}

fn reversed(mut target: [u8; 20]) -> [u8; 20] {
    target.reverse();
    target
}

/// The constants of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    idle: i64,
    window: i64,
    min_hashes: usize,
    since: i64,
    until: i64,
}

impl Limits {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        let ScalarValue::Int64(Some(min_hashes)) = constant(args, 6)? else {
            return plan_err!("argument 7 of {} is no number", args.name);
        };
        Ok(Self {
            idle: constant_micros(args, 4)?,
            window: constant_micros(args, 5)?,
            min_hashes: usize::try_from(min_hashes).unwrap_or(0),
            since: constant_micros(args, 7)?,
            until: constant_micros(args, 8)?,
        })
    }
}

/// Part of a sequence of new infohashes, and when it was known to be over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    range: Range<usize>,
    closes: i64,
}

/// How a group moved in one stretch or walk.
#[derive(Clone, Debug, PartialEq)]
struct Pass {
    walk: bool,
    windows: i64,
    walks: i64,
    first_seen: i64,
    last_seen: i64,
    hashes: i64,
    first_prefix: i32,
    last_prefix: i32,
    sequential_ratio: f64,
    balance: i64,
    ties: Vec<i64>,
    tau_b: f64,
    ascending: bool,
    lookups: i64,
    announces: i64,
    announced: i64,
    near_own_id: i64,
    /// The prefixes in order, each as often as it is come back to.
    sequence: Vec<i32>,
}

/// The passes of one group, which gives `sights` in any order.
fn passes(limits: &Limits, sights: &mut [Sight]) -> Vec<Pass> {
    in_order(sights);
    let fresh = fresh(limits, sights);
    let least = limits.min_hashes.max(1);
    let mut passes = Vec::new();
    for sequence in fresh.chunk_by(|a, b| b.ts - a.ts <= limits.idle) {
        for Piece { range, closes } in by_window(limits, sequence) {
            if range.len() < least || !(limits.since..limits.until).contains(&closes) {
                continue;
            }
            let stretch = &sequence[range];
            let walks: Vec<_> = walks(stretch).into_iter().filter(|walk| walk.len() >= least).collect();
            let starts = (stretch.len() - least + 1) as i64;
            let windows = starts * (starts + 1) / 2;
            passes.push(Pass { walks: walks.len() as i64, ..pass(limits, stretch, sights) });
            passes.extend(walks.iter().map(|walk| Pass {
                walk: true,
                windows,
                ..pass(limits, walk, sights)
            }));
        }
    }
    passes
}

/// Cuts what goes on for too long.
fn by_window(limits: &Limits, sights: &[Sight]) -> Vec<Piece> {
    let Some((first, last)) = sights.first().zip(sights.last()) else { return vec![] };
    let falls_silent = last.ts + limits.idle;
    // Until then it might still have ended within the window.
    let Some(known_long) = sights.iter().find(|sight| sight.ts - first.ts > limits.window) else {
        return vec![Piece { range: 0..sights.len(), closes: falls_silent }];
    };
    let mut start = 0;
    let window_of = |sight: &Sight| sight.ts.div_euclid(limits.window);
    sights
        .chunk_by(|a, b| window_of(a) == window_of(b))
        .map(|piece| {
            let range = start..start + piece.len();
            start = range.end;
            let window_ends = (window_of(&piece[0]) + 1) * limits.window;
            let ends = if range.end == sights.len() { window_ends.min(falls_silent) } else { window_ends };
            Piece { range, closes: ends.max(known_long.ts) }
        })
        .collect()
}

/// The runs of a stretch that go in one direction, step by step.
fn walks(stretch: &[Sight]) -> Vec<&[Sight]> {
    let mut direction = 0;
    let goes_on = |a: &Sight, b: &Sight| {
        let step = b.prefix() - a.prefix();
        let goes_on = step.abs() <= STEP && step.signum() * direction >= 0;
        direction = match (goes_on, direction) {
            (true, 0) => step.signum(),
            (true, known) => known,
            (false, _) => 0,
        };
        goes_on
    };
    stretch.chunk_by(goes_on).collect()
}

/// The first sight of every infohash.
fn fresh(limits: &Limits, sights: &[Sight]) -> Vec<Sight> {
    let mut fresh = Vec::new();
    let mut asked = HashMap::new();
    let mut last = i64::MIN;
    for sight in sights {
        if sight.ts.saturating_sub(last) > limits.idle {
            asked.clear();
        }
        last = sight.ts;
        let before = asked.insert(sight.target, sight.ts);
        if before.is_none_or(|before| sight.ts - before > limits.window) {
            fresh.push(*sight);
        }
    }
    fresh
}

fn pass(limits: &Limits, piece: &[Sight], all: &[Sight]) -> Pass {
    let (first, last) = (piece[0], piece[piece.len() - 1]);
    let during = |end: i64| {
        let from = all.partition_point(|sight| sight.ts < first.ts);
        &all[from..all.partition_point(|sight| sight.ts <= end)]
    };
    let announces = during(last.ts).iter().filter(|sight| sight.announces).count();
    // What was asked for last is announced a little later.
    let later = during(last.ts + limits.idle).iter().filter(|sight| sight.announces);
    let announced: HashSet<_> = later.map(|sight| sight.target).collect();
    let count = |of: &dyn Fn(&Sight) -> bool| piece.iter().filter(|sight| of(sight)).count() as i64;

    let prefixes: Vec<i32> = piece.iter().map(Sight::prefix).collect();
    let steps = || prefixes.windows(2).map(|pair| pair[1] - pair[0]);
    let upwards = steps().filter(|step| (0..=STEP).contains(step)).count();
    let downwards = steps().filter(|step| (-STEP..=0).contains(step)).count();
    let balance = balance(&prefixes);
    let mut counts = BTreeMap::<i32, i64>::new();
    prefixes.iter().for_each(|prefix| *counts.entry(*prefix).or_default() += 1);
    let ties: Vec<i64> = counts.into_values().collect();
    let pairs = |n: i64| n * (n - 1) / 2;
    let all_pairs = pairs(piece.len() as i64);
    let untied = all_pairs - ties.iter().map(|&ties| pairs(ties)).sum::<i64>();
    let mut sequence = prefixes;
    sequence.dedup();
    Pass {
        walk: false,
        windows: 1,
        walks: 0,
        first_seen: first.ts,
        last_seen: last.ts,
        hashes: piece.len() as i64,
        first_prefix: first.prefix(),
        last_prefix: last.prefix(),
        sequential_ratio: upwards.max(downwards) as f64 / (piece.len() as f64 - 1.0).max(1.0),
        balance,
        tau_b: if untied == 0 { 0.0 } else { balance as f64 / (all_pairs as f64 * untied as f64).sqrt() },
        ties,
        ascending: upwards > downwards || upwards == downwards && balance >= 0,
        lookups: (during(last.ts).len() - announces) as i64,
        announces: announces as i64,
        announced: count(&|sight| announced.contains(&sight.target)),
        near_own_id: count(&|sight| sight.near_own_id),
        sequence,
    }
}

/// Pairs of prefixes in ascending order less those in descending order.
fn balance(prefixes: &[i32]) -> i64 {
    // A Fenwick tree over the prefixes seen so far.
    let mut tree = [0_i64; PREFIXES + 1];
    let mut counts = [0_i64; PREFIXES];
    let mut balance = 0;
    for (seen, &prefix) in prefixes.iter().enumerate() {
        let below = |mut index: usize| {
            let mut sum = 0;
            while index > 0 {
                sum += tree[index];
                index &= index - 1;
            }
            sum
        };
        let (prefix, seen) = (prefix as usize, seen as i64);
        let (smaller, equal) = (below(prefix), counts[prefix]);
        balance += smaller - (seen - smaller - equal);
        counts[prefix] += 1;
        let mut index = prefix + 1;
        while index <= PREFIXES {
            tree[index] += 1;
            index += index & index.wrapping_neg();
        }
    }
    balance
}

pub(super) fn function() -> AggregateUDF {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let duration = DataType::Duration(TimeUnit::Microsecond);
    let arguments = vec![
        time.clone(),
        DataType::FixedSizeBinary(20),
        DataType::Boolean,
        DataType::Boolean,
        duration.clone(),
        duration,
        DataType::Int64,
        time.clone(),
        time,
    ];
    AggregateUDF::from(KeyspacePasses { signature: Signature::exact(arguments, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KeyspacePasses {
    signature: Signature,
}

impl AggregateUDFImpl for KeyspacePasses {
    fn name(&self) -> &str {
        "keyspace_passes"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Single::boxed(Sights::new(Limits::new(&args)?), &[DataType::LargeBinary])
    }

    /// What travels between the stages of an aggregation are the sights, packed.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[sights]", args.name), DataType::LargeBinary, true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Sights::new(Limits::new(&args)?)))
    }
}

fn fields() -> Fields {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let sequence = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    Fields::from_iter(
        [
            ("walk", DataType::Boolean),
            ("windows", DataType::Int64),
            ("walks", DataType::Int64),
            ("first_seen", time.clone()),
            ("last_seen", time),
            ("hashes", DataType::Int64),
            ("first_prefix", DataType::Utf8),
            ("last_prefix", DataType::Utf8),
            ("prefixes", DataType::Int64),
            ("sequential_ratio", DataType::Float64),
            ("balance", DataType::Int64),
            ("ties", DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))),
            ("tau_b", DataType::Float64),
            ("ascending", DataType::Boolean),
            ("lookups", DataType::Int64),
            ("announces", DataType::Int64),
            ("announced", DataType::Int64),
            ("near_own_id", DataType::Int64),
            ("sequence", sequence),
        ]
        .map(|(name, ty)| Field::new(name, ty, true)),
    )
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

/// One list of structs a group.
fn lists(groups: &[Vec<Pass>]) -> Result<ListArray> {
    let rows: Vec<&Pass> = groups.iter().flatten().collect();
    let times = |of: fn(&Pass) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of(row)));
        Arc::new(times.with_timezone("UTC"))
    };
    let counts = |of: fn(&Pass) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row))))
    };
    let reals = |of: fn(&Pass) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| of(row))))
    };
    let prefixes = |of: fn(&Pass) -> i32| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| digits(of(row)))))
    };
    let flags = |of: fn(&Pass) -> bool| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
    };
    let ties = ListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Int64, true)),
        OffsetBuffer::from_lengths(rows.iter().map(|row| row.ties.len())),
        Arc::new(Int64Array::from_iter_values(rows.iter().flat_map(|row| &row.ties).copied())),
        None,
    )?;
    let sequences = ListArray::try_new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        OffsetBuffer::from_lengths(rows.iter().map(|row| row.sequence.len())),
        Arc::new(
            rows.iter()
                .flat_map(|row| &row.sequence)
                .map(|prefix| Some(digits(*prefix)))
                .collect::<StringArray>(),
        ),
        None,
    )?;
    let columns: Vec<ArrayRef> = vec![
        flags(|row| row.walk),
        counts(|row| row.windows),
        counts(|row| row.walks),
        times(|row| row.first_seen),
        times(|row| row.last_seen),
        counts(|row| row.hashes),
        prefixes(|row| row.first_prefix),
        prefixes(|row| row.last_prefix),
        counts(|row| row.ties.len() as i64),
        reals(|row| row.sequential_ratio),
        counts(|row| row.balance),
        Arc::new(ties),
        reals(|row| row.tau_b),
        flags(|row| row.ascending),
        counts(|row| row.lookups),
        counts(|row| row.announces),
        counts(|row| row.announced),
        counts(|row| row.near_own_id),
        Arc::new(sequences),
    ];
    let structs = StructArray::try_new(fields(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(groups.iter().map(Vec::len));
    Ok(ListArray::try_new(item(), offsets, Arc::new(structs), None)?)
}

/// A prefix as three hexadecimal digits.
fn digits(prefix: i32) -> String {
    format!("{prefix:03x}")
}

/// Sights per group.
#[derive(Debug)]
struct Sights {
    groups: Vec<Vec<Sight>>,
    held: usize,
    limits: Limits,
}

impl Sights {
    fn new(limits: Limits) -> Self {
        Self { groups: Vec::new(), held: 0, limits }
    }

    fn push(&mut self, group: usize, sight: Sight) {
        let sights = &mut self.groups[group];
        let before = sights.capacity();
        sights.push(sight);
        self.held += sights.capacity() - before;
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Vec<Sight>> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.held -= taken.iter().map(Vec::capacity).sum::<usize>();
        taken
    }
}

/// The columns of a batch from which sights are made.
struct Rows<'a> {
    times: &'a TimestampMicrosecondArray,
    targets: &'a FixedSizeBinaryArray,
    announces: &'a BooleanArray,
    near_own_id: &'a BooleanArray,
}

impl<'a> Rows<'a> {
    fn new(values: &'a [ArrayRef]) -> Self {
        Self {
            times: values[0].as_primitive::<TimestampMicrosecondType>(),
            targets: values[1].as_fixed_size_binary(),
            announces: values[2].as_boolean(),
            near_own_id: values[3].as_boolean(),
        }
    }

    /// None where the time or the target is not known.
    fn sight(&self, row: usize) -> Option<Sight> {
        let known = self.times.is_valid(row) && self.targets.is_valid(row);
        let holds = |column: &BooleanArray| column.is_valid(row) && column.value(row);
        let target = known.then(|| self.targets.value(row))?;
        Some(Sight {
            ts: self.times.value(row),
            target: target.try_into().ok()?,
            announces: holds(self.announces),
            near_own_id: holds(self.near_own_id),
        })
    }
}

impl GroupsAccumulator for Sights {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Vec::new);
        let rows = Rows::new(values);
        for (row, &group) in group_indices.iter().enumerate() {
            if let Some(sight) = rows.sight(row)
                && keeps(opt_filter, row)
            {
                self.push(group, sight);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let limits = self.limits;
        let groups = self.take(emit_to);
        let found: Vec<_> = groups.into_iter().map(|mut sights| passes(&limits, &mut sights)).collect();
        Ok(Arc::new(lists(&found)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take(emit_to);
        Ok(vec![Arc::new(packed(groups.iter().map(Vec::as_slice)))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Vec::new);
        let states = values[0].as_binary::<i64>();
        for (row, &group) in group_indices.iter().enumerate() {
            for bytes in states.value(row).chunks(Sight::PACKED) {
                let sight = Sight::unpack(bytes);
                self.push(group, sight.ok_or_else(|| internal_datafusion_err!("a sight is cut short"))?);
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = Rows::new(values);
        let sights: Vec<Option<Sight>> =
            (0..values[0].len()).map(|row| rows.sight(row).filter(|_| keeps(opt_filter, row))).collect();
        Ok(vec![Arc::new(packed(sights.iter().map(Option::as_slice)))])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Vec<Sight>>() + self.held * size_of::<Sight>()
    }
}

fn packed<'a>(groups: impl Iterator<Item = &'a [Sight]>) -> LargeBinaryArray {
    let mut builder = LargeBinaryBuilder::new();
    let mut bytes = Vec::new();
    for sights in groups {
        bytes.clear();
        sights.iter().for_each(|sight| sight.pack(&mut bytes));
        builder.append_value(&bytes);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sight of an infohash of its own with this prefix, `ts` seconds after the beginning.
    fn sight(ts: i64, prefix: u16) -> Sight {
        let mut target = [0; 20];
        target[..2].copy_from_slice(&(prefix << 4).to_be_bytes());
        target[12..].copy_from_slice(&ts.to_be_bytes());
        Sight { ts: ts * 1_000_000, target, announces: false, near_own_id: false }
    }

    /// Ten minutes of silence, two hours of window, from `since` on, in seconds.
    fn limits(min_hashes: usize, since: i64, until: i64) -> Limits {
        let [idle, window, since, until] = [600, 7200, since, until].map(|seconds| seconds * 1_000_000);
        Limits { idle, window, min_hashes, since, until }
    }

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    /// The stretches of at least one infohash.
    fn all(sights: &mut [Sight]) -> Vec<Pass> {
        let mut passes = passes(&limits(1, -100_000, 1_000_000), sights);
        passes.retain(|pass| !pass.walk);
        passes
    }

    /// Start, in seconds, and infohashes of what the day `[since, until)` finds, if it sees six hours of
    /// the time before: the stretches.
    fn found(sights: &[Sight], since: i64, until: i64) -> Vec<(i64, i64)> {
        let memory = 6 * HOUR;
        let seen = sights.iter().filter(|sight| (since - memory..until).contains(&(sight.ts / 1_000_000)));
        let mut seen: Vec<_> = seen.copied().collect();
        let passes = passes(&limits(1, since, until), &mut seen);
        let stretches = passes.iter().filter(|pass| !pass.walk);
        stretches.map(|pass| (pass.first_seen / 1_000_000, pass.hashes)).collect()
    }

    /// First prefix and infohashes of the walks of at least `least` infohashes, and their `windows`.
    fn walks_of(least: usize, prefixes: &[u16]) -> Vec<(i32, i64, i64)> {
        let sights = prefixes.iter().enumerate().map(|(n, &prefix)| sight(n as i64 * 60, prefix));
        let passes = passes(&limits(least, 0, DAY), &mut sights.collect::<Vec<_>>());
        let walks = passes.iter().filter(|pass| pass.walk);
        walks.map(|walk| (walk.first_prefix, walk.hashes, walk.windows)).collect()
    }

    #[test]
    fn a_sight_survives_packing() {
        for (announces, near_own_id) in [(true, false), (false, true)] {
            let sight = Sight { announces, near_own_id, ..sight(-7, 0xabc) };
            let mut bytes = Vec::new();
            sight.pack(&mut bytes);
            assert_eq!((bytes.len(), Sight::unpack(&bytes)), (Sight::PACKED, Some(sight)));
        }
        assert_eq!(Sight::unpack(&[0; Sight::PACKED - 1]), None);
    }

    #[test]
    fn balance_and_tau_b_agree_with_the_count_of_all_pairs() {
        let prefixes = [5, 9, 9, 1, 4095, 0, 5, 5, 77, 12];
        let (mut counted, mut ties, mut all_pairs) = (0_i32, 0, 0);
        for later in 0..prefixes.len() {
            for earlier in 0..later {
                let step: i32 = i32::from(prefixes[later]) - i32::from(prefixes[earlier]);
                counted += step.signum();
                ties += i32::from(step == 0);
                all_pairs += 1;
            }
        }
        let of = |prefixes: &[u16]| {
            let sights = prefixes.iter().enumerate().map(|(n, &prefix)| sight(n as i64, prefix));
            let pass = all(&mut sights.collect::<Vec<_>>()).remove(0);
            (pass.balance, pass.ties, pass.tau_b)
        };
        let (balance, groups, tau_b) = of(&prefixes);
        assert_eq!((balance, groups), (i64::from(counted), vec![1, 1, 3, 2, 1, 1, 1]));
        let expected = f64::from(counted) / (f64::from(all_pairs) * f64::from(all_pairs - ties)).sqrt();
        assert!((tau_b - expected).abs() < 1e-12);
        assert_eq!(of(&[1, 2, 3]), (3, vec![1; 3], 1.0));
        assert_eq!(of(&[3, 2, 1]), (-3, vec![1; 3], -1.0));
        assert_eq!(of(&[2, 2]), (0, vec![2], 0.0));
    }

    #[test]
    fn only_the_first_sight_counts_until_the_group_fell_silent() {
        let mut again = sight(0, 1);
        again.ts = 600_000_000;
        let found = all(&mut [again, sight(0, 1), sight(300, 2)]);
        assert_eq!(found.iter().map(|stretch| stretch.hashes).collect::<Vec<_>>(), [2]);
        assert_eq!((found[0].last_seen, found[0].lookups), (300_000_000, 2));
        again.ts = 900_000_001;
        let found = all(&mut [again, sight(0, 1), sight(300, 2)]);
        assert_eq!(found.iter().map(|stretch| stretch.hashes).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn what_is_asked_for_all_the_time_is_new_after_the_window_only() {
        let again = |ts: i64| Sight { ts: ts * 1_000_000, ..sight(0, 1) };
        let mut often: Vec<_> = (0..20).map(|n| again(n * 500)).collect();
        assert_eq!(all(&mut often)[0].hashes, 1);
        // Others keep the group awake, and this one is left alone for longer than the window.
        let mut seldom: Vec<_> = (1..=15).map(|n| sight(n * 500, 7)).collect();
        seldom.extend([again(0), again(7201)]);
        assert_eq!(all(&mut seldom).iter().map(|pass| pass.hashes).sum::<i64>(), 17);
    }

    #[test]
    fn steps_of_four_and_less_in_the_prevailing_direction_are_sequential() {
        let ratio = |prefixes: &[u16]| {
            let mut sights: Vec<_> =
                prefixes.iter().enumerate().map(|(n, &prefix)| sight(n as i64, prefix)).collect();
            let stretch = all(&mut sights).remove(0);
            (stretch.sequential_ratio, stretch.ascending)
        };
        assert_eq!(ratio(&[10, 14, 14, 19, 20]), (0.75, true));
        assert_eq!(ratio(&[20, 16, 16, 15, 17]), (0.75, false));
        assert_eq!(ratio(&[9, 9]), (1.0, true));
        assert_eq!(ratio(&[9]), (0.0, true));
    }

    #[test]
    fn announces_are_counted_and_ascribed() {
        let announce = |of: Sight, ts: i64| Sight { ts: ts * 1_000_000, announces: true, ..of };
        let (first, last) = (sight(0, 1), sight(10, 2));
        let mut sights = [first, announce(first, 5), last, announce(last, 15), announce(sight(1, 9), 16)];
        let stretch = all(&mut sights[..4]).remove(0);
        assert_eq!((stretch.lookups, stretch.announces, stretch.announced), (2, 1, 2));
        sights[2].near_own_id = true;
        assert_eq!(all(&mut sights).remove(0).near_own_id, 1);
    }

    #[test]
    fn the_sequence_names_every_prefix_as_often_as_it_is_come_back_to() {
        let mut sights = [sight(0, 0x00a), sight(1, 0x00a), sight(2, 0xfff), sight(3, 0x00a)];
        let stretch = all(&mut sights).remove(0);
        assert_eq!((stretch.sequence, stretch.ties), (vec![0xa, 0xfff, 0xa], vec![3, 1]));
        assert_eq!([digits(0xa), digits(0xfff)], ["00a", "fff"]);
    }

    #[test]
    fn two_hours_are_one_sweep_and_more_is_cut_by_the_clock() {
        let hours: Vec<_> = (0..=12).map(|n| sight(HOUR + n * 600, 1)).collect();
        assert_eq!(found(&hours, 0, DAY), [(HOUR, 13)]);
        let mut more = hours;
        more.push(sight(HOUR + 13 * 600 - 1, 1));
        assert_eq!(found(&more, 0, DAY), [(HOUR, 6), (2 * HOUR, 8)]);
    }

    #[test]
    fn a_pause_longer_than_idle_ends_a_sweep() {
        let sights = [sight(0, 1), sight(600, 1), sight(1201, 1)];
        assert_eq!(found(&sights, 0, DAY), [(0, 2), (1201, 1)]);
    }

    #[test]
    fn what_goes_on_at_midnight_belongs_to_the_next_day_as_a_whole() {
        let sights: Vec<_> = (0..5).map(|n| sight(DAY - 900 + n * 450, 1)).collect();
        assert_eq!(found(&sights, 0, DAY), []);
        assert_eq!(found(&sights, DAY, 2 * DAY), [(DAY - 900, 5)]);
        assert_eq!(found(&sights[..2], DAY, 2 * DAY), [(DAY - 900, 2)]);
    }

    #[test]
    fn every_infohash_is_in_one_sweep_of_one_day_however_long_it_goes_on() {
        // Steps of 397 s for three days; then with pauses in different places.
        for pause in [0, 37, 100, 217, 218, 300] {
            let at = |n: i64| n * 397 + if pause > 0 { n / pause * 601 } else { 0 };
            let sights: Vec<_> = (0..3 * DAY / 397).map(|n| sight(at(n) + 11, 1)).collect();
            let mut days: Vec<_> =
                (0..5).flat_map(|day| found(&sights, day * DAY, (day + 1) * DAY)).collect();
            let counted: i64 = days.iter().map(|(_, hashes)| hashes).sum();
            assert_eq!(counted, sights.len() as i64, "a pause every {pause}");
            let mut at_once = found(&sights, 0, 5 * DAY);
            at_once.sort_unstable();
            days.sort_unstable();
            assert_eq!(days, at_once, "a pause every {pause}");
        }
    }

    #[test]
    fn a_turn_and_a_leap_end_a_walk() {
        assert_eq!(walks_of(1, &[1, 1, 5, 6, 6, 4, 3]), [(1, 5, 28), (4, 2, 28)]);
        assert_eq!(walks_of(1, &[1, 2, 7, 8]), [(1, 2, 10), (7, 2, 10)]);
        assert_eq!(walks_of(1, &[9, 9, 5, 1, 1]), [(9, 5, 15)]);
    }

    #[test]
    fn a_walk_is_one_of_all_windows_of_its_stretch_that_are_long_enough() {
        // Of 3, 4 and 5 neighbours among 5 there are 3, 2 and 1.
        assert_eq!(walks_of(3, &[1, 2, 3, 80, 81]), [(1, 3, 6)]);
        assert_eq!(walks_of(3, &[1, 2, 80, 81]), []);
    }
}
