//! A small guest book over PostgreSQL: the application of the sample stack. One static binary, one container.
//!
//! `guestbook` serves, `guestbook health` asks the running server how it is (for a container's health check).

mod config;
mod page;
mod server;
mod store;

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None | Some("serve") => config::Config::from_environment()
            .map_err(server::ServeError::from)
            .and_then(server::serve),
        Some("health") => server::probe(),
        Some(other) => {
            eprintln!("guestbook: no such command: {other:?}; there are `serve` and `health`");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guestbook: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
