//! What somebody who leaves can still do that no command ends: entries, forges, accounts, hosts.

use super::past::Past;
use crate::secrets::rules::{RULES, Rules, document};
use crate::secrets::{SecretsError, WorkTree};
use regex::Regex;
use std::collections::BTreeSet;
use tenantry_planner::plan::{host_of, user_on};
use tenantry_schema::document::{Hub, Kind, Manage, Person, Role, Server, classify};
use tenantry_schema::id::StaffId;
use tenantry_schema::key::AgeRecipient;

/// Files in which forges look for who is asked to review.
const CODEOWNERS: [&str; 6] = [
    "CODEOWNERS",
    ".github/CODEOWNERS",
    ".gitlab/CODEOWNERS",
    ".gitea/CODEOWNERS",
    ".forgejo/CODEOWNERS",
    "docs/CODEOWNERS",
];

/// What is to be known before they go: who is left to do what only owners may.
pub(super) fn warning(rules: &Rules, id: &StaffId, past: &Past) -> Option<String> {
    let was_owner = past.person.as_ref().map(|person| person.role) == Some(Role::Owner);
    let others = rules.staff.0.iter().filter(|(other, _)| *other != id);
    let mut owners = others
        .filter(|(_, person)| person.role == Role::Owner)
        .peekable();
    if !was_owner {
        return None;
    }
    if owners.peek().is_none() {
        let who = if past.listed {
            format!("`{id}` is the last owner")
        } else {
            "fleet/staff.yaml has no owner any more".to_owned()
        };
        return Some(format!(
            "{who}: without one nobody may change fleet/staff.yaml or fleet/hub.yaml, or approve what loses data. Make somebody else an owner first, in a commit \
             of its own"
        ));
    }
    let none_signs = owners.all(|(_, person)| person.signing_keys.is_empty());
    none_signs.then(|| {
        format!(
            "no owner but `{id}` has `signing_keys:`, so nobody else can approve what loses data, or sign what only owners may change: give another owner a key first"
        )
    })
}

/// What no command can do.
pub(super) fn left(
    tree: &WorkTree,
    rules: &Rules,
    id: &StaffId,
    past: &Past,
) -> Result<Vec<String>, SecretsError> {
    let mut work = past.gaps.clone();
    for (key, whose) in &past.of_others {
        work.push(format!(
            "the key {} was `{id}`'s in an earlier version of fleet/staff.yaml and is {whose}'s now, so it goes on opening files: if `{id}` has it, replace it",
            short(key)
        ));
    }
    if let Some(found) = unknown_keys(tree, rules, past)? {
        work.push(found);
    }
    if let Some(person) = past.person.as_ref().filter(|_| past.listed) {
        work.push(entry(id, person));
    }
    work.extend(codeowners(tree, rules, id, past)?);
    let emails: Vec<&str> = past.emails.iter().map(String::as_str).collect();
    work.push(format!(
        "forge: remove {id}'s account, keys and tokens from the fleet's repository ({})",
        emails.join(", ")
    ));
    work.push(
        "accounts at providers, DNS, payment and mail services that the person had".to_owned(),
    );
    work.extend(hosts(tree, &rules.hub, id, past.person.as_ref())?);
    Ok(work)
}

fn entry(id: &StaffId, person: &Person) -> String {
    format!(
        "remove `{id}` from fleet/staff.yaml, in the same commit: role {}, {} to sign with{}",
        format!("{:?}", person.role).to_lowercase(),
        keys(person.signing_keys.len()),
        if person.login.is_some() {
            ", log-in to the status page"
        } else {
            ""
        }
    )
}

/// Keys that files will be encrypted to and that are nobody's by fleet/staff.yaml: they may be theirs.
fn unknown_keys(
    tree: &WorkTree,
    rules: &Rules,
    past: &Past,
) -> Result<Option<String>, SecretsError> {
    let text = tree.read(RULES)?.unwrap_or_default();
    let form = Regex::new(r"\bage1[02-9ac-hj-np-z]{58}\b").expect("it is a regular expression");
    let keys = &rules.hub.keys;
    let people = rules.staff.0.values().filter_map(|one| one.age.as_ref());
    let mut known: BTreeSet<&str> = people.map(AgeRecipient::as_str).collect();
    known.extend([keys.hub.age.as_str(), keys.recovery.age.as_str()]);
    let found: BTreeSet<&str> = form
        .find_iter(&text)
        .map(|found| found.as_str())
        .filter(|key| !known.contains(key) && !past.earlier.contains_key(*key))
        .collect();
    if found.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = found.into_iter().map(short).collect();
    Ok(Some(format!(
        "{RULES} names keys that are nobody's by fleet/staff.yaml ({}): make sure that none is theirs; if one is, write it as `age:` of their entry in fleet/staff.yaml and run this again",
        names.join(", ")
    )))
}

/// Files for the forge that still name them, or others who are not of the staff.
fn codeowners(
    tree: &WorkTree,
    rules: &Rules,
    id: &StaffId,
    past: &Past,
) -> Result<Vec<String>, SecretsError> {
    let lower = |email: &str| email.to_ascii_lowercase();
    let theirs: BTreeSet<String> = past.emails.iter().map(|email| lower(email)).collect();
    let staff: BTreeSet<String> = rules
        .staff
        .0
        .values()
        .map(|person| lower(person.email.as_str()))
        .collect();
    let mut found = Vec::new();
    for path in CODEOWNERS {
        let Some(text) = tree.read(path)? else {
            continue;
        };
        let named: BTreeSet<String> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .filter(|word| word.contains('@') && !word.starts_with('@'))
            .map(lower)
            .collect();
        let gone: Vec<&str> = named
            .iter()
            .filter(|email| theirs.contains(*email) || !staff.contains(*email))
            .map(String::as_str)
            .collect();
        if !gone.is_empty() {
            found.push(format!(
                "{path} names {}: once `{id}` is out of fleet/staff.yaml and that is committed, `tenantry codeowners --output {path}`",
                gone.join(", ")
            ));
        }
    }
    Ok(found)
}

/// Servers that they get into.
fn hosts(
    tree: &WorkTree,
    hub: &Hub,
    id: &StaffId,
    person: Option<&Person>,
) -> Result<Vec<String>, SecretsError> {
    let mut work = Vec::new();
    let mut let_in = Vec::new();
    for path in tree.files()? {
        if let Kind::Server(customer, server) = classify(&path)
            && let Ok(Some(document)) = document::<Server>(tree, &path)
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

fn door(hub: &Hub, server: &Server, id: &StaffId, person: Option<&Person>) -> Door {
    let host = host_of(hub, server);
    let Some(users) = host.as_ref().and_then(|host| host.users.as_ref()) else {
        return Door::ByHand("its `host:` has no `users:`, so nobody keeps its log-ins");
    };
    // `adopt` only observes as well, until agents can do it.
    if server.manage != Manage::Full {
        return Door::ByHand("its agent only observes");
    }
    let Some(person) = person else {
        return Door::ByHand("what fleet/staff.yaml said of them cannot be read any more");
    };
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

/// The start of a key, enough to tell it from others.
fn short(key: &str) -> String {
    format!("{}…", key.chars().take(12).collect::<String>())
}
