//! Folders and files as the planner's input. Links, submodules, oversized files and other encodings are named as such, never followed or guessed.

use super::{MAX_FILE, object_id};
use crate::git::{Entry, EntryKind, GitError, Objects, Oid};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry_planner::documents;
use tenantry_planner::input::SourceFile;

/// Deepest folder that is entered; documents stand at most four deep, files of stacks a little deeper.
const MAX_DEPTH: usize = 12;

/// Reads every file below `tree`, whose path is `prefix`.
pub(super) fn below(
    objects: &Objects,
    tree: Oid,
    prefix: &str,
    out: &mut Vec<SourceFile>,
) -> Result<(), GitError> {
    walk(objects, tree, prefix, MAX_DEPTH, &mut |path, entry| {
        out.push(source(objects, path, entry)?);
        Ok(())
    })
}

/// Reads the files of `tree` itself.
pub(super) fn directly_in(
    objects: &Objects,
    tree: Oid,
    prefix: &str,
) -> Result<Vec<SourceFile>, GitError> {
    let entries = objects.tree(tree)?;
    let files = entries.iter().filter(|entry| entry.kind != EntryKind::Tree);
    files
        .map(|entry| source(objects, format!("{prefix}/{}", entry.name), entry))
        .collect()
}

/// What is below a tree, by relative path.
#[derive(Default)]
pub(super) struct Bytes {
    /// Bytes of files.
    pub(super) files: BTreeMap<String, Arc<[u8]>>,
    /// What cannot be taken, with the reason.
    pub(super) refused: BTreeMap<String, &'static str>,
    /// Files with the executable bit.
    pub(super) executable: BTreeSet<String>,
}

pub(super) fn bytes_below(objects: &Objects, tree: Oid) -> Result<Bytes, GitError> {
    let mut out = Bytes::default();
    walk(objects, tree, "", MAX_DEPTH, &mut |path, entry| {
        if entry.kind == EntryKind::Executable {
            out.executable.insert(path.clone());
        }
        match refused(entry) {
            Some(why) => drop(out.refused.insert(path, why)),
            None => match objects.blob(entry.oid, MAX_FILE) {
                Ok(content) => drop(out.files.insert(path, content.into())),
                Err(GitError::TooLarge { .. }) => drop(out.refused.insert(path, TOO_LARGE)),
                Err(error) => return Err(error),
            },
        }
        Ok(())
    })?;
    Ok(out)
}

const TOO_LARGE: &str = "it is larger than 1 MiB";

fn walk(
    objects: &Objects,
    tree: Oid,
    prefix: &str,
    depth: usize,
    visit: &mut dyn FnMut(String, &Entry) -> Result<(), GitError>,
) -> Result<(), GitError> {
    for entry in objects.tree(tree)? {
        let path = if prefix.is_empty() {
            entry.name.clone()
        } else {
            format!("{prefix}/{}", entry.name)
        };
        if entry.kind == EntryKind::Tree && depth > 0 {
            walk(objects, entry.oid, &path, depth - 1, visit)?;
        } else {
            visit(path, &entry)?;
        }
    }
    Ok(())
}

fn refused(entry: &Entry) -> Option<&'static str> {
    match entry.kind {
        EntryKind::File | EntryKind::Executable => None,
        EntryKind::Tree => Some("folders are nested too deeply"),
        EntryKind::Symlink => Some("it is a symbolic link; put the file itself here"),
        EntryKind::Submodule => Some("it is a submodule; put the files themselves here"),
        EntryKind::BadName => Some("its name is not UTF-8"),
    }
}

pub(super) fn source(
    objects: &Objects,
    path: String,
    entry: &Entry,
) -> Result<SourceFile, GitError> {
    let text = match refused(entry) {
        Some(why) => Err(why),
        None => content(objects, entry.oid)?,
    };
    Ok(SourceFile {
        path,
        id: object_id(entry.oid),
        text,
    })
}

/// The text of a file, or why it cannot be taken.
fn content(objects: &Objects, file: Oid) -> Result<Result<Arc<str>, &'static str>, GitError> {
    match objects.blob(file, MAX_FILE) {
        Ok(content) => Ok(String::from_utf8(content)
            .map(Into::into)
            .map_err(|_| "it is not UTF-8")),
        Err(GitError::TooLarge { .. }) => Ok(Err(TOO_LARGE)),
        Err(error) => Err(error),
    }
}

/// The text of the blob `file`. None where it is too large for the fleet, or in another encoding.
///
/// # Errors
/// Where it cannot be read: then nothing is known of what it says (law 7).
pub(crate) fn text(objects: &Objects, file: Oid) -> Result<Option<Arc<str>>, GitError> {
    Ok(content(objects, file)?.ok())
}

/// The document in the blob `file`, which stands at `path`. None where it has errors.
///
/// # Errors
/// Where it cannot be read: then nothing is known of what it says (law 7).
pub(crate) fn document<T: DeserializeOwned>(
    objects: &Objects,
    path: &str,
    file: Oid,
) -> Result<Option<T>, GitError> {
    let source = SourceFile {
        path: path.to_owned(),
        id: object_id(file),
        text: content(objects, file)?,
    };
    Ok(documents::read(&source, &mut Vec::new()))
}
