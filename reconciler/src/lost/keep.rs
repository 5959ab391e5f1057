//! The index on disk: a cache, so that a start, or a command, need not walk the whole history. Losing it costs time alone.

use super::taken::{Event, Taken, Written};
use crate::cache::{Surroundings, file};
use crate::git::Oid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Its name in a folder of caches.
pub const NAME: &str = "lost.cache";
const MARK: &file::Mark = b"tenantry lost  2";

#[derive(Serialize, Deserialize)]
struct Content {
    at: String,
    events: BTreeMap<String, Vec<Written>>,
}

/// What one of these files holds. None where there is none that this program wrote and that is whole.
pub(super) fn open(places: &[PathBuf], program: &Surroundings) -> Option<Taken> {
    let mut places = places.iter();
    places.find_map(|place| decode(&file::read(place)?, program))
}

/// Writes it to the first of these files that can be written. That it cannot be kept is no failure.
pub(super) fn save(places: &[PathBuf], program: &Surroundings, taken: &Taken) {
    if let Some(content) = encode(taken, program) {
        file::keep(places, &content, "the index of lost decisions");
    }
}

fn encode(taken: &Taken, program: &Surroundings) -> Option<Vec<u8>> {
    let written = |(path, events): (&String, &Vec<Event>)| {
        let events = events.iter().filter_map(Written::of).collect();
        (path.clone(), events)
    };
    let content = Content {
        at: taken.at?.to_string(),
        events: taken.events.iter().map(written).collect(),
    };
    let body = serde_json::to_vec(&content).ok()?;
    Some(file::seal(MARK, program, |out| out.extend(body)))
}

fn decode(content: &[u8], program: &Surroundings) -> Option<Taken> {
    let body = file::unseal(content, MARK, program)?;
    let content: Content = serde_json::from_slice(body).ok()?;
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
            let mut bytes = encode(&taken, &[1; 32]).unwrap();
            prop_assert_eq!(decode(&bytes, &[1; 32]), Some(taken));
            prop_assert_eq!(decode(&bytes, &[2; 32]), None, "another program's");
            let place = damage.index(bytes.len());
            bytes[place] ^= 1;
            prop_assert_eq!(decode(&bytes, &[1; 32]), None);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let content = file::seal(MARK, &[1; 32], |content| content.extend(bytes));
            let _ = decode(&content, &[1; 32]);
        }

        /// Also those that are JSON, with something else in the place of ids and parts.
        #[test]
        fn any_content_is_answered(
            at in "[0-9a-f]{0,41}|[0-9a-f]{40}",
            commit in "[0-9a-fé]{0,41}|[0-9a-f]{40}",
            parent in any::<i64>(),
        ) {
            let json = serde_json::json!({ "at": at, "events": { "x": [
                { "commit": commit, "parent": parent, "old": at, "whole": true, "parts": [] },
            ] } });
            let content = |content: &mut Vec<u8>| content.extend(json.to_string().bytes());
            let read = decode(&file::seal(MARK, &[1; 32], content), &[1; 32]);
            let good = Oid::from_str(&at).is_ok() && Oid::from_str(&commit).is_ok() && u32::try_from(parent).is_ok();
            prop_assert_eq!(read.is_some(), good);
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().join("tenantry").join(NAME)];
        assert_eq!(open(&places, &[1; 32]), None);
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
        save(&places, &[1; 32], &taken);
        assert_eq!(open(&places, &[1; 32]), Some(taken));
    }
}
