//! Every repository of the fleet, looked after one after the other: what is beyond `keep:` is forgotten, and what only that needed is removed.

use super::{Repository, RepositoryError, Wanted, address, retain};
use crate::git::Objects;
use crate::keys::{HubIdentity, KeyError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tenantry_planner::desired::CustomerDesired;
use tenantry_planner::plan::backup_user;
use tenantry_planner::{Desired, ObjectId};
use tenantry_schema::Secret;
use tenantry_schema::document::Backups;
use tenantry_schema::id::{CustomerId, FleetId, ServerId};
use tenantry_schema::wire::{APPEND_PASSWORD, REPOSITORY_KEY};

/// Which repositories there are, without any secret in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// As `hub.yaml` says.
    pub settings: Backups,
    /// The hub's own file of secrets.
    own: Option<ObjectId>,
    /// Customers whose servers make backups.
    pub customers: Vec<Customer>,
}

/// A customer whose servers make backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Which.
    pub id: CustomerId,
    /// Who its agents are where backups are kept.
    pub user: String,
    /// Its servers, and what operations still need of what each keeps.
    pub servers: BTreeMap<ServerId, Wanted>,
    secrets: ObjectId,
}

impl Customer {
    fn new(fleet: &FleetId, desired: &CustomerDesired) -> Option<Self> {
        let wanted = |server| Wanted::of(&desired.operations, &desired.records, server);
        let servers = desired.servers.keys();
        Some(Self {
            id: desired.id.clone(),
            user: backup_user(fleet.as_str(), &desired.id),
            servers: servers
                .map(|server| (server.clone(), wanted(server)))
                .collect(),
            secrets: desired.backup_secrets.as_ref()?.blob,
        })
    }
}

/// What opens repositories.
pub struct Keys<'a> {
    /// Where files of secrets are read.
    pub objects: &'a Objects,
    /// Opens them.
    pub identity: &'a HubIdentity,
    /// The program restic.
    pub program: PathBuf,
}

/// Why a repository is not looked after.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// Its secrets cannot be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A secret is not there.
    #[error("the secret `{0}` is missing")]
    Secret(&'static str),
    /// restic failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// What came of one repository.
#[derive(Debug)]
pub enum Looked {
    /// So many snapshots were forgotten, or would be.
    Forgotten(usize),
    /// Nobody ever wrote to it.
    Missing,
    /// It could not be looked after.
    Failed(UpkeepError),
}

impl Upkeep {
    /// What a fleet says; none where it makes no backups.
    pub fn of(desired: &Desired) -> Option<Self> {
        let hub = &desired.head.hub;
        let customers = desired.customers.values();
        Some(Self {
            settings: hub.backups.clone()?,
            own: desired.head.secrets,
            customers: customers
                .filter_map(|customer| Customer::new(&hub.fleet_id, customer))
                .collect(),
        })
    }

    /// Forgets in every repository what is beyond the rule. `dry`: only says what would go. One that fails keeps no other from being looked after.
    pub fn prune(
        &self,
        keys: &Keys<'_>,
        dry: bool,
        now: Timestamp,
        tell: &mut dyn FnMut(&CustomerId, &ServerId, Looked),
    ) -> Result<(), UpkeepError> {
        let login = self.login(keys)?;
        for customer in &self.customers {
            for (server, wanted) in &customer.servers {
                let looked = self
                    .secrets(keys, customer)
                    .and_then(|secrets| self.open(keys, customer, server, &secrets, login.as_ref()))
                    .and_then(|repository| Ok(self.forget(&repository, wanted, dry, now)?));
                let looked = match looked {
                    Ok(forgotten) => Looked::Forgotten(forgotten),
                    Err(UpkeepError::Repository(RepositoryError::Missing)) => Looked::Missing,
                    Err(error) => Looked::Failed(error),
                };
                tell(&customer.id, server, looked);
            }
        }
        Ok(())
    }

    fn forget(
        &self,
        repository: &Repository,
        wanted: &Wanted,
        dry: bool,
        now: Timestamp,
    ) -> Result<usize, RepositoryError> {
        let kept = retain(&repository.snapshots()?, self.settings.keep, wanted, now);
        if !dry && !kept.forget.is_empty() {
            repository.forget(kept.forget.iter().map(String::as_str))?;
        }
        Ok(kept.forget.len())
    }

    /// The repository of a server, with the hub's own log-in.
    pub fn repository(
        &self,
        keys: &Keys<'_>,
        customer: &Customer,
        server: &ServerId,
    ) -> Result<Repository, UpkeepError> {
        let login = self.login(keys)?;
        let secrets = self.secrets(keys, customer)?;
        self.open(keys, customer, server, &secrets, login.as_ref())
    }

    /// What the agents of a customer log in with.
    pub fn append_password(
        &self,
        keys: &Keys<'_>,
        customer: &Customer,
    ) -> Result<Secret, UpkeepError> {
        let mut secrets = self.secrets(keys, customer)?;
        secrets
            .remove(APPEND_PASSWORD)
            .ok_or(UpkeepError::Secret(APPEND_PASSWORD))
    }

    fn open(
        &self,
        keys: &Keys<'_>,
        customer: &Customer,
        server: &ServerId,
        secrets: &BTreeMap<String, Secret>,
        login: Option<&(String, Secret)>,
    ) -> Result<Repository, UpkeepError> {
        let key = secrets
            .get(REPOSITORY_KEY)
            .ok_or(UpkeepError::Secret(REPOSITORY_KEY))?;
        let place = self.settings.maintenance.as_ref();
        let place = place.unwrap_or(&self.settings.repository);
        let login = login.map(|(user, password)| (user.as_str(), password));
        Ok(Repository {
            program: keys.program.clone(),
            address: address(
                place.as_str(),
                &format!("{}/{server}", customer.user),
                login,
            ),
            key: key.clone(),
        })
    }

    fn secrets(
        &self,
        keys: &Keys<'_>,
        customer: &Customer,
    ) -> Result<BTreeMap<String, Secret>, UpkeepError> {
        let what = format!("fleet/decisions/{}/backups.secrets.yaml", customer.id);
        Ok(keys.identity.open(keys.objects, customer.secrets, &what)?)
    }

    /// The hub's own log-in where backups are kept.
    fn login(&self, keys: &Keys<'_>) -> Result<Option<(String, Secret)>, UpkeepError> {
        let Some(file) = self.own else {
            return Ok(None);
        };
        let mut own = keys
            .identity
            .open(keys.objects, file, "fleet/secrets.yaml")?;
        Ok(own.remove("backups_password").map(|password| {
            let user = own.remove("backups_user");
            let user = user.map_or_else(|| "hub".to_owned(), |user| user.expose().clone());
            (user, password)
        }))
    }
}
