//! Comparing files by digest, without reading again what did not change.

use super::{FilesError, Root, Stamp};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_schema::name::RelativePath;

/// SHA-256 in hexadecimal: how contents are compared.
pub fn digest(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Remembers digests of files by their stamps, so that nothing is read that did not change.
#[derive(Debug, Default)]
pub struct DigestCache(pub(super) BTreeMap<PathBuf, (Stamp, Option<String>)>);

impl DigestCache {
    /// Digests of all files in `root`, `None` for what is no plain file, cannot be read, or has wrong permissions.
    pub fn digests(
        &mut self,
        root: &Root,
        limit: u64,
    ) -> Result<BTreeMap<RelativePath, Option<String>>, FilesError> {
        let listed = root.list()?;
        self.look_up(root, listed, limit)
    }

    /// The same for these files alone; those that are missing are left out.
    pub fn digests_of<'p>(
        &mut self,
        root: &Root,
        paths: impl IntoIterator<Item = &'p RelativePath>,
        limit: u64,
    ) -> Result<BTreeMap<RelativePath, Option<String>>, FilesError> {
        let mut listed = BTreeMap::new();
        for path in paths {
            if let Some(stamp) = root.stamp(path)? {
                listed.insert(path.clone(), stamp);
            }
        }
        self.look_up(root, listed, limit)
    }

    fn look_up(
        &mut self,
        root: &Root,
        listed: BTreeMap<RelativePath, Stamp>,
        limit: u64,
    ) -> Result<BTreeMap<RelativePath, Option<String>>, FilesError> {
        let inside = |path: &Path| {
            path.strip_prefix(root.path())
                .ok()
                .and_then(Path::to_str)
                .map(str::to_owned)
        };
        self.0.retain(|path, _| {
            inside(path).is_none_or(|inside| listed.contains_key(inside.as_str()))
        });
        let mut digests = BTreeMap::new();
        for (path, stamp) in listed {
            let full = root.at(&path);
            let known = self.0.get(&full).filter(|(known, _)| *known == stamp);
            let found = if let Some((_, digest)) = known {
                digest.clone()
            } else {
                let data = match root.read(&path, limit) {
                    // Not known, which is no reason to write it anew.
                    Err(error) if error.is_blind() => return Err(error),
                    // Next time it may be read, though nothing about it changes.
                    Err(FilesError::Io { .. }) => {
                        digests.insert(path, None);
                        continue;
                    }
                    result => result.ok().flatten(),
                };
                let right = |data: &Vec<u8>| stamp.has(&root.usual_access(data));
                let fresh = data.filter(right).map(|data| digest(&data));
                self.0.insert(full, (stamp, fresh.clone()));
                fresh
            };
            digests.insert(path, found);
        }
        Ok(digests)
    }
}
