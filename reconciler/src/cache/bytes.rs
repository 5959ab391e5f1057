//! The cache as bytes: trees, and entries that name them by their places. Whatever is not exactly that is no cache.

use super::parts::{Reader, number, text};
use super::{Cache, Entry, Facts, Key, Surroundings, file};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_planner::ObjectId;

const MARK: &file::Mark = b"tenantry facts 3";

pub(super) fn encode(cache: &Cache, stamp: &Surroundings) -> Vec<u8> {
    let trees = cache.trees();
    let places: BTreeMap<&ObjectId, usize> = trees
        .iter()
        .enumerate()
        .map(|(place, tree)| (tree, place))
        .collect();
    file::seal(MARK, stamp, |out| {
        out.reserve(128 * (cache.known.len() + 1));
        number(out, trees.len());
        for tree in &trees {
            out.extend_from_slice(&tree.0);
        }
        number(out, cache.known.len());
        for (key, entry) in &cache.known {
            out.extend_from_slice(key);
            out.push(entry.age);
            number(out, entry.trees.len());
            for place in entry.trees.iter().filter_map(|tree| places.get(tree)) {
                number(out, *place);
            }
            facts(out, &entry.facts);
        }
    })
}

fn facts(out: &mut Vec<u8>, facts: &Facts) {
    number(out, facts.domains.len());
    facts.domains.iter().for_each(|domain| text(out, domain));
    number(out, facts.marks.len());
    facts
        .marks
        .iter()
        .for_each(|mark| out.extend_from_slice(mark));
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

/// None where these bytes are anything else than what this program wrote.
pub(super) fn decode(content: &[u8], stamp: &Surroundings) -> Option<Cache> {
    let mut reader = Reader(file::unseal(content, MARK, stamp)?);
    let trees: Vec<ObjectId> = reader.list(|reader| reader.array().map(ObjectId))?;
    let known: HashMap<Key, Entry> = reader.list(|reader| {
        let (key, [age]) = (reader.array()?, reader.array()?);
        let rests_on = reader.list(|reader| trees.get(reader.number()? as usize).copied());
        let trees: Arc<[ObjectId]> = rests_on?;
        let facts = Arc::new(read_facts(reader)?);
        Some((key, Entry { facts, trees, age }))
    })?;
    reader.is_at_end().then(|| Cache {
        known,
        ..Cache::default()
    })
}

fn read_facts(reader: &mut Reader<'_>) -> Option<Facts> {
    Some(Facts {
        domains: reader.list(Reader::text)?,
        marks: reader.list(Reader::array)?,
        servers: reader.number()?,
        monthly: reader.list::<_, BTreeMap<_, _>>(|reader| {
            Some((reader.text()?, u64::from_le_bytes(reader.array()?)))
        })?,
        warnings: match reader.text()?.as_str() {
            "" => Vec::new(),
            json => serde_json::from_str(json).ok()?,
        },
        settled: reader.flag()?,
    })
}
