//! What is found out about a work tree without opening files gives the tree that libgit2 gives by comparing all of it, whatever people do there.

use super::super::edited::{Edited, FolderDigests, index_time, look, update};
use super::super::staged::{Update, on_top, staged};
use super::super::{Layout, Oid, Scratch};
use super::World;
use git2::{Index, IndexAddOption, Repository};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More than the clock of the file system ticks.
const TICK: Duration = Duration::from_millis(12);

/// Something that happens in a work tree. Paths are numbers into a short list, so that they meet.
#[derive(Debug, Clone)]
enum Act {
    Write(usize, u8),
    /// The same size, and the times put back.
    WriteUnseen(usize, u8),
    Touch(usize),
    Remove(usize),
    RemoveFolder(usize),
    Link(usize),
    Executable(usize, bool),
    Fifo(usize),
    Rename(usize, usize),
    Ignore(u8),
    Repository(usize),
    Stage,
    Commit,
}

const PATHS: [&str; 10] = [
    "a",
    "a/b",
    "dir/one.yaml",
    "dir/two.yaml",
    "dir/sub/x",
    "dir/sub/deep/y",
    "dir.yaml",
    "dir-x/z",
    "other/one.yaml",
    "other/tmp/t.log",
];
const FOLDERS: [&str; 5] = ["dir", "dir/sub", "dir/sub/deep", "other", "other/tmp"];

fn act() -> impl Strategy<Value = Act> {
    let path = 0..PATHS.len();
    let folder = 0..FOLDERS.len();
    prop_oneof![
        8 => (path.clone(), any::<u8>()).prop_map(|(at, text)| Act::Write(at, text)),
        2 => (path.clone(), any::<u8>()).prop_map(|(at, text)| Act::WriteUnseen(at, text)),
        1 => path.clone().prop_map(Act::Touch),
        2 => path.clone().prop_map(Act::Remove),
        1 => folder.clone().prop_map(Act::RemoveFolder),
        1 => path.clone().prop_map(Act::Link),
        1 => (path.clone(), any::<bool>()).prop_map(|(at, on)| Act::Executable(at, on)),
        1 => path.prop_map(Act::Fifo),
        2 => (folder.clone(), folder.clone()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (0..3_u8).prop_map(Act::Ignore),
        1 => folder.prop_map(Act::Repository),
        2 => Just(Act::Stage),
        2 => Just(Act::Commit),
    ]
}

impl Act {
    /// What cannot be done as things stand is left.
    fn happen(&self, world: &World) {
        let root = world.repo();
        let path = |at: &usize| root.join(PATHS[*at]);
        let _ = match self {
            Self::Write(at, text) => write(&path(at), *text),
            Self::WriteUnseen(at, text) => write_unseen(&path(at), *text),
            Self::Touch(at) => touch(&path(at)),
            Self::Remove(at) => fs::remove_file(path(at)),
            Self::RemoveFolder(at) => fs::remove_dir_all(root.join(FOLDERS[*at])),
            Self::Link(at) => {
                let _ = fs::remove_file(path(at));
                symlink("dir/one.yaml", path(at))
            }
            Self::Executable(at, on) => {
                let mode = if *on { 0o755 } else { 0o644 };
                fs::set_permissions(path(at), fs::Permissions::from_mode(mode))
            }
            Self::Fifo(at) => {
                let _ = fs::remove_file(path(at));
                let mode = rustix::fs::Mode::RUSR;
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, path(at), kind, mode, 0).map_err(Into::into)
            }
            Self::Rename(from, to) => {
                fs::rename(root.join(FOLDERS[*from]), root.join(FOLDERS[*to]))
            }
            Self::Ignore(which) => {
                let lines = ["", "*.log\n/other/tmp/\n", "*.yaml\n!/dir/\n"];
                fs::write(root.join(".gitignore"), lines[usize::from(*which)])
            }
            Self::Repository(at) => {
                let _ = Repository::init(root.join(FOLDERS[*at]));
                Ok(())
            }
            Self::Stage => {
                stage(&world.repo());
                Ok(())
            }
            Self::Commit => {
                stage(&world.repo());
                world.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
                Ok(())
            }
        };
    }
}

fn write(path: &Path, text: u8) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap())?;
    not_a_pipe(path)?;
    fs::write(path, [text % 3])
}

fn touch(path: &Path) -> std::io::Result<()> {
    not_a_pipe(path)?;
    let file = fs::File::options().append(true).open(path)?;
    file.set_modified(std::time::SystemTime::now())
}

/// Opening one would wait for somebody at its other end.
fn not_a_pipe(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_fifo() => fs::remove_file(path),
        _ => Ok(()),
    }
}

fn write_unseen(path: &Path, text: u8) -> std::io::Result<()> {
    not_a_pipe(path)?;
    let modified = path.symlink_metadata()?.modified()?;
    fs::write(path, [text % 3])?;
    let file = fs::File::options().append(true).open(path)?;
    file.set_modified(modified)
}

/// As `git add -A` does it; a folder with a repository in it and no commit is none of its business.
fn stage(root: &Path) {
    let _ = std::process::Command::new("git")
        .args(["add", "-A"])
        .current_dir(root)
        .output()
        .unwrap();
}

/// The tree by libgit2 alone. None where it cannot tell.
fn compared(root: &Path) -> Option<Oid> {
    let repository = Repository::open(root).unwrap();
    let mut index = repository.index().unwrap();
    index
        .add_all(["*"], IndexAddOption::DEFAULT, None)
        .and_then(|()| index.update_all(["*"], None))
        .ok()?;
    tree(&repository, &mut index)
}

fn tree(repository: &Repository, index: &mut Index) -> Option<Oid> {
    index.write_tree_to(repository).ok()
}

/// The tree by looking. None where libgit2 is asked.
fn looked(root: &Path, known: &mut FolderDigests) -> Option<(Oid, Edited)> {
    let repository = Repository::open(root).unwrap();
    let written = index_time(&repository);
    let mut index = repository.index().unwrap();
    let edited = look(&repository, &index, written, known, TICK).unwrap()?;
    let edits = update(&repository, &mut index, &edited).unwrap();
    known.clone_from(&edited.folders);
    let found = tree(&repository, &mut index).unwrap();
    let (on_top, updated) = updated(&repository, edits);
    if on_top {
        assert!(updated.is_none_or(|updated| updated == found), "{edited:?}");
    }
    Some((found, edited))
}

/// What is staged, and `edits` on top of it, as a tree made of that of the last commit. Whether `git` could tell, and the tree where it can be made so.
fn updated(repository: &Repository, edits: Vec<Update>) -> (bool, Option<Oid>) {
    let head = repository.revparse_single("HEAD").unwrap().id();
    let scratch = Scratch::beside(repository.path()).unwrap();
    let base = scratch.objects().root_tree(head).unwrap();
    let Some(staged) = staged(repository.path(), None, head) else {
        return (false, None);
    };
    (true, scratch.update(base, &on_top(staged, edits)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn looking_finds_what_comparing_finds(batches in prop::collection::vec(prop::collection::vec(act(), 1..5), 1..8)) {
        let world = World::new(Layout::WorkTree);
        let mut known = FolderDigests::new();
        for batch in batches {
            for act in &batch {
                act.happen(&world);
            }
            std::thread::sleep(2 * TICK);
            // Twice: with what was known before, and with what is known now.
            for _ in 0..2 {
                if let (Some(expected), Some((found, edited))) = (compared(&world.repo()), looked(&world.repo(), &mut known)) {
                    prop_assert_eq!(found, expected, "{:?}", edited);
                }
            }
        }
    }
}

#[test]
fn what_has_not_changed_is_not_read() {
    let world = World::new(Layout::WorkTree);
    for path in ["dir/one.yaml", "dir/sub/x", "other/one.yaml"] {
        write(&world.repo().join(path), 1).unwrap();
    }
    std::thread::sleep(2 * TICK);
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "files"]);
    let mut known = FolderDigests::new();
    std::thread::sleep(2 * TICK);
    let (_, first) = looked(&world.repo(), &mut known).unwrap();
    assert_eq!((first.read, first.gone), (vec![], vec![]));
    // The root, fleet, customers, acme, dir, sub, other.
    assert_eq!(known.len(), 7);

    // One edit, one new file, one that goes; an ignored one is none of these.
    write(&world.repo().join("dir/one.yaml"), 2).unwrap();
    write(&world.repo().join("other/new.yaml"), 2).unwrap();
    fs::remove_file(world.repo().join("dir/sub/x")).unwrap();
    fs::write(world.repo().join(".git/info/exclude"), "*.log\n").unwrap();
    write(&world.repo().join("dir/a.log"), 2).unwrap();
    std::thread::sleep(2 * TICK);
    let (found, mut edited) = looked(&world.repo(), &mut known).unwrap();
    edited.read.sort();
    let names = ["dir/one.yaml", "other/new.yaml"].map(PathBuf::from);
    assert_eq!(edited.read, names);
    assert_eq!(edited.gone, [PathBuf::from("dir/sub/x")]);
    assert_eq!(Some(found), compared(&world.repo()));
    // Folders with something in them that the index does not have are listed each time.
    assert_eq!(edited.folders.len(), 4);
}

#[test]
fn what_is_staged_and_edited_is_made_of_the_last_commit() {
    let world = World::new(Layout::WorkTree);
    let root = world.repo();
    for path in [
        "dir/one.yaml",
        "dir/sub/deep/y",
        "other/one.yaml",
        "other/two.yaml",
    ] {
        write(&root.join(path), 1).unwrap();
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "files"]);
    // Staged: a new name, a link, a program, and the last file of two folders is gone.
    world.git(&["mv", "other/one.yaml", "other/new.yaml"]);
    world.git(&["rm", "-q", "dir/sub/deep/y"]);
    symlink("one.yaml", root.join("dir/link")).unwrap();
    fs::set_permissions(
        root.join("other/two.yaml"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    world.git(&["add", "-A"]);
    // Edited: one of them again, another that was staged goes, and one is new.
    write(&root.join("other/new.yaml"), 2).unwrap();
    fs::remove_file(root.join("dir/one.yaml")).unwrap();
    write(&root.join("dir/three.yaml"), 2).unwrap();
    std::thread::sleep(2 * TICK);
    let (found, edited) = looked(&root, &mut FolderDigests::new()).unwrap();
    assert_eq!(Some(found), compared(&root));
    let repository = Repository::open(&root).unwrap();
    let mut index = repository.index().unwrap();
    let edits = update(&repository, &mut index, &edited).unwrap();
    assert_eq!(updated(&repository, edits), (true, Some(found)));
    // Of a conflict only libgit2 can tell.
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "all of it"]);
    world.git(&["checkout", "-q", "-b", "side"]);
    write(&root.join("other/two.yaml"), 2).unwrap();
    world.git(&["commit", "-qam", "theirs"]);
    world.git(&["checkout", "-q", "-B", "main", "HEAD~1"]);
    write(&root.join("other/two.yaml"), 0).unwrap();
    world.git(&["commit", "-qam", "ours"]);
    let mut merge = std::process::Command::new("git");
    let merged = merge
        .args(["merge", "-q", "side"])
        .current_dir(&root)
        .output();
    assert!(!merged.unwrap().status.success());
    assert_eq!(updated(&repository, Vec::new()), (false, None));
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    let world = World::new(Layout::WorkTree);
    Act::Commit.happen(&world);
    let file = world.repo().join("fleet/hub.yaml");
    fs::remove_file(&file).unwrap();
    let (mode, kind) = (rustix::fs::Mode::RUSR, rustix::fs::FileType::Fifo);
    rustix::fs::mknodat(rustix::fs::CWD, &file, kind, mode, 0).unwrap();
    let (_, edited) = looked(&world.repo(), &mut FolderDigests::new()).unwrap();
    assert_eq!(edited.gone, [PathBuf::from("fleet/hub.yaml")]);
}

#[test]
fn what_only_libgit2_can_tell_is_left_to_it() {
    let world = World::new(Layout::WorkTree);
    let asked = |world: &World| looked(&world.repo(), &mut FolderDigests::new()).is_none();
    assert!(!asked(&world));
    // A file in the place of a folder, and the other way round.
    let customer = world.repo().join("fleet/customers/acme");
    fs::rename(&customer, world.repo().join("away")).unwrap();
    fs::write(&customer, "").unwrap();
    assert!(asked(&world));
    fs::remove_file(&customer).unwrap();
    fs::rename(world.repo().join("away"), &customer).unwrap();
    assert!(!asked(&world));
    // A folder of files that became somebody else's repository; one that has no file of ours is left alone.
    Repository::init(world.repo().join("fleet/customers")).unwrap();
    assert!(asked(&world));
    fs::remove_dir_all(world.repo().join("fleet/customers/.git")).unwrap();
    Repository::init(world.repo().join("theirs/deep")).unwrap();
    let (_, edited) = looked(&world.repo(), &mut FolderDigests::new()).unwrap();
    assert_eq!(edited.repositories, [PathBuf::from("theirs/deep")]);
    assert!(!edited.read.iter().any(|file| file.starts_with("theirs")));
    fs::remove_dir_all(world.repo().join("theirs")).unwrap();
    // What Git was told to overlook.
    world.git(&["update-index", "--assume-unchanged", "fleet/hub.yaml"]);
    assert!(asked(&world));
    world.git(&["update-index", "--no-assume-unchanged", "fleet/hub.yaml"]);
    assert!(!asked(&world));
    // More than it pays to look at one by one.
    for number in 0..1_100 {
        fs::write(world.repo().join(format!("fleet/{number}.yaml")), "").unwrap();
    }
    assert!(asked(&world));
}
