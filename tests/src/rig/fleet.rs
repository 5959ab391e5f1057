//! A fleet repository with a person's clone of it.

use super::{program, run, write};
use crate::lab::LabError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bare repository (where hub and people meet) and a clone in which a person works.
pub struct Fleet {
    bare: PathBuf,
    work: PathBuf,
    keys: PathBuf,
}

impl Fleet {
    /// `tenantry init` in `dir`: `fleet.git`, a clone `work`, and `keys`. Agents will reach the hub at `url`. The fleet's `id` is on everything that is
    /// made on the container engine.
    pub fn init(dir: &Path, url: &str, id: &str) -> Result<Self, LabError> {
        let fleet = Self { bare: dir.join("fleet.git"), work: dir.join("work"), keys: dir.join("keys") };
        let mut init = Command::new(program("tenantry")?);
        init.arg("init").arg(&fleet.bare).arg("--bare").args(["--url", url, "--fleet-id", id]).arg("--keys").arg(&fleet.keys);
        run(&mut init)?;
        run(Command::new("git").args(["clone", "--quiet"]).arg(&fleet.bare).arg(&fleet.work))?;
        for (key, value) in [("user.name", "Jo Operator"), ("user.email", "jo@example.com"), ("commit.gpgsign", "false")] {
            fleet.git(&["config", key, value])?;
        }
        Ok(fleet)
    }

    /// The repository that the hub follows.
    pub fn repository(&self) -> &Path {
        &self.bare
    }

    /// The clone that a person works in.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The hub's key.
    pub fn hub_key(&self) -> PathBuf {
        self.keys.join("hub.agekey")
    }

    /// Lets the hub act.
    pub fn activate(&self) -> Result<(), LabError> {
        let mut activate = Command::new(program("tenantry")?);
        run(activate.arg("activate").arg(&self.bare).arg("--key").arg(self.hub_key()))?;
        self.pull()
    }

    /// Writes a file into the clone.
    pub fn write(&self, path: &str, content: &str) -> Result<(), LabError> {
        write(&self.work.join(path), content)
    }

    /// Reads a file of the clone.
    pub fn read(&self, path: &str) -> Result<String, LabError> {
        let path = self.work.join(path);
        std::fs::read_to_string(&path).map_err(LabError::io(format!("cannot read {}", path.display())))
    }

    /// Replaces a text in a file of the clone; the text must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) -> Result<(), LabError> {
        let text = self.read(path)?;
        if !text.contains(from) {
            return Err(LabError::Program { program: "edit".to_owned(), problem: format!("{path} does not contain {from:?}") });
        }
        self.write(path, &text.replace(from, to))
    }

    /// Commits everything in the clone and pushes it, on top of what the hub has committed meanwhile. Returns the commit.
    pub fn commit(&self, message: &str) -> Result<String, LabError> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        for attempt in 0.. {
            self.git(&["pull", "--quiet", "--rebase"])?;
            match self.git(&["push", "--quiet"]) {
                Ok(_) => break,
                // The hub was faster.
                Err(_) if attempt < 20 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Brings the clone up to date.
    pub fn pull(&self) -> Result<(), LabError> {
        self.git(&["pull", "--quiet", "--rebase"]).map(drop)
    }

    /// The commit that the branch of the repository points at.
    pub fn head(&self) -> Result<String, LabError> {
        let output = run(Command::new("git").arg("-C").arg(&self.bare).args(["rev-parse", "refs/heads/main"]))?;
        Ok(output.trim().to_owned())
    }

    /// The last commits of the repository, a line each.
    pub fn log(&self, count: usize) -> Result<String, LabError> {
        let mut log = Command::new("git");
        log.arg("-C").arg(&self.bare).args(["log", "--format=%h %an: %s"]).arg(format!("-{count}")).arg("main");
        run(&mut log)
    }

    /// Runs `git` in the clone.
    pub fn git(&self, arguments: &[&str]) -> Result<String, LabError> {
        run(Command::new("git").arg("-C").arg(&self.work).args(arguments))
    }
}
