//! What the web server has read: a mark beside the certificates, so that certificates and sites that were put in place by an agent that was
//! killed right afterwards are read, too.

use super::WebError;
use crate::files::{Root, digest};
use std::fmt::Write as _;
use std::path::Path;
use tenantry_schema::name::{DomainName, RelativePath};

/// No domain begins with a dot.
const MARK: &str = ".loaded";
const LIMIT: u64 = 1 << 10;

/// Names the certificates that are in place in `folder` now.
pub(super) fn present(folder: &Path) -> String {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let host = name
            .to_str()
            .filter(|name| DomainName::try_from(*name).is_ok());
        if let (Some(host), Ok(target)) = (host, std::fs::read_link(entry.path())) {
            all.push(format!("{host} {}", target.display()));
        }
    }
    all.sort_unstable();
    let mut text = String::new();
    for line in all {
        let _ = writeln!(text, "{line}");
    }
    digest(text.as_bytes())
}

/// Whether others were in place when the web server last read them.
pub(super) fn is_stale(folder: &Path) -> bool {
    let mark = std::fs::read_to_string(folder.join(MARK)).unwrap_or_default();
    mark != present(folder)
}

/// Whether sites were put in place that it may not have read.
pub(super) fn is_forgotten(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join(MARK)).is_ok_and(|mark| mark.is_empty())
}

/// What is put in place from now on it has not read.
pub(super) fn forget(folder: &Path) -> Result<(), WebError> {
    mark(folder, "")
}

/// The web server has read these.
pub(super) fn mark(folder: &Path, present: &str) -> Result<(), WebError> {
    let root = Root::private(folder)?;
    let path = RelativePath::try_from(MARK).expect("a plain name");
    if root.read(&path, LIMIT)?.as_deref() != Some(present.as_bytes()) {
        root.write(&path, present.as_bytes())?;
    }
    Ok(())
}
