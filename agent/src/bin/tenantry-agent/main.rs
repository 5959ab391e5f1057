//! The command line of `tenantry-agent`. Everything that it does is in the library.

mod arguments;
mod commands;
mod process;

use arguments::Arguments;
use clap::Parser as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use tenantry_agent::config;
use tenantry_agent::execute::sentence;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Not clap's own 2, which means "there are changes" here.
        Err(error) => {
            let code = ExitCode::from(u8::from(error.use_stderr()));
            let _ = error.print();
            return code;
        }
    };
    let filter = tracing_subscriber::EnvFilter::new(config::log_filter())
        // Whole answers of the engine, with environments, are logged at `debug`.
        .add_directive("bollard=info".parse().unwrap_or_default());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", sentence(error.as_ref()));
            ExitCode::from(1)
        }
    }
}
