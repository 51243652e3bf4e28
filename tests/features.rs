//! README promises a list of questions and the command that answers each on the sample: here every
//! one of them is asked.

use crate::cli::{answer, sample};
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// Begins the list.
const HEADING: &str = "### What it answers";

/// The commands of the list, without the program's name.
fn commands() -> Vec<Vec<&'static str>> {
    let (_, list) = README.split_once(HEADING).expect("README has the list");
    let rows =
        list.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split_once("| `analyze ")?.1.split_once('`'))
        .map(|(command, _)| command.split_whitespace().collect())
        .collect()
}

#[test]
fn every_promised_question_is_answered_on_the_sample() {
    let data = sample();
    let data = data.path().to_str().expect("UTF-8");
    let commands = commands();
    assert!(commands.len() > 1, "README's list is a table of commands: {commands:?}");
    for command in commands {
        let json = answer(
            "analyze",
            &[command.as_slice(), ["--data", data, "--format", "json"].as_slice()].concat(),
        );
        let sections: Value = serde_json::from_str(&json).expect("JSON");
        let rows = |section: &Value| section["rows"].as_array().map_or(0, Vec::len);
        let answered = sections.as_array().expect("sections").iter().filter(|section| rows(section) > 0);
        assert!(answered.count() > 0, "analyze {} shows nothing", command.join(" "));
        let shown = answer("analyze", &[command.as_slice(), ["--data", data].as_slice()].concat());
        println!("features: analyze {} · {} lines", command.join(" "), shown.lines().count());
    }
}
