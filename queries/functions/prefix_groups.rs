//! `prefix_groups(id, is_presence, min_hashes, by_chance, pair_bits) → LIST<STRUCT>`: the groups of infohashes
//! that share a longer prefix than chance gives to infohashes: `first_member`, `shared_bits`,
//! `expected_by_chance`, `near_presence` (a presence has the prefix as well), `population` and `members`, in
//! the order of the keyspace, the larger first of two that begin alike.
//!
//! In the order of the keyspace, ids that share a prefix stand side by side, so one pass over the sorted
//! ids finds all groups with at least so many bits in common. There are two such passes: for groups of
//! `min_hashes` at the fewest bits at which fewer than `by_chance` of them are expected among all the
//! infohashes, and for any two at `pair_bits`. (Running sums over all ids in SQL take minutes.)

use super::shared_prefix_bits::shared_bits;
use super::timestamps::constant;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryBuilder, Float64Array, Int64Array, ListArray,
    StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{ScalarValue, internal_datafusion_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::f64::consts::LN_2;
use std::sync::Arc;

const ID: DataType = DataType::FixedSizeBinary(20);

pub(super) fn function() -> AggregateUDF {
    let arguments = vec![ID, DataType::Boolean, DataType::Int64, DataType::Float64, DataType::Int64];
    AggregateUDF::from(PrefixGroups { signature: Signature::exact(arguments, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PrefixGroups {
    signature: Signature,
}

impl AggregateUDFImpl for PrefixGroups {
    fn name(&self) -> &str {
        "prefix_groups"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Ids { ids: Vec::new(), limits: Limits::new(&args)? }))
    }

    /// What travels between the stages of an aggregation are the ids, packed.
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[ids]", args.name), DataType::LargeBinary, true))])
    }
}

fn members() -> FieldRef {
    Arc::new(Field::new_list_field(ID, true))
}

fn fields() -> Fields {
    Fields::from_iter(
        [
            ("first_member", ID),
            ("shared_bits", DataType::Int64),
            ("expected_by_chance", DataType::Float64),
            ("near_presence", DataType::Boolean),
            ("population", DataType::Int64),
            ("members", DataType::List(members())),
        ]
        .map(|(name, ty)| Field::new(name, ty, true)),
    )
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

/// The constants of a call.
#[derive(Clone, Copy, Debug)]
struct Limits {
    min_hashes: usize,
    by_chance: f64,
    pair_bits: i64,
}

impl Limits {
    fn new(args: &AccumulatorArgs) -> Result<Self> {
        match (constant(args, 2)?, constant(args, 3)?, constant(args, 4)?) {
            (
                ScalarValue::Int64(Some(min_hashes)),
                ScalarValue::Float64(Some(by_chance)),
                ScalarValue::Int64(Some(pair_bits)),
            ) => {
                Ok(Self { min_hashes: usize::try_from(min_hashes).unwrap_or(0).max(2), by_chance, pair_bits })
            }
            _ => plan_err!("the last three arguments of {} are numbers", args.name),
        }
    }
}

/// An infohash, or the node id of a presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    id: [u8; 20],
    is_presence: bool,
}

/// Infohashes with a prefix in common.
#[derive(Debug, PartialEq)]
struct Group {
    shared_bits: i64,
    expected_by_chance: f64,
    near_presence: bool,
    members: Vec<[u8; 20]>,
}

/// The groups among `ids`, and the number of infohashes.
fn groups(limits: &Limits, ids: &mut Vec<Member>) -> (usize, Vec<Group>) {
    ids.sort_unstable();
    ids.dedup();
    let population = ids.iter().filter(|id| !id.is_presence).count();
    let enough = bits_beyond_chance(population, limits.min_hashes, limits.by_chance);
    let mut groups = at_least(enough, limits.min_hashes, population, ids);
    groups.extend(at_least(limits.pair_bits, 2, population, ids));
    groups.sort_by(|a, b| a.members[0].cmp(&b.members[0]).then(b.members.len().cmp(&a.members.len())));
    groups.dedup_by(|a, b| a.members == b.members);
    (population, groups)
}

/// Groups of at least `least` infohashes that share at least `bits` bits.
fn at_least(bits: i64, least: usize, population: usize, ids: &[Member]) -> Vec<Group> {
    let mut groups = Vec::new();
    for group in ids.chunk_by(|a, b| shared_bits(&a.id, &b.id) >= bits) {
        let members: Vec<_> = group.iter().filter(|id| !id.is_presence).map(|id| id.id).collect();
        if members.len() >= least {
            let shared_bits = shared_bits(&members[0], &members[members.len() - 1]);
            let expected_by_chance = expected(population, members.len(), shared_bits);
            let near_presence = members.len() < group.len();
            groups.push(Group { shared_bits, expected_by_chance, near_presence, members });
        }
    }
    groups
}

/// The fewest bits at which fewer than `by_chance` groups of `size` are expected among `population`.
fn bits_beyond_chance(population: usize, size: usize, by_chance: f64) -> i64 {
    let bits = (ln_choices(population, size) - by_chance.ln()) / LN_2 / (size as f64 - 1.0);
    // A table without enough infohashes has no choices at all.
    if bits.is_finite() { (bits.floor() as i64 + 1).clamp(1, 160) } else { 1 }
}

/// Groups of `size` that share at least `bits` bits, expected among `population` random infohashes.
fn expected(population: usize, size: usize, bits: i64) -> f64 {
    (ln_choices(population, size) - bits as f64 * (size as f64 - 1.0) * LN_2).exp()
}

/// The logarithm of the number of ways to choose `size` of `population`.
fn ln_choices(population: usize, size: usize) -> f64 {
    (0..size).map(|n| ((population as f64 - n as f64) / (n as f64 + 1.0)).max(0.0).ln()).sum()
}

fn column(mut ids: impl Iterator<Item = [u8; 20]>) -> Result<ArrayRef> {
    let mut column = FixedSizeBinaryBuilder::new(20);
    ids.try_for_each(|id| column.append_value(id))?;
    Ok(Arc::new(column.finish()))
}

/// All ids of one call.
#[derive(Debug)]
struct Ids {
    ids: Vec<Member>,
    limits: Limits,
}

impl Accumulator for Ids {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let is_presence = values[1].as_boolean();
        for (row, id) in values[0].as_fixed_size_binary().iter().enumerate() {
            if let Some(Ok(id)) = id.map(TryInto::try_into) {
                self.ids
                    .push(Member { id, is_presence: is_presence.is_valid(row) && is_presence.value(row) });
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i64>().iter().flatten() {
            for packed in bytes.chunks(21) {
                let unpacked = packed.split_first_chunk().filter(|(_, rest)| rest.len() == 1);
                let (id, rest) = unpacked.ok_or_else(|| internal_datafusion_err!("an id is cut short"))?;
                self.ids.push(Member { id: *id, is_presence: rest[0] != 0 });
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::with_capacity(21 * self.ids.len());
        for Member { id, is_presence } in self.ids.drain(..) {
            bytes.extend(id);
            bytes.push(u8::from(is_presence));
        }
        Ok(vec![ScalarValue::LargeBinary(Some(bytes))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (population, groups) = groups(&self.limits, &mut self.ids);
        let first_members = column(groups.iter().map(|group| group.members[0]))?;
        let all_members = column(groups.iter().flat_map(|group| group.members.iter().copied()))?;
        let offsets = OffsetBuffer::from_lengths(groups.iter().map(|group| group.members.len()));
        let columns: Vec<ArrayRef> = vec![
            first_members,
            Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| group.shared_bits))),
            Arc::new(Float64Array::from_iter_values(groups.iter().map(|group| group.expected_by_chance))),
            Arc::new(groups.iter().map(|group| Some(group.near_presence)).collect::<BooleanArray>()),
            Arc::new(Int64Array::from_value(population as i64, groups.len())),
            Arc::new(ListArray::try_new(members(), offsets, all_members, None)?),
        ];
        let rows = Arc::new(StructArray::try_new(fields(), columns, None)?);
        let offsets = OffsetBuffer::from_lengths([rows.len()]);
        Ok(ScalarValue::List(Arc::new(ListArray::try_new(item(), offsets, rows, None)?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.ids.capacity() * size_of::<Member>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { min_hashes: 3, by_chance: 0.01, pair_bits: 40 };

    fn hash(first: u64, last: u8) -> Member {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&first.to_be_bytes());
        id[19] = last;
        Member { id, is_presence: false }
    }

    fn found(ids: &[Member]) -> Vec<(i64, usize, bool)> {
        let (_, groups) = groups(&LIMITS, &mut ids.to_vec());
        groups.iter().map(|group| (group.shared_bits, group.members.len(), group.near_presence)).collect()
    }

    #[test]
    fn the_numbers_of_the_documentation() {
        assert_eq!(bits_beyond_chance(84_000, 5, 0.01), 21);
        assert!(expected(84_000, 5, 21) < 0.01 && expected(84_000, 5, 20) > 0.01);
        assert!((expected(84_000, 2, 40) - 0.0032).abs() < 0.0001);
        assert_eq!(expected(10, 3, 0).round(), 120.0);
        assert_eq!((bits_beyond_chance(0, 5, 0.01), bits_beyond_chance(4, 5, 0.01)), (1, 1));
    }

    #[test]
    fn groups_and_pairs_are_found_and_one_that_is_both_is_found_once() {
        // 120 choices of three among ten: seven bits leave 0.007 of them to chance.
        let mut ids: Vec<_> = (0..6).map(|n| hash(n << 60 | 1 << 63, 0)).collect();
        ids.extend([hash(0, 1), hash(0x01 << 56, 2), hash(0x01 << 56 | 1 << 20, 3)]);
        assert_eq!(bits_beyond_chance(9, 3, 0.01), 7);
        assert_eq!(found(&ids), [(7, 3, false), (43, 2, false)]);
        let three = [hash(5, 1), hash(5, 2), hash(5, 3), hash(5, 3)];
        assert_eq!(found(&three).len(), 1);
        assert_eq!(found(&[hash(0, 1), hash(1 << 24, 1)]), []);
    }

    #[test]
    fn a_presence_is_no_member_and_is_noticed() {
        let presence = Member { is_presence: true, ..hash(7, 9) };
        assert_eq!(found(&[hash(7, 1), hash(7, 12), presence]), [(156, 2, true)]);
        assert_eq!(found(&[hash(7, 1), presence]), []);
    }

    #[test]
    fn parts_make_the_whole() {
        let one = |ids: &[Member]| Ids { ids: ids.to_vec(), limits: LIMITS };
        let ids = [hash(7, 1), hash(7, 12), hash(9 << 40, 1), Member { is_presence: true, ..hash(7, 9) }];
        let mut merged = one(&[]);
        for part in [&ids[2..], &ids[..2]] {
            let state = one(part).state().expect("a state");
            merged.merge_batch(&[state[0].to_array().expect("an array")]).expect("a merge");
        }
        assert_eq!(merged.evaluate().expect("groups"), one(&ids).evaluate().expect("groups"));
    }
}
