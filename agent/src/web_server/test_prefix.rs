//! A folder that looks to nginx like its own, but with other sites: what `nginx -t` is run on before anything goes live.

use super::WebError;
use crate::files::FilesError;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Makes `prefix` anew: links to everything in `folder`, but `tenantry/sites` is `sites`. Returns the configuration to test.
///
/// nginx resolves relative names against the folder of the configuration file that it is given, so `include tenantry/sites/*.conf`
/// and `ssl_certificate tenantry/certificates/…` lead here.
pub(super) fn make(
    prefix: &Path,
    folder: &Path,
    configuration: &Path,
    sites: &Path,
) -> Result<PathBuf, WebError> {
    let failed = |error: io::Error| WebError::Files(FilesError::io(prefix, &error));
    build(prefix, folder, sites).map_err(failed)?;
    Ok(prefix.join(configuration.file_name().unwrap_or_default()))
}

fn build(prefix: &Path, folder: &Path, sites: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(prefix) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(prefix.join("tenantry"))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != "tenantry" {
            symlink(entry.path(), prefix.join(entry.file_name()))?;
        }
    }
    for entry in std::fs::read_dir(folder.join("tenantry"))? {
        let entry = entry?;
        if entry.file_name() != "sites" && entry.file_name() != "test" {
            symlink(
                entry.path(),
                prefix.join("tenantry").join(entry.file_name()),
            )?;
        }
    }
    symlink(sites, prefix.join("tenantry/sites"))
}
