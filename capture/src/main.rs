//! The command line of `capture`: arguments in, exit code out. 0 is success, 1 failure, 2 usage.

use anyhow::{Context as _, bail};
use capture::config::{Config, Flags};
use capture::{check, clock, daemon, log, plan, state, tail};
use clap::{Parser, Subcommand, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Passive observatory of the BitTorrent DHT: answers what it is asked and writes every query down.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// TOML file with settings of the same names as the flags; flags win.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Listen, answer and record until SIGTERM or SIGINT.
    Run {
        /// Log more: what helps to find a mistake.
        #[arg(long)]
        debug: bool,
        /// How a line of the log looks.
        #[arg(long, value_enum, default_value_t = log::Format::Text, value_name = "FORMAT")]
        log_format: log::Format,
    },
    /// Print addresses, ports, ids and slices of all presences without binding or writing anything.
    ///
    /// As long as there is no seed, neither in the settings nor kept by an earlier run, the ids are an example.
    Plan {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Say what would go wrong on this host with these settings, and how to mend it.
    ///
    /// Nothing is sent and nothing is written. The exit code is 1 if anything fails; what is only
    /// doubtful does not fail.
    Check {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print the settings in force as a commented TOML file.
    Config,
    /// Print new events of a running daemon as an Arrow IPC stream, until nobody reads it any more.
    Tail {
        /// Begin with the events that are recorded and not sealed yet.
        #[arg(long)]
        unsealed: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// The program was called in a way that cannot work.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe does not make help a failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let config = match Config::load(arguments.config.as_deref(), arguments.flags) {
        Ok(config) => config,
        Err(error) => {
            log::complain(&error.into());
            return ExitCode::from(USAGE);
        }
    };
    let result = match arguments.command {
        Command::Run { debug, log_format } => {
            log::start(log_format, debug);
            daemon::run(config)
        }
        Command::Plan { format } => print_plan(&config, format),
        Command::Check { format } => print_check(&config, format),
        Command::Tail { unsealed } => print_tail(&config, unsealed),
        Command::Config => {
            config.commented().context("cannot print the settings").and_then(|text| print(&text))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_tail(config: &Config, unsealed: bool) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        bail!("this is binary data (an Arrow IPC stream): pipe it into a program that reads it");
    }
    log::start(log::Format::Text, false);
    tail::run(&config.data, &config.sensor_name(), &schema::events::TABLE, unsealed)
}

fn print_plan(config: &Config, format: Format) -> anyhow::Result<()> {
    let seed = match state::known_seed(config)? {
        Some(seed) => seed,
        None => {
            // If nobody can read it, there is nothing to be done.
            let _ = writeln!(io::stderr(), "capture: no seed is kept yet: the first run draws other ids");
            state::random()?
        }
    };
    let rows = plan::rows(&config.keyspace(&seed)?, clock::now());
    match format {
        Format::Table => print(&plan::table(&rows)),
        Format::Json => print(&plan::json(&rows)?),
    }
}

fn print_check(config: &Config, format: Format) -> anyhow::Result<()> {
    let findings = check::all(config).context("cannot check this host")?;
    match format {
        Format::Table => print(&check::table(&findings))?,
        Format::Json => print(&check::json(&findings)?)?,
    }
    let failed = findings.iter().filter(|finding| finding.verdict == check::Verdict::Fail).count();
    anyhow::ensure!(failed == 0, "{failed} of {} checks failed", findings.len());
    Ok(())
}

/// Prints to stdout; a reader that has seen enough is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
