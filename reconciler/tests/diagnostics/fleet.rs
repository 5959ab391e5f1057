//! A small fleet with other files put into it, loaded as the hub and `tenantry check` do it.

use git2::{FileMode, Repository, Signature, Time};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tenantry::git::{Objects, Oid};
use tenantry::load::{Loader, Revision, text_of};
use tenantry_planner::today;
use tenantry_schema::Diagnostic;

/// A file, or what stands in its place.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(Vec<u8>),
    Submodule,
}

pub(crate) type Files = BTreeMap<String, Stored>;

/// The repository that all cases are written into.
pub(crate) struct Bench {
    _folder: TempDir,
    path: PathBuf,
    base: Files,
    commit: Oid,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let mut base = Files::new();
        gather(&root().join("tests/corpus/base"), "", &mut base);
        for part in ["stacks/html", "stacks/guestbook", "nginx"] {
            gather(&root().join(part), part, &mut base);
        }
        let tree = write(&repository, &base);
        let who =
            Signature::new("corpus", "corpus@example.com", &Time::new(1_800_000_000, 0)).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let commit = repository
            .commit(Some("refs/heads/main"), &who, &who, "base", &tree, &[])
            .unwrap();
        drop(tree);
        Self {
            path: folder.path().to_owned(),
            _folder: folder,
            base,
            commit,
        }
    }

    /// Everything that is said about the base with `files` in it.
    pub(crate) fn said(&self, files: &Files) -> Vec<Diagnostic> {
        let repository = Repository::open(&self.path).unwrap();
        let mut all = self.base.clone();
        all.extend(
            files
                .iter()
                .map(|(path, stored)| (path.clone(), stored.clone())),
        );
        let tree = write(&repository, &all);
        let objects = Objects::open(&self.path).unwrap();
        let revision = Revision {
            tree,
            commit: self.commit,
            generation: 1,
        };
        let loaded = Loader::new(objects.clone()).load(revision).unwrap();
        let mut found = loaded.diagnostics.to_vec();
        if let Some(desired) = &loaded.desired {
            let text_of = |path: &str| text_of(&objects, tree, path);
            // A day of the corpus's own: what expires does so for good.
            let now = "2026-11-20T12:00:00Z".parse().unwrap();
            found.extend(today::diagnose(desired, now, &text_of));
        }
        found
    }

    /// The first digits of the commit that everything stays at, which change with the catalogue.
    pub(crate) fn stays_at(&self) -> String {
        self.commit.to_string()[..7].to_owned()
    }
}

fn gather(folder: &Path, prefix: &str, out: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        if entry.file_type().unwrap().is_dir() {
            gather(&entry.path(), &path, out);
        } else {
            out.insert(path, Stored::File(std::fs::read(entry.path()).unwrap()));
        }
    }
}

/// A tree of these files. Written by hand, because an index would refuse some of the names.
fn write(repository: &Repository, files: &Files) -> Oid {
    let listed: Vec<(Vec<&str>, &Stored)> = files
        .iter()
        .map(|(path, stored)| (path.split('/').collect(), stored))
        .collect();
    folder(repository, &listed, 0)
}

fn folder(repository: &Repository, files: &[(Vec<&str>, &Stored)], depth: usize) -> Oid {
    let mut builder = repository.treebuilder(None).unwrap();
    let mut folders: BTreeMap<&str, Vec<(Vec<&str>, &Stored)>> = BTreeMap::new();
    for (parts, stored) in files {
        if parts.len() > depth + 1 {
            folders
                .entry(parts[depth])
                .or_default()
                .push((parts.clone(), stored));
            continue;
        }
        let blob = |bytes: &[u8]| repository.blob(bytes).unwrap();
        let (oid, mode) = match stored {
            Stored::File(bytes) => (blob(bytes), FileMode::Blob),
            Stored::Executable(bytes) => (blob(bytes), FileMode::BlobExecutable),
            Stored::Link(bytes) => (blob(bytes), FileMode::Link),
            Stored::Submodule => (Oid::from_bytes(&[7; 20]).unwrap(), FileMode::Commit),
        };
        builder.insert(parts[depth], oid, mode.into()).unwrap();
    }
    for (name, files) in folders {
        let oid = folder(repository, &files, depth + 1);
        builder.insert(name, oid, FileMode::Tree.into()).unwrap();
    }
    builder.write().unwrap()
}
