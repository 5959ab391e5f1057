//! The desk of one order: where answers to challenges are laid out, and where is noted what must not be lost on the way.

use super::authority::{Order, Trouble};
use super::memory::{Issued, MemoryFile, Pending};
use crate::files::{FilesError, Root};
use jiff::Timestamp;
use std::cell::RefCell;
use tenantry_schema::Secret;
use tenantry_schema::name::RelativePath;

/// Below the folder that the web server answers challenges from (RFC 8555, section 8.3).
const WELL_KNOWN: &str = ".well-known/acme-challenge";
/// Longest token that is taken for one.
const LONGEST_TOKEN: usize = 256;
/// Longest private key.
const LIMIT: u64 = 64 << 10;

/// Where one order is worked on.
#[derive(Debug)]
pub struct Desk<'a> {
    order: &'a Order,
    memory: &'a RefCell<MemoryFile>,
    challenges: &'a Root,
}

impl<'a> Desk<'a> {
    /// For one order. `challenges` is the folder that the web server answers from.
    pub fn new(order: &'a Order, memory: &'a RefCell<MemoryFile>, challenges: &'a Root) -> Self {
        Self {
            order,
            memory,
            challenges,
        }
    }

    /// The order that was begun before, and its private key, if it was for the same.
    pub fn begun(&self) -> Option<(String, Secret)> {
        let memory = self.memory.borrow();
        let pending = memory.get().sites.get(&self.order.host)?.pending.as_ref()?;
        let key = memory.root().read(&self.key_file()?, LIMIT).ok()??;
        let key = Secret::new(String::from_utf8(key).ok()?);
        (pending.of == self.order.of).then(|| (pending.url.clone(), key))
    }

    /// An order was accepted by the authority. From here on it can be gone on with.
    pub fn begin(&self, url: &str, key: &Secret) -> Result<(), Trouble> {
        let mut memory = self.memory.borrow_mut();
        let file = self
            .key_file()
            .ok_or_else(|| Trouble::local("no file can be named so"))?;
        let written = memory.root().write(&file, key.expose().as_bytes());
        written.map_err(Trouble::local)?;
        let pending = Pending {
            url: url.to_owned(),
            of: self.order.of.clone(),
        };
        let noted = memory.update(|memory| memory.site(&self.order.host).pending = Some(pending));
        noted.map_err(Trouble::local)
    }

    /// The order is of no use any more.
    pub fn forget(&self) -> Result<(), FilesError> {
        let mut memory = self.memory.borrow_mut();
        memory.update(|memory| memory.site(&self.order.host).pending = None)?;
        if let Some(file) = self.key_file() {
            memory.root().remove(&file)?;
        }
        Ok(())
    }

    /// The certificate is about to be issued: from here on it counts.
    pub fn count(&self, now: Timestamp) -> Result<(), Trouble> {
        let issued = Issued {
            at: now,
            names: self.order.names.clone(),
            renewal: self.order.renewal,
        };
        let noted = self.memory.borrow_mut().update(|memory| {
            memory.forget_old(now);
            memory.issued.push(issued);
        });
        noted.map_err(Trouble::local)
    }

    /// Lays out the answer to a challenge. The token is the authority's word, so it is believed to be anything.
    pub fn answer(&self, token: &str, answer: &str) -> Result<(), Trouble> {
        let path = challenge_file(token)
            .ok_or_else(|| Trouble::local("the authority's challenge is not of a known form"))?;
        let written = self.challenges.write(&path, answer.as_bytes());
        written.map_err(Trouble::local)
    }

    /// Takes an answer away again.
    pub fn withdraw(&self, token: &str) {
        if let Some(path) = challenge_file(token)
            && let Err(error) = self.challenges.remove(&path)
        {
            tracing::warn!(%error, "the answer to a challenge is left behind");
        }
    }

    fn key_file(&self) -> Option<RelativePath> {
        RelativePath::try_from(format!("pending/{}.pem", self.order.host)).ok()
    }
}

/// Removes all answers: what a killed agent left behind.
pub fn clear(challenges: &Root) -> Result<(), FilesError> {
    for path in challenges.list()?.into_keys() {
        challenges.remove(&path)?;
    }
    Ok(())
}

/// The file of a token: characters of base64url only (RFC 8555, section 8.1).
fn challenge_file(token: &str) -> Option<RelativePath> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let good = (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(plain);
    good.then(|| RelativePath::try_from(format!("{WELL_KNOWN}/{token}")).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_name_a_file_in_their_folder() {
        let file = challenge_file("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA").unwrap();
        assert!(file.as_str().starts_with(".well-known/acme-challenge/eva"));
        for bad in ["", "a/b", "..", "a.b", "a\nb", "é", &"a".repeat(257)] {
            assert_eq!(challenge_file(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_token_leaves_its_folder(token in ".*") {
            if let Some(file) = challenge_file(&token) {
                let name = file.as_str().strip_prefix(".well-known/acme-challenge/");
                prop_assert!(name.is_some_and(|name| !name.contains(['/', '.'])));
            }
        }
    }
}
