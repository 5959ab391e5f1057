//! Somebody leaves: their key opens nothing any more, and what they could read is listed by risk, because what was read cannot be taken back.

mod past;
mod work;

use super::change::Writer;
use super::rules::{RULES, Rules};
use super::uses::Declared;
use super::{Keyring, SecretsError, Target, WorkTree, history};
use jiff::Timestamp;
use past::Past;
use regex::Regex;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::Rotate;
use tenantry_schema::id::StaffId;
use tenantry_sops::{CreationRules, Recipient, SopsFile};

/// How bad it is that somebody outside knows a secret; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Everything: slices can be signed with it.
    Critical,
    /// The hub's accounts: servers, DNS, payments.
    High,
    /// A customer's accounts elsewhere.
    Medium,
    /// Inside a customer's server.
    Low,
    /// Cannot be replaced: personal data, and keys that data is encrypted with.
    Lasting,
}

/// A secret that the person could read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Readable {
    /// How bad.
    pub risk: Risk,
    /// The file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What to do about it.
    pub remedy: String,
}

/// What offboarding did, or would do.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Who.
    pub person: StaffId,
    /// The key that fleet/staff.yaml has of them, if it has one.
    pub recipient: Option<String>,
    /// Keys that earlier versions of fleet/staff.yaml had of them.
    pub earlier: Vec<String>,
    /// Whether these are all keys that they ever had there: history is complete and could be read.
    pub all_keys: bool,
    /// What is to be known before anything else: who is left to do what only owners may.
    pub warning: Option<String>,
    /// Files that they were dropped from.
    pub files: Vec<String>,
    /// Secrets that they could read, now or in any earlier version; the worst first.
    pub secrets: Vec<Readable>,
    /// What is left for people to do.
    pub work: Vec<String>,
}

/// Drops `id` from `.sops.yaml` and every file, under new data keys, with every key that any version of fleet/staff.yaml had of them; with `dry_run` only
/// says what that would be.
pub fn offboard(
    tree: &WorkTree,
    keyring: &Keyring,
    id: &StaffId,
    dry_run: bool,
    now: Timestamp,
) -> Result<Report, SecretsError> {
    let rules = Rules::read(tree)?;
    let past = Past::read(tree, &rules, id)?;
    if !past.is_known() {
        let known: Vec<_> = rules.staff.0.keys().map(ToString::to_string).collect();
        return Err(SecretsError::refused(format!(
            "fleet/staff.yaml has nobody called `{id}`, in no version; it has {}",
            if known.is_empty() {
                "nobody".to_owned()
            } else {
                known.join(", ")
            }
        )));
    }
    let keys = &rules.hub.keys;
    if let Some(recipient) = &past.today
        && [&keys.hub.age, &keys.recovery.age]
            .iter()
            .any(|key| key.as_str() == recipient)
    {
        return Err(SecretsError::refused(format!(
            "the key of `{id}` in fleet/staff.yaml is the hub's or the recovery key: nobody would be left to open the fleet's secrets"
        )));
    }
    let recipients = past.recipients();
    // Files come last: what cannot be told changes nothing.
    let secrets = readable(tree, &recipients)?;
    let work = work::left(tree, &rules, id, &past)?;
    Ok(Report {
        person: id.clone(),
        recipient: past.today.clone(),
        earlier: past.earlier.keys().cloned().collect(),
        all_keys: past.gaps.is_empty(),
        warning: work::warning(&rules, id, &past),
        files: drop_from_files(tree, keyring, &rules, &recipients, dry_run, now)?,
        secrets,
        work,
    })
}

fn drop_from_files(
    tree: &WorkTree,
    keyring: &Keyring,
    rules: &Rules,
    recipients: &BTreeSet<String>,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<String>, SecretsError> {
    let mut changed = Vec::new();
    if recipients.is_empty() {
        return Ok(changed);
    }
    let named = |text: &str| recipients.iter().any(|recipient| text.contains(recipient));
    let text = tree.read(RULES)?.unwrap_or_default();
    let without = recipients.iter().fold(text.clone(), |text, recipient| {
        without_recipient(&text, recipient)
    });
    let mut todo = Vec::new();
    for path in tree.files()? {
        let Ok(Some(text)) = tree.read(&path) else {
            continue;
        };
        if !named(&text) || !tenantry_sops::is_sops(&text) {
            continue;
        }
        let file = SopsFile::parse(&text).map_err(SecretsError::sops(&path))?;
        let left = file
            .recipients()
            .filter(|found| !recipients.contains(*found));
        let left: Vec<Recipient> = left
            .map(|found| found.parse().map_err(SecretsError::sops(&path)))
            .collect::<Result<_, _>>()?;
        if left.is_empty() {
            return Err(SecretsError::refused(format!(
                "{path} can be opened by them alone; `tenantry secrets updatekeys` first"
            )));
        }
        if left.len() == file.recipients().count() {
            continue;
        }
        let target = Target::of_path(&path);
        // Before anything is written: can all of it be done?
        let (file, identities) = keyring.open(tree, &target)?;
        let is_asked_only = dry_run && keyring.is_empty();
        if !is_asked_only {
            file.decrypt(&identities)
                .map_err(SecretsError::sops(&path))?;
        }
        todo.push((target, left));
    }
    if named(&without) {
        return Err(SecretsError::refused(format!(
            "take their key out of {RULES} by hand first: a rule has nobody else, or an anchor names it"
        )));
    }
    if without != text {
        CreationRules::parse(&without).map_err(SecretsError::sops(RULES))?;
        changed.push(RULES.to_owned());
        if !dry_run {
            tree.write(RULES, &without)?;
        }
    }
    let writer = Writer {
        tree,
        keyring,
        rules,
        now,
    };
    for (target, left) in todo {
        if !dry_run {
            writer.rotate_for(&target, &left)?;
        }
        changed.push(target.path());
    }
    Ok(changed)
}

/// `.sops.yaml` without one recipient, however it is listed: with commas, over lines, or as items. All else stays as it is.
pub fn without_recipient(text: &str, recipient: &str) -> String {
    let found = regex::escape(recipient);
    let forms = [
        // An item of a list, on a line of its own, with its comment.
        format!(r"(?m)^[ \t]*-[ \t]*[\x22']?{found}[\x22']?[ \t]*(?:#.*)?\n"),
        // On a line of its own before another one.
        format!(r"(?m)^[ \t]*[\x22']?{found}[\x22']?[ \t]*,[ \t]*\n"),
        // After another one.
        format!(r"[ \t]*,\s*[\x22']?{found}\b[\x22']?"),
        // Before another one.
        format!(r"[\x22']?\b{found}\b[\x22']?\s*,[ \t]*"),
    ];
    forms.iter().fold(text.to_owned(), |text, form| {
        let form = Regex::new(form).expect("what is found is escaped");
        form.replace_all(&text, "").into_owned()
    })
}

/// What the person could read, in any version.
fn readable(tree: &WorkTree, recipients: &BTreeSet<String>) -> Result<Vec<Readable>, SecretsError> {
    if recipients.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = history::readable_by(tree.repository(), recipients)?;
    for path in tree.files()? {
        let Ok(Some(text)) = tree.read(&path) else {
            continue;
        };
        let names = history::opened_by(&text, recipients);
        if !names.is_empty() {
            known.entry(path).or_default().extend(names);
        }
    }
    let mut found = Vec::new();
    for (path, names) in &known {
        found.extend(judge(tree, path, names)?);
    }
    found.sort();
    Ok(found)
}

fn judge(
    tree: &WorkTree,
    path: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<Readable>, SecretsError> {
    let there: BTreeSet<String> = match tree.read(path)?.map(|text| SopsFile::parse(&text)) {
        Some(Ok(file)) => file.top_level_keys().map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    };
    let mut specs = BTreeMap::new();
    let target = Target::of_path(path);
    if let Target::Tool(customer, order, tool) = &target
        && let Ok(Some(declared)) = Declared::read(tree, customer, order, tool)
    {
        specs = declared.secrets;
    }
    let one = |name: &String| {
        let (risk, remedy) = match &target {
            _ if path == "fleet/hub-key.yaml" => {
                (Risk::Critical, "replace the hub's signing key (docs/operating.md, \"Another key for the hub\"): with it slices can be signed that every agent accepts".to_owned())
            }
            _ if !there.contains(name) => {
                (Risk::Low, "not in the fleet any more; make sure that it is worth nothing where it was used".to_owned())
            }
            Target::Hub => (Risk::High, format!("replace it where it was issued, then `tenantry secrets set hub {name}`")),
            Target::Customer(customer) => {
                (Risk::Medium, format!("replace it where it was issued, then `tenantry secrets set {customer} {name}`"))
            }
            Target::Person(_) => (Risk::Lasting, "personal data that was read cannot be taken back".to_owned()),
            Target::Tool(..) if specs.get(name).is_some_and(|spec| spec.rotate == Rotate::Never) => {
                (Risk::Lasting, "its stack says `rotate: never`: data is encrypted with it".to_owned())
            }
            Target::Tool(..) => (Risk::Low, format!("`tenantry secrets rotate {target} {name}`")),
            Target::Path(_) => (Risk::Medium, "replace it where it is used".to_owned()),
        };
        Readable {
            risk,
            file: path.to_owned(),
            name: name.clone(),
            remedy,
        }
    };
    Ok(names.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_taken_out_of_every_way_of_listing() {
        let (a, b) = (
            format!("age1{}", "a".repeat(58)),
            format!("age1{}", "b".repeat(58)),
        );
        for (before, after) in [
            (format!("age: {a},{b}\n"), format!("age: {a}\n")),
            (
                format!("age: {b}, {a} # people\n"),
                format!("age: {a} # people\n"),
            ),
            (format!("age: [{a}, {b}]\n"), format!("age: [{a}]\n")),
            (
                format!("age: [\"{b}\", \"{a}\"]\n"),
                format!("age: [\"{a}\"]\n"),
            ),
            (
                format!("age:\n  - {a}\n  - {b}  # sam\nx: 1\n"),
                format!("age:\n  - {a}\nx: 1\n"),
            ),
            (
                format!("age: >-\n  {a},\n  {b}\nx: 1\n"),
                format!("age: >-\n  {a}\nx: 1\n"),
            ),
            (
                format!("age: >-\n  {b},\n  {a}\n"),
                format!("age: >-\n  {a}\n"),
            ),
            (format!("age: {a}\n"), format!("age: {a}\n")),
        ] {
            assert_eq!(without_recipient(&before, &b), after, "{before}");
        }
    }
}
