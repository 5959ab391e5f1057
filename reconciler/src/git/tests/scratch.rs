//! What is tried out in a scratch repository is seen by everybody who reads there, and by nobody else.

use super::super::memory::writes_to_memory;
use super::super::{Change, Layout, Scratch};
use super::World;
use git2::Repository;
use rayon::prelude::*;
use tenantry_schema::name::RelativePath;

fn change(path: &str, text: &str) -> Change {
    Change {
        path: RelativePath::try_from(path).unwrap(),
        content: Some(text.into()),
    }
}

#[test]
fn trees_that_are_tried_out_are_read_by_every_thread_and_written_nowhere() {
    let world = World::new(Layout::WorkTree);
    let git = world.repo().join(".git");
    let scratch = Scratch::beside(&git).unwrap();
    let objects = scratch.objects();
    let head = Repository::open(&git)
        .unwrap()
        .revparse_single("HEAD")
        .unwrap()
        .id();
    let mut tree = objects.root_tree(head).unwrap();
    for round in 0..8 {
        let text = format!("round {round}");
        tree = scratch
            .apply(tree, &[change(&format!("new/{round}/file"), &text)])
            .unwrap();
        // Repositories of the pool that were lent before know it as well.
        (0..16).into_par_iter().for_each(|_| {
            for known in 0..=round {
                let entry = objects.lookup(tree, &format!("new/{known}/file")).unwrap();
                let blob = objects.blob(entry.unwrap().oid, 100).unwrap();
                assert_eq!(blob, format!("round {known}").into_bytes());
            }
        });
    }
    assert!(Repository::open(&git).unwrap().find_tree(tree).is_err());
}

#[test]
fn what_is_merged_is_read_as_if_it_was_committed() {
    let world = World::new(Layout::WorkTree);
    let git = world.repo().join(".git");
    let scratch = Scratch::beside(&git).unwrap();
    let head = Repository::open(&git)
        .unwrap()
        .revparse_single("HEAD")
        .unwrap()
        .id();
    let base = scratch.objects().root_tree(head).unwrap();
    let lines = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    let of = |base, text: &str| scratch.apply(base, &[change("a/file", text)]).unwrap();
    let before = of(base, &lines("1", "9"));
    let (ours, theirs) = (
        of(before, &lines("one", "9")),
        of(before, &lines("1", "nine")),
    );
    let merged = scratch.merge_trees(before, ours, theirs).unwrap().unwrap();
    let file = scratch.objects().lookup(merged, "a/file").unwrap().unwrap();
    let text = scratch.objects().blob(file.oid, 1_000).unwrap();
    assert_eq!(text, lines("one", "nine").into_bytes());
    let other = of(before, &lines("uno", "9"));
    assert_eq!(scratch.merge_trees(before, ours, other).unwrap(), None);
}

#[test]
fn what_a_clone_holds_in_memory_is_taken_over_and_stays_off_its_disk() {
    let world = World::new(Layout::WorkTree);
    let git = world.repo().join(".git");
    let scratch = Scratch::beside(&git).unwrap();
    let repository = Repository::open(&git).unwrap();
    writes_to_memory(&repository).unwrap();
    let secret = repository.blob(b"hunter2").unwrap();
    assert!(scratch.objects().blob(secret, 100).is_err());
    scratch.take(&repository, [secret]).unwrap();
    assert_eq!(scratch.objects().blob(secret, 100).unwrap(), b"hunter2");
    assert!(Repository::open(&git).unwrap().find_blob(secret).is_err());
}
