//! Other programs that look at the same server. `./x bench` installs them.

use super::super::{BenchError, Doing as _};
use super::ms;
use super::setting::Setting;
use crate::lab::Lab;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Ansible and pyinfra, and a folder to run them in.
pub(super) struct Other {
    folder: tempfile::TempDir,
    tools: PathBuf,
}

impl Other {
    /// As `./x bench` installs them for the laboratory.
    pub(super) fn new(lab: &Lab) -> Result<Self, BenchError> {
        Ok(Self {
            folder: tempfile::tempdir().doing("making a folder")?,
            tools: lab.config().cache.join("tools"),
        })
    }

    /// How long a playbook of these tasks takes on this machine, in milliseconds. Empty where Ansible is not installed.
    pub(super) fn ansible(&self, tasks: &str, runs: usize) -> Result<Vec<f64>, BenchError> {
        // The one that it runs with itself: what it finds by itself may be a wrapper that does not work.
        let python = self.tools.join("ansible/bin/python");
        let text = format!(
            "- hosts: localhost\n  connection: local\n  gather_facts: false\n  vars: {{ ansible_python_interpreter: {} }}\n  tasks:\n{tasks}",
            python.display()
        );
        self.write("look.yml", &text)?;
        self.runs(
            &self.tools.join("ansible/bin/ansible-playbook"),
            &["-i", "localhost,", "look.yml"],
            runs,
        )
    }

    /// The same for the body of a pyinfra deploy.
    pub(super) fn pyinfra(&self, deploy: &str, runs: usize) -> Result<Vec<f64>, BenchError> {
        self.write("look.py", &format!("from pyinfra import host\n{deploy}"))?;
        self.runs(
            &self.tools.join("pyinfra/bin/pyinfra"),
            &["-y", "@local", "look.py"],
            runs,
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), BenchError> {
        std::fs::write(self.folder.path().join(name), text)
            .doing("writing what another program does")
    }

    fn runs(
        &self,
        program: &Path,
        arguments: &[&str],
        runs: usize,
    ) -> Result<Vec<f64>, BenchError> {
        if !program.is_file() {
            return Ok(Vec::new());
        }
        (0..runs)
            .map(|_| {
                let begun = Instant::now();
                let output = Command::new(program)
                    .args(arguments)
                    .current_dir(self.folder.path())
                    .env("LC_ALL", "C.UTF-8")
                    .output()
                    .doing("running another program")?;
                let took = ms(begun.elapsed());
                if output.status.success() {
                    return Ok(took);
                }
                let said = [&output.stdout[..], &output.stderr[..]].concat();
                let said = String::from_utf8_lossy(&said).into_owned();
                Err(BenchError::Wrong(format!("{}: {said}", program.display())))
            })
            .collect()
    }
}

/// What is looked at of containers.
pub(super) struct Looked {
    other: Other,
    containers: Vec<String>,
    files: Vec<PathBuf>,
}

impl Looked {
    /// All containers and live files of the server.
    pub(super) fn of(setting: &Setting) -> Result<Self, BenchError> {
        let mut files = Vec::new();
        list(&setting.world.live(0), &mut files);
        Ok(Self {
            other: Other::new(&setting.world.lab)?,
            containers: setting.world.containers()?.into_keys().collect(),
            files,
        })
    }

    /// The command that tells how the containers are.
    fn inspect(&self) -> String {
        format!("docker inspect {}", self.containers.join(" "))
    }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A playbook: one task for the containers, one with the digest of each file.
pub(super) fn ansible(looked: &Looked, runs: usize) -> Result<Vec<f64>, BenchError> {
    let mut tasks = format!(
        "    - ansible.builtin.command: {}\n      changed_when: false\n    - ansible.builtin.stat: {{ path: \"{{{{ item }}}}\", checksum_algorithm: sha256 }}\n      loop:\n",
        serde_json::to_string(&looked.inspect()).doing("writing a playbook")?
    );
    for file in &looked.files {
        let _ = writeln!(tasks, "        - {}", file.display());
    }
    looked.other.ansible(&tasks, runs)
}

/// The same for pyinfra.
pub(super) fn pyinfra(looked: &Looked, runs: usize) -> Result<Vec<f64>, BenchError> {
    let files: Vec<_> = looked
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let deploy = format!(
        "from pyinfra.facts.files import Sha256File\nfrom pyinfra.facts.server import Command\n\nhost.get_fact(Command, command={})\nfor path in {}:\n    host.get_fact(Sha256File, path=path)\n",
        serde_json::to_string(&looked.inspect()).doing("writing a deploy")?,
        serde_json::to_string(&files).doing("writing a deploy")?
    );
    looked.other.pyinfra(&deploy, runs)
}
