//! What is wrong with the secrets of a fleet: in clear text, open to the wrong people, unused, missing. Needs no key.

use super::holders::Holders;
use super::rules::Rules;
use super::scan::{conflicts, is_damaged, must_be_sealed, scan};
use super::uses::{Declared, Orders, Use, pin};
use super::{SecretsError, Target, WorkTree, destroyed, erase, history};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::id::{CustomerId, ToolName};
use tenantry_sops::{Recipient, SopsFile};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// A secret that everybody with the repository can read.
    ClearText,
    /// The same in a version that was committed earlier.
    ClearTextInHistory,
    /// A file of secrets that cannot be read.
    Damaged,
    /// A merge left a choice to people.
    Conflict,
    /// Other people can open a file than `.sops.yaml` says.
    Recipients,
    /// Personal data whose key was destroyed is still there, or there is no record that it was.
    Erasure,
    /// An order refers to a secret that is not there.
    Missing,
    /// Nothing refers to a secret.
    Unused,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// 1-based; absent for the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What kind.
    pub problem: Problem,
    /// Whether it must not stay so. Otherwise it is worth a look.
    pub error: bool,
    /// The commit, in history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What is wrong. No secret is in it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Looks at every file of a work tree; `in_history` at every version of every file, too.
pub fn audit(
    tree: &WorkTree,
    rules: &Rules,
    in_history: bool,
) -> Result<Vec<Finding>, SecretsError> {
    let files = tree.files()?;
    let root = tree.root().to_owned();
    let texts: Vec<(String, String)> = files
        .par_iter()
        .filter_map(|path| Some((path.clone(), read(&root.join(path))?)))
        .collect();
    let mut found: Vec<Finding> = texts
        .par_iter()
        .flat_map_iter(|(path, text)| in_clear(path, text))
        .collect();
    let holders = Holders::of(rules);
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in &texts {
        if !(must_be_sealed(path) || is_yaml(path) && tenantry_sops::is_sops(text)) {
            continue;
        }
        match SopsFile::parse(text) {
            Ok(file) => {
                if let Some(why) = tenantry_sops::sealed_keys(text).err().filter(is_damaged) {
                    found.push(damaged(path, &why));
                }
                names.insert(
                    path.clone(),
                    file.top_level_keys().map(str::to_owned).collect(),
                );
                found.extend(recipients(tree, rules, &holders, path, &file));
            }
            // Clear text was found above.
            Err(tenantry_sops::Error::NotSops) => {}
            Err(why) => found.push(damaged(path, &why)),
        }
    }
    let orders = Orders::read(tree, &files);
    found.extend(missing(&names, &orders.uses));
    found.extend(unused(tree, &names, &orders));
    if in_history {
        found.extend(leaked(tree, &found)?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn damaged(path: &str, why: &tenantry_sops::Error) -> Finding {
    finding(
        path,
        Problem::Damaged,
        true,
        format!("cannot be read: {why}"),
        format!("take it back from Git's history: `git log -p -- {path}`"),
    )
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn read(path: &std::path::Path) -> Option<String> {
    let size = std::fs::symlink_metadata(path).ok()?;
    (size.is_file() && size.len() <= crate::load::MAX_FILE as u64)
        .then(|| std::fs::read_to_string(path).ok())
        .flatten()
}

fn finding(
    path: &str,
    problem: Problem,
    error: bool,
    message: String,
    hint: impl Into<String>,
) -> Finding {
    Finding {
        path: path.to_owned(),
        line: None,
        problem,
        error,
        commit: None,
        message,
        hint: hint.into(),
    }
}

/// Secrets in clear text, and merges that nobody has settled, in one file.
pub fn in_clear(path: &str, text: &str) -> Vec<Finding> {
    let exposed = scan(path, text).into_iter().map(|exposed| {
        let hint = if exposed.line == 0 {
            format!("encrypt it (`tenantry secrets updatekeys {}`); if it was pushed, its secrets are known: replace them", Target::of_path(path))
        } else if exposed.certain {
            "move it into a file of secrets (`tenantry secrets set`); if it was pushed, it is known: replace it".to_owned()
        } else {
            "if it is one, move it into a file of secrets; if not, write `# not-a-secret` on its line".to_owned()
        };
        Finding {
            line: (exposed.line > 0).then_some(exposed.line),
            ..finding(path, Problem::ClearText, exposed.certain, format!("{} is in clear text", exposed.what), hint)
        }
    });
    let unsettled = conflicts(text).into_iter().map(|line| Finding {
        line: Some(line),
        ..finding(
            path,
            Problem::Conflict,
            true,
            "a merge left a choice".to_owned(),
            "choose the value (`tenantry secrets set`), then delete this line",
        )
    });
    exposed.chain(unsettled).collect()
}

fn recipients(
    tree: &WorkTree,
    rules: &Rules,
    holders: &Holders,
    path: &str,
    file: &SopsFile,
) -> Option<Finding> {
    let target = Target::of_path(path);
    if let Target::Person(customer) = &target
        && let Some(unfinished) = unfinished(tree, customer, path, file)
    {
        return Some(unfinished);
    }
    let wanted = match rules.wanted(tree, &target) {
        Ok(Some(wanted)) => wanted,
        Ok(None) if matches!(target, Target::Person(_)) => {
            return without_person_key(rules, path, file);
        }
        Ok(None) => {
            let message = "no rule of .sops.yaml speaks of this file".to_owned();
            return Some(finding(
                path,
                Problem::Recipients,
                false,
                message,
                "add a rule that says who can open it",
            ));
        }
        Err(error) => {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            return Some(finding(
                path,
                Problem::Recipients,
                true,
                format!("its rule in .sops.yaml: {why}"),
                "mend .sops.yaml",
            ));
        }
    };
    if wanted.same_recipients(file.recipients()) {
        return None;
    }
    let have: BTreeSet<&str> = file.recipients().collect();
    let should: BTreeSet<&str> = wanted.recipients.iter().map(Recipient::as_str).collect();
    let list = |of: Vec<&&str>| {
        of.iter()
            .map(|one| holders.name(one))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let more = list(have.difference(&should).collect());
    let less = list(should.difference(&have).collect());
    let message = match (more.as_str(), less.as_str()) {
        ("", less) => format!("cannot be opened by {less}"),
        (more, "") => format!("can be opened by {more}, who should not"),
        (more, less) => {
            format!("can be opened by {more}, who should not; cannot be opened by {less}")
        }
    };
    let hint = format!("`tenantry secrets updatekeys {target}`");
    Some(finding(
        path,
        Problem::Recipients,
        !more.is_empty(),
        message,
        hint,
    ))
}

/// Personal data that is encrypted to a key that was destroyed.
fn unfinished(
    tree: &WorkTree,
    customer: &CustomerId,
    path: &str,
    file: &SopsFile,
) -> Option<Finding> {
    let known = destroyed::of(tree.repository(), customer).unwrap_or_default();
    let record = super::rules::document(tree, &erase::record_path(customer)).unwrap_or_default();
    let known = destroyed::with_record(known, record.as_ref());
    let dead = destroyed::opener(&known, file)?;
    let message = format!(
        "the key was destroyed on {}: nobody can read this any more",
        dead.at.strftime("%Y-%m-%d")
    );
    let hint = format!("finish with `tenantry erase {customer}`");
    Some(finding(path, Problem::Erasure, true, message, hint))
}

/// Personal data whose key is not in this clone: fine if it is encrypted to one key that is nobody's, else it was never moved to one.
fn without_person_key(rules: &Rules, path: &str, file: &SopsFile) -> Option<Finding> {
    let keepers = rules.keepers().unwrap_or_default();
    let shared = file.recipients().count() != 1
        || file
            .recipients()
            .any(|found| keepers.iter().any(|keeper| keeper.as_str() == found));
    shared.then(|| {
        let message = "personal data is not encrypted to a key of its own, so it cannot be erased from history".to_owned();
        finding(path, Problem::Recipients, false, message, format!("`tenantry secrets updatekeys {}`", Target::of_path(path)))
    })
}

fn missing(names: &BTreeMap<String, Vec<String>>, uses: &[Use]) -> Vec<Finding> {
    uses.iter()
        .filter_map(|used| {
            let file = Target::Customer(used.customer.clone()).path();
            let there = names
                .get(&file)
                .is_some_and(|names| names.contains(&used.secret));
            (!there).then(|| {
                let message = format!(
                    "{} of {} refers to the secret `{}`, which is not there",
                    used.variable, used.stack, used.secret
                );
                let hint = format!("`tenantry secrets set {} {}`", used.customer, used.secret);
                finding(&used.path, Problem::Missing, true, message, hint)
            })
        })
        .collect()
}

fn unused(tree: &WorkTree, names: &BTreeMap<String, Vec<String>>, orders: &Orders) -> Vec<Finding> {
    let mut found = Vec::new();
    // Many tools run the same version of a stack.
    let mut versions: BTreeMap<(ToolName, Option<String>), Option<BTreeSet<String>>> =
        BTreeMap::new();
    let mut given: BTreeMap<&CustomerId, BTreeSet<String>> = BTreeMap::new();
    for used in &orders.uses {
        given
            .entry(&used.customer)
            .or_default()
            .insert(used.secret.clone());
    }
    for (path, names) in names {
        let known: BTreeSet<String> = match Target::of_path(path) {
            Target::Customer(customer) => given.get(&customer).cloned().unwrap_or_default(),
            Target::Tool(customer, order, tool) => {
                let pin = pin(tree, &customer, &order, &tool).ok().flatten();
                let stack = orders.stack(&customer, &order, &tool);
                let declared = versions
                    .entry((stack, pin))
                    .or_insert_with_key(|(stack, pin)| names_of(tree, stack, pin.as_deref()));
                match declared {
                    Some(names) => names.clone(),
                    // Without a stack there is nothing to compare with; `check` tells of one that is broken.
                    None => continue,
                }
            }
            _ => continue,
        };
        for name in names.iter().filter(|name| !known.contains(*name)) {
            let message = format!("nothing uses the secret `{name}`");
            let hint = "remove it if it is not needed any more (`tenantry secrets edit`)";
            found.push(finding(path, Problem::Unused, false, message, hint));
        }
    }
    found
}

/// Names of the secrets that a version of a stack declares.
fn names_of(tree: &WorkTree, stack: &ToolName, pin: Option<&str>) -> Option<BTreeSet<String>> {
    let declared = Declared::of_version(tree, stack, pin).ok()??;
    Some(declared.secrets.into_keys().collect())
}

/// What history has in clear text and the files of now have not.
fn leaked(tree: &WorkTree, now: &[Finding]) -> Result<Vec<Finding>, SecretsError> {
    let leaks = history::leaks(tree.repository())?;
    let still = |leak: &history::Leaked| {
        let message = format!("{} is in clear text", leak.exposed.what);
        now.iter()
            .any(|found| found.path == leak.path && found.message == message)
    };
    Ok(leaks
        .iter()
        .filter(|leak| !still(leak))
        .map(|leak| Finding {
            line: (leak.exposed.line > 0).then_some(leak.exposed.line),
            commit: Some(leak.commit.clone()),
            ..finding(
                &leak.path,
                Problem::ClearTextInHistory,
                true,
                format!("{} was in clear text", leak.exposed.what),
                "whoever has the repository has it: replace it; rewriting history does not make it secret again",
            )
        })
        .collect())
}
