//! Reads Git objects from many threads. Nothing here writes to disk.

use super::edit::Staged;
use super::error::GitError;
use super::memory::{Memory, writes_to_memory};
use git2::{ErrorClass, ErrorCode, ObjectType, Oid, Repository};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// A handle to the objects of one repository. Cheap to clone; every thread that reads gets a libgit2 repository of its own from a pool.
///
/// # Guarantees
/// A repository that is repacked, or deleted and made anew at the same path, is opened again by itself.
///
/// # Caveats
/// Hashes of objects are not computed again at reading (as with the `git` program itself): damage is found by zlib's checksum only.
#[derive(Clone)]
pub struct Objects {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Lent>>,
    /// What is not on disk, where there may be such.
    memory: Option<Memory>,
}

/// A repository of the pool.
struct Lent {
    repo: Repository,
    /// How much of the memory it knows.
    known: usize,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without slashes. Where the bytes are not UTF-8 they are replaced and `kind` is [`EntryKind::BadName`].
    pub name: String,
    /// What it points at.
    pub oid: Oid,
    /// What it is.
    pub kind: EntryKind,
    /// The mode as Git keeps it, such as `0o100644`.
    pub mode: u32,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A folder.
    Tree,
    /// A symbolic link; the blob holds its target. Never followed.
    Symlink,
    /// A commit of another repository. Never followed.
    Submodule,
    /// Anything whose name is not UTF-8.
    BadName,
}

/// The head of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// The first line of the message.
    pub summary: String,
    /// The whole message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// The author's e-mail address.
    pub email: String,
    /// When it was committed.
    pub time: Timestamp,
    /// Its parents, first parent first.
    pub parents: Vec<Oid>,
}

impl Objects {
    /// Opens the repository whose `HEAD` and `objects/` are in `path`.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        Self::open_as(path, None)
    }

    /// The same, with room for objects that are not on disk.
    pub(super) fn open_with_memory(path: &Path) -> Result<Self, GitError> {
        Self::open_as(path, Some(Memory::default()))
    }

    fn open_as(path: &Path, memory: Option<Memory>) -> Result<Self, GitError> {
        tune();
        let objects = Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                idle: Mutex::default(),
                memory,
            }),
        };
        let shallow = objects.with(|repo| Ok(repo.is_shallow()))?;
        if shallow {
            Err(GitError::Shallow(path.to_owned()))
        } else {
            Ok(objects)
        }
    }

    /// The repository's folder.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The entries of a tree, in Git's order.
    pub fn tree(&self, oid: Oid) -> Result<Vec<Entry>, GitError> {
        self.with(|repo| {
            let tree = repo.find_tree(oid).map_err(|e| missing(oid, "tree", e))?;
            Ok(tree
                .iter()
                .map(|entry| Entry::read(entry.name_bytes(), entry.id(), entry.filemode_raw()))
                .collect())
        })
    }

    /// The content of a blob of at most `max` bytes. A larger one is not read.
    pub fn blob(&self, oid: Oid, max: usize) -> Result<Vec<u8>, GitError> {
        self.with(|repo| {
            let odb = repo.odb().map_err(GitError::library("reading"))?;
            let (size, kind) = odb.read_header(oid).map_err(|e| missing(oid, "blob", e))?;
            if kind != ObjectType::Blob {
                return Err(GitError::WrongKind {
                    oid,
                    expected: "blob",
                });
            }
            if size > max {
                return Err(GitError::TooLarge { oid, size, max });
            }
            Ok(odb
                .read(oid)
                .map_err(|e| missing(oid, "blob", e))?
                .data()
                .to_vec())
        })
    }

    /// The tree of a commit.
    pub fn root_tree(&self, commit: Oid) -> Result<Oid, GitError> {
        self.with(|repo| {
            Ok(repo
                .find_commit(commit)
                .map_err(|e| missing(commit, "commit", e))?
                .tree_id())
        })
    }

    /// The entry at `path` (parts joined by `/`) beneath `tree`, or `None` if there is none. Links are not followed.
    pub fn lookup(&self, tree: Oid, path: &str) -> Result<Option<Entry>, GitError> {
        self.with(|repo| lookup(repo, tree, path))
    }

    /// The entries called `names` in the tree `folder`, in the same order. Reads the tree once.
    pub(crate) fn entries_in(
        &self,
        folder: Option<Oid>,
        names: &[&str],
    ) -> Result<Vec<Option<Entry>>, GitError> {
        let Some(folder) = folder else {
            return Ok(vec![None; names.len()]);
        };
        self.with(|repo| {
            let tree = repo
                .find_tree(folder)
                .map_err(|e| missing(folder, "tree", e))?;
            let find = |name: &&str| {
                let entry = tree.get_name(name)?;
                Some(Entry::read(
                    entry.name_bytes(),
                    entry.id(),
                    entry.filemode_raw(),
                ))
            };
            Ok(names.iter().map(find).collect())
        })
    }

    /// Whose commit it is, when, and why.
    pub fn commit_info(&self, oid: Oid) -> Result<CommitInfo, GitError> {
        self.with(|repo| {
            let commit = repo
                .find_commit(oid)
                .map_err(|e| missing(oid, "commit", e))?;
            let author = commit.author();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(CommitInfo {
                id: oid,
                tree: commit.tree_id(),
                summary: commit.summary_bytes().map(text).unwrap_or_default(),
                message: text(commit.message_bytes()),
                author: text(author.name_bytes()),
                email: text(author.email_bytes()),
                // A time outside of what a calendar holds is a forgery; the oldest time is as good as any.
                time: Timestamp::from_second(commit.time().seconds())
                    .unwrap_or(Timestamp::UNIX_EPOCH),
                parents: commit.parent_ids().collect(),
            })
        })
    }

    /// Lends a repository to `work`. If the work fails in a way that a stale view of the disk explains, it is done once more with a fresh one.
    pub(crate) fn with<T>(
        &self,
        work: impl Fn(&Repository) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let idle = || {
            self.shared
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let pooled = idle().pop();
        if let Some(mut lent) = pooled {
            let result = self.bring_up(&mut lent).and_then(|()| work(&lent.repo));
            match result {
                Err(error) if may_be_stale(&error) => idle().clear(),
                result => {
                    idle().push(lent);
                    return result;
                }
            }
        }
        let path = &self.shared.path;
        let repo = Repository::open_bare(path).map_err(GitError::open(path))?;
        if self.shared.memory.is_some() {
            writes_to_memory(&repo)?;
        }
        let mut lent = Lent { repo, known: 0 };
        self.bring_up(&mut lent)?;
        let result = work(&lent.repo);
        idle().push(lent);
        result
    }

    /// Keeps objects in memory for everybody who reads here.
    pub(super) fn keep(&self, objects: Vec<Staged>) {
        if let Some(memory) = &self.shared.memory {
            memory.keep(objects);
        }
    }

    fn bring_up(&self, lent: &mut Lent) -> Result<(), GitError> {
        if let Some(memory) = &self.shared.memory {
            lent.known = memory.bring_up(&lent.repo, lent.known)?;
        }
        Ok(())
    }
}

impl Entry {
    /// The blob that it points at, where it is a file.
    pub fn file(&self) -> Option<Oid> {
        matches!(self.kind, EntryKind::File | EntryKind::Executable).then_some(self.oid)
    }

    /// The tree that it points at, where it is a folder.
    pub fn folder(&self) -> Option<Oid> {
        (self.kind == EntryKind::Tree).then_some(self.oid)
    }

    pub(super) fn read(name: &[u8], oid: Oid, mode: i32) -> Self {
        let mode = mode.cast_unsigned();
        let kind = match mode & 0o170_000 {
            _ if std::str::from_utf8(name).is_err() => EntryKind::BadName,
            0o040_000 => EntryKind::Tree,
            0o120_000 => EntryKind::Symlink,
            0o160_000 => EntryKind::Submodule,
            _ if mode & 0o111 != 0 => EntryKind::Executable,
            _ => EntryKind::File,
        };
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            oid,
            kind,
            mode,
        }
    }
}

/// See [`Objects::lookup`].
pub(super) fn lookup(repo: &Repository, tree: Oid, path: &str) -> Result<Option<Entry>, GitError> {
    let mut here = tree;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let tree = repo.find_tree(here).map_err(|e| missing(here, "tree", e))?;
        let Some(entry) = tree.get_name(part) else {
            return Ok(None);
        };
        let entry = Entry::read(entry.name_bytes(), entry.id(), entry.filemode_raw());
        if parts.peek().is_none() {
            return Ok(Some(entry));
        }
        if entry.kind != EntryKind::Tree {
            return Ok(None);
        }
        here = entry.oid;
    }
    Ok(None)
}

/// Turns libgit2's "not found" and "wrong type" into our own.
pub(super) fn missing(oid: Oid, expected: &'static str, error: git2::Error) -> GitError {
    match (error.code(), error.class()) {
        (ErrorCode::NotFound, _) => GitError::Missing(oid),
        (_, ErrorClass::Invalid) => GitError::WrongKind { oid, expected },
        _ => GitError::Library {
            doing: "reading",
            source: error,
        },
    }
}

fn may_be_stale(error: &GitError) -> bool {
    match error {
        GitError::Missing(_) => true,
        GitError::Library { source, .. } => {
            source.code() == ErrorCode::NotFound
                || matches!(
                    source.class(),
                    ErrorClass::Os | ErrorClass::Odb | ErrorClass::Zlib
                )
        }
        _ => false,
    }
}

/// libgit2's settings for the whole process. Each object is read once a pass and parsed into our own cache, so libgit2's object cache only costs
/// memory and locks; the hash of an object was checked when it came in (`git fetch`) or computed by us.
///
/// Trees and commits that we write name objects that were just read or just written, and an index names blobs that are there. libgit2 would
/// look up every entry of every tree once more: ten thousand for one edited file of a fleet with ten thousand customers.
fn tune() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(false);
        git2::opts::strict_object_creation(false);
        git2::opts::enable_caching(false);
    });
}
