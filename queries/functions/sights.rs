//! The part that aggregates over movement through the keyspace share: collect when a group asked for
//! what, keep the first sight of every infohash, cut the sequence into stretches, and say of each how
//! it moves.
//!
//! Both functions take `(ts, target, announces, near_own_id, idle, window, min_hashes, since, until)`;
//! everything from `idle` on is a constant. An infohash is new when its group has not asked for it
//! within `window`, or has been silent for longer than `idle` since. A stretch is made of new
//! infohashes no more than `idle` apart. It is given out by the day `[since, until)` in which it
//! *closes*: when `idle` has passed without a new infohash, or something else has ended it for good.
//! Nobody needs to look ahead for that, and no stretch is given out twice.
//!
//! The result is one struct a stretch of at least `min_hashes` infohashes: `first_seen`, `last_seen`,
//! `hashes`, `first_prefix`, `last_prefix`, `prefixes` (distinct), `sequential_ratio`, `tau_b`,
//! `ascending`, `lookups`, `announces`, `announced`, `near_own_id`, `sequence`. A prefix is the first
//! twelve bits of an infohash, three hexadecimal digits.

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
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;

/// A step from one prefix to the next is part of a movement when it is no longer than this: 4 of 4,096.
pub(super) const STEP: i32 = 4;
/// Number of prefixes.
const PREFIXES: usize = 1 << 12;

/// One lookup: when, for what, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub ts: i64,
    pub target: [u8; 20],
    pub announces: bool,
    pub near_own_id: bool,
}

impl Sight {
    /// Bytes in which a sight travels between the stages of an aggregation.
    const PACKED: usize = 29;

    /// The first twelve bits of the target.
    pub(super) fn prefix(&self) -> i32 {
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
pub(super) fn in_order(sights: &mut [Sight]) {
    sights.sort_unstable_by_key(|sight| (sight.ts, reversed(sight.target), sight.announces));
}

fn reversed(mut target: [u8; 20]) -> [u8; 20] {
    target.reverse();
    target
}

/// The constants of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub idle: i64,
    pub window: i64,
    pub min_hashes: usize,
    pub since: i64,
    pub until: i64,
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
pub(super) struct Piece {
    pub range: Range<usize>,
    pub closes: i64,
}

/// Cuts a sequence of new infohashes, no more than `idle` apart, into pieces.
pub(super) type Cut = fn(&Limits, &[Sight]) -> Vec<Piece>;

/// How one stretch moves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretch {
    pub first_seen: i64,
    pub last_seen: i64,
    pub hashes: i64,
    pub first_prefix: i32,
    pub last_prefix: i32,
    pub prefixes: i64,
    pub sequential_ratio: f64,
    pub tau_b: f64,
    pub ascending: bool,
    pub lookups: i64,
    pub announces: i64,
    pub announced: i64,
    pub near_own_id: i64,
    /// The prefixes in order, each as often as it is come back to.
    pub sequence: Vec<i32>,
}

/// The stretches of one group, which gives `sights` in any order.
pub(super) fn stretches(limits: &Limits, cut: Cut, sights: &mut [Sight]) -> Vec<Stretch> {
    in_order(sights);
    let fresh = fresh(limits, sights);
    let mut stretches = Vec::new();
    for sequence in fresh.chunk_by(|a, b| b.ts - a.ts <= limits.idle) {
        for Piece { range, closes } in cut(limits, sequence) {
            if range.len() >= limits.min_hashes.max(1) && (limits.since..limits.until).contains(&closes) {
                stretches.push(stretch(limits, &sequence[range], sights));
            }
        }
    }
    stretches
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

fn stretch(limits: &Limits, piece: &[Sight], all: &[Sight]) -> Stretch {
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
    let tau_b = tau_b(&prefixes);
    let mut sequence = prefixes.clone();
    sequence.dedup();
    Stretch {
        first_seen: first.ts,
        last_seen: last.ts,
        hashes: piece.len() as i64,
        first_prefix: first.prefix(),
        last_prefix: last.prefix(),
        prefixes: prefixes.iter().collect::<BTreeSet<_>>().len() as i64,
        sequential_ratio: upwards.max(downwards) as f64 / (piece.len() as f64 - 1.0).max(1.0),
        tau_b,
        ascending: upwards > downwards || upwards == downwards && tau_b >= 0.0,
        lookups: (during(last.ts).len() - announces) as i64,
        announces: announces as i64,
        announced: count(&|sight| announced.contains(&sight.target)),
        near_own_id: count(&|sight| sight.near_own_id),
        sequence,
    }
}

/// Kendall's τ_b of the prefixes with their order; 0 where all are the same.
fn tau_b(prefixes: &[i32]) -> f64 {
    let pairs = |n: i64| n * (n - 1) / 2;
    // A Fenwick tree over the prefixes seen so far.
    let mut tree = [0_i64; PREFIXES + 1];
    let mut counts = [0_i64; PREFIXES];
    let (mut balance, mut ties) = (0_i64, 0_i64);
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
        ties += equal;
        counts[prefix] += 1;
        let mut index = prefix + 1;
        while index <= PREFIXES {
            tree[index] += 1;
            index += index & index.wrapping_neg();
        }
    }
    let all = pairs(prefixes.len() as i64);
    if all == ties { 0.0 } else { balance as f64 / (all as f64 * (all - ties) as f64).sqrt() }
}

/// The aggregate function `name` that cuts with `cut`.
pub(super) fn over_movement(name: &'static str, cut: Cut) -> AggregateUDF {
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
    AggregateUDF::from(OverMovement {
        name,
        signature: Signature::exact(arguments, Volatility::Immutable),
        cut,
    })
}

/// A function over movement; its name tells it from others.
#[derive(Debug)]
struct OverMovement {
    name: &'static str,
    signature: Signature,
    cut: Cut,
}

impl PartialEq for OverMovement {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OverMovement {}

impl Hash for OverMovement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for OverMovement {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Single::boxed(Sights::new(Limits::new(&args)?, self.cut), &[DataType::LargeBinary])
    }

    /// What travels between the stages of an aggregation are the sights, packed.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[sights]", args.name), DataType::LargeBinary, true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Sights::new(Limits::new(&args)?, self.cut)))
    }
}

fn fields() -> Fields {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let sequence = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    Fields::from_iter(
        [
            ("first_seen", time.clone()),
            ("last_seen", time),
            ("hashes", DataType::Int64),
            ("first_prefix", DataType::Utf8),
            ("last_prefix", DataType::Utf8),
            ("prefixes", DataType::Int64),
            ("sequential_ratio", DataType::Float64),
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
fn lists(groups: &[Vec<Stretch>]) -> Result<ListArray> {
    let rows: Vec<&Stretch> = groups.iter().flatten().collect();
    let times = |of: fn(&Stretch) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of(row)));
        Arc::new(times.with_timezone("UTC"))
    };
    let counts = |of: fn(&Stretch) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row))))
    };
    let reals = |of: fn(&Stretch) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| of(row))))
    };
    let prefixes = |of: fn(&Stretch) -> i32| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| digits(of(row)))))
    };
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
        times(|row| row.first_seen),
        times(|row| row.last_seen),
        counts(|row| row.hashes),
        prefixes(|row| row.first_prefix),
        prefixes(|row| row.last_prefix),
        counts(|row| row.prefixes),
        reals(|row| row.sequential_ratio),
        reals(|row| row.tau_b),
        Arc::new(rows.iter().map(|row| Some(row.ascending)).collect::<BooleanArray>()),
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
    cut: Cut,
}

impl Sights {
    fn new(limits: Limits, cut: Cut) -> Self {
        Self { groups: Vec::new(), held: 0, limits, cut }
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
        let (limits, cut) = (self.limits, self.cut);
        let groups = self.take(emit_to);
        let found: Vec<_> =
            groups.into_iter().map(|mut sights| stretches(&limits, cut, &mut sights)).collect();
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
pub(super) mod tests {
    use super::*;

    /// A sight of an infohash of its own with this prefix, `ts` seconds after the beginning.
    pub(in super::super) fn sight(ts: i64, prefix: u16) -> Sight {
        let mut target = [0; 20];
        target[..2].copy_from_slice(&(prefix << 4).to_be_bytes());
        target[12..].copy_from_slice(&ts.to_be_bytes());
        Sight { ts: ts * 1_000_000, target, announces: false, near_own_id: false }
    }

    /// Ten minutes of silence, two hours of window, from `since` on, in seconds.
    pub(in super::super) fn limits(min_hashes: usize, since: i64, until: i64) -> Limits {
        let [idle, window, since, until] = [600, 7200, since, until].map(|seconds| seconds * 1_000_000);
        Limits { idle, window, min_hashes, since, until }
    }

    fn whole(limits: &Limits, sights: &[Sight]) -> Vec<Piece> {
        let closes = sights.last().map_or(0, |last| last.ts + limits.idle);
        vec![Piece { range: 0..sights.len(), closes }]
    }

    fn all(sights: &mut [Sight]) -> Vec<Stretch> {
        stretches(&limits(1, -100_000, 1_000_000), whole, sights)
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
    fn tau_b_agrees_with_the_count_of_all_pairs() {
        let prefixes = [5, 9, 9, 1, 4095, 0, 5, 5, 77, 12];
        let (mut balance, mut ties, mut all) = (0_i32, 0, 0);
        for later in 0..prefixes.len() {
            for earlier in 0..later {
                let step: i32 = prefixes[later] - prefixes[earlier];
                balance += step.signum();
                ties += i32::from(step == 0);
                all += 1;
            }
        }
        let expected = f64::from(balance) / (f64::from(all) * f64::from(all - ties)).sqrt();
        assert!((tau_b(&prefixes) - expected).abs() < 1e-12);
        assert_eq!(
            [tau_b(&[1, 2, 3]), tau_b(&[3, 2, 1]), tau_b(&[2, 2]), tau_b(&[2])],
            [1.0, -1.0, 0.0, 0.0]
        );
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
        assert_eq!(all(&mut seldom)[0].hashes, 17);
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
        assert_eq!((stretch.sequence, stretch.prefixes), (vec![0xa, 0xfff, 0xa], 2));
        assert_eq!([digits(0xa), digits(0xfff)], ["00a", "fff"]);
    }
}
