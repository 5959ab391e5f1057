//! Whether a container is what was asked for: engines drop what they do not know or cannot do without an error. Pure.

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, Mount, PortMap};
use std::collections::{BTreeSet, HashMap};

/// The first thing that was asked for and is not there, in a few words. Bounds on memory and processes that the kernel cannot keep
/// are not among them: the engine says so in a warning, and the tool works without.
pub(super) fn lacking(
    asked: &ContainerCreateBody,
    made: &ContainerInspectResponse,
) -> Option<&'static str> {
    let (Some(asked), Some(made)) = (&asked.host_config, &made.host_config) else {
        return Some("settings");
    };
    let ports = |ports: Option<&PortMap>| ports.map_or(0, PortMap::len);
    let checks = [
        ("bounds of privilege", protection(asked, made)),
        ("mounts", mounts(asked, made)),
        ("namespaces", namespaces(asked, made)),
        (
            "devices",
            count(asked.devices.as_deref()) == count(made.devices.as_deref()),
        ),
        (
            "ports",
            ports(asked.port_bindings.as_ref()) == ports(made.port_bindings.as_ref()),
        ),
        (
            "name servers",
            list(asked.dns.as_deref()) == list(made.dns.as_deref()),
        ),
        (
            "further hosts",
            list(asked.extra_hosts.as_deref()) == list(made.extra_hosts.as_deref()),
        ),
        (
            "kernel settings",
            asked.sysctls.clone().unwrap_or_default() == made.sysctls.clone().unwrap_or_default(),
        ),
        (
            "limits",
            count(asked.ulimits.as_deref()) == count(made.ulimits.as_deref()),
        ),
    ];
    checks
        .into_iter()
        .find(|(_, right)| !right)
        .map(|(what, _)| what)
}

fn protection(asked: &HostConfig, made: &HostConfig) -> bool {
    asked.privileged.unwrap_or(false) == made.privileged.unwrap_or(false)
        && asked.readonly_rootfs.unwrap_or(false) == made.readonly_rootfs.unwrap_or(false)
        && capabilities(asked.cap_add.as_deref()) == capabilities(made.cap_add.as_deref())
        && capabilities(asked.cap_drop.as_deref()) == capabilities(made.cap_drop.as_deref())
        && options(asked.security_opt.as_deref()).is_subset(&options(made.security_opt.as_deref()))
}

/// With or without the prefix, in any case.
fn capabilities(names: Option<&[String]>) -> BTreeSet<String> {
    let names = names.into_iter().flatten();
    names
        .map(|name| {
            let upper = name.to_ascii_uppercase();
            upper
                .strip_prefix("CAP_")
                .map(str::to_owned)
                .unwrap_or(upper)
        })
        .collect()
}

/// Of some options the engine keeps what it made of them.
fn options(options: Option<&[String]>) -> BTreeSet<&str> {
    let options = options.into_iter().flatten().map(String::as_str);
    options
        .filter(|option| option.starts_with("no-new-privileges"))
        .collect()
}

fn mounts(asked: &HostConfig, made: &HostConfig) -> bool {
    let subpath = |mount: &Mount| {
        let options = mount.volume_options.as_ref();
        options
            .and_then(|options| options.subpath.clone())
            .filter(|path| !path.is_empty())
    };
    let key = |mount: &Mount| {
        (
            mount.target.clone(),
            mount.source.clone().filter(|source| !source.is_empty()),
            mount.read_only.unwrap_or(false),
            subpath(mount),
        )
    };
    let all =
        |mounts: &Option<Vec<Mount>>| -> BTreeSet<_> { mounts.iter().flatten().map(key).collect() };
    all(&asked.mounts) == all(&made.mounts)
        && asked.tmpfs.as_ref().map_or(0, HashMap::len)
            == made.tmpfs.as_ref().map_or(0, HashMap::len)
}

fn namespaces(asked: &HostConfig, made: &HostConfig) -> bool {
    // The engine writes the id where a container is named.
    let other = |mode: &Option<String>| {
        mode.as_ref()
            .is_some_and(|mode| mode.starts_with("container:"))
    };
    let kept = |asked: &Option<String>, made: &Option<String>| {
        asked.is_none() || asked == made || (other(asked) && other(made))
    };
    kept(&asked.network_mode, &made.network_mode)
        && kept(&asked.pid_mode, &made.pid_mode)
        && kept(&asked.ipc_mode, &made.ipc_mode)
        && kept(&asked.uts_mode, &made.uts_mode)
        && kept(&asked.userns_mode, &made.userns_mode)
}

fn list(list: Option<&[String]>) -> &[String] {
    list.unwrap_or_default()
}

fn count<T>(list: Option<&[T]>) -> usize {
    list.map_or(0, <[T]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(change: impl FnOnce(&mut HostConfig)) -> Option<&'static str> {
        let asked = HostConfig {
            cap_drop: Some(vec!["NET_RAW".into()]),
            security_opt: Some(vec!["no-new-privileges:true".into(), "seccomp={}".into()]),
            mounts: Some(vec![Mount {
                target: Some("/a".into()),
                source: Some("/srv/a".into()),
                read_only: Some(true),
                ..Mount::default()
            }]),
            network_mode: Some("acme_default".into()),
            ..HostConfig::default()
        };
        let mut made = asked.clone();
        made.cap_drop = Some(vec!["CAP_NET_RAW".into()]);
        change(&mut made);
        lacking(
            &ContainerCreateBody {
                host_config: Some(asked),
                ..ContainerCreateBody::default()
            },
            &ContainerInspectResponse {
                host_config: Some(made),
                ..ContainerInspectResponse::default()
            },
        )
    }

    #[test]
    fn what_the_engine_dropped_is_found() {
        assert_eq!(lacks(|_| {}), None);
        assert_eq!(
            lacks(|made| made.cap_drop = None),
            Some("bounds of privilege")
        );
        assert_eq!(
            lacks(|made| made.security_opt = None),
            Some("bounds of privilege")
        );
        assert_eq!(
            lacks(|made| made.privileged = Some(true)),
            Some("bounds of privilege")
        );
        assert_eq!(lacks(|made| made.mounts = None), Some("mounts"));
        assert_eq!(
            lacks(|made| made.mounts.as_mut().unwrap()[0].read_only = None),
            Some("mounts")
        );
        assert_eq!(
            lacks(|made| made.network_mode = Some("host".into())),
            Some("namespaces")
        );
        assert_eq!(
            lacks(|made| made.dns = Some(vec!["192.0.2.1".into()])),
            Some("name servers")
        );
    }
}
