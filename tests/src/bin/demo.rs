//! The program behind `./x demo`: shows the whole path on this machine, from a commit to a healed, HTTPS-served container.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use tenantry_tests::demo::{self, Options};

/// Sets up a small fleet on this machine and shows what Tenantry does with it.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 100)]
struct Args {
    /// Run through, clean up, and end: exit code 0, or 1 with the step that failed.
    #[arg(long)]
    once: bool,
    /// Folder for everything the demo makes; what an earlier demo left there is removed.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Set a folder of `examples` up instead, such as `six-stacks`.
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match demo::run(Options {
        once: args.once,
        data: args.data,
        example: args.example,
    })
    .await
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
