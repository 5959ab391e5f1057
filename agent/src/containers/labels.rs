//! The labels that we put on containers, networks and volumes: Compose's own, so that `docker compose ps|logs|down` work
//! on what the agent runs, and ours beside them.

/// Everything with this prefix belongs to Compose.
pub(super) const COMPOSE: &str = "com.docker.compose.";
/// Everything with this prefix belongs to us.
pub(super) const OURS: &str = "dev.tenantry.";

/// Compose: the project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
/// Compose: the service.
pub(super) const SERVICE: &str = "com.docker.compose.service";
/// Compose: which of several containers of the service; always 1 here.
pub(super) const NUMBER: &str = "com.docker.compose.container-number";
/// Compose: `True` for `docker compose run`, which we leave alone.
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff";
/// Compose: digest of the service's configuration; we put our own there.
pub(super) const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Compose: folder of the project.
pub(super) const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Compose: paths of its files.
pub(super) const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Compose: the release that made it; ours tells it apart from Compose's.
pub(super) const VERSION: &str = "com.docker.compose.version";
/// Compose: `service:condition:restart`, separated by commas.
pub(super) const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Compose: id of the image.
pub(super) const IMAGE: &str = "com.docker.compose.image";
/// Compose: name of a network within its project.
pub(super) const NETWORK: &str = "com.docker.compose.network";
/// Compose: name of a volume within its project.
pub(super) const VOLUME: &str = "com.docker.compose.volume";

/// Ours: keyed digest over every input ([`super::inputs`]).
pub(super) const INPUTS: &str = "dev.tenantry.inputs";
/// Ours: digest of the files that it saw through folders when it was made, where it is told of changes by a signal.
pub(super) const FILES: &str = "dev.tenantry.files";
/// Ours: who keeps it, `<fleet id>/<customer>/<server>`. What another fleet or another agent keeps is never touched (law 13).
pub(super) const KEEPER: &str = "dev.tenantry.keeper";
/// Ours: the instance, which is also the Compose project.
pub(super) const INSTANCE: &str = "dev.tenantry.instance";

/// Ours: a container that a backup is tried out in, with the keeper that made it.
pub(super) const DRILL: &str = "dev.tenantry.drill";

/// What [`VERSION`] says.
pub(super) const RELEASE: &str = concat!("tenantry-", env!("CARGO_PKG_VERSION"));

/// Whether a label may be written in a Compose file.
pub(super) fn is_free(label: &str) -> bool {
    !label.starts_with(COMPOSE) && !label.starts_with(OURS)
}
