//! The cache as bytes: a mark, the program that wrote it, trees, entries, and the SHA-256 of all that. Numbers are little-endian; texts and lists
//! begin with their length in four bytes. Whatever is not exactly that is no cache.

use super::{Cache, Entry, Facts, Key, Surroundings};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tenantry_planner::ObjectId;

/// The first bytes of a file, with the number of the format.
const MARK: &[u8; 16] = b"tenantry facts 1";
const CHECKSUM: usize = 32;

pub(super) fn encode(cache: &Cache, stamp: &Surroundings) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 * (cache.known.len() + 1));
    out.extend_from_slice(MARK);
    out.extend_from_slice(stamp);
    number(&mut out, cache.trees.len());
    cache
        .trees
        .iter()
        .for_each(|tree| out.extend_from_slice(&tree.0));
    number(&mut out, cache.known.len());
    for (key, entry) in &cache.known {
        out.extend_from_slice(key);
        out.push(entry.age);
        facts(&mut out, &entry.facts);
    }
    let checksum = Sha256::digest(&out);
    out.extend_from_slice(&checksum);
    out
}

fn facts(out: &mut Vec<u8>, facts: &Facts) {
    number(out, facts.domains.len());
    facts.domains.iter().for_each(|domain| text(out, domain));
    number(out, facts.agents.len());
    facts
        .agents
        .iter()
        .for_each(|agent| out.extend_from_slice(agent));
    out.extend_from_slice(&facts.servers.to_le_bytes());
    number(out, facts.monthly.len());
    for (currency, sum) in &facts.monthly {
        text(out, currency);
        out.extend_from_slice(&sum.to_le_bytes());
    }
    match facts.warnings.as_slice() {
        [] => text(out, ""),
        warnings => text(out, &serde_json::to_string(warnings).unwrap_or_default()),
    }
    out.push(u8::from(facts.settled));
}

/// Lengths of what fits into memory many times over fit into four bytes; a greater one gives a file that is not taken.
fn number(out: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    out.extend_from_slice(&number.to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// None where these bytes are anything else than what this program wrote.
pub(super) fn decode(content: &[u8], stamp: &Surroundings) -> Option<Cache> {
    let (body, checksum) = content.split_last_chunk::<CHECKSUM>()?;
    let mut reader = Reader(body);
    if reader.array::<16>()? != *MARK || reader.array::<32>()? != *stamp {
        return None;
    }
    if Sha256::digest(body)[..] != checksum[..] {
        return None;
    }
    let trees: BTreeSet<ObjectId> = reader.list(|reader| reader.array().map(ObjectId))?;
    let known: HashMap<Key, Entry> = reader.list(|reader| {
        let (key, [age]) = (reader.array()?, reader.array()?);
        let facts = Arc::new(reader.facts()?);
        Some((key, Entry { facts, age }))
    })?;
    reader.0.is_empty().then(|| Cache {
        known,
        trees,
        ..Cache::default()
    })
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        std::str::from_utf8(self.take(length)?)
            .ok()
            .map(str::to_owned)
    }

    /// Grows as items come, so that a number alone takes no memory.
    fn list<T, C: FromIterator<T>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<C> {
        let number = self.number()?;
        (0..number).map(|_| item(self)).collect()
    }

    fn facts(&mut self) -> Option<Facts> {
        Some(Facts {
            domains: self.list(Self::text)?,
            agents: self.list(Self::array)?,
            servers: self.number()?,
            monthly: self.list::<_, BTreeMap<_, _>>(|reader| {
                Some((reader.text()?, u64::from_le_bytes(reader.array()?)))
            })?,
            warnings: match self.text()?.as_str() {
                "" => Vec::new(),
                json => serde_json::from_str(json).ok()?,
            },
            settled: match self.array()? {
                [0] => false,
                [1] => true,
                _ => return None,
            },
        })
    }
}
