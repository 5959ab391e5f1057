//! Where the laboratory finds its parts, read from the environment that `./x` sets; nothing else here reads it.

use std::path::PathBuf;

/// The laboratory's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `TENANTRY_REQUIRE_PEERS=1`: a missing part is a failure, not a skipped test.
    pub peers_required: bool,
    /// `TENANTRY_REQUIRE_MYSQL=1`: so is MySQL, which comes from Debian's moving release and cannot be had every day.
    pub mysql_required: bool,
    /// Folder that outlives runs (`TENANTRY_CACHE`, else `tenantry` in the user's cache folder).
    pub cache: PathBuf,
    /// Host and port of the image registry (`TENANTRY_REGISTRY`, else `127.0.0.1:5017`).
    pub registry: String,
    /// The `sops` program of the SOPS project (`SOPS_BIN`).
    pub sops: Option<PathBuf>,
    /// The Compose v2 program (`TENANTRY_COMPOSE`).
    pub compose: Option<PathBuf>,
    /// Root of this repository.
    pub repository: PathBuf,
}

impl Config {
    /// Reads the environment.
    pub fn from_environment() -> Self {
        let cache = variable("TENANTRY_CACHE").map_or_else(
            || {
                variable("XDG_CACHE_HOME")
                    .map(PathBuf::from)
                    .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
                    .unwrap_or_else(std::env::temp_dir)
                    .join("tenantry")
            },
            PathBuf::from,
        );
        let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Self {
            peers_required: variable("TENANTRY_REQUIRE_PEERS").is_some_and(|value| value == "1"),
            mysql_required: variable("TENANTRY_REQUIRE_MYSQL").is_some_and(|value| value == "1"),
            cache,
            registry: variable("TENANTRY_REGISTRY").unwrap_or_else(|| "127.0.0.1:5017".to_owned()),
            sops: variable("SOPS_BIN").map(PathBuf::from),
            compose: variable("TENANTRY_COMPOSE").map(PathBuf::from),
            repository: repository
                .parent()
                .map_or_else(|| repository.clone(), PathBuf::from),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is config.rs")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
