//! Reading what Tenantry wrote, for tests that look inside.

use super::trouble;
use crate::lab::LabError;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{CustomerId, ServerId, ServerKey};
use tenantry_sops::{ExposeSecret as _, Identities, SopsFile};

/// Parses `customer/server`.
pub fn server_key(text: &str) -> Result<ServerKey, LabError> {
    let (customer, server) = text
        .split_once('/')
        .ok_or_else(|| trouble(text, "is not customer/server"))?;
    let customer = CustomerId::try_from(customer).map_err(|error| trouble(text, error))?;
    Ok(ServerKey {
        customer,
        server: ServerId::try_from(server).map_err(|error| trouble(text, error))?,
    })
}

/// All values of a SOPS file in clear.
pub fn decrypt(text: &str, identities: &Identities) -> Result<BTreeMap<String, String>, LabError> {
    let file = SopsFile::parse(text)
        .and_then(|file| file.decrypt(identities))
        .and_then(|file| file.to_flat_map());
    let values = file.map_err(|error| trouble("sops", error))?;
    Ok(values
        .into_iter()
        .map(|(name, value)| (name, value.expose_secret().to_owned()))
        .collect())
}

/// The ciphertexts of a SOPS file: what stands behind `data:` of every value.
pub fn ciphertexts(text: &str) -> BTreeSet<String> {
    text.split("data:")
        .skip(1)
        .filter_map(|rest| rest.split(',').next())
        .filter(|data| data.len() >= 16)
        .map(str::to_owned)
        .collect()
}
