//! How a container was made and how it is. What is told is chosen; of its environment the names alone.

use crate::containers::{Engine, inspected};
use crate::execute::sentence;
use bollard::models::ContainerInspectResponse;
use std::fmt::{Display, Write as _};

/// Health checks that are told.
const CHECKS: usize = 3;

/// In lines.
pub(super) async fn inspect(engine: &Engine, id: &str) -> Result<String, String> {
    let details = inspected(engine, id)
        .await
        .map_err(|error| sentence(&error))?;
    Ok(told(&details))
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        if !value.is_empty() {
            let _ = writeln!(
                self.0,
                "{name:<14} {}",
                value.replace('\n', "\n               ")
            );
        }
    }

    fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

fn told(details: &ContainerInspectResponse) -> String {
    let mut out = Lines::default();
    out.maybe(
        "name",
        details
            .name
            .as_deref()
            .map(|name| name.trim_start_matches('/')),
    );
    out.maybe("id", details.id.as_deref());
    out.maybe("created", details.created.clone());
    state(details, &mut out);
    config(details, &mut out);
    host(details, &mut out);
    for mount in details.mounts.iter().flatten() {
        let from = mount
            .name
            .as_deref()
            .or(mount.source.as_deref())
            .unwrap_or("?");
        let to = mount.destination.as_deref().unwrap_or("?");
        let access = if mount.rw == Some(false) {
            "read only"
        } else {
            ""
        };
        out.put("mount", format!("{from} -> {to} {access}").trim_end());
    }
    let networks = details.network_settings.as_ref();
    for (name, at) in networks
        .and_then(|settings| settings.networks.as_ref())
        .into_iter()
        .flatten()
    {
        let address = at
            .ip_address
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let aliases = at.aliases.clone().unwrap_or_default().join(", ");
        out.put("network", format!("{name} {address} {aliases}").trim_end());
    }
    for (port, bindings) in networks
        .and_then(|settings| settings.ports.as_ref())
        .into_iter()
        .flatten()
    {
        for binding in bindings.iter().flatten() {
            let address = binding
                .host_ip
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let host = binding.host_port.clone().unwrap_or_default();
            out.put("port", format!("{address}:{host} -> {port}"));
        }
    }
    out.0
}

fn state(details: &ContainerInspectResponse, out: &mut Lines) {
    let Some(state) = &details.state else { return };
    out.maybe("state", state.status.as_ref().map(ToString::to_string));
    out.maybe("started", state.started_at.clone());
    out.maybe("ended", state.finished_at.clone());
    out.maybe("exit code", state.exit_code);
    if state.oom_killed == Some(true) {
        out.put("ended by", "the kernel, for lack of memory");
    }
    out.maybe("error", state.error.as_deref());
    out.maybe("restarts", details.restart_count);
    let Some(health) = &state.health else { return };
    out.maybe("health", health.status.as_ref().map(ToString::to_string));
    out.maybe("failing", health.failing_streak);
    let checks = health.log.as_deref().unwrap_or_default();
    for check in &checks[checks.len().saturating_sub(CHECKS)..] {
        let code = check.exit_code.unwrap_or_default();
        let output = check.output.as_deref().unwrap_or_default();
        out.put("check", format!("exit code {code}: {}", output.trim()));
    }
}

fn config(details: &ContainerInspectResponse, out: &mut Lines) {
    let Some(config) = &details.config else {
        return;
    };
    out.maybe("image", config.image.as_deref());
    out.maybe("image id", details.image.as_deref());
    out.maybe("user", config.user.as_deref());
    out.put(
        "entrypoint",
        config.entrypoint.clone().unwrap_or_default().join(" "),
    );
    out.put("command", config.cmd.clone().unwrap_or_default().join(" "));
    for variable in config.env.iter().flatten() {
        let name = variable
            .split_once('=')
            .map_or(variable.as_str(), |(name, _)| name);
        out.put("variable", format!("{name}=[redacted]"));
    }
    let mut labels: Vec<_> = config.labels.iter().flatten().collect();
    labels.sort();
    for (name, value) in labels {
        if name.starts_with("com.docker.compose.") || name.starts_with("dev.tenantry.") {
            out.put("label", format!("{name}={value}"));
        }
    }
}

fn host(details: &ContainerInspectResponse, out: &mut Lines) {
    let Some(host) = &details.host_config else {
        return;
    };
    let limit = |value: Option<i64>| value.filter(|value| *value > 0);
    out.maybe(
        "memory",
        limit(host.memory).map(|bytes| format!("at most {} MiB", bytes >> 20)),
    );
    out.maybe(
        "processors",
        limit(host.nano_cpus).map(|nano| format!("at most {:.2}", nano as f64 / 1e9)),
    );
    out.maybe(
        "processes",
        limit(host.pids_limit).map(|most| format!("at most {most}")),
    );
    let policy = host
        .restart_policy
        .as_ref()
        .and_then(|policy| policy.name.as_ref());
    out.maybe("restart", policy.map(ToString::to_string));
    out.maybe("network mode", host.network_mode.as_deref());
    out.put(
        "cap_add",
        host.cap_add.clone().unwrap_or_default().join(" "),
    );
    out.put(
        "cap_drop",
        host.cap_drop.clone().unwrap_or_default().join(" "),
    );
    out.put(
        "security_opt",
        host.security_opt.clone().unwrap_or_default().join(" "),
    );
    if host.privileged == Some(true) {
        out.put("privileged", "yes");
    }
    if host.readonly_rootfs == Some(true) {
        out.put("read only", "yes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_not_told() {
        let text = r#"{"Id":"abc","Name":"/web-1","RestartCount":3,"Created":"2026-01-01T00:00:00Z",
            "State":{"Status":"running","OOMKilled":true,"ExitCode":0,"Health":{"Status":"unhealthy","FailingStreak":4,"Log":[{"ExitCode":1,"Output":"refused\n"}]}},
            "Config":{"Image":"web:1","Env":["PASSWORD=hunter2","EMPTY"],"Cmd":["serve","--port","80"],"Labels":{"com.docker.compose.service":"web","other":"x"}},
            "HostConfig":{"Memory":536870912,"NanoCpus":1500000000,"CapDrop":["NET_RAW"]},
            "Mounts":[{"Type":"volume","Name":"site_data","Destination":"/data","RW":false}],
            "NetworkSettings":{"Networks":{"site_default":{"IPAddress":"172.18.0.2","Aliases":["web"]}},"Ports":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"20000"}]}}}"#;
        let details: ContainerInspectResponse = serde_json::from_str(text).unwrap();
        let told = told(&details);
        assert!(
            !told.contains("hunter2") && !told.contains("other"),
            "{told}"
        );
        for line in [
            "variable       PASSWORD=[redacted]",
            "variable       EMPTY=[redacted]",
            "memory         at most 512 MiB",
            "check          exit code 1: refused",
            "mount          site_data -> /data read only",
            "port           127.0.0.1:20000 -> 80/tcp",
            "ended by       the kernel, for lack of memory",
        ] {
            assert!(told.lines().any(|known| known == line), "{line}\n{told}");
        }
        assert!(!self::told(&ContainerInspectResponse::default()).contains("None"));
    }
}
