//! `world`: makes a simulated DHT, sends it at a running `capture`, and judges the detectors by it.

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tests::world::actors::{Cast, KINDS};
use tests::world::contact::ContactModel;
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
        /// Worlds of each kind
        #[arg(long, default_value_t = 1, value_name = "COUNT")]
        seeds: u64,
        /// How the result is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// What a world is made of.
#[derive(Args)]
struct Options {
    /// Everything that looks random follows from it
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
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
    /// Kinds of actors to plant, separated by commas; all of them by default
    #[arg(long, value_delimiter = ',', value_parser = KINDS.map(|kind| kind.name))]
    actors: Vec<String>,
    /// A world in which there is nothing to find, in place of one with actors
    #[arg(long, value_parser = NULLS.map(|null| null.name))]
    null: Option<String>,
    /// How clients come to ask us
    #[arg(long, value_enum, default_value_t = ContactModel::Tables)]
    contact: ContactModel,
}

impl Options {
    fn settings(&self) -> Settings {
        let mut settings = Settings {
            seed: self.seed,
            days: self.days,
            addresses: self.addresses,
            contact: self.contact,
            cast: self.cast,
            only: self.actors.clone(),
            ..Settings::default()
        };
        settings.society.clients = self.clients;
        self.null.as_deref().and_then(Null::named).map_or(settings.clone(), |null| null.settings(&settings))
    }
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
        Command::Evaluate { seeds, format, options } => {
            let verdict = evaluate::evaluate(&options.settings(), seeds)?;
            match format {
                Format::Table => print!("{verdict}"),
                Format::Json => println!("{}", serde_json::to_string_pretty(&verdict)?),
            }
            Ok(())
        }
    }
}

fn generate(settings: Settings, data: &std::path::Path) -> Result<()> {
    let world = World::new(settings)?;
    let started = std::time::Instant::now();
    let events = output::write(&world, data)?;
    truth::write(&world, data)?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{events} events in {seconds:.1} s, {:.0} a second", events as f64 / seconds);
    Ok(())
}
