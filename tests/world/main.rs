//! `world`: makes a simulated DHT, sends it at a running `capture`, and judges the detectors by it.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tests::world::actors::{Cast, KINDS};
use tests::world::contact::ContactModel;
use tests::world::evaluate::Extent;
use tests::world::nulls::{NULLS, Null};
use tests::world::{Settings, World, evaluate, figures, keyspace, output, replay, sample, truth};

/// A simulated DHT whose truth is known.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a world as captured tables, with the truth about it in truth.json
    Generate {
        /// Root of a dataset that does not exist yet
        data: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Write the world of data/sample
    Sample {
        /// Root of a dataset that does not exist yet
        data: PathBuf,
    },
    /// Print what a world measures, beside the figures that it follows
    Figures {
        #[command(flatten)]
        options: Options,
    },
    /// Send a world's datagrams at a running capture on the loopback interface
    ///
    /// The sensor must have been started with the same --seed text ("world N" for --seed N here), the
    /// default ports, and --remote-rate 3600 --remote-burst 60000: hours pass in seconds.
    Replay {
        /// Address that the sensor listens on, in 127.0.0.0/9
        #[arg(long, value_name = "ADDR")]
        to: IpAddr,
        /// Hours of the world, from its beginning
        #[arg(long, default_value_t = 1, value_name = "HOURS")]
        hours: usize,
        #[command(flatten)]
        options: Options,
    },
    /// Hold what the detectors find against what was planted, over several worlds
    Evaluate {
        /// The published evaluation: the cast and the seeds for evaluation, at full size
        #[arg(long, conflicts_with_all = ["seeds", "null_seeds", "days", "clients", "addresses", "cast", "copies",
            "actors", "contact"])]
        full: bool,
        /// Seeds of worlds with actors
        #[arg(long, value_parser = seeds, default_value = "1..2", value_name = "FROM..TO")]
        seeds: Range<u64>,
        /// Seeds of worlds of each null
        #[arg(long, value_parser = seeds, default_value = "1..1", value_name = "FROM..TO")]
        null_seeds: Range<u64>,
        /// Nulls to look at, separated by commas; all of them by default
        #[arg(long, value_delimiter = ',', value_parser = NULLS.map(|null| null.name))]
        nulls: Vec<String>,
        /// Say on standard error what was missed, and what was found that nobody planted
        #[arg(long)]
        list: bool,
        /// How the result is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        #[command(flatten)]
        make: Make,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Markdown,
    Json,
}

/// One world.
#[derive(Args)]
struct Options {
    /// Everything that looks random follows from it
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// A world in which there is nothing to find, in place of one with actors
    #[arg(long, value_parser = NULLS.map(|null| null.name))]
    null: Option<String>,
    #[command(flatten)]
    make: Make,
}

/// What stays the same from world to world.
#[derive(Args)]
struct Make {
    /// Days, from 2026-01-05 on
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(i32).range(1..=366))]
    days: i32,
    /// Clients in the population; 100,000 are the full size
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    clients: u32,
    /// Addresses of the sensor, with 208 presences each; 190 are a large deployment
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=300))]
    addresses: u16,
    /// Who is planted
    #[arg(long, value_enum, default_value_t = Cast::Reference)]
    cast: Cast,
    /// Actors of each kind
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    copies: u32,
    /// Kinds of actors to plant, separated by commas; all of them by default
    #[arg(long, value_delimiter = ',', value_parser = KINDS.map(|kind| kind.name))]
    actors: Vec<String>,
    /// How clients come to ask us
    #[arg(long, value_enum, default_value_t = ContactModel::Tables)]
    contact: ContactModel,
}

impl Options {
    fn settings(&self) -> Settings {
        let settings = Settings { seed: self.seed, ..self.make.settings() };
        self.null.as_deref().and_then(Null::named).map_or(settings.clone(), |null| null.settings(&settings))
    }
}

impl Make {
    fn settings(&self) -> Settings {
        let mut settings = Settings {
            days: self.days,
            addresses: self.addresses,
            contact: self.contact,
            cast: self.cast,
            copies: self.copies,
            only: self.actors.clone(),
            ..Settings::default()
        };
        settings.society.clients = self.clients;
        settings
    }

    /// Worlds like this one; those without actors as well.
    fn extent(&self, planted_seeds: Range<u64>, null_seeds: Range<u64>) -> Extent {
        let planted = self.settings();
        Extent { null: planted.clone(), contacts: vec![planted.contact], planted, planted_seeds, null_seeds }
    }
}

/// Seeds, as in 1..5: the last one is not among them.
fn seeds(text: &str) -> Result<Range<u64>> {
    let (from, to) = text.split_once("..").context("not FROM..TO")?;
    Ok(from.parse()?..to.parse()?)
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("world: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Generate { data, options } => generate(options.settings(), &data),
        Command::Sample { data } => generate(sample(), &data),
        Command::Figures { options } => {
            for figure in figures::measure(&World::new(options.settings())?) {
                println!("{figure}");
            }
            Ok(())
        }
        Command::Replay { to, hours, options } => {
            if !matches!(to, IpAddr::V4(ip) if ip.is_loopback() && ip.octets()[1] < 128) {
                bail!("{to} is not in 127.0.0.0/9: datagrams go to the loopback interface only");
            }
            let world = World::new(options.settings())?;
            let sent = replay::send(&world, &keyspace(options.seed, &[to])?, world.hours().take(hours))?;
            eprintln!("sent {} datagrams to {to}", sent.len());
            Ok(())
        }
        Command::Evaluate { full, seeds, null_seeds, nulls, list, format, make } => {
            let extent = if full { Extent::full() } else { make.extent(seeds, null_seeds) };
            let among = |null: &&Null| nulls.is_empty() || nulls.iter().any(|name| name == null.name);
            let started = Instant::now();
            let nulls: Vec<_> = NULLS.iter().filter(among).collect();
            let verdict = evaluate::evaluate(extent, &nulls, |world| eprintln!("{world}"))?;
            eprintln!("{:.0} s", started.elapsed().as_secs_f64());
            if list {
                verdict.missed.iter().for_each(|unit| eprintln!("missed: {unit}"));
                verdict.mistaken.iter().for_each(|finding| eprintln!("nobody planted: {finding}"));
            }
            match format {
                Format::Table => print!("{verdict}"),
                Format::Markdown => print!("{}", verdict.text(true)),
                Format::Json => println!("{}", serde_json::to_string_pretty(&verdict)?),
            }
            Ok(())
        }
    }
}

fn generate(settings: Settings, data: &std::path::Path) -> Result<()> {
    let world = World::new(settings)?;
    let started = Instant::now();
    let events = output::write(&world, data)?;
    truth::write(&world, data)?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{events} events in {seconds:.1} s, {:.0} a second", events as f64 / seconds);
    Ok(())
}
