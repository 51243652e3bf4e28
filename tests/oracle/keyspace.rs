//! The p-values of movement through the keyspace, of occupied cells and of counts where there is chance alone.

use super::{FEWER_TRIALS, GROUPS, answer, doubles, even_or_larger};
use datafusion::arrow::array::{ArrayRef, FixedSizeBinaryArray, Int64Array, TimestampMicrosecondArray};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashSet;
use std::sync::Arc;

/// Infohashes of a group, a minute apart.
const HASHES: i64 = 40;
const MINUTE: i64 = 60_000_000;

/// Groups that ask for infohashes at random, each with one of so many prefixes of twelve bits.
fn askers(seed: u64, prefixes: u16) -> [(&'static str, ArrayRef); 3] {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut targets = Vec::new();
    for _ in 0..GROUPS as i64 * HASHES {
        let mut target: [u8; 20] = rng.random();
        let prefix = rng.random_range(0..prefixes) << 4 | rng.random_range(0..16);
        target[..2].copy_from_slice(&prefix.to_be_bytes());
        targets.push(target);
    }
    let rows = 0..targets.len() as i64;
    let groups = Int64Array::from_iter_values(rows.clone().map(|row| row / HASHES));
    let times = TimestampMicrosecondArray::from_iter_values(rows.map(|row| row % HASHES * MINUTE));
    let targets = FixedSizeBinaryArray::try_from_iter(targets.iter()).expect("20 bytes each");
    [("id", Arc::new(groups)), ("ts", Arc::new(times.with_timezone("UTC"))), ("target", Arc::new(targets))]
}

/// What is said of every pass of [`askers`].
fn passes(what: &str) -> String {
    let duration = |minutes: i64| format!("arrow_cast({}, 'Duration(Microsecond)')", minutes * MINUTE);
    let time =
        |day: i64| format!("arrow_cast({}, 'Timestamp(Microsecond, Some(\"UTC\"))')", day * 24 * 60 * MINUTE);
    format!(
        "WITH found AS ( \
             SELECT id, unnest(keyspace_passes(ts, target, false, false, {}, {}, 10, {}, {})) AS pass \
             FROM t GROUP BY id \
         ), chances AS ( \
             SELECT id, pass['walk'] AS walk, \
                    least(1.0, pass['windows'] * mann_kendall(pass['balance'], pass['ties'])) AS p \
             FROM found \
         ) {what}",
        duration(10),
        duration(120),
        time(0),
        time(1),
    )
}

#[tokio::test]
async fn the_trend_of_a_stretch_is_exact_or_larger() {
    for prefixes in [6, 4096] {
        let p_values = answer(&passes("SELECT p FROM chances WHERE NOT walk"), &askers(1, prefixes)).await;
        assert_eq!(p_values.len(), GROUPS);
        // Exact up to the steps in which a sequence of forty can be out of order.
        let small = p_values.iter().filter(|p| **p <= 0.01).count() as f64 / GROUPS as f64;
        assert!((0.005..0.015).contains(&small), "{small} p-values up to 0.01");
        even_or_larger("mann_kendall", p_values);
    }
}

#[tokio::test]
async fn a_walk_is_no_surprise_among_all_that_its_stretch_could_have_shown() {
    let best = "SELECT coalesce(min(p) FILTER (WHERE walk), 1.0) FROM chances GROUP BY id";
    let p_values = answer(&passes(best), &askers(2, 3)).await;
    assert_eq!(p_values.len(), GROUPS);
    even_or_larger("walks", p_values);
}

#[tokio::test]
async fn occupied_cells_are_counted_exactly() {
    for (draws, cells) in [(32, 32_u32), (64, 256)] {
        let mut rng = StdRng::seed_from_u64(3);
        let occupied = (0..FEWER_TRIALS).map(|_| {
            let seen: HashSet<u32> = (0..draws).map(|_| rng.random_range(0..cells)).collect();
            seen.len() as i64
        });
        let columns = [("d", Arc::new(Int64Array::from_iter_values(occupied)) as ArrayRef)];
        let query = format!("SELECT occupancy({draws}, CAST({cells} AS DOUBLE), d) FROM t");
        even_or_larger("occupancy", answer(&query, &columns).await);
    }
}

#[tokio::test]
async fn counts_of_chance_are_counted_exactly() {
    for mean in [0.1_f64, 3.0, 29.0] {
        let mut rng = StdRng::seed_from_u64(4);
        // Events at random until one unit of time has passed.
        let counts: Vec<i64> = (0..FEWER_TRIALS)
            .map(|_| {
                let mut passed = 0.0;
                let events = (0..).find(|_| {
                    passed -= (1.0 - rng.random::<f64>()).ln() / mean;
                    passed > 1.0
                });
                events.unwrap_or_default()
            })
            .collect();
        let means = doubles(counts.iter().map(|_| mean));
        let columns = [("k", Arc::new(Int64Array::from(counts)) as ArrayRef), ("mean", means)];
        let many = answer("SELECT poisson_at_least(k, mean) FROM t", &columns).await;
        even_or_larger("poisson_at_least", many);
        let few = answer("SELECT poisson_at_most(k, mean) FROM t", &columns).await;
        even_or_larger("poisson_at_most", few);
    }
}
