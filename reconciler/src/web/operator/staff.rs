//! The people who may ask servers, by their signing keys, as the fleet says at one commit.

use tenantry_schema::document::Staff;
use tenantry_schema::id::{FleetId, StaffId};
use tenantry_schema::wire::ASK_NAMESPACE;
use tenantry_wire::VerifyingKey;
use tenantry_wire::sshsig::{self, SshSigError};

/// Everybody with a key.
#[derive(Clone, Default)]
pub struct StaffDirectory {
    fleet_id: String,
    keys: Vec<VerifyingKey>,
    /// Whose each of `keys` is.
    people: Vec<StaffId>,
}

impl StaffDirectory {
    /// Those of `staff.yaml`. What is no key, whatever it looks like, signs nothing.
    pub fn new(fleet_id: &FleetId, staff: &Staff) -> Self {
        let mut directory = Self {
            fleet_id: fleet_id.to_string(),
            ..Self::default()
        };
        for (id, person) in &staff.0 {
            for key in &person.signing_keys {
                if let Ok(key) = VerifyingKey::try_from(key) {
                    directory.keys.push(key);
                    directory.people.push(id.clone());
                }
            }
        }
        directory
    }

    /// The fleet that they work for.
    pub(super) fn fleet_id(&self) -> &str {
        &self.fleet_id
    }

    /// Who signed `text`.
    pub(crate) fn signer(&self, text: &[u8], signature: &str) -> Result<&StaffId, SshSigError> {
        let key = sshsig::verify(&self.keys, ASK_NAMESPACE, text, signature)?;
        let at = self.keys.iter().position(|known| known == key);
        at.and_then(|at| self.people.get(at))
            .ok_or(SshSigError::BadSignature)
    }
}
