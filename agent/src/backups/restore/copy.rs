//! Copies of files and folders with their owners, modes and times.

use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

/// Copies files, folders and links to `to`, where nothing is yet.
pub(super) fn tree(from: &Path, to: &Path) -> std::io::Result<()> {
    let found = std::fs::symlink_metadata(from)?;
    if found.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
    } else if found.is_dir() {
        std::fs::create_dir(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if found.is_file() {
        std::fs::copy(from, to)?;
    } else {
        // Sockets and pipes are made by whoever uses them.
        return Ok(());
    }
    attributes(from, to)
}

/// Gives `to` the owner, the mode and the time of `from`.
pub(super) fn attributes(from: &Path, to: &Path) -> std::io::Result<()> {
    let found = std::fs::symlink_metadata(from)?;
    lchown(to, Some(found.uid()), Some(found.gid()))?;
    if found.is_symlink() {
        return Ok(());
    }
    std::fs::set_permissions(to, found.permissions())?;
    if found.is_file() {
        let times = std::fs::FileTimes::new().set_modified(found.modified()?);
        std::fs::File::options()
            .write(true)
            .open(to)?
            .set_times(times)?;
    }
    Ok(())
}

/// Makes sure that everything of the file system of `folder` is on the disk.
pub(super) fn sync(folder: &Path) -> std::io::Result<()> {
    let open = std::fs::File::open(folder)?;
    Ok(rustix::fs::syncfs(&open)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_copy_has_links_modes_and_times() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::create_dir_all(from.join("a/b")).unwrap();
        let file = from.join("a/b/new");
        std::fs::write(&file, "new").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        tree(&from, &to).unwrap();
        sync(&to).unwrap();
        let copy = to.join("a/b/new");
        assert_eq!(std::fs::read(&copy).unwrap(), b"new");
        let (old, new) = (
            std::fs::metadata(&file).unwrap(),
            std::fs::metadata(&copy).unwrap(),
        );
        assert_eq!(new.mode() & 0o777, 0o640);
        assert_eq!(old.modified().unwrap(), new.modified().unwrap());
        let link = std::fs::read_link(to.join("link")).unwrap();
        assert_eq!(link, Path::new("/etc/passwd"));
    }
}
