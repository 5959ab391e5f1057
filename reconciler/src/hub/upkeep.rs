//! The task that looks after repositories of backups, beside the loop: one at a time, at its time, and only where the hub may act.
//!
//! The loop answers when it is asked what there is, and shows what came of it. A second hub that does the same at the same time is kept
//! away by restic's own lock of each repository: the later one fails there, says so, and tries again.

use super::inventory::Wake;
use super::{Hub, chain};
use crate::backups::{Keys, Last, Looked, Upkeep, due};
use crate::git::Objects;
use crate::keys::HubIdentity;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use tenantry_planner::status::{Mode, UpkeepStatus};
use tenantry_schema::window::Window;
use tokio::sync::{mpsc, oneshot, watch};

/// Where nothing is due, and where the loop could not say what there is, it looks again after this long.
const LONG: Duration = Duration::from_hours(1);
const BREATH: Duration = Duration::from_secs(10);
/// Failures that are shown.
const MOST: usize = 20;
/// When it was done last, in the data directory. Lost, it is done at the next time of backups.
const FILE: &str = "backups-pruned.json";

/// What the task is made of.
pub(super) struct Parts {
    pub(super) wake: mpsc::UnboundedSender<Wake>,
    /// When backups are made, where this hub may act and there are any.
    pub(super) window: watch::Receiver<Option<Window>>,
    pub(super) shown: watch::Sender<Option<UpkeepStatus>>,
    pub(super) objects: Objects,
    pub(super) identity: Option<HubIdentity>,
    pub(super) data: PathBuf,
    pub(super) restic: PathBuf,
}

impl Hub {
    /// Tells the task when backups are made.
    pub(super) fn tell_upkeep(&self) {
        let loaded = self.loaded.as_ref();
        let desired = loaded.and_then(|loaded| loaded.desired.as_ref());
        let settings = desired.and_then(|desired| desired.head.hub.backups.as_ref());
        let window = settings
            .filter(|_| self.mode() == Mode::Active)
            .map(|settings| settings.window);
        self.upkeep_window.send_if_modified(|told| {
            let differs = *told != window;
            *told = window;
            differs
        });
    }

    /// What there is to be looked after; nothing where this hub may not act.
    pub(super) fn upkeep(&self) -> Option<Upkeep> {
        let desired = self.loaded.as_ref()?.desired.as_ref()?;
        (self.mode() == Mode::Active)
            .then(|| Upkeep::of(desired))
            .flatten()
    }
}

/// Runs until the hub ends. Sleeps until it is time, or the time is another one.
pub(super) async fn run(mut parts: Parts) {
    let Some(identity) = parts.identity.clone() else {
        return;
    };
    let file = parts.data.join(FILE);
    let mut last: Option<UpkeepStatus> = std::fs::read(&file)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    loop {
        let window = *parts.window.borrow_and_update();
        let now = Timestamp::now();
        let remembered = last.as_ref().map(|last| {
            let (at, good) = last.last();
            Last { at, good }
        });
        let next = window.map(|window| due(window, remembered, now));
        if next.is_some_and(|next| next <= now)
            && let Some(done) = do_it(&parts, &identity).await
        {
            // Lost with the data directory it is done once more, no harm done.
            let _ = std::fs::write(&file, serde_json::to_vec(&done).unwrap_or_default());
            last = Some(done);
            continue;
        }
        parts.show(last.as_ref().filter(|_| window.is_some()), next);
        let left = next.and_then(|next| Duration::try_from(now.duration_until(next)).ok());
        tokio::select! {
            changed = parts.window.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(left.unwrap_or(LONG).clamp(BREATH, LONG)) => {}
        }
    }
}

impl Parts {
    fn show(&self, last: Option<&UpkeepStatus>, next: Option<Timestamp>) {
        let shown = last.cloned().map(|status| UpkeepStatus { next, ..status });
        let changed = self.shown.send_if_modified(|told| {
            let differs = *told != shown;
            *told = shown;
            differs
        });
        if changed {
            let _ = self.wake.send(Wake::Told);
        }
    }
}

/// Nothing where the loop says that there is nothing to be done, after all.
async fn do_it(parts: &Parts, identity: &HubIdentity) -> Option<UpkeepStatus> {
    let (answer, answered) = oneshot::channel();
    parts.wake.send(Wake::Upkeep(answer)).ok()?;
    let upkeep = answered.await.ok().flatten()?;
    let keys = (
        parts.objects.clone(),
        identity.clone(),
        parts.restic.clone(),
    );
    let done = tokio::task::spawn_blocking(move || look_after(&upkeep, keys));
    done.await.ok()
}

/// Every repository, one after the other.
fn look_after(upkeep: &Upkeep, keys: (Objects, HubIdentity, PathBuf)) -> UpkeepStatus {
    let (objects, identity, program) = keys;
    let keys = Keys {
        objects: &objects,
        identity: &identity,
        program,
    };
    let mut status = UpkeepStatus {
        at: Timestamp::now(),
        repositories: 0,
        forgotten: 0,
        failed: 0,
        failures: Vec::new(),
        next: None,
    };
    let fail = |status: &mut UpkeepStatus, line: String| {
        tracing::warn!("backups are not looked after: {line}");
        status.failed += 1;
        if status.failures.len() < MOST {
            status.failures.push(line);
        }
    };
    let outcome = upkeep.prune(
        &keys,
        false,
        Timestamp::now(),
        &mut |customer, server, looked| match looked {
            Looked::Missing => {}
            Looked::Forgotten(count) => {
                status.repositories += 1;
                status.forgotten += count;
            }
            Looked::Failed(error) => {
                status.repositories += 1;
                fail(
                    &mut status,
                    format!("{customer}/{server}: {}", chain(&error)),
                );
            }
        },
    );
    if let Err(error) = outcome {
        fail(&mut status, chain(&error));
    }
    status.at = Timestamp::now();
    tracing::info!(
        repositories = status.repositories,
        forgotten = status.forgotten,
        failed = status.failed,
        "backups were looked after"
    );
    status
}
