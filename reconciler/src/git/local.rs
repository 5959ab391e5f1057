//! Moves a branch of a repository on this machine by compare-and-swap. Remote branches are moved in `mirror`.

use super::error::GitError;
use git2::{ErrorCode, Oid, ReferenceType, Repository};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pauses between attempts to get the reference's lock file, in milliseconds. Another committer holds it for one `fsync`.
const LOCK_PAUSES: [u64; 9] = [2, 5, 10, 20, 50, 100, 200, 400, 800];
/// A lock file this old belongs to nobody: whoever made it was killed, or the machine was, between taking and giving it up. Git itself holds
/// one for the length of a write, and never removes one that was left, so that every push would be refused until a person looks.
const ABANDONED: Duration = Duration::from_secs(10);

/// Points `refs/heads/<branch>` at `new` if it still points at `base`. `false`: it has moved. Durable when it returns.
///
/// Keeps Git's own protocol for loose references (lock file, compare, write, rename), which the `git` program and libgit2 respect and follow.
/// libgit2's own function would do, but it syncs only with an old setting that the `git` program warns about at every command.
pub(super) fn swap(repo: &Repository, branch: &str, base: Oid, new: Oid) -> Result<bool, GitError> {
    let name = format!("refs/heads/{branch}");
    let path = repo.commondir().join(&name);
    let lock = Lock::take(repo.commondir(), &name)?;
    match repo.find_reference(&name) {
        Ok(reference) if reference.kind() == Some(ReferenceType::Direct) => {
            if reference.target() != Some(base) {
                return Ok(false);
            }
        }
        Ok(_) => {
            return Err(GitError::BadChange {
                path: name,
                why: "it is a symbolic reference",
            });
        }
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(false),
        Err(source) => {
            return Err(GitError::Library {
                doing: "reading the branch",
                source,
            });
        }
    }
    lock.replace(&path, new)
        .map_err(GitError::io("write", &path))?;
    Ok(true)
}

/// Makes the branch in a new repository, durably.
pub(super) fn create(repo: &Repository, branch: &str, at: Oid) -> Result<(), GitError> {
    let name = format!("refs/heads/{branch}");
    let path = repo.commondir().join(&name);
    Lock::take(repo.commondir(), &name)?
        .replace(&path, at)
        .map_err(GitError::io("write", &path))
}

/// A reference's lock file. Removed when it was not put in place.
struct Lock {
    file: File,
    path: PathBuf,
    placed: bool,
}

impl Lock {
    fn take(git_dir: &Path, name: &str) -> Result<Self, GitError> {
        let path = git_dir.join(format!("{name}.lock"));
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut pauses = LOCK_PAUSES.iter();
        loop {
            // After `git pack-refs` the folder of a branch with slashes may be gone.
            let made = fs::create_dir_all(&folder).and_then(|()| File::create_new(&path));
            match made {
                Ok(file) => {
                    return Ok(Self {
                        file,
                        path,
                        placed: false,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if remove_abandoned(git_dir, &path) {
                        continue;
                    }
                    match pauses.next() {
                        Some(pause) => std::thread::sleep(Duration::from_millis(*pause)),
                        None => return Err(GitError::Locked(name.to_owned())),
                    }
                }
                Err(error) => return Err(GitError::io("lock", &path)(error)),
            }
        }
    }

    fn replace(mut self, target: &Path, new: Oid) -> std::io::Result<()> {
        self.file.write_all(format!("{new}\n").as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.placed = true;
        target
            .parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the lock file at `path`, in the repository at `git_dir`, if it was abandoned. Whether it did. Cheap where there is none.
pub(super) fn remove_abandoned(git_dir: &Path, path: &Path) -> bool {
    if !is_abandoned(path) {
        return false;
    }
    // One of our processes at a time: a second one would remove the lock that the first has taken meanwhile.
    let guard = File::options()
        .create(true)
        .append(true)
        .open(git_dir.join("tenantry-abandoned.lock"));
    let alone = guard.and_then(|file| file.lock().map(|()| file));
    let removed = alone.is_ok() && is_abandoned(path) && fs::remove_file(path).is_ok();
    if removed {
        tracing::warn!(path = %path.display(), "a lock file that a killed process had left behind was removed");
    }
    removed
}

fn is_abandoned(path: &Path) -> bool {
    let age = fs::symlink_metadata(path)
        .and_then(|found| found.modified())
        .map(|at| at.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

/// Where `name` points, or `None` if it does not exist.
pub(super) fn resolve(repo: &Repository, name: &str) -> Result<Option<Oid>, GitError> {
    match repo.find_reference(name).and_then(|r| r.peel_to_commit()) {
        Ok(commit) => Ok(Some(commit.id())),
        Err(error)
            if error.code() == ErrorCode::NotFound
                && error.class() == git2::ErrorClass::Reference =>
        {
            Ok(None)
        }
        Err(source) => Err(GitError::Library {
            doing: "reading the branch",
            source,
        }),
    }
}
