//! Somebody leaves: their key opens nothing any more, and what they could read is listed by risk, because what was read cannot be taken back.

use super::change::Writer;
use super::rules::{RULES, Rules};
use super::uses::Declared;
use super::{Keyring, SecretsError, Target, WorkTree, history};
use jiff::Timestamp;
use regex::Regex;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_planner::plan::{host_of, user_on};
use tenantry_schema::document::{Hub, Kind, Manage, Person, Rotate, Server, classify};
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
    /// Their key, if they had one.
    pub recipient: Option<String>,
    /// Files that they were dropped from.
    pub files: Vec<String>,
    /// Secrets that they could read, now or in any earlier version; the worst first.
    pub secrets: Vec<Readable>,
    /// What is left for people to do.
    pub work: Vec<String>,
}

/// Drops `id` from `.sops.yaml` and every file, under new data keys; with `dry_run` only says what that would be.
pub fn offboard(
    tree: &WorkTree,
    keyring: &Keyring,
    id: &StaffId,
    dry_run: bool,
    now: Timestamp,
) -> Result<Report, SecretsError> {
    let rules = Rules::read(tree)?;
    let Some(person) = rules.staff.0.get(id) else {
        let known: Vec<_> = rules.staff.0.keys().map(ToString::to_string).collect();
        return Err(SecretsError::refused(format!(
            "fleet/staff.yaml has nobody called `{id}`; it has {}",
            if known.is_empty() {
                "nobody".to_owned()
            } else {
                known.join(", ")
            }
        )));
    };
    let recipient = person.age.as_ref().map(|age| age.as_str().to_owned());
    let mut report = Report {
        person: id.clone(),
        recipient: recipient.clone(),
        files: Vec::new(),
        secrets: Vec::new(),
        work: Vec::new(),
    };
    if let Some(recipient) = &recipient {
        let keys = &rules.hub.keys;
        if [&keys.hub.age, &keys.recovery.age]
            .iter()
            .any(|key| key.as_str() == recipient)
        {
            return Err(SecretsError::refused(format!(
                "the key of `{id}` in fleet/staff.yaml is the hub's or the recovery key: nobody would be left to open the fleet's secrets"
            )));
        }
        report.secrets = readable(tree, recipient)?;
        report.files = drop_from_files(tree, keyring, &rules, recipient, dry_run, now)?;
    }
    report.work = work(tree, &rules.hub, id, person)?;
    Ok(report)
}

fn drop_from_files(
    tree: &WorkTree,
    keyring: &Keyring,
    rules: &Rules,
    recipient: &str,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<String>, SecretsError> {
    let mut changed = Vec::new();
    let text = tree.read(RULES)?.unwrap_or_default();
    let without = without_recipient(&text, recipient);
    let mut todo = Vec::new();
    for path in tree.files()? {
        let Ok(Some(text)) = tree.read(&path) else {
            continue;
        };
        if !text.contains(recipient) || !tenantry_sops::is_sops(&text) {
            continue;
        }
        let file = SopsFile::parse(&text).map_err(SecretsError::sops(&path))?;
        let left = file.recipients().filter(|found| *found != recipient);
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
    if without.contains(recipient) {
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
fn readable(tree: &WorkTree, recipient: &str) -> Result<Vec<Readable>, SecretsError> {
    let mut known = history::readable_by(tree.repository(), recipient)?;
    for path in tree.files()? {
        let Ok(Some(text)) = tree.read(&path) else {
            continue;
        };
        if text.contains(recipient)
            && let Ok(file) = SopsFile::parse(&text)
            && file.recipients().any(|found| found == recipient)
        {
            let names = file.top_level_keys().map(str::to_owned);
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
                (Risk::Critical, "replace the hub's signing key: with it slices can be signed that every agent accepts".to_owned())
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

/// What no command can do.
fn work(
    tree: &WorkTree,
    hub: &Hub,
    id: &StaffId,
    person: &Person,
) -> Result<Vec<String>, SecretsError> {
    let mut work = vec![format!(
        "remove `{id}` from fleet/staff.yaml, in the same commit: role {}, {} to sign with{}",
        format!("{:?}", person.role).to_lowercase(),
        keys(person.signing_keys.len()),
        if person.login.is_some() {
            ", log-in to the status page"
        } else {
            ""
        }
    )];
    work.push(format!(
        "forge: remove {}'s account, keys and tokens from the fleet's repository ({})",
        id, person.email
    ));
    work.push(
        "accounts at providers, DNS, payment and mail services that the person had".to_owned(),
    );
    let mut let_in = Vec::new();
    for path in tree.files()? {
        if let Kind::Server(customer, server) = classify(&path)
            && let Ok(Some(document)) = super::rules::document::<Server>(tree, &path)
        {
            let name = format!("{customer}/{server}");
            match door(hub, &document, id, person) {
                Door::Shut => {}
                Door::ByAgent => let_in.push(name),
                Door::ByHand(why) => work.push(format!(
                    "host {name} ({}): remove their user and SSH keys, if they had any: {why}",
                    document.address
                )),
            }
        }
    }
    if let [first, rest @ ..] = let_in.as_slice() {
        let others = match rest.len() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        work.push(format!(
            "servers that let `{id}` in ({first}{others}): their agents lock the user out, end the sessions and take the keys away once the entry is gone \
             from fleet/staff.yaml; look that they do (`tenantry status`). The folder /home/{id} stays"
        ));
    }
    Ok(work)
}

/// How somebody gets into a server, and what it takes that they do not any more.
enum Door {
    /// The fleet never let them in, and takes keys away that others put there.
    Shut,
    /// The agent sees to it.
    ByAgent,
    /// People have to, and why.
    ByHand(&'static str),
}

fn door(hub: &Hub, server: &Server, id: &StaffId, person: &Person) -> Door {
    let host = host_of(hub, server);
    let Some(users) = host.as_ref().and_then(|host| host.users.as_ref()) else {
        return Door::ByHand("its `host:` has no `users:`, so nobody keeps its log-ins");
    };
    // `adopt` only observes as well, until agents can do it.
    if server.manage != Manage::Full {
        return Door::ByHand("its agent only observes");
    }
    match user_on(users, id, person) {
        Some(_) => Door::ByAgent,
        None => Door::Shut,
    }
}

fn keys(count: usize) -> String {
    match count {
        0 => "no key".to_owned(),
        1 => "1 key".to_owned(),
        more => format!("{more} keys"),
    }
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
