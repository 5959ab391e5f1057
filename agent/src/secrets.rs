//! Secret files: plaintext in memory only (tmpfs), one file a value, in folders that only root can enter. Decrypting is done at the
//! gate; which files there are is said by [`crate::desired`].

use crate::files::{Access, FilesError, Root, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tenantry_schema::Secret;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::RelativePath;

/// Longest value.
const LIMIT: u64 = 1 << 20;

/// A secret file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Its content.
    pub value: Secret,
    /// Who may read it: root alone, unless a container mounts it.
    pub access: Access,
}

/// Secret files by path below the folder of secret files: `<instance>/<NAME>`.
pub type Wanted = BTreeMap<RelativePath, SecretFile>;

/// Secret files as they are: whether each has the content and access that was asked about.
pub type Seen = BTreeMap<RelativePath, bool>;

/// The folder of secret files.
#[derive(Debug)]
pub struct SecretFiles {
    root: Root,
}

/// What must be done so that the files are as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Missing, or with another content or access.
    pub write: Vec<RelativePath>,
    /// Not wanted any more.
    pub remove: Vec<RelativePath>,
}

impl SecretFiles {
    /// The files in `folder`, which is made where it is missing.
    pub fn open(folder: &Path) -> Result<Self, FilesError> {
        Ok(Self {
            root: Root::private(folder)?,
        })
    }

    /// Whether the folder is in memory, as it must be.
    pub fn in_memory(&self) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        rustix::fs::statfs(self.root.path())
            .is_ok_and(|stat| matches!(stat.f_type as u64, TMPFS | RAMFS))
    }

    /// The folder of an instance's files.
    pub fn folder(&self, instance: &InstanceName) -> PathBuf {
        self.root.path().join(instance.as_str())
    }

    /// All files that are there, compared with those that should be.
    pub fn observe(&self, wanted: &Wanted) -> Result<Seen, FilesError> {
        let mut seen = Seen::new();
        for (path, stamp) in self.root.list()? {
            let data = match wanted.get(&path).map(|_| self.root.read(&path, LIMIT)) {
                // Not known, which is no reason to write it anew.
                Some(Err(error)) if error.is_blind() => return Err(error),
                result => result.and_then(|result| result.ok().flatten()),
            };
            let right = wanted.get(&path).is_some_and(|file| {
                let same = |data: &Vec<u8>| digest(data) == digest(file.value.expose().as_bytes());
                stamp.has(&file.access) && data.as_ref().is_some_and(same)
            });
            seen.insert(path, right);
        }
        Ok(seen)
    }

    /// Writes one file.
    pub fn write(&self, path: &RelativePath, file: &SecretFile) -> Result<(), FilesError> {
        self.root
            .write_as(path, file.value.expose().as_bytes(), &file.access)
    }

    /// Removes one file.
    pub fn remove(&self, path: &RelativePath) -> Result<bool, FilesError> {
        self.root.remove(path)
    }

    /// Makes all files as they should be: what `restore-secrets` does before the container engine starts.
    pub fn restore(&self, wanted: &Wanted) -> Result<Difference, FilesError> {
        let difference = compare(wanted, &self.observe(wanted)?);
        for path in &difference.write {
            if let Some(file) = wanted.get(path) {
                self.write(path, file)?;
            }
        }
        for path in &difference.remove {
            self.remove(path)?;
        }
        Ok(difference)
    }
}

/// What is wanted against what is there. Pure.
pub fn compare(wanted: &Wanted, seen: &Seen) -> Difference {
    Difference {
        write: wanted
            .keys()
            .filter(|path| seen.get(*path) != Some(&true))
            .cloned()
            .collect(),
        remove: seen
            .keys()
            .filter(|path| !wanted.contains_key(*path))
            .cloned()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn wanted(entries: &[(&str, &str, u32)]) -> Wanted {
        let file = |value: &str, mode| SecretFile {
            value: Secret::new(value.to_owned()),
            access: Access::mode(mode),
        };
        entries
            .iter()
            .map(|(path, value, mode)| ((*path).try_into().unwrap(), file(value, *mode)))
            .collect()
    }

    #[test]
    fn restored_once_with_the_right_access() {
        let folder = tempfile::tempdir().unwrap();
        let files = SecretFiles::open(&folder.path().join("secrets")).unwrap();
        let first = wanted(&[
            ("web-umami/DB", "one", 0o600),
            ("web-umami/APP", "two", 0o444),
            ("web-html/X", "three", 0o600),
        ]);
        assert_eq!(files.restore(&first).unwrap().write.len(), 3);
        assert_eq!(files.restore(&first).unwrap(), Difference::default());
        let place = |name: &str| folder.path().join("secrets").join(name);
        let mode =
            |name: &str| std::fs::metadata(place(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            std::fs::read_to_string(place("web-umami/DB")).unwrap(),
            "one"
        );
        assert_eq!(
            [
                mode(""),
                mode("web-umami"),
                mode("web-umami/DB"),
                mode("web-umami/APP")
            ],
            [0o700, 0o700, 0o600, 0o444]
        );

        // Edited, opened to others, not wanted any more, somebody else's.
        std::fs::write(place("web-umami/DB"), "edited").unwrap();
        std::fs::set_permissions(
            place("web-umami/APP"),
            std::fs::Permissions::from_mode(0o666),
        )
        .unwrap();
        std::fs::write(place("stray"), "").unwrap();
        let second = wanted(&[
            ("web-umami/DB", "one", 0o600),
            ("web-umami/APP", "two", 0o444),
        ]);
        let difference = files.restore(&second).unwrap();
        let names = |paths: &[RelativePath]| {
            paths
                .iter()
                .map(|path| path.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&difference.write), ["web-umami/APP", "web-umami/DB"]);
        assert_eq!(names(&difference.remove), ["stray", "web-html/X"]);
        assert_eq!(files.restore(&second).unwrap(), Difference::default());
        assert!(!place("web-html").exists());
    }

    #[test]
    fn memory_is_told_from_disk() {
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        assert!(SecretFiles::open(memory.path()).unwrap().in_memory());
        assert!(!SecretFiles::open(Path::new("/usr/share")).is_ok_and(|files| files.in_memory()));
    }
}
