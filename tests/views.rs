//! Every view in every format on the sample, kept as snapshots. When a view changes on purpose,
//! `INSTA_UPDATE=always tests/run views::` writes them anew: read the difference before it is kept.

use crate::cli::{answer, sample};
use insta::Settings;
use queries::Argument;

const FORMATS: [&str; 4] = ["table", "markdown", "csv", "json"];

/// Sums of many parts depend on the order of the parts; this many decimals do not.
const DECIMALS: usize = 9;

#[test]
fn every_view_looks_as_it_did_in_every_format() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    answer("analyze", &["compute", "--data", data]);
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, arguments) in views(data) {
        let shown = FORMATS.map(|format| {
            let options = ["report", "--data", data, "--limit", "3", "--format", format];
            let arguments: Vec<&str> =
                options.into_iter().chain(arguments.iter().map(String::as_str)).collect();
            format!("=== {format}\n{}", rounded(&answer("analyze", &arguments)))
        });
        settings.bind(|| insta::assert_snapshot!(name, shown.join("\n")));
    }
}

/// The summary and every flag, by the name of its snapshot, with something that the sample holds
/// where a flag takes an argument.
fn views(data: &str) -> Vec<(&'static str, Vec<String>)> {
    let first = |query: &str| {
        let rows = answer("analyze", &["sql", query, "--data", data, "--format", "csv"]);
        rows.lines().nth(1).expect("a row").to_owned()
    };
    let hash =
        first("SELECT infohash FROM derived.hash_behavior_profiles ORDER BY signal_score DESC, infohash");
    let operator = first(
        "SELECT ip_text(operator(peer_ip)) AS operator FROM captured.events GROUP BY 1 ORDER BY count(*) DESC, 1",
    );
    let mut all = vec![("summary", vec![])];
    for view in queries::TABLES.iter().flat_map(|table| table.views) {
        let argument = view.argument.map(|argument| match argument {
            Argument::Infohash => hash.clone(),
            Argument::Operator => operator.clone(),
        });
        let flag = format!("--{}", view.flag);
        all.push((view.flag, std::iter::once(flag).chain(argument).collect()));
    }
    all
}

/// The text with long decimal fractions cut to [`DECIMALS`].
fn rounded(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(number) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c| !number(c)).unwrap_or(from.len()));
        result.push_str(before);
        match (digits.split_once('.'), digits.parse::<f64>()) {
            (Some((_, fraction)), Ok(value)) if fraction.len() > DECIMALS => {
                result.push_str(&format!("{value:.DECIMALS$}"));
            }
            _ => result.push_str(digits),
        }
        rest = after;
    }
    result + rest
}

#[test]
fn rounding_leaves_everything_but_long_fractions_alone() {
    let text = "192.0.2.1 0.30000000000000004 1.5 2026-01-05 00:00:00.123456, v1.2.3";
    assert_eq!(rounded(text), "192.0.2.1 0.300000000 1.5 2026-01-05 00:00:00.123456, v1.2.3");
}
