//! The command line of `capture`: arguments in, exit code out. 0 is success, 1 failure, 2 usage.

use anyhow::Context as _;
use capture::config::{Config, Flags};
use capture::{clock, daemon, plan, state};
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
    Run,
    /// Print addresses, ports, ids and slices of all presences without binding anything.
    Plan {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print the settings in force as a commented TOML file.
    Config,
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
            complain(&error.into());
            return ExitCode::from(USAGE);
        }
    };
    let result = match arguments.command {
        Command::Run => run(config),
        Command::Plan { format } => print_plan(&config, format),
        Command::Config => {
            config.commented().context("cannot print the settings").and_then(|text| print(&text))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    daemon::run(config)
}

fn print_plan(config: &Config, format: Format) -> anyhow::Result<()> {
    let sensor = if config.sensor.is_empty() { state::host_name() } else { config.sensor.clone() };
    let seed =
        if config.seed.is_empty() { state::kept_seed(&config.data, &sensor)? } else { config.seed.clone() };
    let rows = plan::rows(&config.keyspace(&seed)?, clock::now());
    match format {
        Format::Table => print(&plan::table(&rows)),
        Format::Json => print(&plan::json(&rows)?),
    }
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

fn complain(error: &anyhow::Error) {
    eprintln!("capture: {error:#}");
}
