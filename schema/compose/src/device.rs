//! Devices of the server in a container: type and both syntaxes.

use crate::reader::{At, is_opaque};

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Path on the server.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Of `rwm`: read, write, make.
    pub permissions: String,
}

const ALL: &str = "rwm";

/// Reads `devices`.
pub(crate) fn read(at: &At<'_>) -> Vec<Device> {
    let items = at.items().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| match item.node.as_mapping() {
            Some(_) => long(item),
            None => short(item),
        })
        .collect()
}

fn short(at: &At<'_>) -> Option<Device> {
    let text = at.text()?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, ALL),
        [source, second] if is_permissions(second) => (*source, *source, *second),
        [source, target] => (*source, *target, ALL),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => {
            at.invalid_with("too many `:` in a device", HELP);
            return None;
        }
    };
    device(at, source, target, permissions)
}

const HELP: &str = "write \"/dev/source[:/dev/target][:rwm]\"";

fn long(at: &At<'_>) -> Option<Device> {
    let fields = at.fields(&["source", "target", "permissions"], &[])?;
    let Some(source) = fields.get("source") else {
        at.invalid("a device needs a `source`");
        return None;
    };
    let source = source.text()?;
    let target = fields.owned("target");
    let permissions = fields.owned("permissions");
    device(
        at,
        source,
        target.as_deref().unwrap_or(source),
        permissions.as_deref().unwrap_or(ALL),
    )
}

fn device(at: &At<'_>, source: &str, target: &str, permissions: &str) -> Option<Device> {
    let path = |text: &str| text.starts_with('/') || is_opaque(text);
    if !path(source) || !path(target) {
        at.invalid_with("the path of a device is not absolute", HELP);
        return None;
    }
    if !is_permissions(permissions) && !is_opaque(permissions) {
        at.invalid_with("the permissions of a device are of `r`, `w` and `m`", HELP);
        return None;
    }
    Some(Device {
        source: source.to_owned(),
        target: target.to_owned(),
        permissions: permissions.to_owned(),
    })
}

fn is_permissions(text: &str) -> bool {
    !text.is_empty()
        && text
            .char_indices()
            .all(|(at, c)| "rwm".contains(c) && !text[..at].contains(c))
}
