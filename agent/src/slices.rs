//! Slices on disk: the bundles as they came, the last twenty. They are checked again whenever they are read.

use crate::files::{FilesError, Root, is_temporary};
use std::collections::BTreeSet;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::SliceRef;
use tenantry_wire::bundle::Limits;

/// Bundles that are kept.
const KEPT: usize = 20;

/// The folder of bundles, named `<generation>-<first 12 digits of the content digest>.tar.gz`.
#[derive(Debug)]
pub struct Slices(Root);

impl Slices {
    /// The bundles in `root`.
    pub fn new(root: Root) -> Self {
        Self(root)
    }

    /// Keeps the bundle of a slice.
    pub fn store(&self, slice: &SliceRef, bundle: &[u8]) -> Result<(), FilesError> {
        self.0.write(&file_name(slice), bundle)
    }

    /// The bundle of a slice, if it is there.
    pub fn load(&self, slice: &SliceRef) -> Result<Option<Vec<u8>>, FilesError> {
        self.0
            .read(&file_name(slice), Limits::default().compressed as u64)
    }

    /// The newest bundle that claims this content, if one is there.
    pub fn find(&self, content: &str) -> Result<Option<Vec<u8>>, FilesError> {
        let all = self.0.list()?.into_keys();
        let newest = all
            .filter(|path| has_content(path, content))
            .max_by_key(generation_of);
        match newest {
            Some(path) => self.0.read(&path, Limits::default().compressed as u64),
            None => Ok(None),
        }
    }

    /// The newest bundles, at most so many.
    pub fn newest(&self, most: usize) -> Result<Vec<Vec<u8>>, FilesError> {
        let mut all: Vec<_> = self.0.list()?.into_keys().collect();
        all.retain(|path| generation_of(path).is_some());
        all.sort_by_key(|path| std::cmp::Reverse(generation_of(path)));
        let limit = Limits::default().compressed as u64;
        let read = all.iter().take(most).map(|path| self.0.read(path, limit));
        Ok(read
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Removes all but the newest bundles. `current` stays in any case, and so does what holds one of the contents `needed`: what runs
    /// while a change waits, and what can be gone back to.
    pub fn prune(&self, current: &SliceRef, needed: &BTreeSet<&str>) -> Result<(), FilesError> {
        let current = file_name(current);
        let stays = |path: &RelativePath| {
            *path == current || needed.iter().any(|content| has_content(path, content))
        };
        let mut found: Vec<_> = Vec::new();
        for path in self.0.list()?.into_keys() {
            if is_temporary(&path) {
                self.0.remove(&path)?;
            } else if let Some(generation) = generation_of(&path) {
                found.push((!stays(&path), std::cmp::Reverse(generation), path));
            }
        }
        found.sort();
        for (_, _, path) in found.iter().skip(KEPT) {
            self.0.remove(path)?;
        }
        Ok(())
    }
}

fn file_name(slice: &SliceRef) -> RelativePath {
    let content = short(&slice.content);
    RelativePath::try_from(format!("{}-{content}.tar.gz", slice.generation)).expect("a plain name")
}

fn short(content: &str) -> String {
    let plain = content.chars().filter(char::is_ascii_alphanumeric);
    plain.take(12).collect()
}

fn has_content(path: &RelativePath, content: &str) -> bool {
    let name = path.as_str().strip_suffix(".tar.gz");
    name.and_then(|name| name.split_once('-'))
        .is_some_and(|(_, shown)| shown == short(content))
}

fn generation_of(path: &RelativePath) -> Option<u64> {
    path.as_str()
        .strip_suffix(".tar.gz")?
        .split_once('-')?
        .0
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(generation: u64) -> SliceRef {
        SliceRef {
            generation,
            content: format!("{generation:064x}/../"),
            commit: String::new(),
        }
    }

    #[test]
    fn the_newest_twenty_and_the_current_one_stay() {
        let folder = tempfile::tempdir().unwrap();
        let slices = Slices::new(Root::private(folder.path()).unwrap());
        for generation in 1..=30 {
            slices.store(&slice(generation), &[7]).unwrap();
        }
        slices.prune(&slice(3), &BTreeSet::new()).unwrap();
        let kept: Vec<_> = (1..=30)
            .filter(|generation| slices.load(&slice(*generation)).unwrap().is_some())
            .collect();
        assert_eq!(kept, [3].into_iter().chain(12..=30).collect::<Vec<_>>());
    }

    #[test]
    fn what_runs_is_found_by_its_content_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let slices = Slices::new(Root::private(folder.path()).unwrap());
        let named = |generation, content: &str| SliceRef {
            generation,
            content: format!("{content}{}", "0".repeat(60)),
            commit: String::new(),
        };
        slices.store(&named(1, "aa"), &[1]).unwrap();
        slices.store(&named(2, "aa"), &[2]).unwrap();
        for generation in 3..=40 {
            slices.store(&named(generation, "bb"), &[0]).unwrap();
        }
        let content = named(0, "aa").content;
        slices
            .prune(&named(40, "bb"), &[content.as_str()].into())
            .unwrap();
        assert_eq!(slices.find(&content).unwrap(), Some(vec![2]));
        assert_eq!(slices.find("cc").unwrap(), None);
    }
}
