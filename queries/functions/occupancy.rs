//! `occupancy(draws, cells, occupied) → DOUBLE`: how likely chance fills as few cells as `occupied`, or as many,
//! when so many balls fall independently into so many equally likely cells: a two-sided p-value.
//!
//! `cells` need not be whole: it is the reciprocal of the chance that two balls fall into the same cell.
//! The number of occupied cells after t balls follows from that after t − 1: a ball falls into one of the d
//! occupied cells with probability d/K. Carried on from the first ball, this is the classical occupancy
//! distribution, without any approximation, and the result is twice the smaller of P(D ≤ d) and P(D ≥ d). It
//! takes time in proportion to the square of `draws`.
//!
//! The result lies in 0–1; more cells than there are count as all of them. Null for a null, and where so many
//! draws cannot occupy so many cells.
//!
//! N. L. Johnson, S. Kotz, “Urn Models and Their Application”, 1977, ch. 3.

use super::columnwise;
use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

pub(super) fn function() -> ScalarUDF {
    let arguments = vec![DataType::Int64, DataType::Float64, DataType::Int64];
    let signature = Signature::exact(arguments, Volatility::Immutable);
    columnwise("occupancy", signature, DataType::Float64, p_values)
}

fn p_values(columns: &[ArrayRef]) -> Result<ArrayRef> {
    let [draws, occupied] = [0, 2].map(|column| columns[column].as_primitive::<Int64Type>());
    let rows = draws.iter().zip(columns[1].as_primitive::<Float64Type>()).zip(occupied);
    let values: Float64Array =
        rows.map(|((draws, cells), occupied)| p_value(draws?, cells?, occupied?)).collect();
    Ok(Arc::new(values))
}

fn p_value(draws: i64, cells: f64, occupied: i64) -> Option<f64> {
    if !(1..=draws).contains(&occupied) || !(1.0..).contains(&cells) {
        return None;
    }
    let occupied = occupied.min(cells as i64);
    let (few, many) = tails(&distribution(draws as usize, cells), occupied as usize);
    Some((2.0 * few.min(many)).min(1.0))
}

/// P(D = d) by d.
fn distribution(draws: usize, cells: f64) -> Vec<f64> {
    // Of the last cell, a part may be left.
    let most = draws.min(cells.ceil() as usize);
    let mut chances = vec![0.0; most + 1];
    chances[1] = 1.0;
    for thrown in 2..=draws {
        for d in (1..=thrown.min(most)).rev() {
            let stays = chances[d] * (d as f64).min(cells);
            let grows = chances[d - 1] * (cells - (d - 1) as f64);
            chances[d] = (stays + grows) / cells;
        }
    }
    chances
}

/// P(D ≤ occupied) and P(D ≥ occupied).
fn tails(chances: &[f64], occupied: usize) -> (f64, f64) {
    (chances[..=occupied].iter().sum(), chances[occupied..].iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_count_of_all_ways() {
        // Five balls into four cells, in base 4.
        let mut ways = [0_u32; 5];
        for way in 0..4_usize.pow(5) {
            let mut seen = [false; 4];
            (0..5).for_each(|ball| seen[way / 4_usize.pow(ball) % 4] = true);
            ways[seen.iter().filter(|seen| **seen).count()] += 1;
        }
        for occupied in 1..=4 {
            let share = |range: &[u32]| f64::from(range.iter().sum::<u32>()) / 1024.0;
            let (few, many) = tails(&distribution(5, 4.0), occupied);
            assert!((few - share(&ways[..=occupied])).abs() < 1e-12);
            assert!((many - share(&ways[occupied..])).abs() < 1e-12);
        }
        assert_eq!(
            [p_value(1, 256.0, 1), p_value(3, 256.0, 4), p_value(3, 256.0, 0)],
            [Some(1.0), None, None]
        );
        assert_eq!([p_value(9, 3.5, 4), p_value(9, 0.5, 1)], [p_value(9, 3.5, 3), None]);
        // A part of a cell: 2 balls share a cell once in 2.5 times.
        assert!((p_value(2, 2.5, 1).expect("a p-value") - 0.8).abs() < 1e-12);
    }
}
