//! The Git side of published slices: commits chained by server, cut to the last generations.

use super::head::Current;
use super::{KEPT, Sealed, SliceError, health, references};
use crate::git::edit::Staged;
use crate::git::pack::{self, Durability};
use crate::git::{Author, Change, EntryKind, GitError, Objects, Oid, commit_object, edit};
use jiff::Timestamp;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use tenantry_schema::id::ServerKey;
use tenantry_schema::name::RelativePath;

/// A chain grows to twice what is kept before it is cut: cutting rewrites what stays.
const CUT_AT: usize = 2 * KEPT;
/// Largest file of a slice.
const MAX_FILE: usize = 16 << 20;

pub(super) struct Repository {
    path: PathBuf,
    objects: Objects,
    /// Every server's newest slice; `packed-refs` on disk says the same.
    heads: RwLock<BTreeMap<ServerKey, (Oid, Current)>>,
    /// One writer at a time.
    writer: Mutex<()>,
    tidy: health::Tidy,
}

impl Repository {
    pub(super) fn open(path: &Path) -> Result<Self, SliceError> {
        match Self::try_open(path) {
            Err(error) if path.exists() => {
                health::move_aside(path, &error)?;
                Self::try_open(path)
            }
            result => result,
        }
    }

    fn try_open(path: &Path) -> Result<Self, SliceError> {
        if !path.exists() {
            git2::Repository::init_bare(path).map_err(GitError::library("initialising"))?;
        }
        health::check_packs(path)?;
        let objects = Objects::open(path)?;
        let read = |(server, oid): (ServerKey, Oid)| {
            let current = objects
                .commit_info(oid)
                .ok()
                .and_then(|info| Current::parse(&info.message));
            if current.is_none() {
                tracing::warn!(%server, "a published slice cannot be read and will be rendered again");
            }
            Some((server, (oid, current?)))
        };
        let heads = references::read(path)?
            .into_par_iter()
            .filter_map(read)
            .collect();
        Ok(Self {
            path: path.to_owned(),
            objects,
            heads: RwLock::new(heads),
            writer: Mutex::new(()),
            tidy: health::Tidy::default(),
        })
    }

    pub(super) fn index(&self) -> Vec<(ServerKey, Current)> {
        let heads = self.heads.read().unwrap_or_else(PoisonError::into_inner);
        heads
            .iter()
            .map(|(server, (_, current))| (server.clone(), current.clone()))
            .collect()
    }

    pub(super) fn newest(&self, server: &ServerKey) -> Option<(Oid, Current)> {
        self.heads
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server)
            .cloned()
    }

    /// The files of the slice that a commit holds.
    pub(super) fn files(&self, id: Oid) -> Result<BTreeMap<RelativePath, Vec<u8>>, SliceError> {
        let mut files = BTreeMap::new();
        self.collect(self.objects.root_tree(id)?, "", &mut files)?;
        Ok(files)
    }

    fn collect(
        &self,
        tree: Oid,
        prefix: &str,
        out: &mut BTreeMap<RelativePath, Vec<u8>>,
    ) -> Result<(), SliceError> {
        for entry in self.objects.tree(tree)? {
            let path = if prefix.is_empty() {
                entry.name
            } else {
                format!("{prefix}/{}", entry.name)
            };
            match entry.kind {
                EntryKind::Tree => self.collect(entry.oid, &path, out)?,
                _ => {
                    if let Ok(path) = RelativePath::try_from(path) {
                        out.insert(path, self.objects.blob(entry.oid, MAX_FILE)?);
                    }
                }
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_tidying(&self) -> bool {
        self.tidy.is_running()
    }

    /// Writes all slices as one pack and then moves all their references at once.
    pub(super) fn write(&self, slices: &[Sealed], at: Timestamp) -> Result<(), SliceError> {
        let _one = self.writer.lock();
        let made: Vec<Made> = slices
            .par_iter()
            .map(|slice| self.make(slice, at))
            .collect::<Result<_, _>>()?;
        let (heads, staged): (Vec<_>, Vec<_>) = made
            .into_iter()
            .map(|made| ((made.server, made.head), made.staged))
            .unzip();
        let staged: Vec<Staged> = staged.into_iter().flatten().collect();
        let held = pack::write_held(&self.path, &staged, Durability::Unsynced)?;
        let mut all = self
            .heads
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        all.extend(heads);
        references::write(
            &self.path,
            all.iter().map(|(server, (oid, _))| (server, *oid)),
        )?;
        *self.heads.write().unwrap_or_else(PoisonError::into_inner) = all;
        drop(held);
        self.tidy.begin(&self.path);
        Ok(())
    }

    /// The objects of one slice. What an older slice of the server holds already is made again: looking costs more than writing, and the next
    /// gathering of packs keeps one of each.
    fn make(&self, slice: &Sealed, at: Timestamp) -> Result<Made, SliceError> {
        let author = Author::new("Tenantry hub", "hub@tenantry.invalid");
        let changes: Vec<Change> = slice
            .files
            .iter()
            .map(|(path, content)| Change {
                path: path.clone(),
                content: Some(content.clone()),
            })
            .collect();
        let (tree, mut staged) = self
            .objects
            .with(|repo| edit::apply(repo, None, &changes))?;
        let (parent, depth) = self.parent(&slice.server, &author, &mut staged)?;
        let current = Current {
            generation: slice.generation,
            content: slice.content.clone(),
            commit: slice.commit.clone(),
            inputs: slice.inputs.clone(),
            at,
            depth: depth + 1,
        };
        let commit = commit_object(tree, parent.as_slice(), &author, &current.message(), at)?;
        let head = (commit.oid, current);
        staged.push(commit);
        Ok(Made {
            server: slice.server.clone(),
            head,
            staged,
        })
    }

    /// The commit that a new slice of `server` goes on top of, and how long that chain is. A chain that is too long is made anew from its newest
    /// part; one that cannot be read ends here.
    fn parent(
        &self,
        server: &ServerKey,
        author: &Author,
        staged: &mut Vec<Staged>,
    ) -> Result<(Option<Oid>, usize), SliceError> {
        let Some((head, current)) = self.newest(server) else {
            return Ok((None, 0));
        };
        if current.depth < CUT_AT {
            return Ok((Some(head), current.depth));
        }
        let mut kept = Vec::new();
        let mut next = Some(head);
        while let Some(id) = next.filter(|_| kept.len() < KEPT - 1) {
            let Ok(info) = self.objects.commit_info(id) else {
                break;
            };
            next = info.parents.first().copied();
            kept.push(info);
        }
        let (mut parent, mut depth) = (None, 0);
        for info in kept.into_iter().rev() {
            let Some(mut slice) = Current::parse(&info.message) else {
                continue;
            };
            depth += 1;
            slice.depth = depth;
            let commit = commit_object(
                info.tree,
                parent.as_slice(),
                author,
                &slice.message(),
                info.time,
            )?;
            parent = Some(commit.oid);
            staged.push(commit);
        }
        Ok((parent, depth))
    }
}

/// One slice as Git objects.
struct Made {
    server: ServerKey,
    head: (Oid, Current),
    staged: Vec<Staged>,
}
