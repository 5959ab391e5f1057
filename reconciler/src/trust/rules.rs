//! Who may change what, as one commit says: its staff, its policy, the hub's key.

use super::{Refusal, role_word};
use crate::git::{GitError, Objects, Oid};
use crate::load::settings_at;
use tenantry_planner::documents::HeadDocuments;
use tenantry_schema::document::{Policy, Role, Trust};
use tenantry_wire::VerifyingKey;

/// The rules of one commit.
pub struct Rules {
    hub: Option<VerifyingKey>,
    keys: Vec<VerifyingKey>,
    /// Whose the key at the same place of `keys` is.
    people: Vec<(String, Role)>,
    policy: Policy,
    /// Whether commits on top have to be signed.
    signed: bool,
}

/// Who signed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signer {
    Hub,
    Person(String, Role),
}

impl Rules {
    /// What only an owner changes, whatever the policy says: who may do what, and which keys and hub count.
    pub const OWNERS: [&'static str; 5] = [
        "fleet/staff.yaml",
        "fleet/hub.yaml",
        "fleet/hub-key.yaml",
        "fleet/activation.yaml",
        ".sops.yaml",
    ];
    /// The hub's own files. Of people only an owner changes them.
    pub const DECISIONS: &'static str = "fleet/decisions/";

    /// Those of the commit with the root tree `root`. None where its settings have errors.
    pub(super) fn at(objects: &Objects, root: Oid) -> Result<Option<Self>, GitError> {
        Ok(settings_at(objects, root)?.map(|head| Self::of(&head)))
    }

    /// Those of these settings.
    pub fn of(head: &HeadDocuments) -> Self {
        let mut rules = Self {
            hub: VerifyingKey::try_from(&head.hub.keys.hub.sign).ok(),
            keys: Vec::new(),
            people: Vec::new(),
            policy: head.hub.policy.clone(),
            signed: head.hub.trust == Trust::Signed,
        };
        rules.keys.extend(rules.hub.clone());
        for (id, person) in &head.staff.0 {
            for key in &person.signing_keys {
                // A key that is the hub's as well would make its owner the hub.
                let key = VerifyingKey::try_from(key).ok();
                if let Some(key) = key.filter(|key| rules.hub.as_ref() != Some(key)) {
                    rules.keys.push(key);
                    rules.people.push((id.to_string(), person.role));
                }
            }
        }
        rules
    }

    /// Whether commits on top have to be signed (`trust: signed`).
    pub fn signed(&self) -> bool {
        self.signed
    }

    /// All keys that count.
    pub(super) fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whose `key` is, one of [`Self::keys`].
    pub(super) fn signer(&self, key: &VerifyingKey) -> Option<Signer> {
        if self.hub.as_ref() == Some(key) {
            return Some(Signer::Hub);
        }
        let at = self.keys.iter().position(|known| known == key)?;
        let at = at.checked_sub(usize::from(self.hub.is_some()))?;
        let (id, role) = self.people.get(at)?;
        Some(Signer::Person(id.clone(), *role))
    }

    /// The least role that may change a file.
    pub fn least_role(&self, path: &str) -> Role {
        if Self::OWNERS.contains(&path) || path.starts_with(Self::DECISIONS) {
            return Role::Owner;
        }
        if let Some(role) = self.policy.least_role(path) {
            return role;
        }
        if path.starts_with("fleet/customers/") {
            Role::Manager
        } else {
            Role::Admin
        }
    }

    /// Whether `signer` may change all of `paths`.
    pub(super) fn allow(&self, signer: &Signer, paths: &[String]) -> Result<(), Refusal> {
        match signer {
            Signer::Hub => {
                let outside = paths.iter().find(|path| !path.starts_with(Self::DECISIONS));
                outside.map_or(Ok(()), |path| Err(Refusal::HubOutside(path.clone())))
            }
            Signer::Person(who, role) => {
                // From most to least: an owner comes first.
                let beyond = paths.iter().find(|path| self.least_role(path) < *role);
                beyond.map_or(Ok(()), |path| {
                    Err(Refusal::NotAllowed {
                        who: who.clone(),
                        role: role_word(*role).to_owned(),
                        path: path.clone(),
                        needs: role_word(self.least_role(path)).to_owned(),
                    })
                })
            }
        }
    }
}
