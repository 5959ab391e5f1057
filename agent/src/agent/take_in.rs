//! Slices: the one that the ledger names at the start, and those that are offered.

use super::Agent;
use crate::accept::{OfferError, Offered, Slice};
use crate::desired::Desired;
use crate::execute::sentence;
use crate::ledger::Origin;
use crate::web_server::WebServer;
use jiff::Timestamp;
use tenantry_schema::wire::{EventKind, SliceRef};

impl<W: WebServer> Agent<W> {
    /// Goes on from the slice that the ledger names.
    pub(super) fn remember(&mut self, origin: &Origin) {
        let now = Timestamp::now();
        self.event(
            EventKind::Started,
            None,
            format!("tenantry-agent {} started", env!("CARGO_PKG_VERSION")),
            now,
        );
        if let Origin::Damaged(why) = origin {
            self.event(
                EventKind::Failed,
                None,
                format!("the ledger is damaged and counts as none: {why}"),
                now,
            );
        }
        let accepted = self
            .gate
            .accepted(&self.hands.ledger.borrow(), &self.slices);
        match accepted {
            Ok(Some(slice)) => self.desired = Some(Desired::new(slice, &self.surroundings)),
            Ok(None) => {}
            Err(error) => self.not_accepted(error, now),
        }
        self.refresh_in_force();
        self.settled = self.last_settled();
    }

    /// Takes a bundle in. Returns whether it was accepted; a refusal is reported. `fresh`: it came in an answer to our own nonce.
    pub fn offer(&mut self, bundle: &[u8], fresh: bool, now: Timestamp) -> bool {
        let mut offered = self.gate_offer(bundle, fresh);
        let full = matches!(&offered, Err(OfferError::Files(error)) if error.is_full());
        if full && self.ballast.release() {
            tracing::warn!("the disk is full: the ballast is given up for a slice");
            offered = self.gate_offer(bundle, fresh);
        }
        match offered {
            Ok(Offered::New(slice)) => {
                let SliceRef {
                    generation, commit, ..
                } = &slice.reference;
                tracing::info!(generation, commit, "slice accepted");
                let message = format!("generation {generation}, commit {commit}");
                self.event(EventKind::SliceAccepted, None, message, now);
                self.apply(slice);
                true
            }
            Ok(Offered::Same(slice)) => {
                match &mut self.desired {
                    Some(desired) if desired.reference.content == slice.reference.content => {
                        desired.reference = slice.reference;
                    }
                    _ => self.apply(slice),
                }
                self.refresh_in_force();
                true
            }
            Err(error) => {
                self.not_accepted(error, now);
                false
            }
        }
    }

    fn gate_offer(&self, bundle: &[u8], fresh: bool) -> Result<Offered, OfferError> {
        let mut ledger = self.hands.ledger.borrow_mut();
        self.gate.offer(bundle, fresh, &mut ledger, &self.slices)
    }

    fn apply(&mut self, slice: Slice) {
        let desired = Desired::new(slice, &self.surroundings);
        for (name, instance) in &desired.instances {
            let before = self
                .desired
                .as_ref()
                .and_then(|before| before.instances.get(name));
            if before.is_none_or(|before| before.digest != instance.digest) {
                self.history.pace.forget(name.as_str());
            }
        }
        self.desired = Some(desired);
        self.refresh_in_force();
    }

    fn not_accepted(&mut self, error: OfferError, now: Timestamp) {
        match error {
            OfferError::Refused(refused) => {
                let kind = serde_json::to_value(refused.kind).unwrap_or_default();
                let kind = kind.as_str().unwrap_or_default();
                tracing::warn!(kind, "slice refused: {}", refused.detail);
                self.news.refusal(refused.at(now));
            }
            OfferError::Files(error) => {
                let message = sentence(&error);
                tracing::error!(message, "slice cannot be kept");
                self.event(
                    EventKind::Failed,
                    None,
                    format!("the slice cannot be kept: {message}"),
                    now,
                );
            }
        }
    }
}
