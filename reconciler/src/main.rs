//! The program `tenantry`: hands over to the command line and turns its outcome into an exit code.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    tenantry::cli::main(tenantry::cli::Cli::parse())
}
