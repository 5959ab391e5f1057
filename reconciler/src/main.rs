//! The program `tenantry`: hands over to the command line and turns its outcome into an exit code.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match tenantry::cli::Cli::try_parse() {
        Ok(cli) => tenantry::cli::main(cli),
        // Not clap's own 2, which means "there are changes" here.
        Err(error) => {
            let code = ExitCode::from(u8::from(error.use_stderr()));
            let _ = error.print();
            code
        }
    }
}
