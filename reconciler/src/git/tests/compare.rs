//! Comparing versions of a folder gives exactly what looking at both would give.

use super::{World, commit, put};
use crate::git::{Difference, Entry, Fleet, Layout, Oid};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The tree of a new folder with these files; none where there are none.
fn folder(fleet: &Fleet, name: &str, files: &BTreeSet<(String, u8)>) -> Option<Oid> {
    let changes: Vec<_> = files
        .iter()
        .map(|(path, content)| put(&format!("{name}/{path}"), &content.to_string()))
        .collect();
    let at = if changes.is_empty() {
        fleet.head().unwrap().unwrap()
    } else {
        commit(fleet, &changes, "files")
    };
    let root = fleet.objects().root_tree(at).unwrap();
    fleet
        .objects()
        .lookup(root, name)
        .unwrap()
        .map(|entry| entry.oid)
}

fn by_name(fleet: &Fleet, tree: Option<Oid>) -> BTreeMap<String, Entry> {
    let entries = tree.map_or(Vec::new(), |tree| fleet.objects().tree(tree).unwrap());
    entries
        .into_iter()
        .map(|entry| (entry.name.clone(), entry))
        .collect()
}

/// Names, some of them beginnings of others, as files or folders: Git sorts the two kinds differently.
fn files() -> impl Strategy<Value = BTreeSet<(String, u8)>> {
    let name = prop::sample::select(vec!["a", "a-b", "a.b", "a0", "ab", "b", "b-1", "c"]);
    let file = (name, any::<bool>(), 0..3u8).prop_map(|(name, inside, content)| {
        let path = if inside {
            format!("{name}/file")
        } else {
            name.to_owned()
        };
        (path, content)
    });
    prop::collection::vec(file, 0..8).prop_map(|files| {
        // A name is a file or a folder, not both, and has one content.
        let mut names = BTreeSet::new();
        files
            .into_iter()
            .filter(|(path, _)| names.insert(path.split('/').next().unwrap_or_default().to_owned()))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn differences_are_those_of_the_listings(first in files(), second in files()) {
        let world = World::new(Layout::Bare);
        let fleet = world.fleet("data");
        let (old, new) = (folder(&fleet, "first", &first), folder(&fleet, "second", &second));
        let found = fleet.objects().compare(old, new).unwrap();
        let (before, after) = (by_name(&fleet, old), by_name(&fleet, new));
        // What became another kind may come in two parts.
        let mut sides: BTreeMap<String, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
        for Difference { old, new } in found {
            prop_assert!(old != new && (old.is_some() || new.is_some()));
            let name = old.as_ref().or(new.as_ref()).unwrap().name.clone();
            let side = sides.entry(name).or_default();
            side.0 = side.0.take().or(old);
            side.1 = side.1.take().or(new);
        }
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let (old, new) = (before.get(name), after.get(name));
            let told = sides.remove(name);
            if old == new {
                prop_assert_eq!(told, None, "{} did not change", name);
            } else {
                prop_assert_eq!(told, Some((old.cloned(), new.cloned())), "{} changed", name);
            }
        }
        prop_assert!(sides.is_empty());

        // Files below, whatever became of folders, are those that libgit2 finds by reading everything.
        if let (Some(old), Some(new)) = (old, new) {
            let compared = fleet.objects().with(|repo| {
                let (old, new) = (repo.find_tree(old).unwrap(), repo.find_tree(new).unwrap());
                let diff = repo.diff_tree_to_tree(Some(&old), Some(&new), None).unwrap();
                let mut files = BTreeMap::new();
                for delta in diff.deltas() {
                    for side in [delta.old_file(), delta.new_file()] {
                        let path = side.path().unwrap().to_str().unwrap().to_owned();
                        files.entry(path).or_insert(None);
                    }
                    if delta.status() != git2::Delta::Deleted {
                        let file = delta.new_file();
                        let path = file.path().unwrap().to_str().unwrap().to_owned();
                        files.insert(path, Some(file.id()));
                    }
                }
                Ok(files)
            });
            prop_assert_eq!(fleet.objects().changed_files(old, new).unwrap(), compared.unwrap());
        }
    }
}

#[test]
fn equal_trees_are_not_even_read() {
    let world = World::new(Layout::Bare);
    let nowhere = Oid::from_str("1234567890123456789012345678901234567890").unwrap();
    assert_eq!(
        world
            .fleet("data")
            .objects()
            .compare(Some(nowhere), Some(nowhere))
            .unwrap(),
        []
    );
}
