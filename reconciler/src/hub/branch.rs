//! Looking at the branch: at the start, when a remote's turn comes, when somebody pushes. It only wakes the loop, which then reads it.

use super::Hub;
use super::inventory::Wake;
use crate::git::{Fleet, Watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// The first answer of a remote is waited for this long.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// What pushes ring.
#[derive(Debug, Clone, Default)]
pub(super) struct Bells {
    /// The branch may have moved.
    pub(super) branch: Arc<Notify>,
    /// Something may be offered beside it.
    pub(super) offers: Arc<Notify>,
}

/// The first look, so that agents that connect are known from the start. Returns whether the remote has answered: one that takes its time is not
/// waited for.
pub(super) async fn first_look(hub: &mut Hub) -> bool {
    let asked = tokio::time::timeout(FIRST_ANSWER, ask(&hub.fleet)).await;
    tokio::task::block_in_place(|| {
        if let Err(error) = hub.follow_branch() {
            tracing::error!("{}", super::chain(&error));
        }
    });
    asked.is_ok()
}

/// Asks whenever the branch may have moved, and wakes the loop after that. `local`: the repository is on this machine.
pub(super) async fn watch(
    fleet: Arc<Fleet>,
    mut watcher: Watcher,
    bells: Bells,
    local: bool,
    wake: UnboundedSender<Wake>,
) {
    loop {
        tokio::select! {
            () = watcher.wait() => {}
            () = bells.branch.notified() => {}
        }
        // Something was written in a repository on this machine: another branch, perhaps.
        if local {
            bells.offers.notify_one();
        }
        ask(&fleet).await;
        if wake.send(Wake::Branch).is_err() {
            break;
        }
    }
}

/// Asks the remote on a thread of its own: however long it takes, the loop goes on with what it knows.
async fn ask(fleet: &Arc<Fleet>) {
    let fleet = fleet.clone();
    // What it says, or why it does not, is seen by the next look.
    drop(tokio::task::spawn_blocking(move || fleet.ask()).await);
}
