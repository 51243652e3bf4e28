//! `components(a, b) → LIST of STRUCT(member, component)`: the connected components of a graph whose
//! edges are the rows of a group.
//!
//! Vertices are BIGINT UNSIGNED, such as a `hash64`. Every vertex comes once, in ascending order, with
//! the least vertex of its component, so that the answer does not depend on the order of the edges.
//! No recursive query is needed, which could not run on a cluster.

use super::timestamps::{Fold, over_rows};
use datafusion::arrow::array::{ArrayRef, ListArray, StructArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::AggregateUDF;
use petgraph::unionfind::UnionFind;
use std::sync::Arc;

pub(super) fn function() -> AggregateUDF {
    let returns = DataType::List(Arc::new(item()));
    over_rows("components", [DataType::UInt64, DataType::UInt64], vec![], returns, |_| Ok(Components))
}

fn fields() -> Fields {
    ["member", "component"].map(|name| Field::new(name, DataType::UInt64, false)).into_iter().collect()
}

fn item() -> Field {
    Field::new_list_field(DataType::Struct(fields()), true)
}

#[derive(Debug)]
struct Components;

/// Every vertex of `edges`, ascending, with the least one of its component.
fn components(edges: &[[u64; 2]]) -> Vec<(u64, u64)> {
    let mut vertices = edges.as_flattened().to_vec();
    vertices.sort_unstable();
    vertices.dedup();
    // Positions are in the order of the vertices: the least position stands for the least vertex.
    let position = |vertex: &u64| vertices.partition_point(|other| other < vertex);
    let mut sets = UnionFind::<usize>::new(vertices.len());
    for [a, b] in edges {
        sets.union(position(a), position(b));
    }
    let labels = sets.into_labeling();
    let mut least = vec![usize::MAX; vertices.len()];
    for (index, &label) in labels.iter().enumerate() {
        least[label] = least[label].min(index);
    }
    vertices.iter().zip(labels).map(|(&vertex, label)| (vertex, vertices[least[label]])).collect()
}

impl Fold for Components {
    fn fold(&self, numbers: &[i64]) -> ScalarValue {
        let (rows, _) = numbers.as_chunks::<2>();
        let edges: Vec<_> = rows.iter().map(|edge| edge.map(i64::cast_unsigned)).collect();
        let (members, components): (Vec<_>, Vec<_>) = components(&edges).into_iter().unzip();
        let offsets = OffsetBuffer::from_lengths([members.len()]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(UInt64Array::from(members)), Arc::new(UInt64Array::from(components))];
        let structs = StructArray::new(fields(), columns, None);
        ScalarValue::List(Arc::new(ListArray::new(Arc::new(item()), offsets, Arc::new(structs), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_share_a_vertex_are_one_component() {
        let edges = [[5, 9], [2, 7], [9, u64::MAX], [7, 3]];
        let expected = [(2, 2), (3, 2), (5, 5), (7, 2), (9, 5), (u64::MAX, 5)];
        assert_eq!(components(&edges), expected);
    }

    #[test]
    fn the_order_of_edges_and_of_their_ends_does_not_matter() {
        let edges = [[1, 2], [3, 4], [2, 3], [6, 5]];
        let turned: Vec<_> = edges.iter().rev().map(|&[a, b]| [b, a]).collect();
        assert_eq!(components(&edges), components(&turned));
        assert_eq!(components(&[]), []);
    }
}
