//! The task beside the loop: looks at what is offered, judges, posts. It waits for the forge; nobody waits for it.

use super::judge::{Branch, Judge, not_brought, scratch};
use super::ledger::Ledger;
use super::settings::Opened;
use super::{Followed, Verdict, VerdictBoard};
use crate::foresee::Past;
use crate::forge::{Client, CommitStatus, ForgeError, Hook};
use crate::git::{Fleet, Offer, Offers, Oid};
use crate::keys::HubIdentity;
use crate::load::Revision;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// What happens close together is seen to together.
const SETTLE: Duration = Duration::from_millis(200);
/// With nothing to do it looks again after this long.
const QUIET: Duration = Duration::from_mins(10);
/// A look that failed, or broke off, is made again after this long.
const BREATH: Duration = Duration::from_secs(30);

/// What the task works with.
pub(crate) struct Parts {
    /// What the loop tells.
    pub(crate) followed: watch::Receiver<Followed>,
    /// Rung when something may have been pushed.
    pub(crate) pushed: Arc<Notify>,
    /// The fleet.
    pub(crate) fleet: Arc<Fleet>,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Opens secrets.
    pub(crate) identity: Option<HubIdentity>,
    /// How often a remote is asked.
    pub(crate) poll: Duration,
    /// Where whole verdicts are shown.
    pub(crate) board: Arc<VerdictBoard>,
    /// Who webhooks must be signed by.
    pub(crate) hook: watch::Sender<Option<Arc<Hook>>>,
    /// Why verdicts do not reach the forge.
    pub(crate) problem: watch::Sender<Option<String>>,
    /// Rung when `problem` is another.
    pub(crate) wake: Box<dyn Fn() + Send + Sync>,
}

struct Task {
    parts: Arc<Parts>,
    ledger: Ledger,
    opened: Opened,
    offered: Vec<Offer>,
    look_at: Instant,
}

/// Runs until the loop is gone.
pub(crate) async fn run(parts: Parts) {
    let mut followed = parts.followed.clone();
    let parts = Arc::new(parts);
    let mut task = Task {
        ledger: Ledger::default(),
        opened: Opened::default(),
        offered: Vec::new(),
        look_at: Instant::now(),
        parts: Arc::clone(&parts),
    };
    loop {
        let told = followed.borrow_and_update().clone();
        let next = task.round(&told).await;
        let pause = tokio::time::sleep_until(next.into());
        tokio::select! {
            () = pause => {}
            () = parts.pushed.notified() => task.look_at = Instant::now(),
            changed = followed.changed() => if changed.is_err() { return },
        }
        tokio::time::sleep(SETTLE).await;
    }
}

impl Task {
    /// Does what is due. Returns when something is due next.
    async fn round(&mut self, told: &Followed) -> Instant {
        let parts = Arc::clone(&self.parts);
        let objects = parts.fleet.objects();
        if let Some(opened) = self.opened.renewed(told, objects, parts.identity.as_ref()) {
            parts.hook.send_replace(opened.hook.clone());
            self.opened = opened;
            self.ledger.another_forge();
            self.say(self.opened.problem.clone());
        }
        let quiet = Instant::now() + QUIET;
        let (Some(client), Some(hub), Some(at)) = (self.opened.client.clone(), &told.hub, told.at)
        else {
            return quiet;
        };
        if !told.active {
            return quiet;
        }
        let hub = hub.as_str();
        let own = told.verdicts();
        let own_commits: Vec<Oid> = own.iter().map(|verdict| verdict.commit).collect();
        for verdict in own {
            parts.board.put(&verdict.commit.to_string(), &verdict.text);
            self.ledger.told(verdict);
        }
        // First what is known already, so that judging many branches does not hold it up.
        self.post(&client, hub).await;
        self.look(at, &own_commits).await;
        self.post(&client, hub).await;
        let now = Instant::now();
        let commits: Vec<Oid> = self.offered.iter().map(|offer| offer.commit).collect();
        let judge = self.ledger.judge_next(&commits, at.tree, now);
        let post = self.ledger.post_next(hub);
        [Some(quiet), Some(self.look_at), judge, post]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(quiet)
            .max(now + SETTLE)
    }

    /// Looks at what is offered, where that is due, and judges some of it.
    async fn look(&mut self, at: Revision, own: &[Oid]) {
        let now = Instant::now();
        let listing = now >= self.look_at;
        let parts = Arc::clone(&self.parts);
        let offers = Offers::new(
            parts.fleet.location(),
            parts.fleet.branch(),
            parts.fleet.objects().path(),
            &parts.data,
        );
        if listing {
            self.look_at = now + parts.poll.max(Duration::from_secs(1));
            let listed = tokio::task::spawn_blocking(move || (offers.list(), offers)).await;
            match listed {
                Ok((Ok(found), _)) => self.offered = found,
                Ok((Err(error), _)) => {
                    tracing::warn!(
                        "what is offered cannot be listed: {}",
                        crate::hub::chain(&error)
                    );
                    self.look_at = now + BREATH.max(parts.poll);
                }
                Err(error) => tracing::error!(%error, "listing what is offered broke off"),
            }
        }
        self.offered.retain(|offer| !own.contains(&offer.commit));
        let commits: Vec<Oid> = self.offered.iter().map(|offer| offer.commit).collect();
        self.ledger.keep(
            &commits
                .iter()
                .chain(own)
                .copied()
                .collect::<BTreeSet<Oid>>(),
        );
        let due = self.ledger.judge_now(&commits, at.tree, now);
        if due.is_empty() {
            return;
        }
        let branches: Vec<Offer> = self
            .offered
            .iter()
            .filter(|offer| due.contains(&offer.commit))
            .cloned()
            .collect();
        if self.judge(at, &branches).await || branches.len() < 2 {
            return;
        }
        // It broke off: whatever it was, it is that of one of them. Each by itself, so that the others are heard.
        for branch in branches {
            self.judge(at, std::slice::from_ref(&branch)).await;
        }
    }

    /// Judges branches. False where that broke off.
    async fn judge(&mut self, at: Revision, branches: &[Offer]) -> bool {
        let parts = Arc::clone(&self.parts);
        let all = branches.to_vec();
        let judged = tokio::task::spawn_blocking(move || judge_all(&parts, at, &all)).await;
        let now = Instant::now();
        match judged {
            Ok(Ok(judged)) => {
                for (commit, outcome) in judged {
                    let verdict = match outcome {
                        Outcome::Judged(verdict) => verdict,
                        Outcome::Later => {
                            self.ledger.later_again(commit, now, rand::random());
                            continue;
                        }
                    };
                    if let Some(verdict) = &verdict {
                        self.parts.board.put(&commit.to_string(), &verdict.text);
                        tracing::info!(%commit, "judged: {}", verdict.line);
                    }
                    self.ledger.judged(commit, at.tree, verdict);
                }
                true
            }
            Ok(Err(why)) => {
                tracing::warn!("what is offered cannot be judged: {why}");
                for branch in branches {
                    self.ledger.later_again(branch.commit, now, rand::random());
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "judging what is offered broke off");
                // A panic of this one alone: it is not tried again against this state.
                if let [only] = branches {
                    self.ledger.judged(only.commit, at.tree, None);
                }
                false
            }
        }
    }

    async fn post(&mut self, client: &Client, hub: &str) {
        loop {
            let due = self.ledger.post_now(hub, Instant::now());
            let Some((commit, status, known)) = due.into_iter().next() else {
                return;
            };
            match put(client, commit, &status, known).await {
                Ok(posted) => {
                    if posted {
                        tracing::info!(%commit, state = ?status.state, "commit status posted: {}", status.description);
                    }
                    self.ledger.stands(commit, status);
                    self.say(self.opened.problem.clone());
                }
                Err(error) => {
                    tracing::warn!(%commit, "{error}");
                    self.ledger
                        .failed(commit, &error, Instant::now(), rand::random());
                    if !error.is_about_a_commit() {
                        self.say(Some(error.to_string()));
                    }
                }
            }
        }
    }

    /// Says why verdicts do not reach the forge, or that they do.
    fn say(&self, problem: Option<String>) {
        let changed = self.parts.problem.send_if_modified(|said| {
            let changed = *said != problem;
            *said = problem;
            changed
        });
        if changed {
            (self.parts.wake)();
        }
    }
}

/// Posts a status unless it stands there. `known`: what stands there is another one of ours. Whether something was posted.
async fn put(
    client: &Client,
    commit: Oid,
    status: &CommitStatus,
    known: bool,
) -> Result<bool, ForgeError> {
    let commit = commit.to_string();
    if !known {
        let stands = client.current(&commit).await?;
        if stands.is_some_and(|posted| client.says(&posted, status)) {
            return Ok(false);
        }
    }
    client.post(&commit, status).await?;
    Ok(true)
}

/// What was found out about a commit.
enum Outcome {
    /// A verdict, or that there is nothing to say.
    Judged(Option<Verdict>),
    /// It could not be brought or read: look again.
    Later,
}

/// What was found out about commits.
type Judged = Vec<(Oid, Outcome)>;

fn judge_all(parts: &Parts, at: Revision, branches: &[Offer]) -> Result<Judged, String> {
    let fleet = &parts.fleet;
    let offers = Offers::new(
        fleet.location(),
        fleet.branch(),
        fleet.objects().path(),
        &parts.data,
    );
    let mut done = Judged::new();
    let mut here = Vec::new();
    for offer in branches {
        let branch = Branch {
            name: &offer.name,
            commit: offer.commit,
        };
        match offers.bring(offer) {
            Ok(()) => here.push(branch),
            Err(error) => {
                tracing::warn!(branch = offer.name, "{}", crate::hub::chain(&error));
                let verdict = not_brought(&branch, &error);
                let outcome =
                    verdict.map_or(Outcome::Later, |verdict| Outcome::Judged(Some(verdict)));
                done.push((offer.commit, outcome));
            }
        }
    }
    let failed = |error: super::judge::JudgeError| crate::hub::chain(&error);
    let scratch = scratch(offers.path()).map_err(failed)?;
    let now = Timestamp::now();
    let identity = parts.identity.as_ref();
    let past = Past {
        taken: crate::hub::taken(&parts.data),
        // What the loop found out; it is the loop that writes.
        held: crate::hub::held(&parts.data, usize::MAX),
    };
    let judge = Judge::new(&scratch, past, at, fleet.branch(), identity, now);
    let mut judge = judge.map_err(failed)?;
    for branch in here {
        let outcome = match judge.judge(&branch) {
            Ok(verdict) => Outcome::Judged(verdict),
            Err(error) => {
                tracing::warn!(branch = branch.name, "{}", crate::hub::chain(&error));
                Outcome::Later
            }
        };
        done.push((branch.commit, outcome));
    }
    Ok(done)
}
