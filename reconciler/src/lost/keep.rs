//! The index on disk: a cache, so that a start, or a command, need not walk the whole history. Losing it costs time alone.

use super::taken::{Event, Taken, Written};
use crate::cache::file;
use crate::git::Oid;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Its name in a folder of caches.
pub const NAME: &str = "lost.cache";
/// Raised with every change of what is an event, or of how it is written.
const FORMAT: u32 = 1;
/// The digest before the rest.
const DIGEST: usize = 32;

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    release: String,
    at: String,
    events: BTreeMap<String, Vec<Written>>,
}

/// What one of these files holds. None where there is none that this release wrote and that is whole.
pub(super) fn open(places: &[PathBuf]) -> Option<Taken> {
    places.iter().find_map(|place| decode(&file::read(place)?))
}

/// Writes it to the first of these files that can be written. That it cannot be kept is no failure.
pub(super) fn save(places: &[PathBuf], taken: &Taken) {
    let Some(content) = encode(taken) else { return };
    let written = places
        .iter()
        .find_map(|place| file::write(place, &content).ok());
    if written.is_none() && !places.is_empty() {
        tracing::debug!("the index of lost decisions cannot be written");
    }
}

fn encode(taken: &Taken) -> Option<Vec<u8>> {
    let written = |(path, events): (&String, &Vec<Event>)| {
        let events = events.iter().filter_map(Written::of).collect();
        (path.clone(), events)
    };
    let content = Content {
        format: FORMAT,
        release: crate::RELEASE.to_owned(),
        at: taken.at?.to_string(),
        events: taken.events.iter().map(written).collect(),
    };
    let body = serde_json::to_vec(&content).ok()?;
    let mut bytes = Sha256::digest(&body).to_vec();
    bytes.extend(body);
    Some(bytes)
}

fn decode(bytes: &[u8]) -> Option<Taken> {
    let (digest, body) = bytes.split_at_checked(DIGEST)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let content: Content = serde_json::from_slice(body).ok()?;
    if content.format != FORMAT || content.release != crate::RELEASE {
        return None;
    }
    let mut taken = Taken {
        at: Some(Oid::from_str(&content.at).ok()?),
        ..Taken::default()
    };
    for (path, events) in content.events {
        let events: Option<Vec<_>> = events.into_iter().map(Written::read).collect();
        taken.events.insert(path, events?);
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn oid() -> impl Strategy<Value = Oid> {
        any::<[u8; 20]>().prop_map(|bytes| Oid::from_bytes(&bytes).unwrap())
    }

    fn event() -> impl Strategy<Value = Event> {
        let parts = proptest::collection::btree_set("[a-zé]{0,4}", 0..3);
        (oid(), 1u32..4, oid(), any::<bool>(), parts).prop_map(
            |(commit, parent, old, whole, parts)| Event {
                commit: Some(commit),
                parent,
                old,
                whole,
                parts,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_there_or_nothing(
            at in oid(),
            events in proptest::collection::btree_map(
                ".{0,12}",
                proptest::collection::vec(event(), 1..3),
                0..4,
            ),
            damage in any::<proptest::sample::Index>(),
        ) {
            let taken = Taken { at: Some(at), events };
            let mut bytes = encode(&taken).unwrap();
            prop_assert_eq!(decode(&bytes), Some(taken));
            let place = damage.index(bytes.len());
            bytes[place] ^= 1;
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().join("tenantry").join(NAME)];
        assert_eq!(open(&places), None);
        let event = Event {
            commit: Some(Oid::ZERO_SHA1),
            parent: 1,
            old: Oid::ZERO_SHA1,
            whole: true,
            parts: BTreeSet::new(),
        };
        let taken = Taken {
            at: Some(Oid::ZERO_SHA1),
            events: BTreeMap::from([("fleet/decisions/a".to_owned(), vec![event])]),
        };
        save(&places, &taken);
        assert_eq!(open(&places), Some(taken));
    }
}
