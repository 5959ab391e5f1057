//! What is in a folder.

use super::write::is_temporary;
use super::{FilesError, Root, Stamp};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use tenantry_schema::name::RelativePath;

impl Root {
    /// Everything in the folder that is not a folder, with what tells versions apart. Links are listed, not followed; names that no
    /// slice can hold are left out.
    pub fn list(&self) -> Result<BTreeMap<RelativePath, Stamp>, FilesError> {
        let mut found = BTreeMap::new();
        let top = Dir::read_from(&self.folder).map_err(|error| FilesError::Io {
            path: self.path.clone(),
            error,
        })?;
        self.list_into(top, "", &mut found)?;
        Ok(found)
    }

    /// Removes what writers left behind that were killed before they were done. Only for when nobody writes.
    pub fn remove_unfinished(&self) -> Result<(), FilesError> {
        for path in self.list()?.into_keys().filter(is_temporary) {
            self.remove(&path)?;
        }
        Ok(())
    }

    fn list_into(
        &self,
        mut dir: Dir,
        prefix: &str,
        found: &mut BTreeMap<RelativePath, Stamp>,
    ) -> Result<(), FilesError> {
        let failed = |error| FilesError::Io {
            path: self.path.join(prefix),
            error,
        };
        let mut folders = Vec::new();
        while let Some(entry) = dir.read() {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let Ok(path) = RelativePath::try_from(format!("{prefix}{name}")) else {
                continue;
            };
            let stat = match fs::statat(dir.fd().map_err(failed)?, name, AtFlags::SYMLINK_NOFOLLOW)
            {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(failed(error)),
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                folders.push((path, name.to_owned()));
            } else {
                found.insert(path, Stamp::of(&stat));
            }
        }
        for (path, name) in folders {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match fs::openat(
                dir.fd().map_err(failed)?,
                name.as_str(),
                flags,
                Mode::empty(),
            )
            .and_then(Dir::new)
            {
                Ok(inner) => self.list_into(inner, &format!("{path}/"), found)?,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}
