//! What the engine says about a project, as paths with values: without what differs from run to run, and with one form for what
//! means the same.

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Values by path, such as `container web.HostConfig.Memory`.
pub(super) type Seen = BTreeMap<String, String>;

/// What says nothing about the file: identities, times, addresses that the engine chose, places on its disk.
const VOLATILE: [&str; 23] = [
    "ExecIDs",
    "Id",
    "Created",
    "CreatedAt",
    "State",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "GraphDriver",
    "Storage",
    "ImageManifestDescriptor",
    "NetworkID",
    "EndpointID",
    "Gateway",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "MacAddress",
    "Mountpoint",
    "Containers",
];

/// Lists whose order means something.
const ORDERED: [&str; 6] = ["Cmd", "Entrypoint", "Args", "Test", "Dns", "DnsSearch"];

/// Everything that carries the project's label.
pub(super) async fn seen(docker: &Docker, project: &str, folder: &Path) -> Seen {
    let filters = HashMap::from([(
        "label".to_owned(),
        vec![format!("com.docker.compose.project={project}")],
    )]);
    let mut seen = Seen::new();
    let words = Words {
        project,
        folder: folder.display().to_string(),
    };
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let containers = docker.list_containers(Some(options)).await;
    for container in containers.expect("containers are listed") {
        let id = container.id.expect("an id");
        let details = docker.inspect_container(&id, None).await;
        let details = details.expect("it can be inspected");
        let state = details.state.clone().unwrap_or_default();
        let name = details.name.clone().unwrap_or_default();
        let at = format!(
            "container {}",
            words.plain(name.trim_start_matches('/'), &id)
        );
        let status = format!("{:?} {:?}", state.status, state.exit_code);
        seen.insert(format!("{at}.Status"), status);
        let mut value = serde_json::to_value(&details).expect("plain data");
        let networks = value["NetworkSettings"]["Networks"].take();
        value["NetworkSettings"] = Value::Null;
        value["Networks"] = networks;
        sort_mounts(&mut value);
        words.flatten(&at, &value, &id, &mut seen);
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = docker.list_networks(Some(options)).await;
    for network in networks.expect("networks are listed") {
        let name = network.name.clone().unwrap_or_default();
        let at = format!("network {}", words.plain(&name, ""));
        let value = serde_json::to_value(&network).expect("plain data");
        words.flatten(&at, &value, "", &mut seen);
    }
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = docker.list_volumes(Some(options)).await;
    for volume in volumes
        .expect("volumes are listed")
        .volumes
        .unwrap_or_default()
    {
        let at = format!("volume {}", words.plain(&volume.name, ""));
        let value = serde_json::to_value(&volume).expect("plain data");
        words.flatten(&at, &value, "", &mut seen);
    }
    seen
}

/// Mounts by where they are, instead of in the order in which the engine lists them.
fn sort_mounts(value: &mut Value) {
    if let Value::Array(mounts) = value["Mounts"].take() {
        let by_target = mounts.into_iter().map(|mount| {
            (
                mount["Destination"].as_str().unwrap_or_default().to_owned(),
                mount,
            )
        });
        value["Mounts"] = Value::Object(by_target.collect());
    }
}

/// What is empty means the same as what is not there.
fn without_empty(value: &Value) -> Value {
    let says = |value: &Value| {
        !matches!(value, Value::Null | Value::Bool(false))
            && value.as_str() != Some("")
            && value.as_object().is_none_or(|entries| !entries.is_empty())
    };
    match value {
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (key.clone(), without_empty(value)));
            Value::Object(entries.filter(|(_, value)| says(value)).collect())
        }
        other => other.clone(),
    }
}

struct Words<'a> {
    project: &'a str,
    folder: String,
}

impl Words<'_> {
    /// Without what is random or this run's own.
    fn plain(&self, text: &str, id: &str) -> String {
        let text = text
            .replace(&self.folder, "FOLDER")
            .replace(self.project, "PROJECT");
        let text = if id.is_empty() {
            text
        } else {
            text.replace(id, "SELF").replace(&id[..12], "SELF")
        };
        let random = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        text.split_inclusive([':', '/', ',', ' '])
            .map(|part| {
                let word = part.trim_end_matches([':', '/', ',', ' ']);
                // Digests of images are no accident.
                if random(word) && !text.starts_with("sha256:") {
                    part.replace(word, "RANDOM")
                } else {
                    part.to_owned()
                }
            })
            .collect()
    }

    fn flatten(&self, at: &str, value: &Value, id: &str, seen: &mut Seen) {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(text) if text.is_empty() => {}
            Value::Number(number) if number.as_i64() == Some(0) => {}
            Value::Object(entries) => {
                for (key, value) in entries {
                    if VOLATILE.contains(&key.as_str()) {
                        continue;
                    }
                    let at = format!("{at}.{}", self.plain(key, id));
                    if value.as_object().is_some_and(serde_json::Map::is_empty) {
                        seen.insert(at, "{}".to_owned());
                    } else {
                        self.flatten(&at, value, id, seen);
                    }
                }
            }
            Value::Array(items) => {
                let key = at.rsplit('.').next().unwrap_or_default();
                let mut items: Vec<String> = items
                    .iter()
                    .map(|item| match item {
                        Value::String(text) => self.plain(text, id),
                        other => self.plain(&without_empty(other).to_string(), id),
                    })
                    .collect();
                if !ORDERED.contains(&key) {
                    items.sort();
                }
                if !items.is_empty() {
                    seen.insert(at.to_owned(), format!("{items:?}"));
                }
            }
            // Compose writes the parts of this label in any order.
            Value::String(text) if at.ends_with(".com.docker.compose.depends_on") => {
                let text = self.plain(text, id);
                let mut parts: Vec<_> = text.split(',').collect();
                parts.sort_unstable();
                seen.insert(at.to_owned(), parts.join(","));
            }
            Value::String(text) => drop(seen.insert(at.to_owned(), self.plain(text, id))),
            other => drop(seen.insert(at.to_owned(), other.to_string())),
        }
    }
}
