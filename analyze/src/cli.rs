//! The command line. Views of the report are flags that the derived tables bring along.

use crate::command;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::report::Format;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use queries::{Argument, View};
use std::ffi::OsString;
use std::path::PathBuf;

/// Options that every command takes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the dataset.
    pub data: PathBuf,
    /// Settings in force.
    pub config: Config,
    /// How results are written.
    pub format: Format,
    /// Most rows of a section; none for all.
    pub limit: Option<usize>,
}

/// Rows of a section that people get to see unless they say otherwise.
const DEFAULT_LIMIT: usize = 20;

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
    match name {
        "compute" => command::compute::run(&options, &texts(matches, "table")).await,
        "report" => command::report::run(&options, &chosen(matches)?).await,
        "sql" => command::sql::run(&options, &texts(matches, "query").join(" ")).await,
        "tables" => command::tables::run(&options).await,
        "schema" => command::schema::run(&texts(matches, "table")),
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
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value("table")
        .value_parser(value_parser!(Format))
        .help("How results are written");
    let limit = Arg::new("limit")
        .long("limit")
        .value_name("ROWS")
        .value_parser(value_parser!(usize))
        .help("Most rows of a section, 0 for all [default: 20 in tables, all in json and csv]");
    let tables =
        Arg::new("table").value_name("TABLE").num_args(0..).help("Derived tables; all when none is named");
    let report = Command::new("report")
        .about("Bring stale tables up to date and show what they found; without a flag, the summary")
        .args(views().map(|(_, view)| flag(view)))
        .arg(limit.clone());
    Command::new("analyze")
        .about("Behaviour of a captured DHT: patterns, without a claim about intent or identity")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(data.global(true))
        .arg(config.global(true))
        .arg(format.global(true))
        .subcommand(Command::new("compute").about("Bring derived tables up to date").arg(tables.clone()))
        .subcommand(report)
        .subcommand(
            Command::new("sql")
                .about("Run one query over captured.* and derived.*")
                .arg(Arg::new("query").value_name("QUERY").required(true).num_args(1..))
                .arg(limit),
        )
        .subcommand(Command::new("tables").about("List the tables: files, rows, days, freshness"))
        .subcommand(Command::new("schema").about("Print the data dictionary as Markdown").arg(tables))
        .subcommand(Command::new("config").about("Print the settings in force as a commented TOML file"))
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
    }
}

fn options(matches: &ArgMatches) -> Result<Options> {
    let format = matches.get_one::<Format>("format").copied().unwrap_or_default();
    let limit = matches.try_get_one::<usize>("limit").ok().flatten().copied();
    let limit = limit.or((format == Format::Table).then_some(DEFAULT_LIMIT)).filter(|limit| *limit > 0);
    Ok(Options {
        data: matches.get_one::<PathBuf>("data").cloned().unwrap_or_default(),
        config: Config::load(matches.get_one::<PathBuf>("config").map(PathBuf::as_path))?,
        format,
        limit,
    })
}

fn texts(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}

/// The views that the flags ask for, with their arguments.
fn chosen(matches: &ArgMatches) -> Result<Vec<command::report::Chosen>> {
    let mut chosen = Vec::new();
    for (table, view) in views() {
        let argument = match view.argument {
            None => matches.get_flag(view.flag).then_some(None),
            Some(Argument::Infohash) => matches
                .get_one::<String>(view.flag)
                .map(|text| infohash(view.flag, text).map(Some))
                .transpose()?,
        };
        chosen.extend(argument.map(|argument| command::report::Chosen { table, view, argument }));
    }
    Ok(chosen)
}

fn infohash(flag: &str, text: &str) -> Result<String> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Failure::Usage(format!("--{flag}: `{text}` is not an infohash; write its 40 hexadecimal digits"))
        .into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }
}
