//! Which entries of a folder differ between two versions of it. One level, and nothing is copied but what differs: made for folders of many thousands.

use super::error::GitError;
use super::objects::{Entry, EntryKind, Objects, missing};
use git2::{Oid, Repository, Tree, TreeEntry};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// An entry that is not the same in two versions of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What stands there in the old version, if anything does.
    pub old: Option<Entry>,
    /// What stands there in the new version.
    pub new: Option<Entry>,
}

impl Objects {
    /// The entries that differ between the trees `old` and `new`; none stands for an empty tree.
    ///
    /// An entry that became a folder, or stopped being one, may come as two differences.
    pub fn compare(&self, old: Option<Oid>, new: Option<Oid>) -> Result<Vec<Difference>, GitError> {
        if old == new {
            return Ok(Vec::new());
        }
        self.with(|repo| {
            let (old, new) = (find(repo, old)?, find(repo, new)?);
            Ok(merge(old.as_ref(), new.as_ref()))
        })
    }
}

impl Objects {
    /// Files that differ between two root trees, by path, with what stands there in the new one. Folders that are the same are not entered: libgit2's own
    /// comparison reads each of them.
    pub fn changed_files(
        &self,
        old: Oid,
        new: Oid,
    ) -> Result<BTreeMap<String, Option<Oid>>, GitError> {
        let mut files = BTreeMap::new();
        let mut open = vec![(String::new(), Some(old), Some(new))];
        while let Some((folder, old, new)) = open.pop() {
            for difference in self.compare(old, new)? {
                let path = |entry: &Entry| format!("{folder}{}", entry.name);
                let is_tree = |entry: &&Entry| entry.kind == EntryKind::Tree;
                let (old, new) = (difference.old.as_ref(), difference.new.as_ref());
                let (old_tree, new_tree) = (old.filter(is_tree), new.filter(is_tree));
                if let Some(tree) = new_tree.or(old_tree) {
                    let oid = |tree: Option<&Entry>| tree.map(|tree| tree.oid);
                    open.push((format!("{}/", path(tree)), oid(old_tree), oid(new_tree)));
                }
                if let Some(file) = old.filter(|entry| !is_tree(entry)) {
                    files.entry(path(file)).or_insert(None);
                }
                if let Some(file) = new.filter(|entry| !is_tree(entry)) {
                    files.insert(path(file), Some(file.oid));
                }
            }
        }
        Ok(files)
    }
}

fn find(repo: &Repository, oid: Option<Oid>) -> Result<Option<Tree<'_>>, GitError> {
    oid.map(|oid| repo.find_tree(oid).map_err(|e| missing(oid, "tree", e)))
        .transpose()
}

/// Walks both side by side: they are in the same order.
fn merge(old: Option<&Tree<'_>>, new: Option<&Tree<'_>>) -> Vec<Difference> {
    let entries = |tree: Option<&Tree<'_>>| tree.map_or(0, Tree::len);
    let (mut left, mut right) = (0, 0);
    let mut found = Vec::new();
    loop {
        let a = old
            .filter(|_| left < entries(old))
            .and_then(|tree| tree.get(left));
        let b = new
            .filter(|_| right < entries(new))
            .and_then(|tree| tree.get(right));
        let order = match (&a, &b) {
            (None, None) => return found,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => in_tree_order(a, b),
        };
        left += usize::from(order != Ordering::Greater);
        right += usize::from(order != Ordering::Less);
        match (a, b) {
            (Some(a), Some(b)) if order == Ordering::Equal => {
                if a.id() != b.id() || a.filemode_raw() != b.filemode_raw() {
                    found.push(Difference {
                        old: Some(read(&a)),
                        new: Some(read(&b)),
                    });
                }
            }
            (Some(a), _) if order == Ordering::Less => found.push(Difference {
                old: Some(read(&a)),
                new: None,
            }),
            (_, b) => found.push(Difference {
                old: None,
                new: b.as_ref().map(read),
            }),
        }
    }
}

fn read(entry: &TreeEntry<'_>) -> Entry {
    Entry::read(entry.name_bytes(), entry.id(), entry.filemode_raw())
}

/// Git's order of entries: by bytes of the name, folders as if a `/` followed (Git, `base_name_compare`).
fn in_tree_order(a: &TreeEntry<'_>, b: &TreeEntry<'_>) -> Ordering {
    let (x, y) = (a.name_bytes(), b.name_bytes());
    let both = x.len().min(y.len());
    let after = |name: &[u8], entry: &TreeEntry<'_>| match name.get(both) {
        Some(byte) => *byte,
        None if entry.filemode_raw() & 0o170_000 == 0o040_000 => b'/',
        None => 0,
    };
    x[..both]
        .cmp(&y[..both])
        .then_with(|| after(x, a).cmp(&after(y, b)))
}
