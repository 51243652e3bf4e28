//! The command line. Views of the report are flags that the derived tables bring along.

use crate::command;
use crate::command::report::{Chosen, Given};
use crate::command::watch;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::party::Party;
use crate::period::{Moment, Period};
use crate::report::{Format, List, Rows, Sort, infohash};
use anyhow::Result;
use bytesize::ByteSize;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use datafusion::common::ScalarValue;
use queries::{Argument, View};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Options that every command takes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the dataset.
    pub data: PathBuf,
    /// Settings in force.
    pub config: Config,
    /// How results are written.
    pub format: Format,
    /// Which rows of a section are shown.
    pub rows: Rows,
    /// The days that views are about.
    pub period: Period,
}

/// Rows of a section that people get to see unless they say otherwise.
const DEFAULT_LIMIT: usize = 20;

/// Days of queries that `prune` keeps unless it is told otherwise: as many as a sensor, which has thirty whole ones and
/// the one that is running.
const KEEP_DAYS: u32 = 31;

/// Runs the program with `arguments`, its own name first.
///
/// # Errors
/// Whatever the command fails with; [`Exit::of`] turns it into an exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<Exit> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(message) => {
            message.print()?;
            return Ok(if message.use_stderr() { Exit::Usage } else { Exit::Ok });
        }
    };
    let Some((name, matches)) = matches.subcommand() else {
        return Err(Failure::Usage("no command; see --help".into()).into());
    };
    let options = options(matches)?;
    check_format(name, matches, options.format)?;
    match name {
        "compute" => {
            command::compute::run(&options, &texts(matches, "table"), matches.get_flag("explain")).await
        }
        "report" => command::report::run(&options, &chosen(matches)?).await,
        "prune" => {
            let keep = given(matches, "keep").unwrap_or(KEEP_DAYS);
            command::prune::run(&options, keep, matches.get_flag("dry-run")).await
        }
        "watch" => command::watch::run(&options, &watched(matches)).await,
        "metrics" => command::metrics::run(&options).await,
        "sql" => {
            let query = texts(matches, "query").join(" ");
            let query = if query == "-" { io::read_to_string(io::stdin())? } else { query };
            command::sql::run(&options, &query).await
        }
        "tables" => command::tables::run(&options).await,
        "schema" => command::schema::run(&texts(matches, "table")),
        "explain" => command::explain::run(&options, &texts(matches, "detector")),
        "config" => command::config::run(&options),
        other => Err(Failure::Usage(format!("there is no command `{other}`")).into()),
    }
}

fn command() -> Command {
    let data = Arg::new("data")
        .long("data")
        .value_name("DIR")
        .default_value("data")
        .value_parser(value_parser!(PathBuf))
        .help("Root of the dataset, as given to `capture run --data`");
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("TOML file with thresholds and engine settings; `analyze config` prints one");
    let memory = Arg::new("memory")
        .long("memory")
        .value_name("SIZE")
        .value_parser(value_parser!(ByteSize))
        .help("Memory that queries may use before they spill to disk: 512MiB, 4GiB [default: 2GiB]");
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value("table")
        .value_parser(value_parser!(Format))
        .help("How results are written");
    let actors = Arg::new("actors")
        .long("actors")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("CSV file with the labels of known parties: party,label,note");
    let limit =
        Arg::new("limit").long("limit").value_name("ROWS").value_parser(value_parser!(usize)).help(
            "Most rows of a section, 0 for all [default: 20 in table and markdown, all in json and csv]",
        );
    let tables =
        Arg::new("table").value_name("TABLE").num_args(0..).help("Derived tables; all when none is named");
    let report = Command::new("report")
        .about("Bring stale tables up to date and show what they found; without a flag, the summary")
        .args(views().map(|(_, view)| flag(view)))
        .args(period())
        .args(choice())
        .arg(limit.clone());
    let compute = Command::new("compute")
        .about("Bring derived tables up to date")
        .arg(tables.clone())
        .arg(flag_only("explain").help("Compute nothing: list the files that would be computed, and why"));
    let prune = Command::new("prune")
        .about("Summarise the oldest days of queries in the derived tables, then delete them")
        .arg(
            Arg::new("keep")
                .long("keep")
                .value_name("DAYS")
                .value_parser(value_parser!(u32).range(1..))
                .help(format!("Newest days that stay [default: {KEEP_DAYS}]")),
        )
        .arg(flag_only("dry-run").help("Delete nothing: list what would be deleted"));
    let watch = Command::new("watch")
        .about("Say what is found while it happens: one line a finding, or one JSON object")
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("SOURCE")
                .default_value("files")
                .value_parser(value_parser!(watch::From))
                .help(
                    "`-`: what `capture tail` prints, on standard input; `spool:SENSOR`: the running daemon of \
                     that name on this machine; `files`: new files of the dataset, as they are copied there",
                ),
        )
        .arg(
            Arg::new("capacity")
                .long("capacity")
                .value_name("ROWS")
                .default_value("500000")
                .value_parser(value_parser!(usize))
                .help("Most queries of today that are kept in memory, some 300 bytes each; the oldest leave"),
        )
        .arg(
            Arg::new("poll")
                .long("poll")
                .value_name("SECONDS")
                .default_value("10")
                .value_parser(value_parser!(u64).range(1..))
                .help("Time between two looks for new files"),
        );
    let metrics = Command::new("metrics")
        .about("How sensors and their hosts were doing: now, on average, hour by hour")
        .args(period())
        .arg(sort())
        .arg(limit.clone());
    let explain = Command::new("explain")
        .about("What a detector measures, its limits, and its thresholds in force")
        .arg(Arg::new("detector").value_name("DETECTOR").required(true).num_args(1..));
    Command::new("analyze")
        .about("Behaviour of a captured DHT: patterns, without a claim about intent or identity")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(data.global(true))
        .arg(config.global(true))
        .arg(actors.global(true))
        .arg(memory.global(true))
        .arg(format.global(true))
        .subcommand(compute)
        .subcommand(report)
        .subcommand(
            Command::new("sql")
                .about("Run one query over captured.*, derived.* and user.*")
                .arg(
                    Arg::new("query")
                        .value_name("QUERY")
                        .required(true)
                        .num_args(1..)
                        .help("The query; - reads it from standard input"),
                )
                .arg(limit),
        )
        .subcommand(metrics)
        .subcommand(watch)
        .subcommand(prune)
        .subcommand(Command::new("tables").about("List the tables: files, rows, days, freshness"))
        .subcommand(Command::new("schema").about("Print the data dictionary as Markdown").arg(tables))
        .subcommand(explain)
        .subcommand(Command::new("config").about("Print the settings in force as a commented TOML file"))
}

fn flag_only(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

/// The options that say which days a view is about.
fn period() -> [Arg; 3] {
    let moment =
        |name: &'static str| Arg::new(name).long(name).value_name("WHEN").value_parser(value_parser!(Moment));
    [
        moment("since").help(
            "First day: 2026-01-05, a time on it, or how far back from the newest hour held (7d, 36h); \
             views are computed from whole days",
        ),
        moment("until").help("Last day, written likewise"),
        Arg::new("hours")
            .long("hours")
            .value_name("HOURS")
            .value_parser(value_parser!(u32).range(1..))
            .conflicts_with_all(["since", "until"])
            .help("The days of the last so many hours: as --since with hours"),
    ]
}

/// The options that choose and order rows.
fn choice() -> [Arg; 4] {
    let list = |name: &'static str| Arg::new(name).long(name).value_name("WHAT").action(ArgAction::Append);
    [
        list("hide").help(
            "Hide rows on an address, network, AS number, infohash or country, or on those in @FILE, one a \
             line; numbers stay what they are",
        ),
        list("only").help("Show only rows on these, written likewise"),
        flag_only("significant").help(
            "Show only findings that would survive chance, where a section says which do; the others count as hidden",
        ),
        sort(),
    ]
}

fn sort() -> Arg {
    Arg::new("sort")
        .long("sort")
        .value_name("COLUMN[:desc]")
        .value_parser(value_parser!(Sort))
        .help("Order of the rows, in every section that has this column")
}

/// Every view with the table it belongs to.
fn views() -> impl Iterator<Item = (&'static queries::Table, &'static View)> {
    queries::TABLES.iter().flat_map(|table| table.views.iter().map(move |view| (table, view)))
}

fn flag(view: &'static View) -> Arg {
    let flag = Arg::new(view.flag).long(view.flag).help(view.help);
    match view.argument {
        None => flag.action(ArgAction::SetTrue),
        Some(Argument::Infohash) => flag.value_name("HASH"),
        Some(Argument::Operator) => flag.value_name("ADDRESS|ASN"),
    }
}

fn options(matches: &ArgMatches) -> Result<Options> {
    let path = |name| matches.get_one::<PathBuf>(name).map(PathBuf::as_path);
    let format = matches.get_one::<Format>("format").copied().unwrap_or_default();
    let mut config = Config::load(path("config"), path("actors"))?;
    if let Some(size) = given(matches, "memory") {
        config.set_memory(size);
    }
    Ok(Options {
        data: path("data").map(PathBuf::from).unwrap_or_default(),
        config,
        format,
        rows: rows(matches, format)?,
        period: Period {
            since: given::<Moment>(matches, "since")
                .or_else(|| given::<u32>(matches, "hours").map(Moment::hours_back)),
            until: given::<Moment>(matches, "until"),
        },
    })
}

fn rows(matches: &ArgMatches, format: Format) -> Result<Rows> {
    let list = |name| match matches.try_get_many::<String>(name).ok().flatten() {
        Some(entries) => List::read(&entries.cloned().collect::<Vec<_>>()).map(Some),
        None => Ok(None),
    };
    let limit = given(matches, "limit").or(format.is_for_people().then_some(DEFAULT_LIMIT));
    Ok(Rows {
        hide: list("hide")?.unwrap_or_default(),
        only: list("only")?,
        significant: matches.try_get_one::<bool>("significant").ok().flatten().is_some_and(|given| *given),
        sort: given(matches, "sort"),
        limit: limit.filter(|limit| *limit > 0),
    })
}

/// What `watch` was told.
fn watched(matches: &ArgMatches) -> watch::Arguments {
    watch::Arguments {
        from: given(matches, "from").unwrap_or(watch::From::Files),
        capacity: given(matches, "capacity").unwrap_or_default(),
        poll: Duration::from_secs(given(matches, "poll").unwrap_or_default()),
    }
}

/// Refuses a format that the command `name` does not have.
fn check_format(name: &str, matches: &ArgMatches, format: Format) -> Result<()> {
    let has = match name {
        "explain" | "schema" => "Markdown",
        "config" => "TOML",
        "watch" if !matches!(format, Format::Table | Format::Json) => "lines, or objects with json",
        _ => return Ok(()),
    };
    if matches.value_source("format") != Some(ValueSource::CommandLine) {
        return Ok(());
    }
    Err(Failure::Usage(format!("--format: `analyze {name}` prints {has}")).into())
}

/// The value of an option that not every command has.
fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.try_get_one::<T>(name).ok().flatten().cloned()
}

fn texts(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}

/// The views that the flags ask for, with their arguments.
fn chosen(matches: &ArgMatches) -> Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for (table, view) in views() {
        match view.argument {
            None if matches.get_flag(view.flag) => chosen.push(Chosen { table, view, given: None }),
            None => {}
            Some(argument) => {
                if let Some(text) = matches.get_one::<String>(view.flag) {
                    let parameters = parameters(argument, text)
                        .map_err(|error| Failure::Usage(format!("--{}: {error}", view.flag)))?;
                    let given = Given { text: text.clone(), parameters };
                    chosen.push(Chosen { table, view, given: Some(given) });
                }
            }
        }
    }
    Ok(chosen)
}

/// What SQL sees of `text`: see [`Argument`].
fn parameters(argument: Argument, text: &str) -> Result<Vec<(String, ScalarValue)>> {
    let values = match argument {
        Argument::Infohash => vec![ScalarValue::from(infohash(text)?)],
        Argument::Operator => {
            let party = text.parse::<Party>()?;
            let operator = party.operator().map(|address| address.octets().to_vec());
            let asn = if let Party::Asn(number) = party { Some(number) } else { None };
            if operator.is_none() && asn.is_none() {
                anyhow::bail!("`{text}` is a network; name one address in it or an AS number (AS64496)");
            }
            vec![ScalarValue::FixedSizeBinary(16, operator), ScalarValue::UInt32(asn)]
        }
    };
    Ok(argument.parameters().iter().map(|&name| name.to_owned()).zip(values).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn an_operator_is_an_address_or_a_number() {
        let bound = |text: &str| {
            let bound = parameters(Argument::Operator, text).expect("an operator");
            bound.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        let address = |text: &str| {
            let address = text.parse::<Ipv6Addr>().ok();
            ScalarValue::FixedSizeBinary(16, address.map(|address| address.octets().to_vec()))
        };
        let number = [address("none"), ScalarValue::UInt32(Some(15830))];
        assert_eq!([bound("15830"), bound("AS15830")], [number.clone(), number]);
        let nothing = ScalarValue::UInt32(None);
        assert_eq!(bound("2001:db8:1:2:3::4"), [address("2001:db8:1:2::"), nothing.clone()]);
        assert_eq!(bound("192.0.2.1"), [address("::ffff:192.0.2.1"), nothing]);
        let error = parameters(Argument::Operator, "192.0.2.0/24").expect_err("must be refused").to_string();
        assert!(error.contains("one address in it"), "{error}");
    }
}
