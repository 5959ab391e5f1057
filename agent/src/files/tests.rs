//! Files beneath a root: atomic, inside, with the right access.

use super::write::temporary_name;
use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn path(text: &str) -> RelativePath {
    text.try_into().unwrap()
}

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::public(&folder.path().join("a/b")).unwrap();
    (folder, root)
}

#[test]
fn written_files_are_read_listed_and_removed_with_their_folders() {
    let (_folder, root) = root();
    root.write(&path("x/y/z.txt"), b"one").unwrap();
    root.write(&path("x/y/z.txt"), b"two").unwrap();
    root.write(&path("x/run"), b"#!/bin/true").unwrap();
    assert_eq!(root.read(&path("x/y/z.txt"), 3).unwrap().unwrap(), b"two");
    assert!(matches!(
        root.read(&path("x/y/z.txt"), 2),
        Err(FilesError::TooLarge { .. })
    ));
    let listed = root.list().unwrap();
    assert_eq!(
        listed.keys().map(RelativePath::as_str).collect::<Vec<_>>(),
        ["x/run", "x/y/z.txt"]
    );
    assert!(listed["x/run"].has(&Access::mode(0o755)));
    let program = Access::mode(0o755);
    assert_eq!(root.usual_access(b"\x7fELF\x02\x01"), program);
    assert!(listed["x/y/z.txt"].has(&Access::mode(0o644)));
    assert!(root.remove(&path("x/y/z.txt")).unwrap());
    assert!(!root.remove(&path("x/y/z.txt")).unwrap());
    assert!(!root.path().join("x/y").exists() && root.path().join("x").exists());
    assert_eq!(root.read(&path("gone/x"), 9).unwrap(), None);
}

#[test]
fn what_a_killed_writer_left_behind_is_removed_and_nothing_else() {
    let (_folder, root) = root();
    root.write(&path("site/index.html"), b"whole").unwrap();
    root.write(&path(".env"), b"A=1").unwrap();
    let half = temporary_name("index.html");
    std::fs::write(root.path().join("site").join(half), "ha").unwrap();
    root.remove_unfinished().unwrap();
    let listed = root.list().unwrap();
    assert_eq!(
        listed.keys().map(RelativePath::as_str).collect::<Vec<_>>(),
        [".env", "site/index.html"]
    );
}

#[test]
fn links_out_are_never_followed() {
    let (folder, root) = root();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "theirs").unwrap();
    symlink(&outside, root.path().join("link")).unwrap();
    symlink(outside.join("file"), root.path().join("leaf")).unwrap();

    assert!(matches!(
        root.write(&path("link/file"), b"x"),
        Err(FilesError::NotAFolder(_))
    ));
    assert!(matches!(
        root.write(&path("link/new/file"), b"x"),
        Err(FilesError::NotAFolder(_))
    ));
    assert!(matches!(
        root.read(&path("link/file"), 99),
        Err(FilesError::NotAFolder(_))
    ));
    assert!(matches!(
        root.read(&path("leaf"), 99),
        Err(FilesError::NotAFile(_))
    ));
    assert!(matches!(
        root.remove(&path("link/file")),
        Err(FilesError::NotAFolder(_))
    ));
    // A link in the place of a managed file is itself replaced.
    root.write(&path("leaf"), b"ours").unwrap();
    assert_eq!(root.read(&path("leaf"), 99).unwrap().unwrap(), b"ours");
    assert_eq!(
        std::fs::read_to_string(outside.join("file")).unwrap(),
        "theirs"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert!(
        root.list()
            .unwrap()
            .keys()
            .all(|path| !path.as_str().starts_with("link/"))
    );
}

#[test]
fn private_files_are_for_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::private(&folder.path().join("keys")).unwrap();
    root.write(&path("in/secret"), b"#!x").unwrap();
    let mode = |name: &str| {
        std::fs::metadata(root.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(""), mode("in"), mode("in/secret")),
        (0o700, 0o700, 0o600)
    );
}

#[test]
fn access_is_as_asked_for() {
    let (_folder, root) = root();
    let own = rustix::process::geteuid().as_raw();
    let access = Access {
        mode: 0o440,
        uid: Some(own),
        gid: None,
    };
    root.write_as(&path("a"), b"1", &access).unwrap();
    let stamp = root.stamp(&path("a")).unwrap().unwrap();
    assert!(stamp.has(&access) && stamp.has(&Access::mode(0o440)));
    assert!(
        !stamp.has(&Access {
            mode: 0o440,
            uid: Some(own + 1),
            gid: None
        }) && !stamp.has(&Access::mode(0o444))
    );
    assert_eq!(root.stamp(&path("b/c")).unwrap(), None);
}

#[test]
fn digests_follow_content_permissions_and_kind() {
    let (_folder, root) = root();
    let mut cache = DigestCache::default();
    root.write(&path("a"), b"1").unwrap();
    root.write(&path("b"), b"2").unwrap();
    let first = cache.digests(&root, 100).unwrap();
    assert_eq!(first["a"], Some(digest(b"1")));
    std::fs::write(root.path().join("a"), "3").unwrap();
    std::fs::set_permissions(
        root.path().join("b"),
        std::fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    let second = cache.digests(&root, 100).unwrap();
    assert_eq!(
        (second["a"].clone(), second["b"].clone()),
        (Some(digest(b"3")), None)
    );
    root.remove(&path("a")).unwrap();
    assert_eq!(cache.digests(&root, 100).unwrap().len(), 1);
    assert_eq!(cache.0.len(), 1);
}

#[test]
fn a_pointer_is_moved_in_one_step() {
    let (_folder, root) = root();
    root.write(&path("one/x"), b"1").unwrap();
    root.write(&path("two/x"), b"2").unwrap();
    root.point(&path("current"), &path("one")).unwrap();
    root.point(&path("current"), &path("two")).unwrap();
    assert_eq!(
        std::fs::read_to_string(root.path().join("current/x")).unwrap(),
        "2"
    );
    root.write(&path("folder/y"), b"3").unwrap();
    root.point(&path("folder"), &path("one")).unwrap();
    assert_eq!(
        std::fs::read_to_string(root.path().join("folder/x")).unwrap(),
        "1"
    );
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 4);
}

proptest! {
    #[test]
    fn any_path_stays_inside(text in "[a./-]{1,20}", data in any::<Vec<u8>>()) {
        let (folder, root) = root();
        if let Ok(path) = RelativePath::try_from(text) {
            root.write(&path, &data).unwrap();
            prop_assert_eq!(root.read(&path, 1 << 20).unwrap().unwrap(), data);
        }
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
