//! Slices on disk: the bundles as they came, the last twenty. They are checked again whenever they are read.

use crate::files::{FilesError, Root, is_temporary};
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

    /// Removes all but the newest bundles. `current` stays in any case.
    pub fn prune(&self, current: &SliceRef) -> Result<(), FilesError> {
        let current = file_name(current);
        let mut found: Vec<_> = Vec::new();
        for path in self.0.list()?.into_keys() {
            if is_temporary(&path) {
                self.0.remove(&path)?;
            } else if let Some(generation) = generation_of(&path) {
                found.push((path != current, std::cmp::Reverse(generation), path));
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
    let content: String = slice
        .content
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    RelativePath::try_from(format!("{}-{content}.tar.gz", slice.generation)).expect("a plain name")
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
        slices.prune(&slice(3)).unwrap();
        let kept: Vec<_> = (1..=30)
            .filter(|generation| slices.load(&slice(*generation)).unwrap().is_some())
            .collect();
        assert_eq!(kept, [3].into_iter().chain(12..=30).collect::<Vec<_>>());
    }
}
