//! How the hub commits to the fleet's branch: by compare-and-swap, here or at the remote.

use super::edit::Change;
use super::error::GitError;
use super::fleet::{Answer, Fleet};
use super::local;
use super::mirror::Mirror;
use super::program::Stop;
use super::write::{Author, write_commit};
use git2::Oid;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

/// Between two looks whether the way to the remote is free.
const LOOK: Duration = Duration::from_millis(5);

/// How an attempt to commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The branch points, or pointed, at this new commit, and that is durable where intent lives.
    Committed(Oid),
    /// The changes are already so; nothing was written.
    Unchanged,
    /// The branch is no longer at `base`. Nothing was changed: read again, plan again, try again.
    Moved,
}

/// A commit that is written and that no branch has yet, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Its objects are in the repository, or in the mirror of a remote. [`Fleet::land`] moves the branch.
    Commit(Oid),
    /// As [`Outcome::Unchanged`].
    Unchanged,
    /// As [`Outcome::Moved`].
    Moved,
}

impl Fleet {
    /// Commits `changes` on top of `base` if the branch is still there. `time` becomes the commit's time, in whole seconds.
    ///
    /// # Guarantees
    /// - [`Outcome::Committed`] is returned only after objects and reference are synced to disk, or a remote has taken them.
    /// - A branch that has moved meanwhile, forward or back, is left alone.
    ///
    /// # Errors
    /// [`GitError::Refused`] if a remote says no for good. After any other error of a remote the outcome may be unknown: `fetch` shows it.
    pub fn commit(
        &self,
        base: Oid,
        changes: &[Change],
        author: &Author,
        message: &str,
        time: Timestamp,
    ) -> Result<Outcome, GitError> {
        match self.write(base, changes, author, message, time)? {
            Written::Commit(new) => self.land(base, new, &Stop::default()),
            Written::Unchanged => Ok(Outcome::Unchanged),
            Written::Moved => Ok(Outcome::Moved),
        }
    }

    /// The first half of [`Fleet::commit`], which asks nobody: everything but the branch.
    pub fn write(
        &self,
        base: Oid,
        changes: &[Change],
        author: &Author,
        message: &str,
        time: Timestamp,
    ) -> Result<Written, GitError> {
        // Saves writing objects that nobody would ever reach. What decides is the swap.
        if self.head()? != Some(base) {
            return Ok(Written::Moved);
        }
        let new = self
            .objects
            .with(|repo| write_commit(repo, base, changes, author, message, time))?;
        Ok(new.map_or(Written::Unchanged, Written::Commit))
    }

    /// Whether [`Fleet::land`] takes as long as a network does.
    pub fn lands_far_away(&self) -> bool {
        self.mirror.is_some()
    }

    /// The second half of [`Fleet::commit`]: the branch goes from `base` to `new`, its child that was written, unless it has moved. `stop` ends the wait
    /// for a remote.
    ///
    /// # Errors
    /// As [`Fleet::commit`], and [`GitError::Stopped`] where it was stopped before anything was known.
    pub fn land(&self, base: Oid, new: Oid, stop: &Stop) -> Result<Outcome, GitError> {
        let moved = match &self.mirror {
            Some(mirror) => self.push(mirror, base, new, stop)?,
            None => self
                .objects
                .with(|repo| local::swap(repo, &self.branch, base, new))?,
        };
        Ok(if moved {
            Outcome::Committed(new)
        } else {
            Outcome::Moved
        })
    }

    /// Whether the remote's branch is, or was, at `new`.
    fn push(&self, mirror: &Mirror, base: Oid, new: Oid, stop: &Stop) -> Result<bool, GitError> {
        // One that cannot even be asked would only be waited for.
        if let Answer::Failed(why) = self.answered() {
            return Err(GitError::Unreachable(why));
        }
        let _one = turn(&self.pushing, stop)?;
        let pushed = mirror.push(base, new, stop).and_then(|()| {
            let _one = turn(&self.fetching, stop)?;
            mirror.remember(base, new)
        });
        let Err(failed) = pushed else {
            return Ok(true);
        };
        // What the remote holds now decides what happened.
        match self.ask_until(stop) {
            Ok(()) if matches!(self.answered(), Answer::NoBranch) => return Ok(false),
            Ok(()) | Err(GitError::Stopped) => {}
            Err(error) => return Err(error),
        }
        match self.head()? {
            Some(head) if head == base => Err(failed),
            Some(head) => self.is_descendant(new, head),
            None => Ok(false),
        }
    }
}

/// Waits for one's turn, as long as anybody wants it.
pub(super) fn turn<'a>(one: &'a Mutex<()>, stop: &Stop) -> Result<MutexGuard<'a, ()>, GitError> {
    loop {
        match one.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if stop.is_asked() => return Err(GitError::Stopped),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
        }
    }
}
