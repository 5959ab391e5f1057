//! What there is to do to the machine, with everything resolved.

use super::programs::Call;
use std::fmt;
use std::sync::Arc;
use tenantry_schema::document::{HostArea, SysctlName, SysctlValue, TimeZone};
use tenantry_schema::name::RelativePath;

/// One thing to do. It says what must be true afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStep {
    /// The area that it belongs to.
    pub area: HostArea,
    /// What.
    pub action: Action,
    /// Whether it puts back what had been right before.
    pub repair: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The file holds this.
    Write(FileWanted),
    /// The file holds this, once a program has taken it from its standard input without complaint.
    WriteChecked(FileWanted, Call),
    /// The file holds this, and the program, which reads it in its place, does not complain; else what was there is put back.
    Try(FileWanted, Call),
    /// There is no such file.
    Remove(RelativePath),
    /// The program was run.
    Run(Call),
    /// The setting of the kernel has this value.
    Kernel {
        /// Which.
        name: SysctlName,
        /// The value.
        value: SysctlValue,
    },
    /// `/etc/localtime` leads to this zone.
    Zone(TimeZone),
    /// The user's keys, and nothing else, open the door.
    Keys(UserKeys),
    /// Whoever works as this user does so no longer.
    EndSessions {
        /// The user.
        name: String,
        /// Their number.
        uid: u32,
    },
    /// The SSH server runs with these settings, after somebody has logged in to a second one that has them.
    Ssh(SshChange),
    /// The firewall has these rules, in its file and loaded.
    Rules(Arc<str>),
    /// The rules that are loaded are those that were loaded last.
    EnsureRules(Arc<str>),
    /// These units of systemd are enabled and run.
    EnsureUnits(Vec<String>),
    /// There is a file of this size to swap to.
    SwapFile {
        /// Its size.
        bytes: u64,
    },
    /// It is no longer remembered that anything was applied, so that a pass that is cut off in the middle is followed by a whole one.
    Forget,
    /// It is remembered that this was applied.
    Note {
        /// Digest of what was applied.
        of: String,
    },
}

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWanted {
    /// Where, relative to `/`.
    pub path: RelativePath,
    /// Its content.
    pub data: Arc<[u8]>,
    /// Permission bits.
    pub mode: u32,
}

/// Whose keys, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKeys {
    /// The user.
    pub name: String,
    /// Their number.
    pub uid: u32,
    /// Of their group.
    pub gid: u32,
    /// Their folder, relative to `/`.
    pub home: RelativePath,
    /// `authorized_keys`.
    pub text: String,
}

/// Other settings for the SSH server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshChange {
    /// The settings.
    pub text: Arc<str>,
    /// Where it will listen.
    pub port: u16,
    /// Who tries to log in.
    pub user: String,
    /// Whether root may log in.
    pub root: bool,
    /// For whom the server must refuse passwords and take keys, `user` among them.
    pub people: Vec<String>,
    /// All settings together, with these in their place: what the second server reads.
    pub whole: Arc<str>,
    /// Digest of what is asked for, under which it is noted when it did harm.
    pub of: String,
    /// Whether systemd looks after it.
    pub systemd: bool,
}

impl Action {
    /// Whether people want to hear of it.
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::Forget | Self::Note { .. }) && !self.is_inspection()
    }

    /// Whether it looks first, and changes only what it finds changed. People hear of it then.
    pub fn is_inspection(&self) -> bool {
        matches!(self, Self::EnsureRules(_) | Self::EnsureUnits(_))
    }

    /// Whether nobody can see afterwards that it is still to be done.
    pub(super) fn leaves_no_trace(&self) -> bool {
        matches!(self, Self::Run(_) | Self::EndSessions { .. } | Self::Ssh(_))
    }
}

impl HostStep {
    /// Whether people want to hear of it.
    pub fn is_news(&self) -> bool {
        self.action.is_news()
    }

    /// Whether it looks first, and changes only what it finds changed.
    pub fn is_inspection(&self) -> bool {
        self.action.is_inspection()
    }
}

impl fmt::Display for HostStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = if self.repair { "put back" } else { "write" };
        match &self.action {
            Action::Write(file) | Action::WriteChecked(file, _) | Action::Try(file, _) => {
                write!(f, "{write} /{}", file.path)
            }
            Action::Remove(path) => write!(f, "remove /{path}"),
            Action::Run(call) => call.fmt(f),
            Action::Kernel { name, value } => write!(f, "set {name} to {value}"),
            Action::Zone(zone) => write!(f, "set the time zone to {zone}"),
            Action::Keys(keys) if keys.text.is_empty() => {
                write!(f, "take the keys of {} away", keys.name)
            }
            Action::Keys(keys) => write!(f, "set the keys of {}", keys.name),
            Action::EndSessions { name, .. } => write!(f, "end what {name} runs"),
            Action::Ssh(change) => write!(f, "move the SSH server to port {}", change.port),
            Action::Rules(_) => f.write_str("load the rules of the firewall"),
            Action::EnsureRules(_) => f.write_str("put back the rules of the firewall"),
            Action::EnsureUnits(units) => write!(f, "start {} again", units.join(", ")),
            Action::SwapFile { bytes } => write!(f, "make a swap file of {} MiB", bytes >> 20),
            Action::Forget => f.write_str("forget what was applied"),
            Action::Note { .. } => f.write_str("note what was applied"),
        }
    }
}
