//! Builds new trees from an old one and a list of changed files. Only touched folders are read and made anew; nothing is written to disk here.

use super::error::GitError;
use super::objects::missing;
use git2::{ObjectType, Oid, Repository};
use std::collections::BTreeMap;
use tenantry_schema::name::RelativePath;

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, from the repository's root.
    pub path: RelativePath,
    /// The whole new content; `None` deletes the file (and folders that become empty with it).
    pub content: Option<Vec<u8>>,
}

/// An object that was made but not written.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    /// Its id.
    pub(crate) oid: Oid,
    /// Its kind.
    pub(crate) kind: ObjectType,
    /// Its content, without Git's header.
    pub(crate) data: Vec<u8>,
}

impl Staged {
    /// Computes the id.
    pub(crate) fn new(kind: ObjectType, data: Vec<u8>) -> Result<Self, GitError> {
        let oid = Oid::hash_object(kind, &data).map_err(GitError::library("hashing"))?;
        Ok(Self { oid, kind, data })
    }
}

const FILE: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
const TREE: u32 = 0o040_000;

/// The changes, by folder.
enum Edit<'a> {
    File(Option<&'a [u8]>),
    Folder(BTreeMap<&'a str, Edit<'a>>),
}

/// Applies `changes` to the tree `base` (`None`: empty). Returns the new root tree and what must be written for it, children first.
pub(crate) fn apply(
    repo: &Repository,
    base: Option<Oid>,
    changes: &[Change],
) -> Result<(Oid, Vec<Staged>), GitError> {
    let mut root = BTreeMap::new();
    for change in changes {
        insert(&mut root, change)?;
    }
    let mut staged = Vec::new();
    let root = match folder(repo, base, &root, "", &mut staged)? {
        Some(oid) => oid,
        None => stage(&mut staged, ObjectType::Tree, Vec::new())?,
    };
    Ok((root, staged))
}

fn insert<'a>(root: &mut BTreeMap<&'a str, Edit<'a>>, change: &'a Change) -> Result<(), GitError> {
    let bad = |why| GitError::BadChange {
        path: change.path.to_string(),
        why,
    };
    let path = change.path.as_str();
    if path
        .split('/')
        .any(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err(bad("Git keeps that name for itself"));
    }
    let (folders, name) = path
        .rsplit_once('/')
        .map_or((None, path), |(folders, name)| (Some(folders), name));
    let mut here = root;
    for part in folders.into_iter().flat_map(|f| f.split('/')) {
        match here
            .entry(part)
            .or_insert_with(|| Edit::Folder(BTreeMap::new()))
        {
            Edit::Folder(inner) => here = inner,
            Edit::File(_) => return Err(bad("another change makes a file of one of its folders")),
        }
    }
    match here.insert(name, Edit::File(change.content.as_deref())) {
        None => Ok(()),
        Some(_) => Err(bad("it is changed twice")),
    }
}

/// Entries by name, in the byte order of names; Git's own order is restored at writing.
type Entries = BTreeMap<Vec<u8>, (u32, Oid)>;

fn folder(
    repo: &Repository,
    base: Option<Oid>,
    edits: &BTreeMap<&str, Edit<'_>>,
    at: &str,
    staged: &mut Vec<Staged>,
) -> Result<Option<Oid>, GitError> {
    let mut entries = base.map_or_else(|| Ok(Entries::new()), |oid| read(repo, oid))?;
    for (name, edit) in edits {
        let path = || {
            if at.is_empty() {
                (*name).to_owned()
            } else {
                format!("{at}/{name}")
            }
        };
        let old = entries.get(name.as_bytes()).copied();
        let new = match (edit, old) {
            (Edit::File(_), Some((TREE, _))) => {
                return Err(GitError::BadChange {
                    path: path(),
                    why: "it is a folder",
                });
            }
            (Edit::File(None), _) => None,
            (Edit::File(Some(content)), old) => {
                let mode = old.map_or(
                    FILE,
                    |(mode, _)| if mode == EXECUTABLE { EXECUTABLE } else { FILE },
                );
                let blob = Staged::new(ObjectType::Blob, content.to_vec())?;
                let oid = blob.oid;
                if old.is_none_or(|(_, old)| old != oid) {
                    staged.push(blob);
                }
                Some((mode, oid))
            }
            (Edit::Folder(inner), Some((TREE, oid))) => {
                folder(repo, Some(oid), inner, &path(), staged)?.map(|oid| (TREE, oid))
            }
            (Edit::Folder(_), Some(_)) => {
                return Err(GitError::BadChange {
                    path: path(),
                    why: "it is a file, not a folder",
                });
            }
            (Edit::Folder(inner), None) => {
                folder(repo, None, inner, &path(), staged)?.map(|oid| (TREE, oid))
            }
        };
        match new {
            Some(entry) => entries.insert(name.as_bytes().to_vec(), entry),
            None => entries.remove(name.as_bytes()),
        };
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let tree = Staged::new(ObjectType::Tree, write(&entries))?;
    let oid = tree.oid;
    if base != Some(oid) {
        staged.push(tree);
    }
    Ok(Some(oid))
}

fn stage(staged: &mut Vec<Staged>, kind: ObjectType, data: Vec<u8>) -> Result<Oid, GitError> {
    let object = Staged::new(kind, data)?;
    let oid = object.oid;
    staged.push(object);
    Ok(oid)
}

fn read(repo: &Repository, oid: Oid) -> Result<Entries, GitError> {
    let tree = repo.find_tree(oid).map_err(|e| missing(oid, "tree", e))?;
    Ok(tree
        .iter()
        .map(|e| {
            (
                e.name_bytes().to_vec(),
                (e.filemode_raw().cast_unsigned(), e.id()),
            )
        })
        .collect())
}

/// A tree object: `<mode> <name>\0<20 bytes>`, sorted as if folders' names ended with a slash (Git's `base_name_compare`).
fn write(entries: &Entries) -> Vec<u8> {
    let mut sorted: Vec<_> = entries.iter().collect();
    let key = |name: &[u8], mode: u32| [name, if mode == TREE { b"/" } else { b"" }].concat();
    sorted.sort_by_cached_key(|(name, (mode, _))| key(name, *mode));
    let mut out = Vec::with_capacity(sorted.len() * 48);
    for (name, (mode, oid)) in sorted {
        out.extend_from_slice(format!("{mode:o} ").as_bytes());
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(oid.as_bytes());
    }
    out
}
