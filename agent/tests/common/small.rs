//! A small file system, which can be full, or read only. For tests only.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of so many mebibytes, for as long as it lives.
pub struct Small(PathBuf);

impl Small {
    /// Where nobody may mount anything there is none.
    pub fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "none"])
            .arg(at)
            .output();
        let good = mounted.is_ok_and(|output| output.status.success());
        good.then(|| Self(at.to_owned()))
    }

    /// Nothing can be written there from now on, or it can again.
    pub fn read_only(&self, only: bool) {
        let option = if only { "remount,ro" } else { "remount,rw" };
        let mounted = Command::new("mount")
            .args(["-o", option])
            .arg(&self.0)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "{option}: {said}");
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut rest = 1 << 20;
        let mut number = 0;
        while rest > 0 {
            number += 1;
            let path = self.0.join(format!("filler-{number}"));
            if std::fs::write(&path, vec![1; rest]).is_err() {
                let _ = std::fs::remove_file(&path);
                rest /= 2;
            }
        }
    }

    pub fn make_room(&self) {
        for entry in std::fs::read_dir(&self.0).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
