//! The agent's own program, as part of the loop: what is to be done about it, and the word that a new one is healthy.

use super::{Loop, instant};
use crate::agent::{AgentError, Look};
use crate::config::Config;
use crate::link::Link;
use crate::update::memory::{Memory, Told};
use crate::update::{
    Candidate, Decision, Input, UpdateFile, decide, digest_of_file, fetch, own_release,
};
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tenantry_schema::document::{Architecture, Manage, Release, Sha256};
use tenantry_schema::wire::AgentUpdate;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

/// An answer of the hub that is older says nothing about whether it can be reached.
const RECENT: Duration = Duration::from_mins(5);

/// What this process, being tried, has to do.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The file that says that it is healthy.
    pub mark: PathBuf,
    /// Whether it must hear from the hub.
    pub hub: bool,
}

/// What came of work beside the loop.
enum Outcome {
    Weighed(Result<String, String>),
    Here(Release, Sha256),
    Failed(Release, Sha256, String),
}

/// Which program this is.
#[derive(Debug, Default)]
struct Weight {
    digest: Option<String>,
    /// Not before then, where it could not be had.
    again: Option<Instant>,
}

impl Weight {
    fn is_due(&self, now: Instant) -> bool {
        self.again.is_none_or(|again| again <= now)
    }

    /// What could not be read is not known, and is read again later.
    fn take(&mut self, weighed: Result<String, String>, now: Instant) {
        match weighed {
            Ok(digest) => self.digest = Some(digest),
            Err(why) => {
                tracing::warn!(why, "this program cannot be read, so no other is tried");
                self.again = Some(now + super::AGAIN);
            }
        }
    }
}

/// What is known about the agent's own program.
pub(super) struct Own {
    file: UpdateFile,
    weight: Weight,
    here: Option<Sha256>,
    done: Rc<Cell<u64>>,
    work: Option<JoinHandle<Outcome>>,
    link: Link,
    /// This program is on trial, and does not try others.
    trial: Option<Trial>,
    on_trial: bool,
    pub(super) bell: Rc<Notify>,
    /// Whether the hub gave a believed answer since the start.
    pub(super) answered: bool,
    /// As it is reported.
    pub(super) state: Option<AgentUpdate>,
    /// The program that is to be tried now.
    pub(super) candidate: Option<Candidate>,
}

impl Own {
    pub(super) fn open(
        config: &Config,
        link: Link,
        trial: Option<Trial>,
    ) -> Result<Self, AgentError> {
        Ok(Self {
            file: UpdateFile::of(&config.state)?,
            weight: Weight::default(),
            here: None,
            done: Rc::default(),
            work: None,
            link,
            on_trial: trial.is_some(),
            trial,
            bell: Rc::default(),
            answered: false,
            state: None,
            candidate: None,
        })
    }

    /// A pass is complete.
    pub(super) fn prove(&mut self) {
        let answered = self.answered;
        let Some(trial) = self.trial.take_if(|trial| answered || !trial.hub) else {
            return;
        };
        let folder = trial.mark.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| std::fs::write(&trial.mark, "healthy\n")) {
            tracing::error!(%error, "the word that this program is healthy cannot be left");
        }
    }

    /// Forgets the trial of the program that this is: it was installed by one that was killed before it could note that.
    fn came_about(&mut self) {
        let own = self.weight.digest.as_deref();
        let trying = self.file.get().trying.as_ref();
        if trying.is_some_and(|trying| Some(trying.sha256.as_str()) == own)
            && let Err(error) = self.file.update(|memory| *memory = Memory::default())
        {
            tracing::warn!(%error, "that this program was tried cannot be noted");
        }
    }

    fn begin(&mut self, work: impl Future<Output = Outcome> + 'static) {
        let bell = self.bell.clone();
        self.work = Some(spawn_local(async move {
            let outcome = work.await;
            bell.notify_one();
            outcome
        }));
    }

    /// Takes in what came of work, if it ended.
    async fn collect(&mut self) {
        let Some(work) = self.work.take_if(|work| work.is_finished()) else {
            return;
        };
        // Work that panicked is begun again.
        match work.await {
            Ok(Outcome::Weighed(weighed)) => self.weight.take(weighed, Instant::now()),
            Ok(Outcome::Here(release, sha256)) => {
                tracing::info!(%release, %sha256, "another program for this agent is here");
                self.here = Some(sha256);
            }
            Ok(Outcome::Failed(release, sha256, reason)) => {
                tracing::warn!(%release, reason, "another program for this agent cannot be had");
                let at = Timestamp::now();
                let told = Told {
                    release,
                    sha256,
                    at,
                    reason,
                };
                if let Err(error) = self.file.update(|memory| memory.failed = Some(told)) {
                    tracing::warn!(%error, "what became of it cannot be noted");
                }
            }
            Err(_) => {}
        }
    }
}

impl<W: WebServer + 'static> Loop<W> {
    /// Does what is to be done about the agent's own program. Returns when to look again.
    pub(super) async fn attend_own(&mut self, look: &Look) -> Instant {
        let patrol = self.patrol();
        self.own.collect().await;
        let spec = self.agent.wanted().map(|desired| &desired.host);
        let wanted = spec
            .filter(|spec| spec.manage != Manage::Observe)
            .and_then(|spec| spec.agent.clone());
        let Some(release) =
            own_release().filter(|_| look.state.paused.is_none() && !self.own.on_trial)
        else {
            return patrol;
        };
        let decision = decide(&Input {
            wanted: wanted.as_deref(),
            architecture: Architecture::named(std::env::consts::ARCH),
            own: release,
            own_digest: self.own.weight.digest.as_deref(),
            memory: self.own.file.get(),
            here: self.own.here.as_ref(),
            now: Timestamp::now(),
        });
        self.own.state = decision.report(self.own.done.get());
        match decision {
            Decision::Stay => {
                self.own.came_about();
                patrol
            }
            Decision::Wait(_, again) => again.map_or(patrol, |again| patrol.min(instant(again))),
            Decision::Weigh => {
                if self.own.work.is_none() && self.own.weight.is_due(Instant::now()) {
                    self.own.begin(weigh("/proc/self/exe"));
                }
                patrol
            }
            Decision::Fetch(release, sha256) => {
                if self.own.work.is_none() {
                    self.begin_fetch(release, sha256);
                }
                patrol
            }
            Decision::Try(release, sha256) => {
                if self.lanes.is_empty() && self.backup.is_none() {
                    let hub = self.own.answered && !self.away && self.heard.0.elapsed() < RECENT;
                    self.own.candidate = Some(Candidate {
                        release,
                        sha256,
                        hub,
                    });
                }
                patrol
            }
        }
    }

    fn begin_fetch(&mut self, release: Release, sha256: Sha256) {
        let config = self.agent.config();
        let (state, program) = (config.state.clone(), config.program.clone());
        let (link, done) = (self.own.link.clone(), self.own.done.clone());
        self.own.begin(async move {
            let fetched = fetch::fetch(&link, &state, &program, release, &sha256, done).await;
            match fetched {
                Ok(()) => Outcome::Here(release, sha256),
                Err(error) => Outcome::Failed(release, sha256, fetch::reason(&error)),
            }
        });
    }
}

/// The digest of this very program, whatever stands in its place by now.
async fn weigh(program: &'static str) -> Outcome {
    let digest = tokio::task::spawn_blocking(move || digest_of_file(program.as_ref()));
    let digest = match digest.await {
        Ok(digest) => digest.map_err(|error| format!("{program}: {error}")),
        Err(error) => Err(error.to_string()),
    };
    Outcome::Weighed(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_cannot_be_read_is_not_known() {
        let Outcome::Weighed(Ok(digest)) = weigh("/proc/self/exe").await else {
            panic!("this very program can be read");
        };
        assert_eq!(digest.len(), 64);
        let Outcome::Weighed(Err(why)) = weigh("/proc/self/no-such-file").await else {
            panic!("no digest of nothing");
        };
        assert!(why.starts_with("/proc/self/no-such-file: "), "{why}");
        let (mut weight, now) = (Weight::default(), Instant::now());
        assert!(weight.is_due(now));
        weight.take(Err(why), now);
        assert!(weight.digest.is_none() && !weight.is_due(now));
        assert!(weight.is_due(now + super::super::AGAIN));
        weight.take(Ok(digest.clone()), now);
        assert_eq!(weight.digest, Some(digest));
    }
}
