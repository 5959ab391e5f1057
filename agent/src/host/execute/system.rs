//! Settings of the kernel, the time zone, the swap file.

use super::{Ground, HostError};
use crate::faults;
use crate::files::FilesError;
use crate::host::SWAP;
use crate::host::programs::{Call, Program};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use tenantry_schema::document::{SysctlName, SysctlValue, TimeZone};

/// Written in place: the kernel has no other way.
pub(super) fn kernel(
    ground: &Ground,
    name: &SysctlName,
    value: &SysctlValue,
) -> Result<(), HostError> {
    let path = format!("proc/sys/{}", name.as_str().replace('.', "/"));
    let written = std::fs::write(ground.root.path().join(path), value.as_str());
    written.map_err(|error| HostError::Kernel {
        name: name.to_string(),
        error,
    })?;
    faults::changed();
    Ok(())
}

pub(super) fn zone(ground: &Ground, zone: &TimeZone) -> Result<(), HostError> {
    let etc = ground.root.path().join("etc");
    let (link, new) = (etc.join("localtime"), etc.join(".localtime.tenantry.tmp"));
    let failed = |error: std::io::Error| FilesError::io(&link, &error);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(error).into());
        }
        _ => {}
    }
    std::os::unix::fs::symlink(format!("/usr/share/zoneinfo/{zone}"), &new).map_err(failed)?;
    faults::changed();
    std::fs::rename(&new, &link).map_err(failed)?;
    faults::changed();
    Ok(())
}

/// A reader finds a whole swap file, or none: a name of its own until its head is written.
pub(super) async fn swap_file(ground: &Ground, bytes: u64) -> Result<(), HostError> {
    let file = ground.root.path().join(SWAP);
    let new = ground.root.path().join(format!("{SWAP}.new"));
    let failed = |errno: rustix::io::Errno| FilesError::Io {
        path: new.clone(),
        error: errno,
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&new, flags, Mode::from_raw_mode(0o600)).map_err(failed)?;
    let made = rustix::fs::fallocate(&opened, FallocateFlags::empty(), 0, bytes)
        .and_then(|()| rustix::fs::fchmod(&opened, Mode::from_raw_mode(0o600)))
        .and_then(|()| rustix::fs::fsync(&opened));
    if let Err(errno) = made {
        let _ = std::fs::remove_file(&new);
        return Err(failed(errno).into());
    }
    faults::changed();
    let path = new.display().to_string();
    ground
        .programs
        .run(&Call::new(Program::Mkswap, [path]), None)
        .await?;
    faults::changed();
    std::fs::rename(&new, &file).map_err(|error| FilesError::io(&file, &error))?;
    faults::changed();
    Ok(())
}
