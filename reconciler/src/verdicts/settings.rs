//! The forge as `hub.yaml` names it, with its secrets opened. What cannot be used is a reason in words, and the hub goes on without.

use super::Followed;
use crate::forge::{Client, Hook, Settings};
use crate::git::Objects;
use crate::keys::HubIdentity;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_planner::ObjectId;
use tenantry_schema::Secret;
use tenantry_schema::document::SecretName;
use tokio::sync::watch;

/// The webhooks that are taken at present.
pub type HookDoor = watch::Receiver<Option<Arc<Hook>>>;

/// What a forge was opened from: as long as it is the same, so is what came of it.
#[derive(PartialEq, Eq, Default)]
struct Source {
    forge: Option<Settings>,
    secrets: Option<ObjectId>,
}

/// A forge that can be asked, or why not.
#[derive(Default)]
pub(super) struct Opened {
    source: Source,
    /// None: there is no forge, or it cannot be used.
    pub(super) client: Option<Arc<Client>>,
    /// Knows webhooks.
    pub(super) hook: Option<Arc<Hook>>,
    /// Why it cannot be used.
    pub(super) problem: Option<String>,
}

impl Opened {
    /// What the loop told, opened. None: it is as it was.
    pub(super) fn renewed(
        &self,
        followed: &Followed,
        objects: &Objects,
        identity: Option<&HubIdentity>,
    ) -> Option<Self> {
        let source = Source {
            forge: followed.forge.clone(),
            secrets: followed.secrets,
        };
        if source == self.source {
            return None;
        }
        let mut opened = Self {
            source,
            ..Self::default()
        };
        if let (Some(settings), Some(identity)) = (&followed.forge, identity) {
            opened.open(settings, followed.secrets, objects, identity);
        }
        Some(opened)
    }

    fn open(
        &mut self,
        settings: &Settings,
        secrets: Option<ObjectId>,
        objects: &Objects,
        identity: &HubIdentity,
    ) {
        const FILE: &str = "fleet/secrets.yaml";
        let values = match secrets.map(|blob| identity.open(objects, blob, FILE)) {
            Some(Ok(values)) => values,
            Some(Err(error)) => {
                self.problem = Some(crate::hub::chain(&error));
                return;
            }
            None => BTreeMap::new(),
        };
        match value(&values, &settings.token).map(|token| Client::new(settings, token)) {
            Some(Ok(client)) => self.client = Some(Arc::new(client)),
            Some(Err(error)) => self.problem = Some(error.to_string()),
            None => {
                self.problem = Some(format!("`{}` is not in {FILE}", settings.token.secret));
            }
        }
        let secret = settings
            .webhook
            .as_ref()
            .and_then(|name| value(&values, name));
        self.hook = secret
            .and_then(|secret| Hook::new(settings.kind, secret))
            .map(Arc::new);
        if self.hook.is_none() && settings.webhook.is_some() && self.problem.is_none() {
            self.problem = Some(format!(
                "the secret of webhooks is not in {FILE}, or shorter than 8 characters: they are refused"
            ));
        }
    }
}

fn value(values: &BTreeMap<String, Secret>, name: &SecretName) -> Option<Secret> {
    values.get(&name.secret).cloned()
}
