//! A fleet repository with a person's clone of it.

use super::read::decrypt;
use super::{output, program, run, trouble, write};
use crate::lab::LabError;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tenantry_schema::key::SshPublicKey;
use tenantry_sops::Identities;
use tenantry_wire::{SigningKey, VerifyingKey};

/// Files below `fleet/decisions/` by path.
pub type Decisions = BTreeMap<String, String>;

/// A bare repository (where hub and people meet) and a clone in which a person works.
pub struct Fleet {
    bare: PathBuf,
    work: PathBuf,
    keys: PathBuf,
    id: String,
    /// As it was at first: tests break it.
    hub_yaml: String,
}

impl Fleet {
    /// `tenantry init` in `dir`: `fleet.git`, a clone `work`, and `keys`. Agents will reach the hub at `url`. The fleet's `id` is on everything that is
    /// made on the container engine.
    pub fn init(dir: &Path, url: &str, id: &str) -> Result<Self, LabError> {
        let mut fleet = Self {
            bare: dir.join("fleet.git"),
            work: dir.join("work"),
            keys: dir.join("keys"),
            id: id.to_owned(),
            hub_yaml: String::new(),
        };
        let mut init = Command::new(program("tenantry")?);
        init.arg("init")
            .arg(&fleet.bare)
            .arg("--bare")
            .args(["--url", url, "--fleet-id", id])
            .arg("--keys")
            .arg(&fleet.keys);
        run(&mut init)?;
        fleet.clone_work()?;
        fleet.hub_yaml = fleet.read("fleet/hub.yaml")?;
        Ok(fleet)
    }

    fn clone_work(&self) -> Result<(), LabError> {
        run(Command::new("git")
            .args(["clone", "--quiet"])
            .arg(&self.bare)
            .arg(&self.work))?;
        for (key, value) in [
            ("user.name", "Jo Operator"),
            ("user.email", "jo@example.com"),
            ("commit.gpgsign", "false"),
        ] {
            self.git(&["config", key, value])?;
        }
        Ok(())
    }

    /// The same fleet as it is now, with the same keys, in a repository of its own below `dir`.
    pub fn duplicate(&self, dir: &Path) -> Result<Self, LabError> {
        let copy = Self {
            bare: dir.join("fleet.git"),
            work: dir.join("work"),
            keys: self.keys.clone(),
            id: self.id.clone(),
            hub_yaml: self.hub_yaml.clone(),
        };
        run(Command::new("git")
            .args(["clone", "--quiet", "--bare", "--no-hardlinks"])
            .arg(&self.bare)
            .arg(&copy.bare))?;
        copy.clone_work()?;
        Ok(copy)
    }

    /// Another clone of the same repository: a second person.
    pub fn colleague(&self, dir: &Path) -> Result<Self, LabError> {
        let copy = Self {
            bare: self.bare.clone(),
            work: dir.join("colleague"),
            keys: self.keys.clone(),
            id: self.id.clone(),
            hub_yaml: self.hub_yaml.clone(),
        };
        copy.clone_work()?;
        Ok(copy)
    }

    /// Another clone, whose owner pulls from and pushes to `url`.
    pub fn colleague_at(&self, dir: &Path, url: &str) -> Result<Self, LabError> {
        let copy = self.colleague(dir)?;
        copy.git(&["remote", "set-url", "origin", url])?;
        Ok(copy)
    }

    /// The same clone for agents that trust the keys which its settings name now, instead of those that it began with.
    pub fn newly_pinned(&self) -> Result<Self, LabError> {
        Ok(Self {
            bare: self.bare.clone(),
            work: self.work.clone(),
            keys: self.keys.clone(),
            id: self.id.clone(),
            hub_yaml: self.read("fleet/hub.yaml")?,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key that its hub signs with, public half.
    pub fn hub_verifying_key(&self) -> Result<VerifyingKey, LabError> {
        let hub: serde_yaml::Value = serde_yaml::from_str(&self.hub_yaml)
            .map_err(|error| trouble("fleet/hub.yaml", error))?;
        let key = hub["keys"]["hub"]["sign"].as_str().unwrap_or_default();
        let key = SshPublicKey::try_from(key.to_owned())
            .map_err(|error| trouble("fleet/hub.yaml", error))?;
        VerifyingKey::try_from(&key).map_err(|error| trouble("fleet/hub.yaml", error))
    }

    /// The key that its hub signs with, as somebody who has stolen it would use it.
    pub fn hub_signing_key(&self) -> Result<SigningKey, LabError> {
        let values = decrypt(&self.read("fleet/hub-key.yaml")?, &self.hub_identities()?)?;
        let pem = values
            .get("signing_key")
            .map(String::as_str)
            .unwrap_or_default();
        SigningKey::from_openssh(pem).map_err(|error| trouble("fleet/hub-key.yaml", error))
    }

    /// The hub's key for secrets.
    pub fn hub_identities(&self) -> Result<Identities, LabError> {
        let text = std::fs::read_to_string(self.hub_key())
            .map_err(LabError::io("cannot read the hub's key"))?;
        Identities::parse(&text).map_err(|error| trouble("hub.agekey", error))
    }

    /// What the hub has decided, as it stands on the branch.
    pub fn decisions(&self) -> Result<Decisions, LabError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.bare).args([
            "archive",
            "--format=tar",
            "main",
            "fleet/decisions",
        ]);
        let archive = output(&mut command)?;
        let mut found = Decisions::new();
        if !archive.status.success() {
            return Ok(found);
        }
        let mut archive = tar::Archive::new(archive.stdout.as_slice());
        let broken = || LabError::io("cannot read what git archive wrote");
        for entry in archive.entries().map_err(broken())? {
            let mut entry = entry.map_err(broken())?;
            if entry.header().entry_type().is_file() {
                let path = entry.path().map_err(broken())?.display().to_string();
                let mut text = String::new();
                entry.read_to_string(&mut text).map_err(broken())?;
                found.insert(path, text);
            }
        }
        Ok(found)
    }

    /// Decisions that were changed or removed after they were made, a line each. Records of first fulfilment grow and are left out.
    pub fn rewritten_decisions(&self) -> Result<Vec<String>, LabError> {
        let mut log = Command::new("git");
        log.arg("-C").arg(&self.bare).args([
            "log",
            "--format=",
            "--name-status",
            "--no-renames",
            "--diff-filter=a",
            "main",
            "--",
            "fleet/decisions",
        ]);
        Ok(run(&mut log)?
            .lines()
            .filter(|line| {
                !line.is_empty()
                    && !line.ends_with("/fulfilled.yaml")
                    && !line.contains("/operations.d/")
            })
            .map(str::to_owned)
            .collect())
    }

    /// Puts the branch of the repository at `commit`, whatever it was.
    pub fn force_branch(&self, commit: &str) -> Result<(), LabError> {
        run(Command::new("git").arg("-C").arg(&self.bare).args([
            "update-ref",
            "refs/heads/main",
            commit,
        ]))
        .map(drop)
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
        run(activate
            .arg("activate")
            .arg(&self.bare)
            .arg("--key")
            .arg(self.hub_key()))?;
        self.pull()
    }

    /// Writes a file into the clone.
    pub fn write(&self, path: &str, content: &str) -> Result<(), LabError> {
        write(&self.work.join(path), content)
    }

    /// Reads a file of the clone.
    pub fn read(&self, path: &str) -> Result<String, LabError> {
        let path = self.work.join(path);
        std::fs::read_to_string(&path)
            .map_err(LabError::io(format!("cannot read {}", path.display())))
    }

    /// Replaces a text in a file of the clone; the text must be there.
    pub fn edit(&self, path: &str, from: &str, to: &str) -> Result<(), LabError> {
        let text = self.read(path)?;
        if !text.contains(from) {
            return Err(LabError::Program {
                program: "edit".to_owned(),
                problem: format!("{path} does not contain {from:?}"),
            });
        }
        self.write(path, &text.replace(from, to))
    }

    /// Puts a secret into a file of secrets of the clone: `hub` is the hub's own.
    pub fn secret(&self, file: &str, name: &str, value: &str) -> Result<(), LabError> {
        let mut set = Command::new(program("tenantry")?);
        set.args(["secrets", "set", file, name, "--fleet"])
            .arg(&self.work)
            .arg("--key")
            .arg(self.hub_key())
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = set.spawn().map_err(LabError::io("cannot start tenantry"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let written = stdin.write_all(value.as_bytes());
            written.map_err(LabError::io("cannot hand a secret over"))?;
        }
        let status = child
            .wait()
            .map_err(LabError::io("cannot wait for tenantry"))?;
        if status.success() {
            return Ok(());
        }
        Err(trouble("tenantry secrets set", status))
    }

    /// Commits everything in the clone and pushes it, on top of what the hub has committed meanwhile. Returns the commit.
    pub fn commit(&self, message: &str) -> Result<String, LabError> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        for attempt in 0u64.. {
            self.git(&["pull", "--quiet", "--rebase"])?;
            match self.git(&["push", "--quiet"]) {
                Ok(_) => break,
                // Somebody was faster, or the branch is locked: by somebody at work, or by a hub that was killed and has not come back yet.
                Err(_) if attempt < 150 => std::thread::sleep(std::time::Duration::from_millis(
                    rand::random_range(0..20 + attempt.min(20) * 20),
                )),
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
        let output = run(Command::new("git")
            .arg("-C")
            .arg(&self.bare)
            .args(["rev-parse", "refs/heads/main"]))?;
        Ok(output.trim().to_owned())
    }

    /// The last commits of the repository, a line each.
    pub fn log(&self, count: usize) -> Result<String, LabError> {
        let mut log = Command::new("git");
        log.arg("-C")
            .arg(&self.bare)
            .args(["log", "--format=%h %an: %s"])
            .arg(format!("-{count}"))
            .arg("main");
        run(&mut log)
    }

    /// Runs `git` in the clone.
    pub fn git(&self, arguments: &[&str]) -> Result<String, LabError> {
        run(Command::new("git")
            .arg("-C")
            .arg(&self.work)
            .args(arguments))
    }
}
