//! What is held back at which commit, as it was found out: a fleet that was looked at once is not looked at again from its beginning.
//!
//! What is held back at a commit follows from its history, so nothing here is ever out of date. The file is a cache.

use crate::cache::file;
use crate::cache::parts::{Reader, number};
use crate::git::Oid;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const MARK: &file::Mark = b"tenantry held  1";

/// Commits at which something stays.
pub(super) type Bases = Vec<Oid>;

/// What is held back at every commit that was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// By commit, the place in `different`.
    at: HashMap<Oid, u32>,
    /// Commits at which something stays. The first is empty.
    different: Vec<Bases>,
    /// Whether a limit was seen at any commit.
    pub(super) limited: bool,
    /// The oldest commit that was looked at, where not all were.
    pub(super) since: Option<Oid>,
    /// How many commits were added since it was read or written.
    pub(super) new: usize,
}

impl Memory {
    /// Whether a commit was looked at.
    pub(super) fn knows(&self, commit: Oid) -> bool {
        self.at.contains_key(&commit)
    }

    /// Commits at which something stays. Nothing is held back at one that nothing is known of.
    pub(super) fn held_at(&self, commit: Oid) -> &[Oid] {
        let place = self.at.get(&commit).map_or(0, |place| *place as usize);
        self.different.get(place).map_or(&[], Vec::as_slice)
    }

    pub(super) fn learn(&mut self, commit: Oid, bases: Bases) {
        if self.different.is_empty() {
            self.different.push(Bases::new());
        }
        let known = self.different.iter().rposition(|known| *known == bases);
        let place = known.unwrap_or_else(|| {
            self.different.push(bases);
            self.different.len() - 1
        });
        self.at
            .insert(commit, u32::try_from(place).unwrap_or(u32::MAX));
        self.new += 1;
    }

    /// What a file holds. None where there is none that this program wrote.
    pub(super) fn open(path: &Path, program: &[u8; 32]) -> Option<Self> {
        decode(&file::read(path)?, program)
    }

    /// Keeps it. One that cannot be kept is no failure: the next run takes longer.
    pub(super) fn save(&mut self, places: &[PathBuf], program: &[u8; 32]) {
        file::keep(places, &encode(self, program), "what is held back");
        self.new = 0;
    }
}

fn encode(memory: &Memory, program: &[u8; 32]) -> Vec<u8> {
    file::seal(MARK, program, |out| {
        out.reserve(128 + 24 * memory.at.len());
        out.push(u8::from(memory.limited));
        out.extend_from_slice(memory.since.unwrap_or(Oid::ZERO_SHA1).as_bytes());
        number(out, memory.different.len());
        for bases in &memory.different {
            number(out, bases.len());
            for base in bases {
                out.extend_from_slice(base.as_bytes());
            }
        }
        number(out, memory.at.len());
        for (commit, place) in &memory.at {
            out.extend_from_slice(commit.as_bytes());
            out.extend_from_slice(&place.to_le_bytes());
        }
    })
}

fn decode(content: &[u8], program: &[u8; 32]) -> Option<Memory> {
    let mut reader = Reader(file::unseal(content, MARK, program)?);
    let limited = reader.flag()?;
    let since = Some(reader.oid()?).filter(|oid| !oid.is_zero());
    let different: Vec<Bases> = reader.list(|reader| reader.list(Reader::oid))?;
    let at: HashMap<Oid, u32> = reader.list(|reader| {
        let (commit, place) = (reader.oid()?, reader.number()?);
        different.get(place as usize)?;
        Some((commit, place))
    })?;
    let whole = reader.is_at_end() && different.first().is_none_or(Vec::is_empty);
    whole.then_some(Memory {
        at,
        different,
        limited,
        since,
        new: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn oid() -> impl Strategy<Value = Oid> {
        any::<[u8; 20]>()
            .prop_filter("the zero id stands for none", |bytes| *bytes != [0; 20])
            .prop_map(|bytes| Oid::from_bytes(&bytes).unwrap())
    }

    fn memory() -> impl Strategy<Value = Memory> {
        let learned = prop::collection::vec((oid(), prop::collection::vec(oid(), 0..3)), 0..9);
        (learned, any::<bool>(), prop::option::of(oid())).prop_map(|(learned, limited, since)| {
            let mut memory = Memory {
                limited,
                since,
                ..Memory::default()
            };
            for (commit, bases) in learned {
                memory.learn(commit, bases.clone());
                assert_eq!(memory.held_at(commit), bases);
            }
            memory.new = 0;
            memory
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(memory in memory(), at in any::<prop::sample::Index>()) {
            let content = encode(&memory, &[1; 32]);
            prop_assert_eq!(decode(&content, &[1; 32]), Some(memory));
            prop_assert_eq!(decode(&content, &[2; 32]), None);
            let mut damaged = content.clone();
            damaged[at.index(content.len())] ^= 1;
            prop_assert_eq!(decode(&damaged, &[1; 32]), None);
            prop_assert_eq!(decode(&content[..at.index(content.len())], &[1; 32]), None);
        }

        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..99)) {
            let content = file::seal(MARK, &[1; 32], |content| content.extend(body));
            let _ = decode(&content, &[1; 32]);
        }
    }

    #[test]
    fn nothing_is_known_of_other_commits() {
        let mut memory = Memory::default();
        let commits: Vec<Oid> = (1..4).map(|n| Oid::from_bytes(&[n; 20]).unwrap()).collect();
        memory.learn(commits[0], vec![commits[1]]);
        assert!(memory.knows(commits[0]) && !memory.knows(commits[2]));
        assert!(memory.held_at(commits[2]).is_empty());
    }
}
