//! All of a repository's history, each file version once: for secrets that were committed by mistake, and for who could once read what.

use super::SecretsError;
use super::scan::{Exposed, certain, must_be_sealed};
use crate::load::MAX_FILE;
use git2::{ObjectType, Oid, Repository, Sort};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tenantry_sops::SopsFile;

/// A version of a file, with the first commit that has it.
pub struct Version<'r> {
    /// Path from the top.
    pub path: &'r str,
    /// The commit.
    pub commit: Oid,
    /// Its text.
    pub text: &'r str,
}

/// Calls `visit` for every text file that any branch, tag or remote branch ever had; oldest first, each content at each path once.
pub fn walk(
    repository: &Repository,
    visit: &mut dyn FnMut(&Version<'_>),
) -> Result<(), SecretsError> {
    let failed = || SecretsError::git2("reading history");
    let mut seen = HashSet::new();
    for commit in commits(repository)? {
        let commit = commit.map_err(failed())?;
        let tree = repository.find_commit(commit).map_err(failed())?.tree_id();
        folder(repository, tree, "", commit, &mut seen, visit)?;
    }
    Ok(())
}

/// Commits of all branches, tags and remote branches, parents before children.
fn commits(repository: &Repository) -> Result<git2::Revwalk<'_>, SecretsError> {
    let failed = || SecretsError::git2("reading history");
    let mut commits = repository.revwalk().map_err(failed())?;
    commits
        .set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)
        .map_err(failed())?;
    for glob in ["refs/heads/*", "refs/remotes/*", "refs/tags/*"] {
        commits.push_glob(glob).map_err(failed())?;
    }
    // An unborn branch has no history.
    let _ = commits.push_head();
    Ok(commits)
}

fn folder(
    repository: &Repository,
    tree: Oid,
    prefix: &str,
    commit: Oid,
    seen: &mut HashSet<(Oid, String)>,
    visit: &mut dyn FnMut(&Version<'_>),
) -> Result<(), SecretsError> {
    if !seen.insert((tree, prefix.to_owned())) {
        return Ok(());
    }
    let tree = repository
        .find_tree(tree)
        .map_err(SecretsError::git2("reading history"))?;
    for entry in &tree {
        let Ok(name) = entry.name() else { continue };
        let path = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        match entry.kind() {
            Some(ObjectType::Tree) => folder(repository, entry.id(), &path, commit, seen, visit)?,
            Some(ObjectType::Blob) if seen.insert((entry.id(), path.clone())) => {
                let blob = repository
                    .find_blob(entry.id())
                    .map_err(SecretsError::git2("reading history"))?;
                if blob.size() <= MAX_FILE
                    && let Ok(text) = std::str::from_utf8(blob.content())
                {
                    visit(&Version {
                        path: &path,
                        commit,
                        text,
                    });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A secret in clear text in some version of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaked {
    /// The file.
    pub path: String,
    /// The commit that brought it.
    pub commit: String,
    /// What.
    pub exposed: Exposed,
}

/// Secrets in clear text that any commit has. What later versions still have is named once, at its first commit.
pub fn leaks(repository: &Repository) -> Result<Vec<Leaked>, SecretsError> {
    let mut found: Vec<Leaked> = Vec::new();
    let mut known = HashSet::new();
    walk(repository, &mut |version| {
        for exposed in certain(version.path, version.text) {
            let line = version
                .text
                .lines()
                .nth(exposed.line.saturating_sub(1))
                .unwrap_or_default();
            let same = (
                version.path.to_owned(),
                exposed.what.clone(),
                line.trim().to_owned(),
            );
            if known.insert(same) {
                found.push(Leaked {
                    path: version.path.to_owned(),
                    commit: version.commit.to_string(),
                    exposed,
                });
            }
        }
    })?;
    Ok(found)
}

/// Files and names of secrets that any of `recipients` could ever open, by path.
pub fn readable_by(
    repository: &Repository,
    recipients: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, SecretsError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    walk(repository, &mut |version| {
        let names = opened_by(version.text, recipients);
        if !names.is_empty() {
            let known = found.entry(version.path.to_owned()).or_default();
            known.extend(names);
        }
    })?;
    Ok(found)
}

/// Names of the secrets of a file that any of `recipients` can open; none where it is no SOPS file.
pub fn opened_by(text: &str, recipients: &BTreeSet<String>) -> Vec<String> {
    let named = recipients.iter().any(|recipient| text.contains(recipient));
    if !named || !tenantry_sops::is_sops(text) {
        return Vec::new();
    }
    match SopsFile::parse(text) {
        Ok(file) if file.recipients().any(|found| recipients.contains(found)) => {
            file.top_level_keys().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Calls `visit` for every version of the file at `path`, oldest first, each text once. No other file is looked at.
pub fn walk_file(
    repository: &Repository,
    path: &str,
    visit: &mut dyn FnMut(&Version<'_>),
) -> Result<(), SecretsError> {
    let failed = || SecretsError::git2("reading history");
    let mut seen = HashSet::new();
    for commit in commits(repository)? {
        let commit = commit.map_err(failed())?;
        let found = repository.find_commit(commit).map_err(failed())?;
        let tree = found.tree().map_err(failed())?;
        let entry = match tree.get_path(std::path::Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == git2::ErrorCode::NotFound => continue,
            Err(error) => return Err(failed()(error)),
        };
        if entry.kind() == Some(ObjectType::Blob) && seen.insert(entry.id()) {
            let blob = repository.find_blob(entry.id()).map_err(failed())?;
            let text = String::from_utf8_lossy(blob.content());
            visit(&Version {
                path,
                commit,
                text: &text,
            });
        }
    }
    Ok(())
}

/// The first commit that has a version, and who could open it; `None` where it was not encrypted.
pub type Opened = (Oid, Option<Vec<String>>);

/// Versions of one file, oldest first: the commit, and who could open it; nobody in particular where it was in clear text.
pub fn versions(repository: &Repository, path: &str) -> Result<Vec<Opened>, SecretsError> {
    let mut found = Vec::new();
    walk(repository, &mut |version| {
        if version.path == path && (must_be_sealed(path) || tenantry_sops::is_sops(version.text)) {
            let sealed = tenantry_sops::sealed_keys(version.text)
                .and_then(|_| SopsFile::parse(version.text));
            let recipients = sealed
                .ok()
                .map(|file| file.recipients().map(str::to_owned).collect());
            found.push((version.commit, recipients));
        }
    })?;
    Ok(found)
}
