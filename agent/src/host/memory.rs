//! What was applied to the machine and what did harm, in `host.json` of the state folder. Forgetting it costs applying once more.

use crate::files::{FilesError, Root, digest};
use crate::state_file::StateFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tenantry_schema::document::HostArea;

const FILE: &str = "host.json";
/// Far more than it needs.
const LIMIT: u64 = 1 << 20;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What was applied last, by area.
    pub applied: BTreeMap<HostArea, Applied>,
    /// What was tried and put back, by area. It is not tried again until something else is asked for.
    pub rejected: BTreeMap<HostArea, Rejected>,
    /// Digest of the rules of the firewall as the kernel listed them after they were loaded.
    pub rules: Option<String>,
}

/// Something that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Digest of it.
    pub of: String,
    /// In which run of the machine.
    pub boot: String,
}

/// Something that did harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Digest of it.
    pub of: String,
    /// When.
    pub at: Timestamp,
    /// What was wrong, in a sentence.
    pub why: String,
}

impl Memory {
    /// Whether this is what was applied last. `boot`: in this run of the machine.
    pub fn has(&self, area: HostArea, of: &str, boot: Option<&str>) -> bool {
        let applied = self.applied.get(&area).filter(|applied| applied.of == of);
        applied.is_some_and(|applied| boot.is_none_or(|boot| boot == applied.boot))
    }

    /// Why this is not tried again.
    pub fn rejected(&self, area: HostArea, of: &str) -> Option<&Rejected> {
        self.rejected
            .get(&area)
            .filter(|rejected| rejected.of == of)
    }
}

/// The memory and its file.
pub type MemoryFile = StateFile<Memory>;

impl MemoryFile {
    /// In the state folder.
    pub fn of(root: Root) -> Result<Self, FilesError> {
        Self::open(root, super::path(FILE), LIMIT)
    }
}

/// Digest of several parts, none of which can pass for another.
pub fn digest_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts {
        let _ = writeln!(text, "{}:{part}", part.len());
    }
    digest(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_kept_and_a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let open = || MemoryFile::of(Root::private(folder.path()).unwrap()).unwrap();
        let mut file = open();
        let applied = Applied {
            of: "a".into(),
            boot: "1".into(),
        };
        file.update(|memory| drop(memory.applied.insert(HostArea::Ssh, applied)))
            .unwrap();
        let memory = open().get().clone();
        assert!(memory.has(HostArea::Ssh, "a", None) && memory.has(HostArea::Ssh, "a", Some("1")));
        assert!(
            !memory.has(HostArea::Ssh, "a", Some("2")) && !memory.has(HostArea::Ssh, "b", None)
        );
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(open().get(), &Memory::default());
    }

    proptest! {
        #[test]
        fn parts_are_told_apart(a in ".{0,8}", b in ".{0,8}", c in ".{0,8}") {
            prop_assume!((&a, &b) != (&b, &c) && a != c);
            prop_assert_ne!(digest_of([a.as_str(), b.as_str()]), digest_of([format!("{a}{b}").as_str()]));
            prop_assert_ne!(digest_of([a.as_str(), b.as_str()]), digest_of([c.as_str(), b.as_str()]));
        }
    }
}
