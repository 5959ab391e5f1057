//! A whole Tenantry on one machine, made of the real programs: a fleet repository, a hub, servers with agents and web servers. For tests, benchmarks
//! and the demo; nothing here looks inside the programs.

mod fake_agent;
mod fake_forge;
mod fleet;
mod git_server;
mod hub;
mod middleman;
pub mod read;
mod server;
mod world;

pub use fake_agent::{Answered, FakeAgent, Received};
pub use fake_forge::{FakeForge, Mood, Stored};
pub use fleet::{Decisions, Fleet};
pub use git_server::{Access, GitHttp, GitSsh};
pub use hub::{Hub, Place};
pub use middleman::{Forgery, Middleman};
pub use server::{Ports, Server};
pub use world::{HubBox, World, page_until};

use crate::lab::LabError;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One of our programs, built beside this one.
///
/// # Errors
/// If it was not built: `cargo build --workspace --bins`.
pub fn program(name: &str) -> Result<PathBuf, LabError> {
    let own = std::env::current_exe().map_err(LabError::io("cannot find this program"))?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| LabError::Program {
        program: name.to_owned(),
        problem: "is not built; run `cargo build --workspace --bins`".to_owned(),
    })
}

/// Runs a command to its end and gives its standard output; the error holds what it said.
pub fn run(command: &mut Command) -> Result<String, LabError> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Err(failed(
        command,
        format!("{}: {}", output.status, String::from_utf8_lossy(&said)),
    ))
}

/// Runs a command to its end, whatever that is.
pub fn output(command: &mut Command) -> Result<Output, LabError> {
    command
        .output()
        .map_err(|error| failed(command, error.to_string()))
}

/// Something that went wrong, in the words of whatever it was.
pub fn trouble(what: &str, problem: impl ToString) -> LabError {
    LabError::Program {
        program: what.to_owned(),
        problem: problem.to_string(),
    }
}

fn failed(command: &Command, problem: String) -> LabError {
    LabError::Program {
        program: command.get_program().to_string_lossy().into_owned(),
        problem,
    }
}

fn write(path: &Path, content: &str) -> Result<(), LabError> {
    let failed = || LabError::io(format!("cannot write {}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed())?;
    }
    std::fs::write(path, content).map_err(failed())
}
