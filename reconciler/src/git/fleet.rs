//! The fleet's branch as the hub sees it: where it is, and whether it moved. How to commit to it is in `landing.rs`.

use super::accepted::Accepted;
use super::checked_out;
use super::error::GitError;
use super::history::{Generations, Version, is_descendant};
use super::landing::turn;
use super::local;
use super::location::Location;
use super::mirror::Mirror;
use super::objects::Objects;
use super::program::{self, Stop};
use super::watch::{WatchError, Watcher};
use git2::Oid;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long `git maintenance` may take.
const MAINTENANCE: Duration = Duration::from_mins(30);

/// One branch of the fleet's repository.
///
/// All methods block on the disk or the network: call them outside of async tasks. A handle can be shared between threads.
pub struct Fleet {
    location: Location,
    pub(super) branch: String,
    pub(super) objects: Objects,
    pub(super) mirror: Option<Mirror>,
    accepted: Accepted,
    generations: Generations,
    /// One fetch at a time.
    pub(super) fetching: Mutex<()>,
    /// One push at a time. Neither waits for the other: one that hangs says nothing about where the branch is.
    pub(super) pushing: Mutex<()>,
    /// What the remote said when it was last asked.
    answer: Mutex<Answer>,
}

/// What a remote said when it was last asked.
#[derive(Debug, Clone, Default)]
pub(super) enum Answer {
    /// It was not asked yet.
    #[default]
    None,
    /// It has the branch.
    Branch,
    /// It has no such branch.
    NoBranch,
    /// It could not be asked.
    Failed(String),
}

/// What a look at the branch found, compared with the commit accepted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It is where it was.
    Unchanged,
    /// It went forward.
    Moved {
        /// The commit accepted last; `None` if none ever was.
        from: Option<Oid>,
        /// The new head, a descendant.
        to: Oid,
    },
    /// It was rewound or replaced: `to` does not descend from what was accepted. Keep the last good commit and say so loudly.
    Rewound {
        /// The commit accepted last.
        from: Oid,
        /// Where the branch points now.
        to: Oid,
    },
    /// The repository answers, and has no such branch.
    Missing,
}

impl Fleet {
    /// Opens `branch` of the repository at `location`. A remote is not contacted yet; its mirror is `<data>/fleet.git`.
    pub fn open(location: Location, branch: &str, data: &Path) -> Result<Self, GitError> {
        check_branch(branch)?;
        fs::create_dir_all(data).map_err(GitError::io("make", data))?;
        let mirror = match &location {
            Location::Direct(_) => None,
            Location::Remote { url, git_dir } => Some(Mirror::open(
                data.join("fleet.git"),
                url,
                branch,
                git_dir.clone(),
            )?),
        };
        let path = match (&location, &mirror) {
            (Location::Direct(path), _) => path.clone(),
            (_, Some(mirror)) => mirror.path().to_owned(),
            (Location::Remote { .. }, None) => data.join("fleet.git"),
        };
        let accepted = Accepted::open(data.join("fleet.accepted"), format!("{branch} {location}"))?;
        let objects = Objects::open(&path)?;
        Ok(Self {
            location,
            branch: branch.to_owned(),
            objects,
            mirror,
            accepted,
            generations: Generations::default(),
            fetching: Mutex::default(),
            pushing: Mutex::default(),
            answer: Mutex::default(),
        })
    }

    /// Where the fleet is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// A folder on this machine in which people edit the branch itself. A hub must not commit there (see `checked_out`).
    pub fn work_folder(&self) -> Result<Option<checked_out::WorkFolder>, GitError> {
        match self.location.watchable() {
            Some(git_dir) => checked_out::work_folder(git_dir, &self.branch),
            None => Ok(None),
        }
    }

    /// The branch that is followed.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Reads objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Where the branch points, as far as is known on this machine: a remote is not asked.
    pub fn head(&self) -> Result<Option<Oid>, GitError> {
        self.objects.with(|repo| match &self.mirror {
            Some(_) => Mirror::head(repo),
            None => local::resolve(repo, &format!("refs/heads/{}", self.branch)),
        })
    }

    /// Asks the remote, if there is one, and looks. Nothing is accepted by this.
    pub fn fetch(&self) -> Result<Fetched, GitError> {
        self.ask()?;
        self.look()
    }

    /// Asks the remote, if there is one, where the branch is now; [`Fleet::look`] sees what it said. Takes as long as the network does.
    pub fn ask(&self) -> Result<(), GitError> {
        self.ask_until(&Stop::default())
    }

    pub(super) fn ask_until(&self, stop: &Stop) -> Result<(), GitError> {
        let Some(mirror) = &self.mirror else {
            let git_dir = self.objects.path();
            let lock = git_dir.join(format!("refs/heads/{}.lock", self.branch));
            local::remove_abandoned(git_dir, &lock);
            return Ok(());
        };
        let _one = turn(&self.fetching, stop)?;
        let known = self.head();
        let asked = known.and_then(|known| mirror.fetch(known.is_some(), stop));
        let answer = match &asked {
            Ok(true) => Answer::Branch,
            Ok(false) => Answer::NoBranch,
            Err(GitError::Stopped) => return Err(GitError::Stopped),
            Err(error) => Answer::Failed(crate::hub::chain(error)),
        };
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        asked.map(drop)
    }

    /// Compares the head, as it was when the remote was last asked, with the commit accepted last. Asks nobody.
    ///
    /// # Errors
    /// [`GitError::Unreachable`] where the remote could not be asked, or was not asked yet.
    pub fn look(&self) -> Result<Fetched, GitError> {
        if self.mirror.is_some() {
            match self.answered() {
                Answer::Branch => {}
                Answer::NoBranch => return Ok(Fetched::Missing),
                Answer::Failed(why) => return Err(GitError::Unreachable(why)),
                Answer::None => {
                    return Err(GitError::Unreachable("it has not answered yet".into()));
                }
            }
        }
        let Some(to) = self.head()? else {
            return Ok(Fetched::Missing);
        };
        match self.accepted() {
            None => Ok(Fetched::Moved { from: None, to }),
            Some(from) if from == to => Ok(Fetched::Unchanged),
            Some(from) if self.is_descendant(from, to)? => Ok(Fetched::Moved {
                from: Some(from),
                to,
            }),
            Some(from) => Ok(Fetched::Rewound { from, to }),
        }
    }

    pub(super) fn answered(&self) -> Answer {
        self.answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The commit accepted last, remembered across restarts in `<data>/fleet.accepted`.
    pub fn accepted(&self) -> Option<Oid> {
        self.accepted.get()
    }

    /// Accepts `commit`: from now on the branch must descend from it.
    pub fn accept(&self, commit: Oid) -> Result<(), GitError> {
        self.accepted.set(commit)
    }

    /// The number of commits reachable from `commit`. Cheap when a commit nearby was asked for before.
    pub fn generation(&self, commit: Oid) -> Result<u64, GitError> {
        self.generations.of(&self.objects, commit)
    }

    /// Whether `commit` is `of` or descends from it. A commit `of` that is not in the repository has no descendants.
    pub fn is_descendant(&self, of: Oid, commit: Oid) -> Result<bool, GitError> {
        is_descendant(&self.objects, of, commit)
    }

    /// The versions of the entry at `path` along first parents of `commit`, newest first, over at most `limit` commits.
    pub fn first_parent_versions(
        &self,
        commit: Oid,
        path: &str,
        limit: usize,
    ) -> impl Iterator<Item = Result<Version, GitError>> + Send + use<> {
        self.objects.first_parent_versions(commit, path, limit)
    }

    /// Wakes when the branch may have moved. A remote elsewhere is looked at every `poll`; on this machine its references are watched.
    pub fn watch(&self, poll: Duration) -> Result<Watcher, WatchError> {
        Watcher::new(self.location.watchable(), poll)
    }

    /// Keeps the repository packed, when Git thinks that it needs it. For a quiet hour.
    pub fn maintain(&self) -> Result<(), GitError> {
        let _one = self.fetching.lock();
        program::git_ok(
            self.objects.path(),
            "gc",
            &["--auto", "--quiet", "--no-detach"],
            MAINTENANCE,
        )
        .map(drop)
    }
}

fn check_branch(branch: &str) -> Result<(), GitError> {
    let fine =
        git2::Reference::is_valid_name(&format!("refs/heads/{branch}")) && !branch.starts_with('-');
    if fine {
        Ok(())
    } else {
        Err(GitError::BadChange {
            path: branch.to_owned(),
            why: "it is not the name of a branch",
        })
    }
}
