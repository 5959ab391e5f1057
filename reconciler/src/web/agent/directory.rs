//! Who may speak as which server: agents' public keys by fingerprint, as the fleet says at one commit. Whether a request was signed is checked elsewhere.

use super::gate::Gate;
use std::collections::HashMap;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::key::SshPublicKey;
use tenantry_wire::{KeyError, VerifyingKey};

/// One agent.
#[derive(Debug)]
pub struct AgentIdentity {
    server: ServerKey,
    key: VerifyingKey,
    pub(super) gate: Gate,
}

impl AgentIdentity {
    /// The server that it speaks for.
    pub fn server(&self) -> &ServerKey {
        &self.server
    }

    /// Checks what it signed.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

/// Why a key cannot speak for a server.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Two servers name it. Neither may use it: a slice would go to whoever asks first.
    #[error("servers {0} and {1} name the same agent key")]
    Shared(ServerKey, ServerKey),
    /// It is no ed25519 key.
    #[error("the agent key of {0} cannot be used")]
    Key(ServerKey, #[source] KeyError),
}

/// All agents by their key's fingerprint.
#[derive(Debug, Default)]
pub struct AgentDirectory {
    by_fingerprint: HashMap<Box<str>, Arc<AgentIdentity>>,
}

impl AgentDirectory {
    /// The directory of these servers, and what is wrong with the others. What `before` knew about how busy an agent is goes on.
    pub fn new<'a>(
        agents: impl IntoIterator<Item = (&'a ServerKey, &'a SshPublicKey)>,
        before: Option<&AgentDirectory>,
    ) -> (Self, Vec<DirectoryError>) {
        let mut by_fingerprint: HashMap<Box<str>, Arc<AgentIdentity>> = HashMap::new();
        let mut shared: Vec<Box<str>> = Vec::new();
        let mut errors = Vec::new();
        for (server, key) in agents {
            let key = match VerifyingKey::try_from(key) {
                Ok(key) => key,
                Err(error) => {
                    errors.push(DirectoryError::Key(server.clone(), error));
                    continue;
                }
            };
            let fingerprint: Box<str> = key.fingerprint().into();
            if let Some(other) = by_fingerprint.get(&fingerprint) {
                errors.push(DirectoryError::Shared(other.server.clone(), server.clone()));
                shared.push(fingerprint);
                continue;
            }
            let same = before
                .and_then(|before| before.find(&fingerprint))
                .filter(|known| known.server == *server);
            let identity = same.cloned().unwrap_or_else(|| {
                Arc::new(AgentIdentity {
                    server: server.clone(),
                    key,
                    gate: Gate::default(),
                })
            });
            by_fingerprint.insert(fingerprint, identity);
        }
        for fingerprint in shared {
            by_fingerprint.remove(&fingerprint);
        }
        (Self { by_fingerprint }, errors)
    }

    /// The agent whose key has this fingerprint (`SHA256:…`).
    pub fn find(&self, fingerprint: &str) -> Option<&Arc<AgentIdentity>> {
        self.by_fingerprint.get(fingerprint)
    }

    /// How many agents are known.
    pub fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    /// Whether no agent is known.
    pub fn is_empty(&self) -> bool {
        self.by_fingerprint.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_wire::SigningKey;

    fn server(name: &str) -> ServerKey {
        ServerKey {
            customer: "acme".try_into().unwrap(),
            server: name.try_into().unwrap(),
        }
    }

    #[test]
    fn a_key_speaks_for_one_server_or_for_none() {
        let mut rng = rand::rng();
        let [one, two] = [
            SigningKey::generate(&mut rng).public(),
            SigningKey::generate(&mut rng).public(),
        ];
        let servers = [server("a"), server("b"), server("c"), server("d")];
        let (directory, errors) = AgentDirectory::new(
            [
                (&servers[0], &one),
                (&servers[1], &two),
                (&servers[2], &one),
                (&servers[3], &one),
            ],
            None,
        );
        assert_eq!(directory.len(), 1, "{errors:?}");
        assert_eq!(errors.len(), 2);
        let fingerprint = VerifyingKey::try_from(&two).unwrap();
        assert_eq!(
            directory.find(fingerprint.fingerprint()).unwrap().server(),
            &servers[1]
        );
    }

    #[test]
    fn a_new_commit_does_not_reset_what_an_agent_used_up() {
        let key = SigningKey::generate(&mut rand::rng());
        let (public, name) = (key.public(), server("a"));
        let (before, _) = AgentDirectory::new([(&name, &public)], None);
        let (after, _) = AgentDirectory::new([(&name, &public)], Some(&before));
        let fingerprint = key.verifying_key().fingerprint();
        assert!(Arc::ptr_eq(
            before.find(fingerprint).unwrap(),
            after.find(fingerprint).unwrap()
        ));
        let other = server("b");
        let (moved, _) = AgentDirectory::new([(&other, &public)], Some(&after));
        assert_eq!(moved.find(fingerprint).unwrap().server(), &other);
    }
}
