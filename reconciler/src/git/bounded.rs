//! What somebody's tree changes, counted before anything is done with it: trees can be made of which a few kilobytes unfold to more files than any
//! machine can count.

use super::error::GitError;
use super::objects::{Entry, EntryKind, Objects, missing};
use git2::{ObjectType, Oid};
use std::collections::BTreeMap;

/// Largest object that lists a folder, in bytes; some hundred thousand entries.
const LARGEST_TREE: usize = 16 << 20;
/// Deepest folder.
const DEEPEST: usize = 16;

/// Why a change is not looked at any closer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    /// More files than one looks at.
    #[error("it changes more than {0} files")]
    Files(usize),
    /// A file that is larger than any document.
    #[error("`{path}` has {size} bytes, more than {most}")]
    Size {
        /// Which.
        path: String,
        /// How large.
        size: usize,
        /// What is allowed.
        most: usize,
    },
    /// Folders inside of folders.
    #[error("its folders are nested more than {DEEPEST} deep")]
    Depth,
    /// A folder with more entries than one looks at.
    #[error("`{0}` has too many entries")]
    Folder(String),
}

/// How much a change may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Files that differ.
    pub(crate) files: usize,
    /// Bytes of one that is there afterwards.
    pub(crate) size: usize,
}

impl Objects {
    /// Files that differ between two root trees, with what they are afterwards. The work is bounded by `most` and by the size of `old`.
    pub(crate) fn changed_within(
        &self,
        old: Oid,
        new: Oid,
        most: Most,
    ) -> Result<Result<BTreeMap<String, Option<Oid>>, Excess>, GitError> {
        let mut walk = Walk {
            objects: self,
            most,
            seen: 0,
            changed: BTreeMap::new(),
        };
        match walk.compare(Some(old), Some(new), "", 0) {
            Ok(()) => Ok(Ok(walk.changed)),
            Err(Stop::Excess(excess)) => Ok(Err(excess)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

enum Stop {
    Excess(Excess),
    Failed(GitError),
}

struct Walk<'a> {
    objects: &'a Objects,
    most: Most,
    /// Entries that differ, folders included.
    seen: usize,
    changed: BTreeMap<String, Option<Oid>>,
}

impl Walk<'_> {
    fn compare(
        &mut self,
        old: Option<Oid>,
        new: Option<Oid>,
        prefix: &str,
        depth: usize,
    ) -> Result<(), Stop> {
        if depth > DEEPEST {
            return Err(Stop::Excess(Excess::Depth));
        }
        let mut before = self.entries(old, prefix)?;
        for (name, entry) in self.entries(new, prefix)? {
            let was = before.remove(&name);
            if was
                .as_ref()
                .is_some_and(|was| was.oid == entry.oid && was.mode == entry.mode)
            {
                continue;
            }
            self.differs(was, Some(entry), &join(prefix, &name), depth)?;
        }
        for (name, was) in before {
            self.differs(Some(was), None, &join(prefix, &name), depth)?;
        }
        Ok(())
    }

    fn differs(
        &mut self,
        old: Option<Entry>,
        new: Option<Entry>,
        path: &str,
        depth: usize,
    ) -> Result<(), Stop> {
        self.seen += 1;
        if self.seen > self.most.files {
            return Err(Stop::Excess(Excess::Files(self.most.files)));
        }
        let folder = |entry: &Option<Entry>| {
            let entry = entry.as_ref()?;
            (entry.kind == EntryKind::Tree).then_some(entry.oid)
        };
        let (old_folder, new_folder) = (folder(&old), folder(&new));
        if old_folder.is_some() || new_folder.is_some() {
            self.compare(old_folder, new_folder, path, depth + 1)?;
        }
        let file = new.filter(|entry| entry.kind != EntryKind::Tree);
        let was_file = old.is_some() && old_folder.is_none();
        if let Some(entry) = file {
            self.measure(&entry, path)?;
            self.changed.insert(path.to_owned(), Some(entry.oid));
        } else if was_file {
            self.changed.insert(path.to_owned(), None);
        }
        Ok(())
    }

    fn measure(&self, entry: &Entry, path: &str) -> Result<(), Stop> {
        if entry.kind == EntryKind::Submodule {
            return Ok(());
        }
        let size = self
            .header(entry.oid, ObjectType::Blob)
            .map_err(Stop::Failed)?;
        if size > self.most.size {
            return Err(Stop::Excess(Excess::Size {
                path: path.to_owned(),
                size,
                most: self.most.size,
            }));
        }
        Ok(())
    }

    fn entries(&self, tree: Option<Oid>, path: &str) -> Result<BTreeMap<String, Entry>, Stop> {
        let Some(tree) = tree else {
            return Ok(BTreeMap::new());
        };
        if self.header(tree, ObjectType::Tree).map_err(Stop::Failed)? > LARGEST_TREE {
            return Err(Stop::Excess(Excess::Folder(path.to_owned())));
        }
        let entries = self.objects.tree(tree).map_err(Stop::Failed)?;
        Ok(entries
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect())
    }

    /// The size of an object, which is not read for it.
    fn header(&self, oid: Oid, expected: ObjectType) -> Result<usize, GitError> {
        self.objects.with(|repo| {
            let odb = repo.odb().map_err(GitError::library("reading"))?;
            let (size, kind) = odb
                .read_header(oid)
                .map_err(|e| missing(oid, "object", e))?;
            if kind == expected {
                Ok(size)
            } else {
                Err(GitError::WrongKind {
                    oid,
                    expected: "file or folder where one belongs",
                })
            }
        })
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::Repository;

    const MOST: Most = Most {
        files: 1000,
        size: 1 << 20,
    };

    fn repository() -> (tempfile::TempDir, Repository, Objects) {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path()).unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        (dir, repo, objects)
    }

    fn tree(repo: &Repository, entries: &[(&str, Oid, i32)]) -> Oid {
        let mut builder = repo.treebuilder(None).unwrap();
        for (name, oid, mode) in entries {
            builder.insert(name, *oid, *mode).unwrap();
        }
        builder.write().unwrap()
    }

    const FILE: i32 = 0o100_644;
    const FOLDER: i32 = 0o040_000;

    #[test]
    fn every_file_that_differs_is_named() {
        let (_dir, repo, objects) = repository();
        let (a, b) = (repo.blob(b"a").unwrap(), repo.blob(b"b").unwrap());
        let kept = tree(&repo, &[("same", a, FILE)]);
        let old = tree(
            &repo,
            &[
                ("changed", a, FILE),
                ("folder", kept, FOLDER),
                ("gone", a, FILE),
                ("turns", a, FILE),
            ],
        );
        let inside = tree(&repo, &[("new", b, FILE), ("same", a, FILE)]);
        let new = tree(
            &repo,
            &[
                ("changed", b, FILE),
                ("folder", inside, FOLDER),
                ("turns", kept, FOLDER),
            ],
        );
        let changed = objects.changed_within(old, new, MOST).unwrap().unwrap();
        let expected = [
            ("changed", Some(b)),
            ("folder/new", Some(b)),
            ("gone", None),
            ("turns", None),
            ("turns/same", Some(a)),
        ];
        assert_eq!(
            changed,
            expected
                .into_iter()
                .map(|(path, oid)| (path.to_owned(), oid))
                .collect()
        );
        assert!(
            objects
                .changed_within(new, new, MOST)
                .unwrap()
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_tree_that_unfolds_without_end_costs_little() {
        let (_dir, repo, objects) = repository();
        let empty = tree(&repo, &[]);
        let blob = repo.blob(b"x").unwrap();
        let mut bomb = tree(&repo, &[("x", blob, FILE)]);
        // Ten to the power of ten files in eleven objects.
        for _ in 0..10 {
            let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
            let entries: Vec<_> = names
                .iter()
                .map(|name| (name.as_str(), bomb, FOLDER))
                .collect();
            bomb = tree(&repo, &entries);
        }
        let begun = std::time::Instant::now();
        let excess = objects
            .changed_within(empty, bomb, MOST)
            .unwrap()
            .unwrap_err();
        assert_eq!(excess, Excess::Files(1000));
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        // Taking it away again is bounded as well.
        assert!(objects.changed_within(bomb, empty, MOST).unwrap().is_err());
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let (_dir, repo, objects) = repository();
        let empty = tree(&repo, &[]);
        let mut deep = tree(&repo, &[]);
        for _ in 0..40 {
            deep = tree(&repo, &[("d", deep, FOLDER)]);
        }
        assert_eq!(
            objects.changed_within(empty, deep, MOST).unwrap(),
            Err(Excess::Depth)
        );
        let large = repo.blob(&vec![0; MOST.size + 1]).unwrap();
        let large = tree(&repo, &[("large", large, FILE)]);
        let excess = objects
            .changed_within(empty, large, MOST)
            .unwrap()
            .unwrap_err();
        assert!(
            excess.to_string().contains("`large` has 1048577 bytes"),
            "{excess}"
        );
    }
}
