//! Log lines on standard error, in the shape that their reader understands.
//!
//! The journal knows the time and keeps the level beside each line, so text that goes there carries
//! neither, but the level as a prefix that `journalctl --priority` filters by (`sd-daemon(3)`).

use clap::ValueEnum;
use serde::Serialize;
use std::fmt::{self, Debug, Write as _};
use std::io::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A sentence.
    Text,
    /// A JSON object with `timestamp`, `level` and `message`.
    Json,
}

/// Starts to log. `debug` adds lines that help to find a mistake, a few a minute.
pub fn start(format: Format, debug: bool) {
    tracing_subscriber::fmt()
        .with_max_level(if debug { Level::DEBUG } else { Level::INFO })
        .with_writer(io::stderr)
        // A line that standard error does not take is lost. Said on standard error, that ends the thread.
        .log_internal_errors(false)
        .event_format(Lines { format, is_journal: is_journal() })
        .init();
}

/// Prints the error that ends the program.
pub fn complain(error: &anyhow::Error) {
    let prefix = if is_journal() { prefix(Level::ERROR) } else { "" };
    for line in format!("capture: {error:#}").lines() {
        // If nobody can read it, the exit code has to do.
        let _ = writeln!(io::stderr(), "{prefix}{line}");
    }
}

/// Whether standard error is the journal: it says which device and file it is.
fn is_journal() -> bool {
    let Ok(stat) = nix::sys::stat::fstat(io::stderr()) else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// What the journal takes for the level of a line.
fn prefix(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// Writes one line an event.
struct Lines {
    format: Format,
    is_journal: bool,
}

#[derive(Serialize)]
struct Line {
    timestamp: String,
    level: &'static str,
    message: String,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let mut message = Message(String::new());
        event.record(&mut message);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        if self.is_journal {
            writer.write_str(prefix(level))?;
        }
        match self.format {
            Format::Json => {
                let line = Line { timestamp, level: level.as_str(), message: message.0 };
                writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
            }
            Format::Text if self.is_journal => writeln!(writer, "{}", message.0),
            Format::Text => writeln!(writer, "{timestamp} {level:5} {}", message.0),
        }
    }
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
