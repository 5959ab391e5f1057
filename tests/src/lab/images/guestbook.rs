//! Builds our own guest book as one static binary.

use std::path::PathBuf;
use std::process::Command;

use super::{Config, LabError};

/// Builds it and returns the path of the binary. The build has a target folder of its own, because other compiler
/// flags in a shared one would make Cargo build everything again and again.
pub(super) fn build(config: &Config) -> Result<PathBuf, LabError> {
    let target = config.cache.join("images/target");
    // Naming the target keeps the flags away from build scripts and procedural macros.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "tenantry-guestbook",
            "--target",
            &triple,
        ])
        .current_dir(&config.repository)
        .env("CARGO_TARGET_DIR", &target)
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols -C opt-level=1",
        )
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .map_err(LabError::io("cannot start cargo"))?;
    if output.status.success() {
        return Ok(target.join(triple).join("debug/tenantry-guestbook"));
    }
    Err(LabError::Program {
        program: "cargo build --package tenantry-guestbook".to_owned(),
        problem: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
