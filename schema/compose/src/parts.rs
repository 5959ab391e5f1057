//! The top-level parts beside services: networks, volumes, secrets, configs; types and reading.

use crate::ipam::{self, Ipam};
use crate::keys;
use crate::mount::ProjectPath;
use crate::names::{NetworkName, ProjectName, VolumeName};
use crate::pairs::{labels, pairs};
use crate::reader::{At, Fields};
use crate::values::{Pairs, Sensitive};

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The engine's name, if the file gives one.
    pub name: Option<String>,
    /// It exists already and is left alone.
    pub external: bool,
    /// The engine's driver; `None` for `bridge`.
    pub driver: Option<String>,
    /// The driver's options.
    pub driver_opts: Pairs,
    /// No way out of it.
    pub internal: bool,
    /// Containers beside the project may join.
    pub attachable: bool,
    /// With IPv6.
    pub enable_ipv6: bool,
    /// Address ranges.
    pub ipam: Ipam,
    /// Labels.
    pub labels: Pairs,
}

impl Network {
    /// What the engine calls it.
    pub fn full_name(&self, project: &ProjectName, key: &NetworkName) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if self.external => key.to_string(),
            None => project.network(key),
        }
    }
}

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// The engine's name, if the file gives one.
    pub name: Option<String>,
    /// It exists already and is left alone.
    pub external: bool,
    /// The engine's driver; `None` for `local`.
    pub driver: Option<String>,
    /// The driver's options.
    pub driver_opts: Pairs,
    /// Labels.
    pub labels: Pairs,
}

impl Volume {
    /// What the engine calls it.
    pub fn full_name(&self, project: &ProjectName, key: &VolumeName) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if self.external => key.to_string(),
            None => project.volume(key),
        }
    }
}

/// Where the content of a secret or config comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// A variable.
    Environment {
        /// Its name.
        variable: String,
        /// Its value.
        content: Sensitive,
    },
    /// A file of the project.
    File(ProjectPath),
    /// Written in the Compose file (configs only).
    Content(Sensitive),
}

pub(crate) fn network(at: &At<'_>) -> Network {
    let known = [
        "name",
        "external",
        "driver",
        "driver_opts",
        "internal",
        "attachable",
        "enable_ipv6",
        "ipam",
        "labels",
    ];
    if at.is_null() {
        return Network::default();
    }
    let Some(fields) = at.fields(&known, keys::NETWORK_REFUSED) else {
        return Network::default();
    };
    let external = external(&fields);
    if external {
        only_name(&fields, &known);
    }
    Network {
        name: fields.owned("name"),
        external,
        driver: fields.owned("driver"),
        driver_opts: options(&fields, "driver_opts"),
        internal: fields.boolean("internal"),
        attachable: fields.boolean("attachable"),
        enable_ipv6: fields.boolean("enable_ipv6"),
        ipam: fields.get("ipam").map(ipam::read).unwrap_or_default(),
        labels: fields.get("labels").map(labels).unwrap_or_default(),
    }
}

pub(crate) fn volume(at: &At<'_>) -> Volume {
    let known = ["name", "external", "driver", "driver_opts", "labels"];
    if at.is_null() {
        return Volume::default();
    }
    let Some(fields) = at.fields(&known, &[]) else {
        return Volume::default();
    };
    let external = external(&fields);
    if external {
        only_name(&fields, &known);
    }
    Volume {
        name: fields.owned("name"),
        external,
        driver: fields.owned("driver"),
        driver_opts: options(&fields, "driver_opts"),
        labels: fields.get("labels").map(labels).unwrap_or_default(),
    }
}

fn external(fields: &Fields<'_>) -> bool {
    fields.get("external").is_some_and(|at| {
        if at.node.as_mapping().is_some() {
            at.unsupported("the old form of `external` is not supported: write `external: true` and `name: ...`");
            return false;
        }
        at.boolean().unwrap_or(false)
    })
}

fn only_name(fields: &Fields<'_>, known: &[&str]) {
    for key in known {
        if !matches!(*key, "name" | "external")
            && let Some(at) = fields.get(key)
        {
            at.invalid(format!("`{key}` has no effect on what is `external`"));
        }
    }
}

fn options(fields: &Fields<'_>, key: &str) -> Pairs {
    fields
        .get(key)
        .map(|at| pairs(at, false))
        .unwrap_or_default()
}

/// Reads a top-level secret, or a config if `content` may be given.
pub(crate) fn file_source(at: &At<'_>, content: bool) -> Option<FileSource> {
    let known: &[&str] = if content {
        &["environment", "file", "content"]
    } else {
        &["environment", "file"]
    };
    let fields = at.fields(known, keys::FILE_REFUSED)?;
    let given: Vec<&At<'_>> = known.iter().filter_map(|key| fields.get(key)).collect();
    let [source] = given.as_slice() else {
        at.invalid_with(
            "exactly one source is needed",
            format!("one of `{}`", known.join("`, `")),
        );
        return None;
    };
    let text = source.text()?;
    if fields.get("environment").is_some() {
        let Some(value) = at.cx.values.named(text) else {
            source.unset(&source.found());
            return None;
        };
        return Some(FileSource::Environment {
            variable: text.to_owned(),
            content: Sensitive::new(value),
        });
    }
    if fields.get("content").is_some() {
        return Some(FileSource::Content(Sensitive::new(text.to_owned())));
    }
    let path = ProjectPath::new(text);
    if path.is_none() {
        source.invalid_with(
            "the path leads out of the project's folder",
            "keep files beside the Compose file",
        );
    }
    path.map(FileSource::File)
}
