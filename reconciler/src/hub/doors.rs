//! What requests are answered from: the web server's side of the hub.

use super::branch::Bells;
use super::inventory::{ReportDoor, Wake};
use super::{Hub, Options, diary};
use crate::forge::Hook;
use crate::slices::SliceStore;
use crate::verdicts::VerdictBoard;
use crate::web::{self, CurrentSlice, SliceBoard, SliceSource, WebState};
use axum::body::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// What the task that posts verdicts and the web server share.
#[derive(Default)]
pub(super) struct Forge {
    /// Whole verdicts.
    pub(super) board: Arc<VerdictBoard>,
    /// Who webhooks must be signed by.
    pub(super) hook: watch::Sender<Option<Arc<Hook>>>,
    /// What webhooks ring.
    pub(super) bells: Bells,
}

/// The state of the web server of this hub.
pub(super) fn open(
    hub: &Hub,
    options: &Options,
    forge: &Forge,
    wake: &UnboundedSender<Wake>,
) -> WebState {
    WebState {
        forge: web::ForgeDoors {
            verdicts: forge.board.clone(),
            hook: forge.hook.subscribe(),
            pushed: wake_on_push(&forge.bells),
        },
        status: hub.status.subscribe(),
        agents: hub.agents.subscribe(),
        slices: Arc::new(Slices {
            board: hub.board.clone(),
            store: hub.slices.clone(),
        }),
        reports: Arc::new(ReportDoor::new(hub.store.clone(), wake.clone())),
        servers: web::ServerDoors {
            diary: Arc::new(diary::Door(hub.store.clone())),
            staff: hub.staff.subscribe(),
        },
        signer: hub.signer.subscribe(),
        clock: Timestamp::now,
        metrics: web::metrics::install(),
        limits: web::Limits::default(),
        programs: options.programs.clone(),
    }
}

/// What a webhook does: the branch is looked at, and what is offered beside it. What it says is not looked at.
fn wake_on_push(bells: &Bells) -> web::Pushed {
    let bells = bells.clone();
    Arc::new(move || {
        bells.branch.notify_one();
        bells.offers.notify_one();
    })
}

/// The newest slices: heads from memory, bundles from the repository.
struct Slices {
    board: Arc<SliceBoard>,
    store: Arc<SliceStore>,
}

impl SliceSource for Slices {
    fn current(&self, server: &ServerKey) -> Option<CurrentSlice> {
        self.board.current(server)
    }

    fn bundle<'a>(
        &'a self,
        server: &'a ServerKey,
    ) -> BoxFuture<'a, Result<Option<(CurrentSlice, Bytes)>, web::SourceError>> {
        let (store, server) = (self.store.clone(), server.clone());
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || store.bundle(&server)).await??;
            Ok(found.map(|(current, bytes)| {
                let head = CurrentSlice::new(current.generation, &current.content, &current.commit);
                (head, Bytes::from_owner(bytes))
            }))
        })
    }

    fn changed(&self, server: &ServerKey) -> watch::Receiver<u64> {
        self.board.changed(server)
    }
}
