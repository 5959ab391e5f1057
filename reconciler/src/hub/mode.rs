//! Whether this hub may act (law 13): only with the key and at the release that a commit has activated.

use super::Hub;
use crate::RELEASE;
use crate::web::{AgentDirectory, StaffDirectory};
use std::sync::Arc;
use tenantry_planner::documents::HeadDocuments;
use tenantry_planner::status::Mode;
use tenantry_schema::id::ServerKey;
use tenantry_schema::key::AgeRecipient;

/// Whether a hub with the key `recipient` may act on a fleet with these settings.
pub fn mode_of(
    head: Option<&HeadDocuments>,
    recipient: Option<&AgeRecipient>,
    observe_only: bool,
) -> Mode {
    let observing = |reason: String| Mode::Observing { reason };
    if observe_only {
        return observing("started with --observe".into());
    }
    let Some(recipient) = recipient else {
        return observing("started without a key (--key)".into());
    };
    let Some(head) = head else {
        return observing("the fleet's own documents were never good".into());
    };
    match &head.activation {
        None => observing("no hub is activated; `tenantry activate` names one".into()),
        Some(activation) if activation.hub != *recipient => observing(format!(
            "another hub is activated ({}), this one is {recipient}; give the key of that one",
            activation.hub
        )),
        Some(activation) if activation.release != RELEASE => observing(format!(
            "release {} is activated, this is {RELEASE}; `tenantry activate` names this one",
            activation.release
        )),
        Some(_) => Mode::Active,
    }
}

impl Hub {
    /// Whether this hub may act now.
    pub(super) fn mode(&self) -> Mode {
        let loaded = self.loaded.as_ref();
        let head = loaded
            .and_then(|loaded| loaded.desired.as_ref())
            .map(|desired| desired.head.as_ref());
        let mode = mode_of(
            head,
            self.identity
                .as_ref()
                .map(crate::keys::HubIdentity::recipient),
            self.observe_only,
        );
        let observing = |reason: &str| Mode::Observing {
            reason: reason.to_owned(),
        };
        match mode {
            Mode::Observing { .. }
                if loaded.is_none() && self.identity.is_some() && !self.observe_only =>
            {
                observing("no commit of the fleet has been read yet")
            }
            Mode::Active if loaded.is_some_and(|loaded| loaded.fleet_frozen) => {
                observing("the fleet's own documents have errors; everything stays as it is")
            }
            Mode::Active if self.source.rewound => {
                observing("the branch was rewound; everything stays as it is")
            }
            Mode::Active if self.source.without_root => observing(
                "the fleet asks for signed commits (`trust: signed`); start with --trust-root COMMIT, a commit that you know to be good",
            ),
            Mode::Active if self.signer.borrow().is_none() => {
                observing("the signing key in fleet/hub-key.yaml cannot be opened with this key")
            }
            mode => mode,
        }
    }

    /// Opens the signing key, once.
    pub(super) fn refresh_keys(&mut self) {
        if self.signer.borrow().is_some() {
            return;
        }
        let head = self
            .loaded
            .as_ref()
            .and_then(|loaded| loaded.desired.as_ref())
            .map(|desired| desired.head.clone());
        let (Some(identity), Some(head)) = (&self.identity, head) else {
            return;
        };
        match identity.signing_key(self.fleet.objects(), &head) {
            Ok(key) => drop(self.signer.send_replace(Some(Arc::new(key)))),
            Err(error) => tracing::error!("{}", super::chain(&error)),
        }
    }

    /// Tells others what the settings say to them: how long usage is remembered, and who works here.
    pub(super) fn refresh_settings(&mut self) {
        let desired = self
            .loaded
            .as_ref()
            .and_then(|loaded| loaded.desired.as_ref());
        let Some(desired) = desired else { return };
        self.store.keep_usage(desired.head.hub.history);
        let staff = StaffDirectory::new(&desired.head.hub.fleet_id, &desired.head.staff);
        self.staff.send_replace(Arc::new(staff));
    }

    /// Tells the web server which keys belong to which servers.
    pub(super) fn refresh_agents(&mut self) {
        let Some(loaded) = &self.loaded else { return };
        let Some(desired) = &loaded.desired else {
            return;
        };
        let keys: Vec<(ServerKey, _)> = desired
            .customers
            .values()
            .flat_map(|customer| {
                customer
                    .servers
                    .iter()
                    .map(move |(id, server)| (customer, id, server))
            })
            .filter_map(|(customer, id, server)| {
                let key = ServerKey {
                    customer: customer.id.clone(),
                    server: id.clone(),
                };
                let agent = server.agent.as_ref()?;
                (!loaded.taken.contains_key(&key)).then_some((key, &agent.sign))
            })
            .collect();
        let (directory, errors) = AgentDirectory::new(
            keys.iter().map(|(key, sign)| (key, *sign)),
            Some(&self.agents.borrow()),
        );
        for error in errors {
            tracing::warn!("{error}");
        }
        self.agents.send_replace(Arc::new(directory));
    }
}
