//! What the loop tells the task that posts verdicts. It hears nothing back but why they do not arrive, to show it.

use super::{Hub, mode_of};
use crate::keys::HubIdentity;
use crate::verdicts::Followed;
use std::sync::Arc;
use tenantry_planner::status::Mode;
use tenantry_schema::Diagnostic;

impl Hub {
    /// Tells what is followed, where that is another than before.
    pub(super) fn tell_verdicts(&self, diagnostics: Arc<Vec<Diagnostic>>) {
        let loaded = self.loaded.as_ref();
        let desired = loaded.and_then(|loaded| loaded.desired.as_ref());
        let head = desired.map(|desired| &desired.head);
        // A hub that may act says so also where it holds still because something is wrong: that is when people have to hear of it.
        let recipient = self.identity.as_ref().map(HubIdentity::recipient);
        let mode = mode_of(head.map(AsRef::as_ref), recipient, self.observe_only);
        let followed = Followed {
            active: mode == Mode::Active,
            hub: head.map(|head| head.hub.url.clone()),
            forge: head.and_then(|head| head.hub.forge.clone()),
            secrets: head.and_then(|head| head.secrets),
            at: self.source.revision,
            refused: self.source.not_followed(),
            diagnostics,
            frozen: loaded
                .map(|loaded| loaded.frozen.clone())
                .unwrap_or_default(),
            customers: desired.map_or(0, |desired| desired.customers.len()),
        };
        self.followed.send_if_modified(|told| {
            let differs = followed.differs(told);
            if differs {
                *told = followed;
            }
            differs
        });
    }
}
