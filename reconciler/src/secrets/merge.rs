//! Three versions of one file of secrets to one, value by value: what Git's merge driver does. Texts in, text out; nothing in clear leaves here.

use git2::{MergeFileInput, MergeFileOptions};
use rand::CryptoRng;
use std::collections::BTreeSet;
use tenantry_sops::{
    Change, Error, ExposeSecret, Identities, Map, Path, Recipient, SecretString, SopsFile,
    Timestamp, Value,
};

/// How a merge ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Both sides' changes are in it.
    Clean(String),
    /// Both sides' changes, except that these values, which both changed, are ours.
    Conflicts {
        /// The merged file.
        text: String,
        /// Names of values that people have to choose.
        names: Vec<String>,
    },
}

/// Merges. `base` is `None` where both sides made the file. The result is encrypted under our data key, unless somebody was dropped from its
/// recipients, who would know that key.
pub fn merge(
    base: Option<&str>,
    ours: &str,
    theirs: &str,
    identities: &Identities,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Merged, Error> {
    let base = base
        .filter(|text| !text.trim().is_empty())
        .map(SopsFile::parse)
        .transpose()?;
    let (ours, theirs) = (SopsFile::parse(ours)?, SopsFile::parse(theirs)?);
    let mut found = Found::default();
    let empty = Map::new();
    let opened = base
        .as_ref()
        .map(|file| file.decrypt(identities))
        .transpose()?;
    let before = opened.as_ref().map_or(&empty, |opened| &opened.root);
    let (mine, other) = (
        ours.decrypt(identities)?.root,
        theirs.decrypt(identities)?.root,
    );
    maps(before, &mine, &other, &Path::root(), &mut found);
    let rule = |file: &SopsFile| (file.rule().clone(), file.mac_only_encrypted());
    if rule(&ours) != rule(&theirs) && base.as_ref().is_none_or(|base| rule(base) != rule(&theirs))
    {
        found.conflicts.push("sops".to_owned());
    }
    let mut text = ours.edit(identities, &found.changes, now, rng)?;
    if found.conflicts.is_empty()
        && let Some(with_comments) =
            merged_as_text(base.as_ref(), &ours, &theirs, &text, identities, now, rng)
    {
        text = with_comments;
    }
    let text = bring(&text, base.as_ref(), &ours, &theirs, identities, now, rng)?;
    Ok(if found.conflicts.is_empty() {
        Merged::Clean(text)
    } else {
        Merged::Conflicts {
            text,
            names: found.conflicts,
        }
    })
}

/// What theirs has to bring to ours.
#[derive(Default)]
struct Found {
    changes: Vec<Change>,
    conflicts: Vec<String>,
}

fn maps(base: &Map, ours: &Map, theirs: &Map, at: &Path, found: &mut Found) {
    let mut keys: Vec<&str> = ours.iter().map(|(key, _)| key).collect();
    for (key, _) in theirs.iter().chain(base.iter()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for key in keys {
        let path = at.clone().key(key);
        let (before, mine, other) = (base.get(key), ours.get(key), theirs.get(key));
        if mine == other || other == before {
            continue;
        }
        match (before, mine, other) {
            (_, Some(Value::Map(mine)), Some(Value::Map(other))) => {
                let empty = Map::new();
                let before = match before {
                    Some(Value::Map(before)) => before,
                    _ => &empty,
                };
                maps(before, mine, other, &path, found);
            }
            (before, mine, Some(other)) if mine == before => {
                found.changes.push(Change::Set {
                    path,
                    value: other.clone(),
                });
            }
            (before, mine, None) if mine == before => found.changes.push(Change::Remove { path }),
            _ => found.conflicts.push(path.to_string()),
        }
    }
}

/// The same merge line by line, which also keeps both sides' comments and places: taken only where it says exactly what the other said.
fn merged_as_text(
    base: Option<&SopsFile>,
    ours: &SopsFile,
    theirs: &SopsFile,
    merged: &str,
    identities: &Identities,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Option<String> {
    let plain = |file: &SopsFile| file.plain_text(identities).ok();
    let before = base.map_or_else(|| Some(SecretString::from("")), plain)?;
    let (mine, other) = (plain(ours)?, plain(theirs)?);
    let wanted = SopsFile::parse(merged)
        .and_then(|file| file.decrypt(identities))
        .ok()?
        .root;
    let input = |text: &SecretString| text.expose_secret().as_bytes().to_vec();
    let (before, mine, other) = (input(&before), input(&mine), input(&other));
    let (mut base_in, mut our_in, mut their_in) = (
        MergeFileInput::new(),
        MergeFileInput::new(),
        MergeFileInput::new(),
    );
    base_in.content(&before);
    our_in.content(&mine);
    their_in.content(&other);
    let result = git2::merge_file(
        &base_in,
        &our_in,
        &their_in,
        Some(&mut MergeFileOptions::new()),
    )
    .ok()?;
    if !result.is_automergeable() {
        return None;
    }
    let text = SecretString::from(String::from_utf8(result.content().to_vec()).ok()?);
    let text = ours.replace_text(identities, &text, now, rng).ok()?;
    let root = SopsFile::parse(&text)
        .and_then(|file| file.decrypt(identities))
        .ok()?
        .root;
    let same = root.len() == wanted.len()
        && wanted
            .iter()
            .all(|(key, value)| root.get(key) == Some(value));
    same.then_some(text)
}

/// Merges who can open the file.
fn bring(
    text: &str,
    base: Option<&SopsFile>,
    ours: &SopsFile,
    theirs: &SopsFile,
    identities: &Identities,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<String, Error> {
    let set = |file: &SopsFile| {
        file.recipients()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let (mine, other) = (set(ours), set(theirs));
    let before = base.map_or_else(|| &mine | &other, set);
    let dropped = &(&before - &mine) | &(&before - &other);
    let order = ours.recipients().chain(theirs.recipients());
    let mut wanted: Vec<Recipient> = Vec::new();
    for recipient in order.filter(|recipient| !dropped.contains(*recipient)) {
        let recipient: Recipient = recipient.parse()?;
        if !wanted.contains(&recipient) {
            wanted.push(recipient);
        }
    }
    let file = SopsFile::parse(text)?;
    if wanted.iter().map(Recipient::as_str).eq(file.recipients()) {
        return Ok(text.to_owned());
    }
    if mine.iter().any(|recipient| dropped.contains(recipient)) {
        file.rotate(identities, &wanted, now, rng)
    } else {
        file.update_recipients(identities, &wanted)
    }
}

#[cfg(test)]
mod tests;
