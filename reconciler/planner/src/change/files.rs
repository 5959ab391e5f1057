//! Files of a tool's folder as mounts see them: one by one, or through a folder.

use std::collections::{BTreeMap, BTreeSet};

/// Files by path from the tool's folder.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

/// What a mounted path of the folder shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Seen<'f> {
    /// One file, by its content: a change needs a new container, because the mount holds on to the old file.
    File(&'f [u8]),
    /// A folder: changes in it are seen at once, and a service that says so takes them in.
    Folder(BTreeMap<&'f str, &'f [u8]>),
    /// Nothing of the slice.
    Nothing,
}

impl Files {
    pub(super) fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self(files)
    }

    /// All of them.
    pub(super) fn all(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.0
    }

    /// What stands at `path`.
    pub(super) fn seen(&self, path: &str) -> Seen<'_> {
        if let Some(content) = self.0.get(path) {
            return Seen::File(content);
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let inside: BTreeMap<&str, &[u8]> = self
            .0
            .iter()
            .filter(|(file, _)| file.starts_with(&prefix))
            .map(|(file, content)| (file.as_str(), content.as_slice()))
            .collect();
        if inside.is_empty() {
            Seen::Nothing
        } else {
            Seen::Folder(inside)
        }
    }
}

/// Paths that differ between two folders.
pub(super) fn differing(
    old: &BTreeMap<&str, &[u8]>,
    new: &BTreeMap<&str, &[u8]>,
) -> BTreeSet<String> {
    let names = old.keys().chain(new.keys());
    names
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| (*name).to_owned())
        .collect()
}
