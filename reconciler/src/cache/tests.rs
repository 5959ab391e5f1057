//! The file: what was written is read, and nothing else is.

use super::{Cache, Entry, Facts, Key, bytes, file, key};
use crate::git::Oid;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry_planner::ObjectId;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;

const STAMP: [u8; 32] = [1; 32];

fn warning() -> impl Strategy<Value = Diagnostic> {
    ("\\PC{0,9}", "\\PC{0,9}", 0..9_usize).prop_map(|(message, line, at)| {
        let place = Place::of("fleet/hub.yaml", &line, at.min(line.len()), line.len());
        Diagnostic::warning(tenantry_planner::codes::NOT_YET, place.clone(), message)
            .label("here")
            .note(line)
            .related(place, "there")
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    (
        prop::collection::vec("\\PC{0,9}", 0..3),
        prop::collection::vec(any::<[u8; 16]>(), 0..3),
        any::<u32>(),
        prop::collection::btree_map("[A-Z]{3}", any::<u64>(), 0..3),
        prop::collection::vec(warning(), 0..2),
        any::<bool>(),
    )
        .prop_map(
            |(domains, marks, servers, monthly, warnings, settled)| Facts {
                domains,
                marks,
                servers,
                monthly,
                warnings,
                settled,
            },
        )
}

fn cache() -> impl Strategy<Value = Cache> {
    let tree = (0..4_u8).prop_map(|number| ObjectId([number; 20]));
    let trees = prop::collection::vec(tree, 0..3);
    let entry = (facts(), trees, any::<u8>()).prop_map(|(facts, trees, age)| Entry {
        facts: Arc::new(facts),
        trees: trees.into(),
        age,
    });
    prop::collection::hash_map(any::<Key>(), entry, 0..5).prop_map(|known| Cache {
        known,
        ..Cache::default()
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(cache in cache()) {
        let content = bytes::encode(&cache, &STAMP);
        let read = bytes::decode(&content, &STAMP).unwrap();
        prop_assert_eq!(&read.known, &cache.known);
        prop_assert!(bytes::decode(&content, &[2; 32]).is_none(), "another program's");
    }

    #[test]
    fn damage_is_noticed(cache in cache(), at in any::<prop::sample::Index>(), flip in 1..=255_u8, end in any::<prop::sample::Index>()) {
        let content = bytes::encode(&cache, &STAMP);
        let mut damaged = content.clone();
        damaged[at.index(content.len())] ^= flip;
        prop_assert!(bytes::decode(&damaged, &STAMP).is_none());
        prop_assert!(bytes::decode(&content[..end.index(content.len())], &STAMP).is_none());
        damaged.truncate(0);
        damaged.extend([content.as_slice(), &[0]].concat());
        prop_assert!(bytes::decode(&damaged, &STAMP).is_none());
    }

    /// Somebody who knows the format, and gets the checksum right.
    #[test]
    fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200), lengths in prop::collection::vec(any::<u32>(), 0..9)) {
        let content = file::seal(b"tenantry facts 2", &STAMP, |content| {
            content.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
            content.extend(body);
        });
        let _ = bytes::decode(&content, &STAMP);
    }
}

fn write(path: &Path, cache: Cache) {
    cache.save(&[path.to_owned()], &STAMP);
}

fn one(number: u8) -> Cache {
    let mut cache = Cache::default();
    cache.learn([number; 16], Facts::default(), []);
    cache
}

#[test]
fn only_a_private_file_of_ones_own_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tenantry/customers.cache");
    write(&path, one(1));
    let read = |path: &Path| !Cache::open(path, &STAMP).is_empty();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert!(read(&path));
    let about = std::fs::metadata(&path).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    let folder = std::fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);

    mode(&path, 0o622);
    assert!(!read(&path), "others could have written it");
    mode(&path, 0o600);
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(!read(&link), "a link");
    let second = dir.path().join("second");
    std::fs::hard_link(&path, &second).unwrap();
    assert!(!read(&path), "two names");
    std::fs::remove_file(&second).unwrap();
    assert!(read(&path));
    assert!(!read(dir.path()), "a folder");
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(!read(&fifo), "nobody writes to it, and nobody waits");
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(file::MAX_FILE + 1).unwrap();
    assert!(!read(&path), "too large");
    if rustix::process::geteuid().is_root() {
        write(&path, one(1));
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert!(!read(&path), "somebody else's");
    }
}

#[test]
fn where_the_fleet_cannot_be_written_the_persons_folder_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    // Not even root makes a folder below a file.
    let git_dir = dir.path().join("fleet.git");
    std::fs::write(&git_dir, "").unwrap();
    let places = file::places(&git_dir, Some(dir.path()), file::CUSTOMERS);
    assert_eq!(places.len(), 2);
    one(1).save(&places, &STAMP);
    assert!(Cache::open(&places[0], &STAMP).is_empty());
    assert!(!Cache::open(&places[1], &STAMP).is_empty());
    // Another fleet's is another file.
    let others = file::places(
        &dir.path().join("other.git"),
        Some(dir.path()),
        file::CUSTOMERS,
    );
    assert_ne!(others[1], places[1]);
    // Nothing is wrong where nothing can be kept.
    one(1).save(&places[..1], &STAMP);
}

#[test]
fn a_key_covers_all_that_it_stands_for() {
    let id = |name: &str| name.try_into().unwrap();
    let (a, b) = (Oid::ZERO_SHA1, Oid::from_bytes(&[1; 20]).unwrap());
    let keys = [
        key(&STAMP, &id("acme"), a, None),
        key(&[2; 32], &id("acme"), a, None),
        key(&STAMP, &id("globex"), a, None),
        key(&STAMP, &id("acme"), b, None),
        key(&STAMP, &id("acme"), a, Some(a)),
        key(&STAMP, &id("acme"), a, Some(b)),
        key(&STAMP, &id("acme"), b, Some(a)),
    ];
    let different: std::collections::BTreeSet<Key> = keys.into_iter().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn what_is_of_no_use_is_left_out_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("cache");
    write(&path, one(1));
    let mut rounds = 0;
    loop {
        let mut cache = Cache::open(&path, &STAMP);
        if !cache.known.contains_key(&[1; 16]) {
            break;
        }
        rounds += 1;
        assert!(rounds < 100, "kept for ever");
        // Something new each time, and the last thing is of use again.
        assert!(rounds == 1 || cache.get(&[rounds; 16]).is_some());
        cache.learn([rounds + 1; 16], Facts::default(), []);
        write(&path, cache);
    }
    assert_eq!(rounds, super::MAX_AGE + 1);

    // However many customers there were: most of what is of no use goes at once.
    let mut cache = Cache::default();
    for number in 0..20_000_u32 {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_le_bytes());
        cache.learn(key, Facts::default(), []);
    }
    write(&path, cache);
    let mut cache = Cache::open(&path, &STAMP);
    assert_eq!(cache.known.len(), 20_000);
    cache.learn([255; 16], Facts::default(), []);
    write(&path, cache);
    let kept = Cache::open(&path, &STAMP).known.len();
    assert_eq!(kept, super::LEAST_UNUSED + 1);
}

#[test]
fn a_tree_that_is_gone_takes_with_it_what_rests_on_it_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let tree = |number| ObjectId([number; 20]);
    let mut cache = Cache::default();
    cache.learn([1; 16], Facts::default(), [tree(1), tree(2)]);
    cache.learn([2; 16], Facts::default(), [tree(2)]);
    write(&path, cache);
    let mut cache = Cache::open(&path, &STAMP);
    cache.learn([3; 16], Facts::default(), [tree(1)]);
    assert_eq!(cache.trees(), [tree(1), tree(2)].into());
    cache.forget(&[tree(1)].into());
    assert_eq!(cache.trees(), [tree(2)].into());
    assert!(cache.get(&[1; 16]).is_none() && cache.get(&[2; 16]).is_some());
    cache.learn([4; 16], Facts::default(), []);
    write(&path, cache);
    // What nothing rests on any more is not kept.
    let cache = Cache::open(&path, &STAMP);
    assert_eq!(cache.known.len(), 2);
    assert_eq!(cache.trees(), [tree(2)].into());
}

#[test]
fn that_nothing_is_to_be_decided_is_added_and_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    write(&path, one(1));
    let mut cache = Cache::open(&path, &STAMP);
    cache.learn_settled(&[1; 16]);
    cache.learn_settled(&[2; 16]);
    write(&path, cache);
    let mut cache = Cache::open(&path, &STAMP);
    assert_eq!(cache.known.len(), 1, "nothing is known of the other");
    assert!(cache.get(&[1; 16]).unwrap().settled);
    // Somebody who does not know it says the rest again.
    cache.learn([1; 16], Facts::default(), []);
    cache.learn([3; 16], Facts::default(), []);
    write(&path, cache);
    let mut cache = Cache::open(&path, &STAMP);
    assert!(cache.get(&[1; 16]).unwrap().settled);
    assert!(!cache.get(&[3; 16]).unwrap().settled);
}
