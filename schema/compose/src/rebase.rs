//! Paths in files of other folders: made relative to the stack's folder, which none of them may leave.

use crate::reader::is_opaque;
use tenantry_yaml::{Kind, Node};

/// A path beneath the stack's folder, without `.` and `..`.
pub(crate) fn beneath(text: &str) -> Result<String, &'static str> {
    if is_opaque(text) {
        return Err("which file this is depends on a value, so it cannot be checked");
    }
    if text.contains("://") || text.starts_with("git@") {
        return Err("files are taken from the stack's folder only, not from elsewhere");
    }
    if text.starts_with(['/', '~']) {
        return Err("the path leads out of the stack's folder");
    }
    let joined = join("", text).ok_or("the path leads out of the stack's folder")?;
    match joined.as_str() {
        "" => Err("this is a folder, not a file"),
        ".env" | "secrets.yaml" => {
            Err("the hub writes this file; its variables are there without being named")
        }
        _ => Ok(joined),
    }
}

/// `path` seen from the folder that `folder` is seen from; `None` if it leads out of there.
pub(crate) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Every path of a Compose file in `folder`.
pub(crate) fn file(root: &mut Node, folder: &str) {
    if folder.is_empty() {
        return;
    }
    let include = child(root, "include").map(|node| &mut node.kind);
    if let Some(Kind::Sequence(items)) = include {
        for item in items {
            match child(item, "path") {
                Some(path) => path_at(path, folder),
                None => path_at(item, folder),
            }
        }
    }
    for service in children(child(root, "services")) {
        self::service(service, folder);
    }
    for section in ["secrets", "configs"] {
        for entry in children(child(root, section)) {
            if let Some(path) = child(entry, "file") {
                path_at(path, folder);
            }
        }
    }
}

fn service(service: &mut Node, folder: &str) {
    if let Some(extends) = child(service, "extends")
        && let Some(path) = child(extends, "file")
    {
        path_at(path, folder);
    }
    match child(service, "env_file") {
        Some(Node {
            kind: Kind::Sequence(items),
            ..
        }) => {
            for item in items {
                match child(item, "path") {
                    Some(path) => path_at(path, folder),
                    None => path_at(item, folder),
                }
            }
        }
        Some(single) => path_at(single, folder),
        None => {}
    }
    let volumes = child(service, "volumes").map(|node| &mut node.kind);
    if let Some(Kind::Sequence(items)) = volumes {
        for item in items {
            let bind = child(item, "type").is_some_and(|kind| kind.as_str() == Some("bind"));
            if let Some(source) = child(item, "source").filter(|_| bind) {
                path_at(source, folder);
            } else if item.as_str().is_some_and(|text| text.starts_with('.')) {
                short(item, folder);
            }
        }
    }
}

/// `./source:target:options`
fn short(node: &mut Node, folder: &str) {
    let Some(text) = node.as_str() else { return };
    let (source, rest) = text.split_once(':').unwrap_or((text, ""));
    let Some(moved) = moved(source, folder) else {
        return;
    };
    let text = if rest.is_empty() {
        moved
    } else {
        format!("{moved}:{rest}")
    };
    set(node, text);
}

fn path_at(node: &mut Node, folder: &str) {
    let relative = |text: &&str| !text.starts_with(['/', '~']) && !is_opaque(text);
    if let Some(text) = node.as_str().filter(relative)
        && let Some(text) = moved(text, folder)
    {
        set(node, text);
    }
}

/// What leads out of the stack's folder stays as it is, and is refused where it is read.
fn moved(text: &str, folder: &str) -> Option<String> {
    if text.contains("://") {
        return None;
    }
    let joined = join(folder, text);
    Some(joined.map_or_else(|| "../".to_owned(), |path| format!("./{path}")))
}

fn set(node: &mut Node, text: String) {
    if let Kind::Scalar { value, .. } = &mut node.kind {
        *value = text.into();
    }
}

pub(crate) fn child<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    let Kind::Mapping(entries) = &mut node.kind else {
        return None;
    };
    entries
        .iter_mut()
        .find(|(name, _)| name.as_str() == Some(key))
        .map(|(_, value)| value)
}

fn children(node: Option<&mut Node>) -> impl Iterator<Item = &mut Node> {
    let entries = match node.map(|node| &mut node.kind) {
        Some(Kind::Mapping(entries)) => entries.as_mut_slice(),
        _ => &mut [],
    };
    entries.iter_mut().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_stay_beneath() {
        for (text, path) in [
            ("a", Ok("a")),
            ("./a/../b/c.env", Ok("b/c.env")),
            ("a//b/.", Ok("a/b")),
        ] {
            assert_eq!(beneath(text).as_deref(), path, "{text}");
        }
        for text in [
            "../a",
            "a/../../b",
            "/a",
            "~/a",
            ".",
            "",
            ".env",
            "x/../secrets.yaml",
            "https://example.com/a.yaml",
        ] {
            assert!(beneath(text).is_err(), "{text}");
        }
        assert_eq!(join("files/sub", "../a").as_deref(), Some("files/a"));
        assert_eq!(join("files", "../../a"), None);
    }

    proptest! {
        #[test]
        fn no_path_escapes(folder in "[a-z./]{0,12}", path in "[a-z./~]{0,20}") {
            for joined in [beneath(&path).ok(), join(&folder, &path)].into_iter().flatten() {
                prop_assert!(!joined.starts_with('/'));
                prop_assert!(joined.split('/').all(|part| part != ".." && part != "."));
            }
        }
    }
}
