//! Reading one service; references to other parts of the file are checked in `references`.

use crate::device;
use crate::env_file;
use crate::health;
use crate::image::ImageRef;
use crate::keys;
use crate::mount::{Mount, MountKind};
use crate::mount_read as mount;
use crate::names::{ConfigName, SecretName, ServiceName};
use crate::namespaces;
use crate::network_read::{dns, extra_hosts, networks};
use crate::pairs::{labels, pairs};
use crate::port;
use crate::reader::{At, Fields, is_opaque};
use crate::resources;
use crate::service::{Condition, Dependency, NetworkMode, PullPolicy, Restart, Service};
use crate::values::{Pairs, Words};
use crate::words;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn read(at: &At<'_>) -> Option<Service> {
    let fields = at.fields(keys::SERVICE, keys::SERVICE_REFUSED)?;
    let image = image(at, &fields);
    let list = |key: &str, single: bool| {
        fields
            .get(key)
            .and_then(|at| at.texts(single))
            .unwrap_or_default()
    };
    let pairs_of = |key: &str| {
        let at = fields.get(key);
        at.map(|at| pairs(at, false)).unwrap_or_default()
    };
    let mut volumes = fields.get("volumes").map(mount::read).unwrap_or_default();
    volumes.extend(
        fields
            .get("tmpfs")
            .map(mount::read_tmpfs)
            .unwrap_or_default(),
    );
    let (limits, reservations) = resources::read(&fields);
    let (network_mode, networks) = networks(&fields);
    let service = Service {
        image: image.unwrap_or_else(|| ImageRef::opaque("")),
        command: fields.get("command").and_then(command),
        entrypoint: fields.get("entrypoint").and_then(command),
        environment: environment(&fields),
        labels: fields.get("labels").map(labels).unwrap_or_default(),
        ports: fields.get("ports").map(port::read).unwrap_or_default(),
        expose: fields
            .get("expose")
            .map(port::read_exposed)
            .unwrap_or_default(),
        secrets: fields.get("secrets").map(secrets).unwrap_or_default(),
        configs: fields.get("configs").map(configs).unwrap_or_default(),
        depends_on: fields.get("depends_on").map(depends_on).unwrap_or_default(),
        healthcheck: fields.get("healthcheck").and_then(health::read),
        restart: fields.get("restart").and_then(restart),
        user: fields.owned("user"),
        group_add: fields.get("group_add").map(groups).unwrap_or_default(),
        working_dir: fields.owned("working_dir"),
        hostname: fields.owned("hostname"),
        domainname: fields.owned("domainname"),
        namespaces: namespaces::read(&fields),
        cgroup_parent: fields.owned("cgroup_parent"),
        runtime: fields.owned("runtime"),
        devices: fields.get("devices").map(device::read).unwrap_or_default(),
        device_cgroup_rules: list("device_cgroup_rules", false),
        storage_opt: pairs_of("storage_opt"),
        read_only: fields.boolean("read_only"),
        init: fields.get("init").and_then(At::boolean),
        privileged: fields.boolean("privileged"),
        stdin_open: fields.boolean("stdin_open"),
        tty: fields.boolean("tty"),
        cap_add: list("cap_add", false),
        cap_drop: list("cap_drop", false),
        security_opt: list("security_opt", false),
        shm_size: fields.get("shm_size").and_then(resources::size),
        ulimits: fields
            .get("ulimits")
            .map(resources::ulimits)
            .unwrap_or_default(),
        sysctls: pairs_of("sysctls"),
        extra_hosts: fields
            .get("extra_hosts")
            .map(extra_hosts)
            .unwrap_or_default(),
        dns: fields.get("dns").map(dns).unwrap_or_default(),
        dns_search: list("dns_search", true),
        dns_opt: list("dns_opt", false),
        stop_signal: fields.owned("stop_signal"),
        stop_grace_period: fields.get("stop_grace_period").and_then(health::duration),
        logging: fields.get("logging").and_then(resources::logging),
        pull_policy: fields.get("pull_policy").and_then(pull_policy),
        platform: fields.owned("platform"),
        profiles: list("profiles", false),
        volumes,
        network_mode,
        networks,
        limits,
        reservations,
        tuning: resources::tuning(&fields),
    };
    if let Some(scale) = fields.get("scale")
        && scale.integer().is_some_and(|number| number != 1)
    {
        scale.unsupported("only one container a service is run");
    }
    targets_differ(at, &service);
    borrowed_network(&fields, &service);
    Some(service)
}

fn image(at: &At<'_>, fields: &Fields<'_>) -> Option<ImageRef> {
    let Some(image) = fields.get("image") else {
        at.invalid_with("the service has no `image`", "add `image: name:tag`");
        return None;
    };
    let text = image.text()?;
    if is_opaque(text) {
        return Some(ImageRef::opaque(text));
    }
    ImageRef::parse(text)
        .map_err(|message| image.invalid(message))
        .ok()
}

/// `env_file`, and `environment` on top of it.
fn environment(fields: &Fields<'_>) -> Pairs {
    let mut all = fields
        .get("env_file")
        .map(env_file::read)
        .unwrap_or_default();
    if let Some(own) = fields.get("environment").map(|at| pairs(at, true)) {
        for (name, value) in own.iter() {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    all
}

/// The engine refuses what belongs to a network in a container that has none of its own.
fn borrowed_network(fields: &Fields<'_>, service: &Service) {
    if !matches!(service.network_mode, NetworkMode::Service(_)) {
        return;
    }
    for key in [
        "ports",
        "expose",
        "hostname",
        "domainname",
        "extra_hosts",
        "dns",
        "dns_search",
        "dns_opt",
    ] {
        if let Some(at) = fields.get(key) {
            let message =
                format!("`{key}` cannot be had together with the network of another service");
            at.invalid_with(message, "write it at that service");
        }
    }
}

fn targets_differ(at: &At<'_>, service: &Service) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for mount in service.all_mounts() {
        let target = mount.target.trim_end_matches('/');
        if !seen.insert(target) && !is_opaque(target) {
            at.invalid("two mounts have the same target");
        }
    }
}

fn command(at: &At<'_>) -> Option<Words> {
    if at.node.as_sequence().is_some() {
        return at.texts(false).map(Words::new);
    }
    match words::split(at.text()?) {
        Ok(words) => Some(Words::new(words)),
        Err(message) => {
            at.invalid_with(message, "write a list; with a shell: [sh, -c, \"...\"]");
            None
        }
    }
}

fn secrets(at: &At<'_>) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (at, name, target, access) in mount::grants(at) {
        let name = match SecretName::try_from(name) {
            Ok(name) => name,
            Err(error) => {
                at.invalid(error.to_string());
                continue;
            }
        };
        // A relative target is below the folder of secrets.
        let target = match target {
            None => format!("/run/secrets/{name}"),
            Some(target) if target.starts_with('/') => target,
            Some(target) => format!("/run/secrets/{target}"),
        };
        if let Some(target) = mount::target_path(&target, &at) {
            mounts.push(Mount {
                kind: MountKind::Secret { name, access },
                target,
                read_only: true,
            });
        }
    }
    mounts
}

fn configs(at: &At<'_>) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (at, name, target, access) in mount::grants(at) {
        let name = match ConfigName::try_from(name) {
            Ok(name) => name,
            Err(error) => {
                at.invalid(error.to_string());
                continue;
            }
        };
        let target = target.unwrap_or_else(|| format!("/{name}"));
        if let Some(target) = mount::target_path(&target, &at) {
            mounts.push(Mount {
                kind: MountKind::Config { name, access },
                target,
                read_only: true,
            });
        }
    }
    mounts
}

fn depends_on(at: &At<'_>) -> BTreeMap<ServiceName, Dependency> {
    let mut found = BTreeMap::new();
    let plain = Dependency {
        condition: Condition::Started,
        required: true,
        restart: false,
    };
    if at.node.as_mapping().is_none() {
        for item in at.items().unwrap_or_default() {
            if let Some(name) = item
                .text()
                .and_then(|name| ServiceName::try_from(name).ok())
            {
                found.insert(name, plain);
            }
        }
        return found;
    }
    for (name, _, at) in at.entries().unwrap_or_default() {
        let Some(fields) = at.fields(&["condition", "required", "restart"], &[]) else {
            continue;
        };
        let Some(condition) = fields.get("condition") else {
            at.invalid_with(
                "a `condition` is needed",
                "for example `condition: service_healthy`",
            );
            continue;
        };
        let expected = "`service_started`, `service_healthy` or `service_completed_successfully`";
        let condition = condition.parse(expected, Condition::Started, |text| match text {
            "service_started" => Some(Condition::Started),
            "service_healthy" => Some(Condition::Healthy),
            "service_completed_successfully" => Some(Condition::Completed),
            _ => None,
        });
        let required = fields.get("required").and_then(At::boolean).unwrap_or(true);
        let restart = fields.boolean("restart");
        if let (Some(condition), Ok(name)) = (condition, ServiceName::try_from(name)) {
            found.insert(
                name,
                Dependency {
                    condition,
                    required,
                    restart,
                },
            );
        }
    }
    found
}

fn restart(at: &At<'_>) -> Option<Restart> {
    if at.node.as_str() == Some("false") && !at.node.is_quoted() {
        at.wrong_type("`\"no\"`, `always`, `on-failure` or `unless-stopped`");
        return None;
    }
    let expected = "`\"no\"`, `always`, `on-failure[:times]` or `unless-stopped`";
    let read = at.parse(expected, Some(Restart::No), |text| match text {
        // As an unset variable leaves it; Compose takes it for a key that is not there.
        "" => Some(None),
        "no" => Some(Some(Restart::No)),
        "always" => Some(Some(Restart::Always)),
        "unless-stopped" => Some(Some(Restart::UnlessStopped)),
        "on-failure" => Some(Some(Restart::OnFailure { retries: None })),
        _ => {
            let retries = text.strip_prefix("on-failure:")?.parse().ok()?;
            Some(Some(Restart::OnFailure {
                retries: Some(retries),
            }))
        }
    });
    read.flatten()
}

fn pull_policy(at: &At<'_>) -> Option<PullPolicy> {
    if matches!(at.node.as_str(), Some("always" | "daily" | "weekly")) {
        let message = "this `pull_policy` is not supported: what a tag stands for is looked up once and kept, until another version is asked for; take the line out, and name another tag or digest to have another image";
        at.unsupported(message);
        return None;
    }
    at.parse(
        "`never` or `missing`",
        PullPolicy::Missing,
        |text| match text {
            "never" => Some(PullPolicy::Never),
            "missing" | "if_not_present" => Some(PullPolicy::Missing),
            _ => None,
        },
    )
}

/// Group names or numbers.
fn groups(at: &At<'_>) -> Vec<String> {
    let items = at.items().unwrap_or_default();
    items
        .iter()
        .filter_map(At::loose_text)
        .map(str::to_owned)
        .collect()
}
