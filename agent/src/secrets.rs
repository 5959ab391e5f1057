//! Secret files: plaintext in memory only (tmpfs), for root alone, one file a value. Decrypting is done at the gate.

use crate::files::{FilesError, Root, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_schema::Secret;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::RelativePath;

/// Longest value.
const LIMIT: u64 = 1 << 20;

/// The folder of secret files: `<folder>/<instance>/<NAME>`.
#[derive(Debug)]
pub struct SecretFiles {
    root: Root,
}

/// What must be done so that the files are as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Missing, or with another content.
    pub write: Vec<RelativePath>,
    /// Of values or instances that are gone.
    pub remove: Vec<RelativePath>,
}

impl Difference {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

impl SecretFiles {
    /// The files in `folder`, which is made where it is missing.
    pub fn open(folder: &Path) -> Result<Self, FilesError> {
        Ok(Self { root: Root::private(folder)? })
    }

    /// Whether the folder is in memory, as it must be.
    pub fn in_memory(&self) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        rustix::fs::statfs(self.root.path()).is_ok_and(|stat| matches!(stat.f_type as u64, TMPFS | RAMFS))
    }

    /// The folder of an instance's files.
    pub fn folder(&self, instance: &InstanceName) -> PathBuf {
        self.root.path().join(instance.as_str())
    }

    /// Digests of all files by path; `None` for what is no plain file for root alone.
    pub fn observe(&self) -> Result<BTreeMap<RelativePath, Option<String>>, FilesError> {
        let mut found = BTreeMap::new();
        for (path, stamp) in self.root.list()? {
            let data = self.root.read(&path, LIMIT).ok().flatten().filter(|_| self.root.has_right_mode(&stamp, false));
            found.insert(path, data.map(|data| digest(&data)));
        }
        Ok(found)
    }

    /// Writes one value.
    pub fn write(&self, path: &RelativePath, value: &Secret) -> Result<(), FilesError> {
        self.root.write(path, value.expose().as_bytes())
    }

    /// Removes one file.
    pub fn remove(&self, path: &RelativePath) -> Result<bool, FilesError> {
        self.root.remove(path)
    }

    /// Makes all files as they should be: what `restore-secrets` does before the container engine starts.
    pub fn restore(&self, wanted: &BTreeMap<InstanceName, BTreeMap<String, Secret>>) -> Result<Difference, FilesError> {
        let difference = compare(wanted, &self.observe()?);
        for path in &difference.write {
            if let Some(value) = value_at(wanted, path) {
                self.write(path, value)?;
            }
        }
        for path in &difference.remove {
            self.remove(path)?;
        }
        Ok(difference)
    }
}

/// The place of a value.
pub fn path_of(instance: &InstanceName, name: &str) -> Option<RelativePath> {
    RelativePath::try_from(format!("{instance}/{name}")).ok()
}

/// The value that belongs at `path`.
pub fn value_at<'w>(wanted: &'w BTreeMap<InstanceName, BTreeMap<String, Secret>>, path: &RelativePath) -> Option<&'w Secret> {
    let (instance, name) = path.as_str().split_once('/')?;
    wanted.get(&InstanceName::try_from(instance.to_owned()).ok()?)?.get(name)
}

/// What is wanted against what is there. Pure.
pub fn compare(
    wanted: &BTreeMap<InstanceName, BTreeMap<String, Secret>>,
    found: &BTreeMap<RelativePath, Option<String>>,
) -> Difference {
    let mut difference = Difference::default();
    for (instance, values) in wanted {
        for (name, value) in values {
            let Some(path) = path_of(instance, name) else { continue };
            if found.get(&path) != Some(&Some(digest(value.expose().as_bytes()))) {
                difference.write.push(path);
            }
        }
    }
    difference.remove = found.keys().filter(|path| value_at(wanted, path).is_none()).cloned().collect();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn wanted(entries: &[(&str, &str, &str)]) -> BTreeMap<InstanceName, BTreeMap<String, Secret>> {
        let mut wanted: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (instance, name, value) in entries {
            let instance = InstanceName::try_from((*instance).to_owned()).unwrap();
            wanted.entry(instance).or_default().insert((*name).to_owned(), Secret::new((*value).to_owned()));
        }
        wanted
    }

    #[test]
    fn restored_once_and_only_for_root() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::open(&folder.path().join("secrets")).unwrap();
        let first = wanted(&[("web-umami", "DB", "one"), ("web-umami", "APP", "two"), ("web-html", "X", "three")]);
        assert_eq!(files.restore(&first).unwrap().write.len(), 3);
        assert!(files.restore(&first).unwrap().is_empty());
        let place = folder.path().join("secrets/web-umami/DB");
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "one");
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);

        // Edited, opened to others, gone, no longer wanted, somebody else's.
        std::fs::write(&place, "edited").unwrap();
        std::fs::set_permissions(folder.path().join("secrets/web-umami/APP"), std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(folder.path().join("secrets/stray"), "").unwrap();
        let second = wanted(&[("web-umami", "DB", "one"), ("web-umami", "APP", "two")]);
        let difference = files.restore(&second).unwrap();
        let names = |paths: &[RelativePath]| paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&difference.write), ["web-umami/APP", "web-umami/DB"]);
        assert_eq!(names(&difference.remove), ["stray", "web-html/X"]);
        assert!(files.restore(&second).unwrap().is_empty());
        assert!(!folder.path().join("secrets/web-html").exists());
    }

    #[test]
    fn memory_is_told_from_disk() {
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        assert!(SecretFiles::open(memory.path()).unwrap().in_memory());
        assert!(!SecretFiles::open(Path::new("/proc/self/../../usr/share")).is_ok_and(|files| files.in_memory()));
    }
}
