//! Does to the machine what was decided: one match, one arm an action, nothing chosen. Each is right to take twice.

mod firewall;
mod people;
mod ssh;
mod system;
mod units;

use super::memory::{Applied, MemoryFile};
use super::plan::AgentCommand;
use super::programs::{Call, Installed, ProgramError, Programs};
use super::step::{Action, FileWanted, HostStep};
use crate::config::Config;
use crate::faults;
use crate::files::{Access, FilesError, Root};
use crate::install::systemd::{argument, program};
use jiff::Timestamp;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_schema::document::{Host, HostArea};
use tenantry_schema::name::RelativePath;

/// The machine, and what is remembered of it.
#[derive(Debug)]
pub struct Ground {
    /// `/`, or a folder that stands for it in tests.
    pub root: Root,
    /// Its programs.
    pub programs: Box<dyn Programs>,
    /// What was applied. Never borrowed across an await.
    pub memory: RefCell<MemoryFile>,
    /// When that of an area which no file shows was last looked at. Never borrowed across an await.
    pub inspected: RefCell<BTreeMap<HostArea, Timestamp>>,
    /// How units call this agent, once that is known.
    pub agent: OnceCell<AgentCommand>,
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file.
    #[error("a file cannot be written")]
    Files(#[from] FilesError),
    /// A program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program does not take what would be written.
    #[error("/{path} is not written: {source}")]
    Unfit {
        /// The file.
        path: RelativePath,
        /// What the program says.
        source: ProgramError,
    },
    /// A setting of the kernel.
    #[error("{name} cannot be set: {error}")]
    Kernel {
        /// Which.
        name: String,
        /// What the kernel says.
        error: std::io::Error,
    },
    /// The new settings of the SSH server were tried and are not good.
    #[error("the SSH server stays as it is: {0}")]
    Ssh(String),
}

/// Whether something is different now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is.
    Changed,
    /// It was so already.
    Unchanged,
}

/// Takes one step.
pub async fn take(ground: &Ground, step: &HostStep, now: Timestamp) -> Result<Done, HostError> {
    match &step.action {
        Action::Write(file) => ground.write(file)?,
        Action::WriteChecked(file, check) => {
            let checked = ground.programs.run(check, Some(&file.data)).await;
            checked.map_err(|source| unfit(file, source))?;
            ground.write(file)?;
        }
        Action::Try(file, check) => ground.attempt(file, check).await?,
        Action::Remove(path) => {
            return Ok(if ground.root.remove_file(path)? {
                Done::Changed
            } else {
                Done::Unchanged
            });
        }
        Action::Run(call) => {
            ground.programs.run(call, None).await?;
            faults::changed();
        }
        Action::Kernel { name, value } => system::kernel(ground, name, value)?,
        Action::Zone(zone) => system::zone(ground, zone)?,
        Action::Keys(keys) => people::keys(ground, keys)?,
        Action::EndSessions { uid, .. } => {
            people::end_sessions(*uid);
            faults::changed();
        }
        Action::Ssh(change) => ssh::change(ground, change, now).await?,
        Action::Rules(text) => firewall::load(ground, text, now).await?,
        Action::EnsureRules(text) => return firewall::ensure(ground, text, now).await,
        Action::EnsureUnits(units) => return units::ensure(ground, step.area, units, now).await,
        Action::SwapFile { bytes } => system::swap_file(ground, *bytes).await?,
        Action::Forget => {
            let mut memory = ground.memory.borrow_mut();
            memory.update(|memory| drop(memory.applied.remove(&step.area)))?;
        }
        Action::Note { of } => {
            let boot = ground.boot();
            let applied = Applied {
                of: of.clone(),
                boot,
            };
            ground.memory.borrow_mut().update(|memory| {
                memory.rejected.remove(&step.area);
                memory.applied.insert(step.area, applied);
            })?;
        }
    }
    Ok(Done::Changed)
}

fn unfit(file: &FileWanted, source: ProgramError) -> HostError {
    let path = file.path.clone();
    HostError::Unfit { path, source }
}

impl Ground {
    /// The machine of this configuration.
    pub fn open(config: &Config) -> Result<Self, FilesError> {
        Ok(Self {
            root: Root::public(&config.root)?,
            programs: Box::new(Installed),
            memory: RefCell::new(MemoryFile::of(Root::private(&config.state)?)?),
            inspected: RefCell::default(),
            agent: OnceCell::new(),
        })
    }

    /// Units will call `executable`, with the configuration at `config`.
    pub fn called(&self, executable: &Path, config: &Path) {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        let words = format!("{} --config {}", program(executable), argument(&config));
        // Said twice, the first counts.
        let _ = self.agent.set(AgentCommand(words));
    }

    /// Files whose change is to be heard of.
    pub fn watched(&self, host: &Host) -> Vec<PathBuf> {
        let paths = super::look::watched(host).into_iter();
        paths.map(|path| self.root.path().join(path)).collect()
    }

    /// Nobody looks again for a while.
    fn inspected(&self, area: HostArea, now: Timestamp) {
        self.inspected.borrow_mut().insert(area, now);
    }

    fn write(&self, file: &FileWanted) -> Result<(), FilesError> {
        self.root
            .write_as(&file.path, &file.data, &Access::mode(file.mode))
    }

    /// Identifies this run of the machine.
    pub fn boot(&self) -> String {
        let path = self.root.path().join("proc/sys/kernel/random/boot_id");
        let boot = std::fs::read_to_string(path).unwrap_or_default();
        boot.trim().to_owned()
    }

    /// Writes the file; if the program does not like it there, what was there is put back.
    async fn attempt(&self, file: &FileWanted, check: &Call) -> Result<(), HostError> {
        let before = self.root.read(&file.path, 1 << 20)?;
        self.write(file)?;
        let Err(source) = self.programs.run(check, None).await else {
            return Ok(());
        };
        self.put_back(&file.path, before.as_deref(), file.mode)?;
        Err(unfit(file, source))
    }

    fn put_back(
        &self,
        path: &RelativePath,
        before: Option<&[u8]>,
        mode: u32,
    ) -> Result<(), FilesError> {
        match before {
            Some(data) => self.root.write_as(path, data, &Access::mode(mode)),
            None => self.root.remove_file(path).map(drop),
        }
    }
}

#[cfg(test)]
mod tests;
