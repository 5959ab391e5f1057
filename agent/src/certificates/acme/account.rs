//! The account at the authority. Its key is made here, is on disk before the authority hears of it, and never leaves this server.

use super::Failed;
use super::http::Connection;
use crate::certificates::authority::Trouble;
use crate::files::Root;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use instant_acme::{Account, Error, Key};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use tenantry_schema::Secret;
use tenantry_schema::document::Certificates;
use tenantry_schema::name::RelativePath;
use tokio::sync::Mutex;

const FILE: &str = "account.json";
const LIMIT: u64 = 64 << 10;

/// The account, as it is kept.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// At which directory.
    directory: String,
    /// The key: PKCS#8, base64.
    key: String,
    /// What the authority calls it. Absent: it may not know it yet.
    id: Option<String>,
    /// What the authority was given.
    contact: Option<String>,
}

/// Keeps the account. Only one order at a time may make a new one.
#[derive(Debug)]
pub(super) struct Accounts {
    root: Root,
    making: Mutex<()>,
}

impl Accounts {
    pub(super) fn new(root: Root) -> Self {
        Self {
            root,
            making: Mutex::new(()),
        }
    }

    /// The account at this authority; made where there is none, with terms agreed.
    pub(super) async fn get(
        &self,
        connection: &Connection,
        authority: &Certificates,
    ) -> Result<Account, Failed> {
        let _alone = self.making.lock().await;
        let directory = authority.directory.to_string();
        let mut kept = self.read()?.filter(|kept| kept.directory == directory);
        if kept.as_ref().is_none_or(|kept| decode(&kept.key).is_none()) {
            kept = None;
        }
        let mut kept = match kept {
            Some(kept) => kept,
            None => self.begin(directory)?,
        };
        let key = decode(&kept.key).ok_or(Error::KeyRejected)?;
        let builder = || Account::builder_with_http(Box::new(connection.clone()));
        let account = if let Some(id) = kept.id.clone() {
            let key = PrivatePkcs8KeyDer::from(key.expose().clone());
            builder()
                .from_parts(id, key, kept.directory.clone())
                .await?
        } else {
            let der = PrivatePkcs8KeyDer::from(key.expose().clone());
            let pair = (
                Key::from_pkcs8_der(der.clone_key())?,
                PrivateKeyDer::Pkcs8(der),
            );
            let (account, _) = builder()
                .create_from_key(pair, kept.directory.clone())
                .await?;
            crate::faults::changed();
            kept.id = Some(account.id().to_owned());
            kept.contact = None;
            self.write(&kept)?;
            account
        };
        let contact = authority.contact.as_ref().map(ToString::to_string);
        if kept.contact != contact {
            let url = contact.as_ref().map(|address| format!("mailto:{address}"));
            let urls: Vec<&str> = url.iter().map(String::as_str).collect();
            account.update_contacts(&urls).await?;
            kept.contact = contact;
            self.write(&kept)?;
        }
        Ok(account)
    }

    /// The authority does not know the account any more. The key stays: with it the account is made anew.
    pub(super) fn forget(&self) -> Result<(), Trouble> {
        if let Some(mut kept) = self.read()? {
            kept.id = None;
            self.write(&kept)?;
        }
        Ok(())
    }

    fn begin(&self, directory: String) -> Result<Kept, Failed> {
        let (_, key) = Key::generate_pkcs8()?;
        let kept = Kept {
            directory,
            key: STANDARD.encode(key.secret_pkcs8_der()),
            ..Kept::default()
        };
        self.write(&kept)?;
        Ok(kept)
    }

    fn read(&self) -> Result<Option<Kept>, Trouble> {
        let bytes = self.root.read(&file(), LIMIT).map_err(Trouble::local)?;
        // One that is damaged is of no use: an account costs nothing.
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn write(&self, kept: &Kept) -> Result<(), Trouble> {
        let bytes = serde_json::to_vec_pretty(kept).map_err(Trouble::local)?;
        self.root.write(&file(), &bytes).map_err(Trouble::local)
    }
}

fn decode(key: &str) -> Option<Secret<Vec<u8>>> {
    let bytes = STANDARD.decode(key).ok()?;
    Key::from_pkcs8_der(PrivatePkcs8KeyDer::from(bytes.as_slice())).ok()?;
    Some(Secret::new(bytes))
}

fn file() -> RelativePath {
    RelativePath::try_from(FILE).expect("a plain name")
}
