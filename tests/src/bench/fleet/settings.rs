//! `fleet/` itself in the generated fleet: settings, keys, activation.

use super::super::{BenchError, Doing};
use super::stacks::File;
use tenantry_sops::{EncryptOptions, Map, Recipient, Rule, Value, encrypt};
use tenantry_wire::SigningKey;

/// Public halves of a pair of keys, as documents have them.
pub(in crate::bench) struct Public {
    pub(in crate::bench) sign: String,
    pub(in crate::bench) age: String,
}

impl Public {
    /// Of keys that nobody keeps.
    pub(in crate::bench) fn generate() -> Self {
        let sign = SigningKey::generate(&mut rand::rng()).public().to_string();
        Self {
            sign,
            age: age::x25519::Identity::generate().to_public().to_string(),
        }
    }

    fn yaml(&self) -> String {
        format!("{{ sign: {}, age: {} }}", self.sign, self.age)
    }
}

/// Who can open the generated fleet's secrets.
pub(in crate::bench) struct Keys {
    hub: Public,
    recovery: Public,
    signer: SigningKey,
}

impl Keys {
    pub(in crate::bench) fn generate() -> Self {
        let signer = SigningKey::generate(&mut rand::rng());
        let hub = Public {
            sign: signer.public().to_string(),
            ..Public::generate()
        };
        Self {
            hub,
            recovery: Public::generate(),
            signer,
        }
    }

    /// How files of secrets are encrypted: as the hub does it.
    pub(super) fn options(&self) -> Result<EncryptOptions, BenchError> {
        let recipients: Result<Vec<Recipient>, _> = [&self.hub.age, &self.recovery.age]
            .into_iter()
            .map(|age| age.parse())
            .collect();
        Ok(EncryptOptions {
            recipients: recipients.doing("preparing encryption")?,
            rule: Rule::all(),
            mac_only_encrypted: true,
            last_modified: tenantry_sops::Timestamp::parse_rfc3339("2026-11-20T10:00:00Z")
                .doing("preparing encryption")?,
        })
    }

    /// The files of `fleet/` itself.
    pub(in crate::bench) fn files(&self) -> Result<Vec<File>, BenchError> {
        let (hub, recovery) = (self.hub.yaml(), self.recovery.yaml());
        let settings = format!(
            "fleet_id: bench\nurl: http://127.0.0.1:8080\nkeys:\n  hub: {hub}\n  recovery: {recovery}\ntrust: forge\nplans:\n  pro: {{}}\n"
        );
        let pem = Map::new().with(
            "signing_key",
            Value::text(self.signer.to_openssh("bench").expose().clone()),
        );
        let key =
            encrypt(&pem, &self.options()?, &mut rand::rng()).doing("encrypting the hub's key")?;
        let activation = format!(
            "fleet_id: bench\nhub: {}\nrelease: {}\n",
            self.hub.age,
            tenantry::RELEASE
        );
        let file = |name: &str, text: String| (format!("fleet/{name}"), text);
        Ok(vec![
            file("hub.yaml", settings),
            file(
                "staff.yaml",
                "jo: { email: jo@example.com, role: owner }\n".to_owned(),
            ),
            file("hub-key.yaml", key),
            file("activation.yaml", activation),
        ])
    }
}
