//! What analysis costs.
//!
//! `cargo bench -p analyze` prints one line a figure: `bench NAME VALUE UNIT ratio R vs REFERENCE`, where
//! several runs make a figure their median is meant. Every run is a process of its own, from its start to
//! its end; memory is the most that was resident. Parts may be named: `cargo bench -p analyze -- views`.
//!
//! * `views`: what an answer costs once everything is computed, on the sample of the repository.
//! * `5m`, `50m`: what computing costs on a simulated month of 5 and of 50 million events: from nothing,
//!   in little memory, without anything new, with one more hour, and with an hour that came a week late; and
//!   what is asked of it then: a report, one infohash, one operator, the profiles. Of both together, the growth.
//! * `folds-5m`, `folds-50m`: one more hour beside the bare sums that it has to add up again, by DuckDB;
//!   `TELESCOPE_PYTHON` names a Python that has it.
//! * `profiles-5m`, `profiles-50m`: profiles from the raw queries of that month, beside DuckDB and Polars;
//!   that Python needs both.
//! * `worst-5m`, `worst-50m`: that month with half its queries for one infohash, or from one address, or all for
//!   different infohashes. The large ones are computed once each.
//! * `watch`: the memory of `analyze watch` over that month of 5 million events.
//!
//! The months are written by `world generate` before they are first needed, and kept below `target/tmp`:
//! 1.9 GB, and as much again while they are measured; `worst-50m` takes more than ten for a while.

mod child;
mod folds;
mod incremental;
mod live;
mod month;
mod profiles;
mod views;
mod worst;

use anyhow::Result;
use child::Run;
use month::{LARGE, SMALL};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches too, without this flag, and has no time for them.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let named = |part: &str| {
        let mut parts = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        parts.peek().is_none() || parts.any(|named| named == part)
    };
    if named("views") {
        views::measure()?;
    }
    let mut smaller = None;
    for size in [SMALL, LARGE] {
        if named(size.name) {
            let full = (size, incremental::measure(size)?);
            if let Some(smaller) = smaller.replace(full.clone()) {
                incremental::growth(&full, &smaller);
            }
        }
    }
    for size in [SMALL, LARGE] {
        if named(&format!("folds-{}", size.name)) {
            folds::measure(size)?;
        }
        if named(&format!("profiles-{}", size.name)) {
            profiles::measure(size)?;
        }
    }
    for (size, runs) in [(SMALL, 3), (LARGE, 1)] {
        if named(&format!("worst-{}", size.name)) {
            worst::measure(size, runs)?;
        }
    }
    if named("watch") {
        live::measure(SMALL)?;
    }
    Ok(())
}

/// The run of median time.
fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    runs.swap_remove(runs.len() / 2)
}
