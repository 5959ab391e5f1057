//! Mounts: paths beside the Compose file become files of the stack, folders that are not there yet become volumes, paths of the server are refused.

mod mount;

use super::draft::Draft;
use super::images;
use super::scalars::plain_or_quoted;
use super::tree::Service;
use super::{Found, names};
use mount::Mount;
use tenantry_yaml::Node;

/// Looks at every mount, secret file and config file.
pub(super) fn take(draft: &mut Draft<'_>) {
    let declared = draft
        .tree
        .root
        .get("volumes")
        .and_then(Node::as_mapping)
        .unwrap_or_default();
    for (key, value) in declared {
        if let Some((key, _)) = value.entry("driver_opts") {
            draft.warn(key, "a volume with options of its driver: what it refers to must be there on every server");
        }
        draft
            .volumes
            .entry(key.as_str().unwrap_or_default().to_owned())
            .or_default();
    }
    for service in draft.tree.services() {
        service_mounts(draft, service);
    }
    top_files(draft);
    declare_new(draft);
}

fn service_mounts<'a>(draft: &mut Draft<'a>, service: Service<'a>) {
    let Some((key, list)) = service.node.entry("volumes") else {
        return;
    };
    let mut gone = Vec::new();
    for (index, item) in list.as_sequence().unwrap_or_default().iter().enumerate() {
        let Some(mount) = Mount::read(draft, item) else {
            continue;
        };
        if is_clock(&mount.source) {
            draft.changed(
                item,
                format!(
                    "removed the mount of `{}`: set `TZ` where the time zone matters",
                    mount.source
                ),
            );
            gone.push(index);
            continue;
        }
        bind(draft, service, &mount);
    }
    if !gone.is_empty() {
        draft.edits.remove(draft.tree, key, list, &gone);
    }
}

fn is_clock(source: &str) -> bool {
    matches!(source, "/etc/localtime" | "/etc/timezone")
}

fn bind(draft: &mut Draft<'_>, service: Service<'_>, mount: &Mount<'_>) {
    if !mount.is_bind {
        draft
            .volumes
            .entry(mount.source.clone())
            .or_default()
            .insert(service.name.to_owned());
        let relabelled = mount
            .options
            .iter()
            .any(|option| matches!(option.as_str(), "z" | "Z"));
        if relabelled || mount.node.as_str().is_some_and(|text| text.contains('$')) {
            mount.rewrite(draft, &mount.source, true);
        }
        return;
    }
    if mount.source.ends_with("docker.sock") {
        let help = "the service would rule over the whole server. Proxies, updaters and dashboards of containers are Tenantry's work: leave the service out";
        draft.refuse(
            mount.node,
            format!("`{}` hands the engine to the container", mount.source),
            help,
        );
        return;
    }
    let Some(path) = below(&mount.source) else {
        outside(draft, service, mount);
        return;
    };
    let found = draft.input.beside.look(&path);
    let data = images::database(&draft.image(service.node)).is_some() && !mount.is_read_only();
    match found {
        Found::Refused(why) => draft.refuse(
            mount.node,
            format!("`{}` cannot be taken along: {why}", mount.source),
            HELP_FILES,
        ),
        Found::File(content) => {
            draft.files.insert(format!("files/{path}"), content);
            mount.rewrite(draft, &format!("./files/{path}"), false);
            draft.changed(
                mount.node,
                format!("`{}` is taken along as `files/{path}`", mount.source),
            );
            warn_if_written(draft, mount, &path);
        }
        // A database's init scripts are read-only or stand in a folder of that name.
        Found::Folder(files) if !files.is_empty() && (!data || mount.target.contains("init")) => {
            let count = files.len();
            for (name, content) in files {
                draft.files.insert(format!("files/{path}/{name}"), content);
            }
            mount.rewrite(draft, &format!("./files/{path}"), false);
            let s = if count == 1 { "" } else { "s" };
            draft.changed(
                mount.node,
                format!(
                    "`{}` is taken along as `files/{path}/` ({count} file{s})",
                    mount.source
                ),
            );
            warn_if_written(draft, mount, &path);
        }
        Found::Nothing
            if path
                .rsplit('/')
                .next()
                .is_some_and(|name| name.contains('.') && !name.starts_with('.')) =>
        {
            draft.refuse(
                mount.node,
                format!("`{}` is not there", mount.source),
                HELP_FILES,
            );
        }
        Found::Nothing | Found::Folder(_) => {
            if mount.is_read_only() {
                draft.refuse(
                    mount.node,
                    format!(
                        "`{}` is not there, and the container may not fill it",
                        mount.source
                    ),
                    HELP_FILES,
                );
                return;
            }
            become_volume(draft, service, mount, &path);
        }
    }
}

const HELP_FILES: &str =
    "put what is mounted beside the Compose file, where it is copied into the stack's `files/`";

fn warn_if_written(draft: &mut Draft<'_>, mount: &Mount<'_>, path: &str) {
    if !mount.is_read_only() {
        draft.warn(
            mount.node,
            format!("the container may write to `files/{path}`, and the agent puts it back: add `:ro`, or use a volume if the tool keeps data there"),
        );
    }
}

fn outside(draft: &mut Draft<'_>, service: Service<'_>, mount: &Mount<'_>) {
    if draft
        .input
        .volumes
        .iter()
        .any(|volume| volume.trim_end_matches('/') == mount.source.trim_end_matches('/'))
    {
        let last = mount
            .source
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        become_volume(draft, service, mount, &last);
        return;
    }
    draft.refuse(
        mount.node,
        format!("`{}` is a path of one server", mount.source),
        format!(
            "`--volume {}` makes it a volume of the stack; files go beside the Compose file",
            mount.source
        ),
    );
}

fn become_volume(draft: &mut Draft<'_>, service: Service<'_>, mount: &Mount<'_>, path: &str) {
    let mut name: String = path
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .collect();
    name = name.trim_matches(['-', '_']).to_ascii_lowercase();
    if name.is_empty() {
        name.push_str("data");
    }
    let known = draft.new_volumes.contains(&name);
    if draft.volumes.contains_key(&name) && !known {
        name = format!("{}-{name}", service.name);
    }
    if !draft.volumes.contains_key(&name) {
        draft.new_volumes.push(name.clone());
    }
    draft
        .volumes
        .entry(name.clone())
        .or_default()
        .insert(service.name.to_owned());
    mount.rewrite(draft, &name, true);
    draft.changed(
        mount.node,
        format!("`{}` became the volume `{name}`", mount.source),
    );
}

/// A path below the Compose file's folder, in its shortest form.
fn below(source: &str) -> Option<String> {
    if source.starts_with(['/', '~']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Top-level secrets and configs that come from files.
fn top_files(draft: &mut Draft<'_>) {
    let entries = |section: &str| {
        draft
            .tree
            .root
            .get(section)
            .and_then(Node::as_mapping)
            .unwrap_or_default()
    };
    let (secrets, configs) = (entries("secrets"), entries("configs"));
    for (key, value) in secrets {
        let name = names::variable(key.as_str().unwrap_or_default());
        let Some((file_key, file)) = value.entry("file") else {
            continue;
        };
        let source = file.as_str().unwrap_or_default().to_owned();
        draft.edits.replace(file_key.span, "environment");
        draft.edits.replace(file.span, name.clone());
        draft.changed(
            key,
            format!(
                "the secret `{source}` is generated as `{name}`; the file itself was not taken"
            ),
        );
    }
    for (key, value) in configs {
        let Some(file) = value.get("file") else {
            continue;
        };
        let Some(path) = file.as_str().and_then(below) else {
            draft.refuse(key, "a config from outside of the folder", HELP_FILES);
            continue;
        };
        if let Found::File(content) = draft.input.beside.look(&path) {
            draft.files.insert(format!("files/{path}"), content);
            draft.edits.replace(
                file.span,
                plain_or_quoted(
                    &format!("./files/{path}"),
                    draft.brackets.contains(&file.span),
                ),
            );
            draft.changed(file, format!("`{path}` is taken along as `files/{path}`"));
        } else {
            draft.refuse(file, format!("`{path}` is not there"), HELP_FILES);
        }
    }
}

/// Declares volumes that mounts became.
fn declare_new(draft: &mut Draft<'_>) {
    if draft.new_volumes.is_empty() {
        return;
    }
    let tree = draft.tree;
    let new = draft.new_volumes.clone();
    let lines = |indent: &str| {
        new.iter()
            .fold(String::new(), |all, name| all + indent + name + ":\n")
    };
    let Some((key, value)) = tree.root.entry("volumes") else {
        draft
            .edits
            .insert(tree.text.len(), format!("\nvolumes:\n{}", lines("  ")));
        return;
    };
    match value
        .as_mapping()
        .and_then(<[_]>::last)
        .filter(|_| !tree.is_flow(value))
    {
        Some((last, last_value)) => {
            let end = last_value.span.end.max(last.span.end);
            let after = tree
                .lines(tenantry_yaml::Span::new(last.span.start, end))
                .end;
            draft
                .edits
                .insert(after, lines(tree.indent(last.span.start)));
        }
        None if value
            .as_mapping()
            .is_some_and(|entries| !entries.is_empty()) =>
        {
            let inner = new
                .iter()
                .fold(String::new(), |all, name| all + name + ": {}, ");
            let first = value
                .as_mapping()
                .and_then(<[_]>::first)
                .map_or(value.span, |(key, _)| key.span);
            draft
                .edits
                .replace(tenantry_yaml::Span::point(first.start), inner);
        }
        None => {
            let line = tree.lines(tenantry_yaml::Span::new(
                key.span.start,
                value.span.end.max(key.span.end),
            ));
            draft.edits.cut(line.clone());
            draft
                .edits
                .insert(line.end, format!("volumes:\n{}", lines("  ")));
        }
    }
}
