//! `analyze`: the behaviour of a captured DHT, as tables and reports. Exit codes are decided here.

use analyze::error::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(analyze::cli::run(std::env::args_os())));
    let exit = outcome.unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit != Exit::Ok {
            eprintln!("analyze: {error:#}");
        }
        exit
    });
    ExitCode::from(exit as u8)
}
