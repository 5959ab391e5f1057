//! What must not be forgotten about certificates: attempts and their pauses, what was issued lately, what the authority advised. In one
//! file, which survives a power cut at any instant. What follows from it is decided in [`super::plan`].

use super::plan::LONGEST_WISH;
use crate::files::{FilesError, Root};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_schema::name::{DomainName, RelativePath};

const FILE: &str = "memory.json";
/// Where a damaged one is kept for people to look at.
const DAMAGED: &str = "memory.damaged";
const LIMIT: u64 = 4 << 20;
const FORMAT: u32 = 1;
/// What was issued longer ago counts no more.
pub(super) const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What failed longer ago counts no more.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// After so many failures within an hour a name is left alone. Let's Encrypt allows five; one is kept for what people try by hand.
const FAILURES: usize = 4;

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    format: u32,
    /// By site.
    pub sites: BTreeMap<DomainName, SiteMemory>,
    /// Certificates of the last seven days, oldest first; noted before they are asked for.
    pub issued: Vec<Issued>,
    /// Registered domains for which the authority wants no orders, and until when.
    pub limited: BTreeMap<String, Timestamp>,
    /// When names were last validated in vain, or may have been: noted before it is tried, whatever set of names it is tried in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<DomainName, Vec<Timestamp>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            format: FORMAT,
            sites: BTreeMap::new(),
            issued: Vec::new(),
            limited: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }
}

/// What is known about one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteMemory {
    /// What the attempts were for: authority and names.
    pub of: String,
    /// Attempts in a row without a certificate. One that is under way counts.
    pub attempts: u32,
    /// When the next may be made.
    pub next: Option<Timestamp>,
    /// What went wrong last, in a sentence.
    pub error: Option<String>,
    /// The order that was begun, to be gone on with.
    pub pending: Option<Pending>,
    /// What the authority advised.
    pub renewal: Option<Renewal>,
}

/// An order that was begun. Its private key stands beside the memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Where the authority keeps it.
    pub url: String,
    /// For which authority and names.
    pub of: String,
    /// Whether its certificate is among those that were issued, or may have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
}

/// A certificate that was issued, or may have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// When it was asked for.
    pub at: Timestamp,
    /// For exactly these names.
    pub names: BTreeSet<DomainName>,
    /// Whether the names had one before.
    pub renewal: bool,
}

/// What an authority advised about the renewal of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// Which certificate.
    pub id: String,
    /// The moment chosen within the window that it gave. Absent: it gave none.
    pub at: Option<Timestamp>,
    /// When to ask again.
    pub look: Timestamp,
}

/// The memory and its file.
#[derive(Debug)]
pub struct MemoryFile {
    root: Root,
    memory: Arc<Memory>,
}

impl MemoryFile {
    /// Reads what is kept in `root`. What cannot be understood is set aside and counts as nothing; the second value says why.
    pub fn open(root: Root) -> Result<(Self, Option<String>), FilesError> {
        let (memory, damaged) = match root.read(&name(FILE), LIMIT)? {
            None => (Memory::default(), None),
            Some(bytes) => match parse(&bytes) {
                Ok(memory) => (memory, None),
                Err(why) => {
                    root.write(&name(DAMAGED), &bytes)?;
                    (Memory::default(), Some(why))
                }
            },
        };
        let memory = Arc::new(memory);
        Ok((Self { root, memory }, damaged))
    }

    /// What it says.
    pub fn get(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// The folder that it is kept in.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Changes it. When this returns without an error the change is on disk; with one, nothing has changed.
    pub fn update(&mut self, change: impl FnOnce(&mut Memory)) -> Result<(), FilesError> {
        let mut next = Memory::clone(&self.memory);
        change(&mut next);
        if next != *self.memory {
            let bytes = serde_json::to_vec_pretty(&next).expect("a memory is text and numbers");
            self.root.write(&name(FILE), &bytes)?;
            self.memory = Arc::new(next);
        }
        Ok(())
    }
}

impl Memory {
    /// What is known about a site, to be changed.
    pub fn site(&mut self, host: &DomainName) -> &mut SiteMemory {
        self.sites.entry(host.clone()).or_default()
    }

    /// Notes that names are about to be validated. Until [`Memory::spare`] it counts as a failure.
    pub fn attempt(&mut self, names: &BTreeSet<DomainName>, now: Timestamp) {
        self.forget_failures(now);
        for name in names {
            self.failed.entry(name.clone()).or_default().push(now);
        }
    }

    /// Takes back what [`Memory::attempt`] noted: it went well, or nothing was validated.
    pub fn spare(&mut self, names: &BTreeSet<DomainName>, noted: Timestamp) {
        for name in names {
            if let Some(times) = self.failed.get_mut(name)
                && let Some(at) = times.iter().rposition(|at| *at == noted)
            {
                times.remove(at);
            }
        }
        self.failed.retain(|_, times| !times.is_empty());
    }

    /// Until when a name among these is left alone, because the authority allows no more failures.
    pub fn resting(&self, names: &BTreeSet<DomainName>, now: Timestamp) -> Option<Timestamp> {
        let failed = names.iter().filter_map(|name| self.failed.get(name));
        let over = failed.filter_map(|times| {
            let counts = times.iter().filter(|at| counts(**at, now));
            let mut counts: Vec<&Timestamp> = counts.collect();
            counts.sort_unstable();
            let first = counts.iter().rev().nth(FAILURES - 1)?;
            first.checked_add(HOUR).ok()
        });
        over.max()
    }

    fn forget_failures(&mut self, now: Timestamp) {
        self.failed.retain(|_, times| {
            times.retain(|at| counts(*at, now));
            !times.is_empty()
        });
    }

    /// Drops what says nothing any more at this time.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.forget_failures(now);
        // Much further ahead than anything is noted for: by a clock that was wrong.
        let wrong = |at: Timestamp| at.duration_since(now) > LONGEST_WISH * 2;
        let old = |at: Timestamp| now.duration_since(at) > WEEK || wrong(at);
        self.issued.retain(|issued| !old(issued.at));
        self.limited
            .retain(|_, until| *until > now && !wrong(*until));
        self.sites.retain(|_, site| {
            // A pause that is just over still tells how long the next one is.
            let waits = site.next.is_some_and(|next| !old(next));
            let asked = site
                .renewal
                .as_ref()
                .is_some_and(|renewal| !old(renewal.look));
            waits || asked || site.pending.is_some()
        });
    }
}

/// Whether a failure counts at this time. One that is still to come is from before the clock was put back.
fn counts(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.duration_since(at) < HOUR
}

fn parse(bytes: &[u8]) -> Result<Memory, String> {
    let memory: Memory = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if memory.format == FORMAT {
        Ok(memory)
    } else {
        Err(format!(
            "format {} is not known to this release",
            memory.format
        ))
    }
}

fn name(file: &str) -> RelativePath {
    RelativePath::try_from(file).expect("a plain name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(folder: &tempfile::TempDir) -> (MemoryFile, Option<String>) {
        MemoryFile::open(Root::private(folder.path()).unwrap()).unwrap()
    }

    fn host() -> DomainName {
        "a.example".try_into().unwrap()
    }

    #[test]
    fn changes_are_read_back_and_damage_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, damaged) = open(&folder);
        assert_eq!(damaged, None);
        file.update(|memory| memory.site(&host()).attempts = 3)
            .unwrap();
        let (again, _) = open(&folder);
        assert_eq!(again.get().sites[&host()].attempts, 3);
        for damage in ["", "{}", "{\"format\":1"] {
            std::fs::write(folder.path().join(FILE), damage).unwrap();
            let (file, damaged) = open(&folder);
            assert!(damaged.is_some());
            assert_eq!(**file.get(), Memory::default());
            let kept = std::fs::read_to_string(folder.path().join(DAMAGED)).unwrap();
            assert_eq!(kept, damage);
        }
    }

    #[test]
    fn what_counts_no_more_is_forgotten() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let hours = |hours| now + SignedDuration::from_hours(hours);
        let mut memory = Memory::default();
        for ago in [-200, -100] {
            memory.issued.push(Issued {
                at: hours(ago),
                names: BTreeSet::from([host()]),
                renewal: false,
            });
        }
        memory.limited.insert("b.example".into(), hours(-1));
        memory.limited.insert("c.example".into(), hours(1));
        memory.site(&host()).next = Some(hours(-200));
        memory.site(&"b.example".try_into().unwrap()).next = Some(hours(-1));
        memory.forget_old(now);
        assert_eq!(memory.issued.len(), 1);
        assert_eq!(memory.limited.keys().collect::<Vec<_>>(), ["c.example"]);
        assert_eq!(memory.sites.len(), 1);
    }

    #[test]
    fn a_name_rests_after_four_failures_in_an_hour_and_nothing_else_does() {
        let now: Timestamp = "2026-11-28T10:00:00Z".parse().unwrap();
        let minutes = |minutes| now + SignedDuration::from_mins(minutes);
        let names = |names: &[&str]| -> BTreeSet<DomainName> {
            names
                .iter()
                .map(|name| (*name).try_into().unwrap())
                .collect()
        };
        let (one, two) = (names(&["a.example"]), names(&["a.example", "b.example"]));
        let mut memory = Memory::default();
        for (at, tried) in [(0, &one), (1, &two), (6, &one)] {
            memory.attempt(tried, minutes(at));
        }
        assert_eq!(memory.resting(&two, minutes(21)), None);
        memory.attempt(&two, minutes(21));
        assert_eq!(memory.resting(&one, minutes(22)), Some(minutes(60)));
        assert_eq!(memory.resting(&two, minutes(22)), Some(minutes(60)));
        assert_eq!(memory.resting(&names(&["b.example"]), minutes(22)), None);
        assert_eq!(memory.resting(&one, minutes(60)), None);
        // A clock that was put back is no reason to wait for years.
        assert_eq!(memory.resting(&one, minutes(-60)), None);
        let mut spared = memory.clone();
        spared.spare(&two, minutes(21));
        assert_eq!(spared.resting(&one, minutes(22)), None);
        memory.forget_old(minutes(90));
        assert_eq!(memory, Memory::default());
    }

    proptest! {
        #[test]
        fn arbitrary_files_are_answered(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes);
        }
    }
}
