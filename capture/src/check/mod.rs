//! What would go wrong on this host: every condition that a sensor depends on, looked at without
//! sending or writing anything.
//!
//! A finding fails when the sensor would not start or would lose rows for certain, and warns when it
//! may lose some, or when only somebody else can tell.

mod geo;
mod host;
mod ports;
mod storage;

use crate::clock;
use crate::config::Config;
use crate::spool;
use crate::state::State;
use serde::Serialize;
use std::fmt::Write as _;
use std::io;

/// How bad it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It may cost something.
    Warn,
    /// It cannot work.
    Fail,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found out about one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The condition.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// How it is.
    pub found: String,
    /// What to do; none when there is nothing to do.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything that a sensor with these settings needs.
///
/// # Errors
/// When not even the looking is possible.
pub fn all(config: &Config) -> io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    let sensor = config.sensor_name();
    // Settings that were loaded make a keyspace.
    let sockets = config.keyspace("").map_or_else(|_| Vec::new(), |keyspace| keyspace.sockets().to_vec());
    let is_running = spool::is_locked(&config.data, &sensor);
    let recorded = State::load(&config.data, &sensor).map(|state| state.recorded_until);
    let [ports, receive_buffer] = ports::bindable(&sockets, config.receive_buffer, is_running);
    Ok(vec![
        storage::lock(is_running, &config.data, &sensor),
        host::open_files(sockets.len()),
        ports,
        receive_buffer,
        ports::reserved(&sockets),
        host::clock(clock::now(), recorded),
        host::synchronised(),
        storage::folder(&config.data, &sensor),
        storage::space(config),
        geo::file("geo-asn", &config.geo_asn, clock::now()),
        geo::file("geo-city", &config.geo_city, clock::now()),
    ])
}

/// The findings as text, a line each.
#[must_use]
pub fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { check, verdict, found, advice } in findings {
        let advice = advice.as_ref().map(|advice| format!(": {advice}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:4}  {check:width$}  {found}{advice}", verdict.as_str());
    }
    text
}

/// The findings as a JSON array.
///
/// # Errors
/// Never: the findings hold nothing that JSON cannot.
pub fn json(findings: &[Finding]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(findings).map(|text| text + "\n")
}
