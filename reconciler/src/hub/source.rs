//! Following the branch: forward only. What cannot be read, and what was rewound, keeps the last good commit and says so.

use super::{Hub, HubError};
use crate::git::{Fetched, Fleet, Oid};
use crate::load::{Loaded, Revision};
use crate::trust::{Judge, NotFollowed};
use tenantry_planner::Desired;
use tenantry_planner::status::CommitInfo;
use tenantry_schema::id::CustomerId;

/// Where the loop stands on the branch.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The commit that is loaded.
    pub(super) commit: Option<CommitInfo>,
    /// Its revision.
    pub(super) revision: Option<Revision>,
    /// Why it does not move.
    pub(super) problem: Option<String>,
    /// Whether the branch was rewound when it was last seen. Stays so until it is seen to be forward again.
    pub(super) rewound: bool,
    /// The commit ahead that is not followed, with `trust: signed`. Nothing can be committed on top of it.
    pub(super) refused: Option<Oid>,
    /// Where the branch pointed when it was rewound.
    pub(super) rewound_to: Option<Oid>,
    /// Set where commits have to be signed and nothing says from which on.
    pub(super) without_root: bool,
    /// A commit that is known to be good.
    trust_root: Option<Oid>,
}

impl Source {
    /// Nothing is read yet.
    pub(super) fn new(trust_root: Option<Oid>) -> Self {
        Self {
            trust_root,
            ..Self::default()
        }
    }

    /// The commit that the branch points at and that is not followed, with the reason.
    pub(super) fn not_followed(&self) -> Option<(Oid, String)> {
        let commit = self.refused.or(self.rewound_to)?;
        Some((commit, self.problem.clone().unwrap_or_default()))
    }
}

impl Hub {
    /// Looks at the branch and loads what is new.
    pub(super) fn follow_branch(&mut self) -> Result<(), HubError> {
        let to = match self.fleet.look() {
            Ok(Fetched::Unchanged) => self.fleet.accepted(),
            Ok(Fetched::Moved { to, .. }) => Some(to),
            Ok(Fetched::Rewound { from, to }) => {
                let rewound_to = to;
                let (from, to) = (from.to_string(), to.to_string());
                let problem = format!(
                    "the branch was rewound: {} does not descend from {}, which was accepted; the last good commit stays in force. \
                     Put the branch back, or start with a new data directory if the rewinding is meant",
                    &to[..12],
                    &from[..12]
                );
                if self.source.problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                self.source.problem = Some(problem);
                self.source.rewound = true;
                self.source.rewound_to = Some(rewound_to);
                self.load_accepted()?;
                return Ok(());
            }
            Ok(Fetched::Missing) => {
                let problem = format!(
                    "the repository has no branch `{}`: push it there, or name another one with --branch",
                    self.fleet.branch()
                );
                if self.source.problem.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}");
                }
                self.source.problem = Some(problem);
                self.load_accepted()?;
                return Ok(());
            }
            Err(error) => {
                let problem = format!("the fleet cannot be fetched: {}", super::chain(&error));
                if self.source.problem.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}");
                }
                self.source.problem = Some(problem);
                self.load_accepted()?;
                return Ok(());
            }
        };
        let before = self.source.problem.take();
        self.source.rewound = false;
        self.source.rewound_to = None;
        if let Some(newest) = to {
            let commit = self.followed(newest, before.as_deref())?;
            self.load(commit)?;
            // What was not judged is not remembered as good.
            if !self.source.without_root && self.fleet.accepted() != Some(commit) {
                self.fleet.accept(commit)?;
            }
        }
        Ok(())
    }

    /// The commit that is followed of those up to `newest`: all of them, or those before the first that is not good. With `trust: signed` everybody's
    /// commits are judged, otherwise the hub's own.
    fn followed(&mut self, newest: Oid, said: Option<&str>) -> Result<Oid, HubError> {
        self.source.refused = None;
        self.source.without_root = false;
        let objects = self.fleet.objects().clone();
        let mut judge = Judge::new(&objects);
        let known = self.fleet.accepted().or(self.source.trust_root);
        let Some(known) = known else {
            self.source.without_root = judge.asks_for_signatures(newest)?;
            return Ok(newest);
        };
        if known == newest {
            return Ok(newest);
        }
        let signed = judge.asks_for_signatures(known)? || judge.asks_for_signatures(newest)?;
        let judged = if signed {
            judge.judge(known, newest)?
        } else {
            judge.judge_the_hub(known, newest)?
        };
        if let Some(refused) = judged.refused {
            let commit = refused.0;
            let refused = NotFollowed::new(&objects, refused)?;
            let problem = format!("{refused}; the fleet stays at {}", short(judged.good));
            if said != Some(problem.as_str()) {
                tracing::error!("{problem}");
            }
            self.source.problem = Some(problem);
            self.source.refused = Some(commit);
        }
        Ok(judged.good)
    }

    /// After a restart while the branch cannot be read: the commit accepted before.
    fn load_accepted(&mut self) -> Result<(), HubError> {
        match (self.loaded.is_some(), self.fleet.accepted()) {
            (false, Some(commit)) => self.load(commit),
            _ => Ok(()),
        }
    }

    fn load(&mut self, commit: Oid) -> Result<(), HubError> {
        if self
            .source
            .revision
            .is_some_and(|revision| revision.commit == commit)
        {
            return Ok(());
        }
        let revision = revision(&self.fleet, commit)?;
        let info = self.fleet.objects().commit_info(commit)?;
        let loaded = self.loader.load(revision)?;
        for diagnostic in loaded.diagnostics.iter() {
            tracing::warn!(commit = %commit, "{diagnostic}");
        }
        let floor = loaded
            .desired
            .as_ref()
            .map_or(0, |desired| desired.head.hub.generation_floor);
        let generation = revision.generation.saturating_add(floor);
        self.source.revision = Some(revision);
        self.source.commit = Some(CommitInfo {
            id: commit.to_string(),
            summary: info.summary.clone(),
            author: info.author,
            time: info.time,
            generation,
        });
        tracing::info!(commit = %commit, generation, summary = info.summary, "loaded");
        let before = self.loaded.replace(loaded);
        // Nothing from here on can fail: a commit that is loaded is not loaded again, so all that follows from it is done now or is left as a mark.
        self.forget_losses();
        self.refresh_settings();
        // Attempts are counted by what they were made from, so a commit that changes nothing for a dead action does not revive it.
        self.refresh_keys();
        match self.changed_since(before.as_ref()) {
            Some((customers, same_servers)) => {
                self.dirty.extend(customers);
                if !same_servers {
                    self.refresh_agents();
                }
            }
            None => {
                self.refresh_agents();
                self.replan_all = true;
            }
        }
        Ok(())
    }

    /// Customers that are not what they were `before`, and whether all their servers are. None: everything may be different.
    fn changed_since(&self, before: Option<&Loaded>) -> Option<(Vec<CustomerId>, bool)> {
        let old = before?.desired.as_ref()?;
        let loaded = self.loaded.as_ref()?;
        let (new, changed) = (loaded.desired.as_ref()?, loaded.changed.as_ref()?);
        let servers = |desired: &Desired, id| {
            desired
                .customers
                .get(id)
                .map(|customer| customer.servers.clone())
        };
        let same = changed
            .iter()
            .all(|id| servers(old, id) == servers(new, id));
        Some((changed.clone(), same))
    }
}

fn revision(fleet: &Fleet, commit: Oid) -> Result<Revision, HubError> {
    Ok(Revision {
        tree: fleet.objects().root_tree(commit)?,
        commit,
        generation: fleet.generation(commit)?,
    })
}

fn short(commit: Oid) -> String {
    commit.to_string().chars().take(12).collect()
}
