//! Whose processes, shared memory, host name and users a container sees: types and reading.

use crate::names::ServiceName;
use crate::reader::{At, Fields};

/// A namespace of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// The server's own.
    Host,
    /// Of its own, in one of the engine's ways (`private`, `shareable`, `none`).
    Own(&'static str),
    /// That of another service's container.
    Service(ServiceName),
}

/// Namespaces beside the network's; `None` leaves the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Namespaces {
    pub ipc: Option<Namespace>,
    pub pid: Option<Namespace>,
    pub uts: Option<Namespace>,
    pub userns: Option<Namespace>,
    pub cgroup: Option<Namespace>,
}

impl Namespaces {
    /// Each with the key that says it.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Namespace)> {
        [
            ("ipc", &self.ipc),
            ("pid", &self.pid),
            ("uts", &self.uts),
            ("userns_mode", &self.userns),
            ("cgroup", &self.cgroup),
        ]
        .into_iter()
        .filter_map(|(key, namespace)| Some((key, namespace.as_ref()?)))
    }

    /// Services whose namespaces are shared.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.all().filter_map(|(_, namespace)| match namespace {
            Namespace::Service(name) => Some(name),
            _ => None,
        })
    }
}

pub(crate) fn read(fields: &Fields<'_>) -> Namespaces {
    let read = |key: &str, own: &[&'static str], shared: bool| {
        let at = fields.get(key)?;
        namespace(at, own, shared)
    };
    Namespaces {
        ipc: read("ipc", &["private", "shareable", "none"], true),
        pid: read("pid", &[], true),
        uts: read("uts", &[], false),
        userns: read("userns_mode", &[], false),
        cgroup: read("cgroup", &["private"], false),
    }
}

fn namespace(at: &At<'_>, own: &[&'static str], shared: bool) -> Option<Namespace> {
    let text = at.text()?;
    if at.is_opaque() {
        at.unsupported("whose namespace this is depends on a value, so it cannot be checked");
        return None;
    }
    if text == "host" {
        return Some(Namespace::Host);
    }
    if let Some(word) = own.iter().find(|word| **word == text) {
        return Some(Namespace::Own(word));
    }
    let service = text.strip_prefix("service:").filter(|_| shared);
    if let Some(name) = service.and_then(|name| ServiceName::try_from(name).ok()) {
        return Some(Namespace::Service(name));
    }
    let mut possible = vec!["`host`".to_owned()];
    possible.extend(own.iter().map(|word| format!("`{word}`")));
    if shared {
        possible.push("`service:name`".to_owned());
    }
    at.unsupported(format!(
        "this is not supported: possible are {}",
        possible.join(", ")
    ));
    None
}
