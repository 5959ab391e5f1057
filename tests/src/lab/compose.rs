//! Compose v2, the reference for what a Compose file means: the oracle of tests and the peer of benchmarks.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::{Config, LabError};

/// One Compose project, run by Compose itself. Dropping it takes the project down, volumes included.
pub struct Compose {
    program: PathBuf,
    project: String,
    folder: PathBuf,
}

impl Compose {
    /// A project named `project` from the `compose.yaml` in `folder`. `None` if there is no Compose on this machine.
    pub fn project(config: &Config, project: &str, folder: impl Into<PathBuf>) -> Option<Self> {
        Some(Self {
            program: config.compose.clone()?,
            project: project.to_owned(),
            folder: folder.into(),
        })
    }

    /// Runs a Compose command, for instance `["up", "-d", "--wait"]`; returns its standard output.
    pub fn run(&self, arguments: &[&str]) -> Result<String, LabError> {
        let output = self.output(arguments)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(LabError::Program {
            program: "docker-compose".to_owned(),
            problem: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn output(&self, arguments: &[&str]) -> Result<Output, LabError> {
        Command::new(&self.program)
            .args(["--project-name", &self.project])
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .map_err(LabError::io(format!(
                "cannot start {}",
                self.program.display()
            )))
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if let Err(error) = self.run(&["down", "--volumes", "--timeout", "1"]) {
            eprintln!("laboratory: {error}");
        }
    }
}
