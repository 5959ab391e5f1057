//! The real `sops` program, found by `SOPS_BIN` or the search path, in a folder of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "a test finds its peer program by the environment"
)]

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::Keys;

/// The real program with a folder and a key file of its own.
pub struct Peer {
    program: PathBuf,
    folder: TempDir,
}

impl Peer {
    /// `None`, with a message, if the program is not there and nobody insists.
    pub fn find(ours: &[&Keys]) -> Option<Self> {
        let named = std::env::var_os("SOPS_BIN").map(PathBuf::from);
        let search = std::env::var_os("PATH").unwrap_or_default();
        let mut places = named
            .into_iter()
            .chain(std::env::split_paths(&search).map(|place| place.join("sops")));
        let Some(program) = places.find(|place| place.is_file()) else {
            assert!(
                std::env::var_os("TENANTRY_REQUIRE_PEERS").is_none(),
                "sops is required but not installed"
            );
            eprintln!("skipped: sops is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let secrets: Vec<_> = ours.iter().map(|keys| keys.secret.as_str()).collect();
        let secrets = secrets.join(
            "
",
        );
        std::fs::write(folder.path().join("keys.txt"), secrets).unwrap();
        Some(Self { program, folder })
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Runs the program in its folder; the error is what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("SOPS_AGE_KEY_FILE", self.folder.path().join("keys.txt"))
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
