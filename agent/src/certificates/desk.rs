//! The desk of one order: where answers to challenges are laid out, and where is noted what must not be lost on the way.

use super::authority::{Order, Trouble};
use super::memory::{Issued, Memory, MemoryFile, Pending};
use crate::files::{FilesError, Root};
use jiff::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::Secret;
use tenantry_schema::name::{DomainName, RelativePath};

/// Below the folder that the web server answers challenges from (RFC 8555, section 8.3).
const WELL_KNOWN: &str = ".well-known/acme-challenge";
/// Where private keys of orders are, beside the memory.
const PENDING: &str = "pending";
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
    answered: Cell<bool>,
}

impl<'a> Desk<'a> {
    /// For one order. `challenges` is the folder that the web server answers from.
    pub fn new(order: &'a Order, memory: &'a RefCell<MemoryFile>, challenges: &'a Root) -> Self {
        Self {
            order,
            memory,
            challenges,
            answered: Cell::new(false),
        }
    }

    /// The order that was begun before, and its private key, if it was for the same.
    ///
    /// # Errors
    /// Where there is one whose key cannot be read: another order would cost another certificate.
    pub fn begun(&self) -> Result<Option<(String, Secret)>, FilesError> {
        let memory = self.memory.borrow();
        let site = memory.get().sites.get(&self.order.host);
        let pending = site.and_then(|site| site.pending.as_ref());
        let pending = pending.filter(|pending| pending.of == self.order.of);
        let Some((pending, file)) = pending.zip(key_file(&self.order.host)) else {
            return Ok(None);
        };
        let key = memory.root().read(&file, LIMIT)?;
        let key = key.and_then(|key| String::from_utf8(key).ok());
        Ok(key.map(|key| (pending.url.clone(), Secret::new(key))))
    }

    /// An order was accepted by the authority. From here on it can be gone on with.
    pub fn begin(&self, url: &str, key: &Secret) -> Result<(), Trouble> {
        let mut memory = self.memory.borrow_mut();
        let file =
            key_file(&self.order.host).ok_or_else(|| Trouble::local("no file can be named so"))?;
        let written = memory.root().write(&file, key.expose().as_bytes());
        written.map_err(Trouble::local)?;
        let pending = Pending {
            url: url.to_owned(),
            of: self.order.of.clone(),
            counted: false,
        };
        let noted = memory.update(|memory| memory.site(&self.order.host).pending = Some(pending));
        noted.map_err(Trouble::local)
    }

    /// The order is of no use any more.
    pub fn forget(&self) -> Result<(), FilesError> {
        self.forget_and(|_| {})
    }

    /// The same, and something else about it in the same instant.
    pub fn forget_and(&self, change: impl FnOnce(&mut Memory)) -> Result<(), FilesError> {
        let mut memory = self.memory.borrow_mut();
        memory.update(|memory| {
            memory.site(&self.order.host).pending = None;
            change(memory);
        })?;
        if let Some(file) = key_file(&self.order.host) {
            memory.root().remove(&file)?;
        }
        Ok(())
    }

    /// The certificate is about to be issued: from here on it counts. One order is one certificate, however often it is asked for.
    pub fn count(&self, now: Timestamp) -> Result<(), Trouble> {
        let issued = Issued {
            at: now,
            names: self.order.names.clone(),
            renewal: self.order.renewal,
        };
        let noted = self.memory.borrow_mut().update(|memory| {
            memory.forget_old(now);
            let pending = memory.site(&self.order.host).pending.as_mut();
            let pending = pending.filter(|pending| pending.of == self.order.of);
            let counted = pending.is_some_and(|it| std::mem::replace(&mut it.counted, true));
            if !counted {
                memory.issued.push(issued);
            }
        });
        noted.map_err(Trouble::local)
    }

    /// Lays out the answer to a challenge. The token is the authority's word, so it is believed to be anything.
    pub fn answer(&self, token: &str, answer: &str) -> Result<(), Trouble> {
        let path = challenge_file(token)
            .ok_or_else(|| Trouble::local("the authority's challenge is not of a known form"))?;
        let written = self.challenges.write(&path, answer.as_bytes());
        written.map_err(Trouble::local)?;
        self.answered.set(true);
        Ok(())
    }

    /// Whether an answer was laid out: from then on the authority may validate names, and count what fails.
    pub fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// Takes an answer away again.
    pub fn withdraw(&self, token: &str) {
        if let Some(path) = challenge_file(token)
            && let Err(error) = self.challenges.remove(&path)
        {
            tracing::warn!(%error, "the answer to a challenge is left behind");
        }
    }
}

/// The private key of an order that was begun.
fn key_file(host: &DomainName) -> Option<RelativePath> {
    RelativePath::try_from(format!("{PENDING}/{host}.pem")).ok()
}

/// Ends what an agent that was killed left behind, while no order is worked on: answers to challenges, orders whose certificate is in its place,
/// and keys that no order needs. `in_place`: the private key of a host's certificate.
///
/// # Errors
/// Where a file cannot be read or removed. What is left is of no harm, and tried again by the next agent.
pub fn tidy(
    memory: &mut MemoryFile,
    challenges: Option<&Root>,
    in_place: impl Fn(&DomainName) -> Option<Vec<u8>>,
) -> Result<(), FilesError> {
    let answers = challenges.map_or_else(|| Ok(BTreeMap::new()), Root::list)?;
    for path in answers.keys() {
        challenges.map_or(Ok(false), |root| root.remove(path))?;
    }
    let (mut ended, mut unread) = (BTreeSet::new(), None);
    let pending = memory.get().sites.iter();
    let pending = pending.filter(|(_, site)| site.pending.is_some());
    let mut needed: BTreeMap<RelativePath, &DomainName> = pending
        .filter_map(|(host, _)| Some((key_file(host)?, host)))
        .collect();
    for (file, host) in &needed {
        match memory.root().read(file, LIMIT) {
            Ok(Some(key)) if in_place(host).is_some_and(|used| used == key) => {
                ended.insert((*host).clone());
            }
            Ok(_) => {}
            // It does not keep what others left.
            Err(error) => unread = Some(error),
        }
    }
    needed.retain(|_, host| !ended.contains(*host));
    let keys = memory.root().list()?.into_keys();
    let keys = keys.filter(|path| path.as_str().starts_with(&format!("{PENDING}/")));
    let useless: Vec<_> = keys.filter(|path| !needed.contains_key(path)).collect();
    if !ended.is_empty() {
        memory.update(|memory| {
            for host in &ended {
                let site = memory.site(host);
                (site.pending, site.attempts, site.next, site.error) = (None, 0, None, None);
            }
        })?;
    }
    for path in useless {
        memory.root().remove(&path)?;
    }
    unread.map_or(Ok(()), Err)
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
