//! Instances as they were when everything of them was last as it should be: what is kept up while a change waits.

use super::Agent;
use crate::converge::Plan;
use crate::desired::Desired;
use crate::rollout::{Version, Versions};
use crate::web_server::WebServer;

impl<W: WebServer> Agent<W> {
    /// The instances of the slice that the server was last in full agreement with.
    pub(super) fn last_settled(&self) -> Versions {
        let ledger = self.hands.ledger.borrow();
        let (Some(content), Some(desired)) = (&ledger.get().converged, &self.desired) else {
            return Versions::new();
        };
        if *content == desired.reference.content {
            return Version::all(desired);
        }
        let slice = self.gate.kept(content, &self.slices);
        slice.ok().flatten().map_or_else(Versions::new, |slice| {
            Version::all(&Desired::new(slice, &self.surroundings))
        })
    }

    pub(super) fn note_settled(&mut self, plan: &Plan) {
        let Some(desired) = self.in_force.replaced().or(self.desired.as_ref()) else {
            return;
        };
        self.settled
            .retain(|name, _| desired.instances.contains_key(name));
        for name in &plan.settled {
            let known = self
                .settled
                .get(name)
                .map(|version| &version.instance.digest);
            let Some(instance) = desired.instances.get(name) else {
                continue;
            };
            if known != Some(&instance.digest)
                && let Some(version) = Version::of(desired, name)
            {
                self.settled.insert(name.clone(), version);
            }
        }
    }
}
