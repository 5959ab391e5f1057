//! A bare copy of a remote fleet in the data directory: fetched into and pushed from by the `git` program. It can be deleted at any time.

use super::advice::advised;
use super::error::GitError;
use super::local;
use super::program::{Bounds, Ran, Stop, git, git_within};
use super::write::durable;
use git2::{Oid, Repository};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the mirror keeps what the remote's branch pointed at when it was last asked.
const TRACKING: &str = "refs/tenantry/remote";
/// The first fetch brings the whole history.
const FIRST_FETCH: Duration = Duration::from_hours(1);
const FETCH: Duration = Duration::from_mins(2);
const PUSH: Duration = Duration::from_mins(1);
/// Between two looks whether another hub's push has ended.
const LOOK: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Mirror {
    path: PathBuf,
    branch: String,
    /// The far end's Git folder, if it is on this machine: its durability, and pushing one at a time, are then ours to see to.
    far_end: Option<PathBuf>,
}

impl Mirror {
    /// Opens or makes the mirror of `url` in `path`. One that cannot be read is made anew.
    pub(super) fn open(
        path: PathBuf,
        url: &str,
        branch: &str,
        far_end: Option<PathBuf>,
    ) -> Result<Self, GitError> {
        let mirror = Self {
            path,
            branch: branch.to_owned(),
            far_end,
        };
        if let Err(error) = mirror.prepare(url) {
            if !mirror.path.exists() {
                return Err(error);
            }
            tracing::warn!(path = %mirror.path.display(), %error, "the fleet's mirror cannot be used and is made anew");
            fs::remove_dir_all(&mirror.path).map_err(GitError::io("remove", &mirror.path))?;
            mirror.prepare(url)?;
        }
        Ok(mirror)
    }

    /// The mirror's folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn prepare(&self, url: &str) -> Result<(), GitError> {
        // Nobody else writes here, so a lock that is there now was left by a hub that was killed.
        let _ = fs::remove_file(self.path.join(format!("{TRACKING}.lock")));
        let failed = |source| GitError::Open {
            path: self.path.clone(),
            source,
        };
        let repo = if self.path.join("HEAD").exists() {
            Repository::open_bare(&self.path).map_err(failed)?
        } else {
            Repository::init_bare(&self.path).map_err(failed)?
        };
        // The remote's URL may hold credentials.
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
            .map_err(GitError::io("protect", &self.path))?;
        durable(&repo)?;
        let mut config = repo.config().map_err(failed)?;
        if config.get_string("remote.origin.url").ok().as_deref() != Some(url) {
            // What another remote's branch pointed at says nothing about this one.
            if let Ok(mut old) = repo.find_reference(TRACKING) {
                old.delete().map_err(failed)?;
            }
            config.set_str("remote.origin.url", url).map_err(failed)?;
        }
        // The last accepted commit must stay readable when the branch was rewound.
        config.set_str("gc.pruneExpire", "never").map_err(failed)?;
        if let Some(head) = local::resolve(&repo, TRACKING)? {
            repo.find_commit(head)
                .and_then(|c| c.tree())
                .map_err(failed)?;
        }
        Ok(())
    }

    /// What the branch pointed at when the remote was last asked.
    pub(super) fn head(repo: &Repository) -> Result<Option<Oid>, GitError> {
        local::resolve(repo, TRACKING)
    }

    /// Asks the remote. `false`: it answered, and has no such branch.
    pub(super) fn fetch(&self, known: bool, stop: &Stop) -> Result<bool, GitError> {
        let refspec = format!("+refs/heads/{}:{TRACKING}", self.branch);
        let arguments = [
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "origin",
            refspec.as_str(),
        ];
        let bounds = Bounds {
            stop: Some(stop),
            ..Bounds::of(if known { FETCH } else { FIRST_FETCH })
        };
        let ran = git_within(&self.path, "fetch", &arguments, &bounds)?;
        if ran.status.success() {
            return Ok(true);
        }
        let listed = self.list(stop)?;
        match listed.status.code() {
            Some(2) => Ok(false),
            _ => Err(GitError::Program {
                command: "fetch",
                message: advised(ran.complaint()),
            }),
        }
    }

    /// Exit status 2: the remote was reached and has no such branch.
    fn list(&self, stop: &Stop) -> Result<Ran, GitError> {
        let branch = format!("refs/heads/{}", self.branch);
        let arguments = ["--quiet", "--exit-code", "origin", branch.as_str()];
        let bounds = Bounds {
            stop: Some(stop),
            ..Bounds::of(FETCH)
        };
        git_within(&self.path, "ls-remote", &arguments, &bounds)
    }

    /// Moves the remote's branch from exactly `base` to `new`, its child. After an error the outcome is unknown: an answer can get lost after the
    /// branch has moved, and texts differ between servers. [`Mirror::fetch`] shows it.
    ///
    /// The lease makes it a compare-and-swap: a plain push would also fast-forward a branch that was rewound behind `base`. It never forces,
    /// since a child of `base` is a fast-forward wherever the lease holds. The server's hooks and guards have their say.
    pub(super) fn push(&self, base: Oid, new: Oid, stop: &Stop) -> Result<(), GitError> {
        let name = format!("refs/heads/{}", self.branch);
        let lease = format!("--force-with-lease={name}:{base}");
        let refspec = format!("{new}:{name}");
        let mut arguments = vec![
            "--quiet",
            "--porcelain",
            "--no-verify",
            "--no-recurse-submodules",
            lease.as_str(),
        ];
        let far_end = self.far_end.as_deref();
        let _one = far_end
            .map(|git_dir| one_at_a_time(git_dir, stop))
            .transpose()?;
        if far_end.is_some() {
            // Git does not hand its settings on to the far end, even if that is on the same disk.
            arguments.push(
                "--receive-pack=git -c core.fsync=all -c core.fsyncMethod=fsync receive-pack",
            );
        }
        arguments.extend(["origin", refspec.as_str()]);
        let bounds = Bounds {
            stop: Some(stop),
            ..Bounds::of(PUSH)
        };
        let failed = match git_within(&self.path, "push", &arguments, &bounds) {
            Ok(ran) if ran.status.success() => return Ok(()),
            Ok(ran) => GitError::Refused(advised(rejection(&ran))),
            Err(error) => error,
        };
        if let Some(far_end) = far_end {
            // On this machine nobody else would see to it.
            local::remove_abandoned(far_end, &far_end.join(format!("{name}.lock")));
        }
        Err(failed)
    }

    /// Writes down that the branch has gone from `base` to `new`. Nothing where a fetch has seen it go there, or further. Not while a fetch runs: that
    /// would put back what the remote had said before.
    pub(super) fn remember(&self, base: Oid, new: Oid) -> Result<(), GitError> {
        let (base, new) = (base.to_string(), new.to_string());
        let ran = git(&self.path, "update-ref", &[TRACKING, &new, &base], FETCH)?;
        let repo = Repository::open_bare(&self.path).map_err(GitError::open(&self.path))?;
        match Self::head(&repo)? {
            Some(head) if head.to_string() == base => Err(GitError::Program {
                command: "update-ref",
                message: ran.complaint(),
            }),
            _ => Ok(()),
        }
    }
}

/// Waits until no other hub on this machine pushes to `git_dir`.
///
/// `updateInstead` writes the work tree before the reference: of two pushes at once the loser's files stay, and Git then refuses every push
/// because of "staged changes".
fn one_at_a_time(git_dir: &Path, stop: &Stop) -> Result<File, GitError> {
    let path = git_dir.join("tenantry-push.lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(GitError::io("lock", &path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if stop.is_asked() => return Err(GitError::Stopped),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            Err(TryLockError::Error(error)) => return Err(GitError::io("lock", &path)(error)),
        }
    }
}

/// The remote's reason, from the line that `--porcelain` begins with `!`, or from what it complained about.
fn rejection(ran: &Ran) -> String {
    let line = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("!\t"))
        .and_then(|line| line.rsplit('\t').next());
    let said = ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "))
        .map(str::trim)
        .filter(|l| !l.is_empty());
    let said: Vec<&str> = said.take(5).collect();
    match (line, said.is_empty()) {
        (Some(line), true) => line.to_owned(),
        (Some(line), false) => format!("{line}: {}", said.join("; ")),
        (None, _) => ran.complaint(),
    }
}
