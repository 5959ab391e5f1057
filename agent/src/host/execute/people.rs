//! Keys of people, and the end of what they run.

use super::{Ground, HostError};
use crate::files::Access;
use crate::host::step::UserKeys;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::MetadataExt as _;
use tenantry_schema::name::RelativePath;

/// The folder and the file are the user's own, so that the SSH server trusts them.
pub(super) fn keys(ground: &Ground, keys: &UserKeys) -> Result<(), HostError> {
    let below = |name: &str| RelativePath::try_from(format!("{}/{name}", keys.home));
    let (Ok(folder), Ok(file)) = (below(".ssh"), below(".ssh/authorized_keys")) else {
        return Ok(());
    };
    if keys.text.is_empty() {
        ground.root.remove_file(&file)?;
        return Ok(());
    }
    ground
        .root
        .own_folder(&folder, &Access::owned(0o700, keys.uid, keys.gid))?;
    let access = Access::owned(0o600, keys.uid, keys.gid);
    ground.root.write_as(&file, keys.text.as_bytes(), &access)?;
    Ok(())
}

/// Ends everything that runs as this user. What ends by itself meanwhile is no error.
pub(super) fn end_sessions(uid: u32) {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in all {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let theirs = entry.metadata().is_ok_and(|it| it.uid() == uid);
        if let Some(pid) = pid
            .filter(|_| theirs && uid >= 1000)
            .and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
