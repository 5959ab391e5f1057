//! `install`: the systemd units and the line that lets nginx see our sites. Writes files and nothing else; says what it did.

pub(crate) mod systemd;

use crate::config::Config;
use crate::files::{FilesError, Root};
use std::path::{Path, PathBuf};
use systemd::{argument, can_be_started, program as executable};
use tenantry_schema::name::RelativePath;

/// The agent itself.
pub const AGENT_UNIT: &str = "tenantry-agent.service";
/// Restores secret files before the container engine starts containers that need them.
pub const SECRETS_UNIT: &str = "tenantry-secrets.service";

/// What was done about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Path on the server.
    pub path: String,
    /// Whether it was written; else it was as it should be.
    pub changed: bool,
}

/// Nothing was installed, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// systemd starts no program of that name.
    #[error("{}: systemd starts no program with quotes, backslashes or control characters in its path; move it, for instance to /usr/local/bin", .0.display())]
    Program(PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Makes the files below `root` (`/` on a real server) what they should be. `program`: where the agent is; `path`: its configuration.
pub fn install(
    root: &Path,
    program: &Path,
    path: &Path,
    config: &Config,
) -> Result<Vec<Installed>, InstallError> {
    // systemd starts programs in `/`, not where `install` was called.
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| FilesError::io(path, &error));
    let (program, path) = (&*absolute(program)?, &*absolute(path)?);
    if !can_be_started(program) {
        return Err(InstallError::Program(program.to_owned()));
    }
    let mut files = vec![
        (
            format!("etc/systemd/system/{AGENT_UNIT}"),
            agent_unit(program, path),
        ),
        (
            format!("etc/systemd/system/{SECRETS_UNIT}"),
            secrets_unit(program, path),
        ),
    ];
    if let Some(folder) = config
        .nginx
        .configuration
        .parent()
        .and_then(|folder| folder.strip_prefix("/").ok())
    {
        let text = "# Written by `tenantry-agent install`. Relative on purpose: configurations are tested beside the live ones.\ninclude tenantry/sites/*.conf;\n";
        files.push((
            format!("{}/conf.d/tenantry.conf", folder.display()),
            text.to_owned(),
        ));
    }
    let root = Root::public(root)?;
    let mut done = Vec::new();
    for (name, text) in files {
        let Ok(name) = RelativePath::try_from(name) else {
            continue;
        };
        let changed = root.read(&name, 1 << 20)?.as_deref() != Some(text.as_bytes());
        if changed {
            root.write(&name, text.as_bytes())?;
        }
        done.push(Installed {
            path: format!("/{name}"),
            changed,
        });
    }
    Ok(done)
}

fn agent_unit(program: &Path, path: &Path) -> String {
    format!(
        "[Unit]
Description=Tenantry agent: keeps this server as its slice says
After=network-online.target docker.service {SECRETS_UNIT}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={program} --config {path} run
Restart=always
RestartSec=2
KillMode=process
UMask=0077

[Install]
WantedBy=multi-user.target
",
        program = executable(program),
        path = argument(path)
    )
}

fn secrets_unit(program: &Path, path: &Path) -> String {
    format!(
        "[Unit]
Description=Tenantry agent: secret files in memory, before containers start
DefaultDependencies=yes
Before=docker.service
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} --config {path} restore-secrets
UMask=0077

[Install]
WantedBy=multi-user.target docker.service
",
        program = executable(program),
        path = argument(path)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_once_and_in_the_right_order() {
        let folder = tempfile::tempdir().unwrap();
        let key = tenantry_wire::SigningKey::generate(&mut rand::rng())
            .public()
            .to_string();
        let age = format!("age1{}", "q".repeat(58));
        let facts = crate::enrol::HubFacts {
            hub_url: Some("https://hub.example".into()),
            fleet_id: Some("example".into()),
            server: Some("acme/acme-1".into()),
            hub_key: Some(key.clone()),
            hub_age: Some(age.clone()),
            recovery_key: Some(key),
            recovery_age: Some(age),
        };
        let config = facts.config(crate::enrol::Places::default()).unwrap();
        let run = || {
            install(
                folder.path(),
                Path::new("/usr/local/bin/tenantry-agent"),
                Path::new("/etc/tenantry/agent.yaml"),
                &config,
            )
        };
        let first = run().unwrap();
        assert_eq!(first.len(), 3);
        assert!(first.iter().all(|file| file.changed));
        assert!(run().unwrap().iter().all(|file| !file.changed));
        let read =
            |name: &str| std::fs::read_to_string(folder.path().join("etc").join(name)).unwrap();
        let secrets = read(&format!("systemd/system/{SECRETS_UNIT}"));
        assert!(
            secrets.contains("Before=docker.service")
                && secrets.contains("agent.yaml restore-secrets\n")
        );
        assert!(
            read(&format!("systemd/system/{AGENT_UNIT}"))
                .contains("tenantry-agent --config /etc/tenantry/agent.yaml run\n")
        );
        let odd = install(
            folder.path(),
            Path::new("/opt/\"own\" agent"),
            Path::new("/etc/tenantry/agent.yaml"),
            &config,
        );
        assert!(matches!(odd, Err(InstallError::Program(_))), "{odd:?}");
        // A path is meant from where the person stands.
        let relative = install(
            folder.path(),
            Path::new("/usr/local/bin/tenantry-agent"),
            Path::new("agent.yaml"),
            &config,
        );
        assert!(relative.unwrap()[0].changed);
        let here = std::env::current_dir().unwrap().join("agent.yaml");
        let unit = read(&format!("systemd/system/{AGENT_UNIT}"));
        assert!(
            unit.contains(&format!("--config {} run", argument(&here))),
            "{unit}"
        );
        assert!(read("nginx/conf.d/tenantry.conf").contains("include tenantry/sites/*.conf;"));
    }
}
