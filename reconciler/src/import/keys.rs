//! Keys that have no place in a stack and can simply go, and images whose version is not written out.

use super::draft::Draft;
use super::images;
use super::tree::Service;
use tenantry_yaml::Node;

/// Removes what is done by Tenantry itself, and writes the versions of images out.
pub(super) fn tidy(draft: &mut Draft<'_>) {
    let root = draft.tree.root;
    remove(
        draft,
        root,
        "version",
        "removed `version`: Compose has no use for it any more",
    );
    remove(
        draft,
        root,
        "name",
        "removed `name`: a stack is called after its order and folder",
    );
    for service in draft.tree.services() {
        container_name(draft, service);
        links(draft, service);
        labels(draft, service);
        fetching(draft, service);
        reservations(draft, service);
        image(draft, service);
        warn_of_rights(draft, service);
    }
    for section in ["networks", "volumes"] {
        outside(draft, section);
    }
}

fn remove(draft: &mut Draft<'_>, parent: &Node, key: &str, why: &str) {
    if let Some((key, value)) = parent.entry(key) {
        draft.edits.remove_entry(draft.tree, key, value);
        draft.changed(key, why);
    }
}

fn container_name(draft: &mut Draft<'_>, service: Service<'_>) {
    let Some(name) = service.node.get("container_name").and_then(Node::as_str) else {
        return;
    };
    remove(
        draft,
        service.node,
        "container_name",
        "removed `container_name`: a fixed name breaks running the stack more than once",
    );
    if name == service.name || name.len() < 3 {
        return;
    }
    // Other services may know it by that name.
    // As a host: behind `//`, `@` or `HOST=`, or before a port.
    let host = |text: &str, key: &str| {
        text.match_indices(name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            let ends = !after
                .starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            let port = after
                .strip_prefix(':')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let alone = before.is_empty()
                && (port || after.is_empty() && key.to_ascii_uppercase().ends_with("HOST"));
            ends && (alone
                || before.ends_with("//")
                || before.ends_with('@')
                || before.to_ascii_uppercase().ends_with("HOST="))
        })
    };
    for (path, node) in draft.tree.values() {
        let key = path.last().copied().unwrap_or_default();
        let spoken = path.first() == Some(&"services")
            && path.get(1) != Some(&service.name)
            && key != "image";
        if spoken && node.as_str().is_some_and(|text| host(text, key)) {
            draft.warn(
                node,
                format!("`{name}` was the container name of `{}`: if this means the service, write `{}`", service.name, service.name),
            );
        }
    }
}

fn links(draft: &mut Draft<'_>, service: Service<'_>) {
    let Some((key, value)) = service.node.entry("links") else {
        return;
    };
    let items = value.as_sequence().unwrap_or_default();
    let plain = items.iter().all(|item| {
        item.as_str()
            .is_some_and(|link| link.split_once(':').is_none_or(|(to, alias)| to == alias))
    });
    if plain {
        draft.edits.remove_entry(draft.tree, key, value);
        draft.changed(key, "removed `links`: services reach each other by name");
    } else {
        draft.refuse(
            key,
            "`links` gives a service another name",
            "use the service's own name where the other is written, and remove `links`",
        );
    }
}

/// What a tag stands for is looked up once.
fn fetching(draft: &mut Draft<'_>, service: Service<'_>) {
    let policy = service.node.get("pull_policy").and_then(Node::as_str);
    if matches!(policy, Some("always" | "daily" | "weekly")) {
        let why = "removed `pull_policy`: what a tag stands for is looked up once and kept, versions move by commit";
        remove(draft, service.node, "pull_policy", why);
    }
}

/// Shares that the engine cannot keep free: they mean something to a swarm only.
fn reservations(draft: &mut Draft<'_>, service: Service<'_>) {
    let mut path = vec![service.node];
    for key in ["deploy", "resources", "reservations"] {
        let below = path.last().and_then(|node| node.get(key));
        let Some(below) = below else { return };
        path.push(below);
    }
    let kept = path.pop().and_then(Node::as_mapping).unwrap_or_default();
    let swarm = |key: &Node| matches!(key.as_str(), Some("cpus" | "pids"));
    let gone: Vec<usize> = (0..kept.len()).filter(|at| swarm(&kept[*at].0)).collect();
    if gone.is_empty() {
        return;
    }
    let why = "removed what `reservations` says of processors and processes: the engine cannot keep them free";
    if gone.len() < kept.len() {
        let reservations = path.last().and_then(|node| node.entry("reservations"));
        if let Some((key, value)) = reservations {
            draft.edits.remove(draft.tree, key, value, &gone);
            draft.changed(key, why);
        }
        return;
    }
    // A key whose last entry goes, goes with it.
    let keys = ["deploy", "resources", "reservations"];
    let entries = |node: &Node| node.as_mapping().map_or(0, <[_]>::len);
    let mut depth = path.len() - 1;
    while depth > 0 && entries(path[depth]) == 1 {
        depth -= 1;
    }
    if depth == 0 {
        remove(draft, service.node, keys[0], why);
        return;
    }
    let (holder, above) = (path[depth], path[depth - 1]);
    let all = holder.as_mapping().unwrap_or_default();
    let index = all
        .iter()
        .position(|(key, _)| key.as_str() == Some(keys[depth]));
    if let (Some(index), Some((key, _))) = (index, above.entry(keys[depth - 1])) {
        draft.edits.remove(draft.tree, key, holder, &[index]);
        draft.changed(key, why);
    }
}

/// Labels that speak to proxies and updaters, which are not there.
fn labels(draft: &mut Draft<'_>, service: Service<'_>) {
    const SPEAK: [&str; 7] = [
        "traefik.",
        "caddy",
        "com.centurylinklabs.watchtower",
        "com.github.nginx-proxy",
        "diun.",
        "homepage.",
        "ofelia.",
    ];
    let Some((key, value)) = service.node.entry("labels") else {
        return;
    };
    let names: Vec<&str> = match (value.as_sequence(), value.as_mapping()) {
        (Some(items), _) => items
            .iter()
            .map(|item| item.as_str().unwrap_or_default())
            .collect(),
        (_, Some(entries)) => entries
            .iter()
            .map(|(key, _)| key.as_str().unwrap_or_default())
            .collect(),
        _ => return,
    };
    let gone: Vec<usize> = (0..names.len())
        .filter(|at| SPEAK.iter().any(|start| names[*at].starts_with(start)))
        .collect();
    if !gone.is_empty() {
        draft.edits.remove(draft.tree, key, value, &gone);
        draft.changed(key, "removed labels for a proxy or updater: sites are served by the web server of the server, versions move by commit");
    }
}

fn image<'a>(draft: &mut Draft<'a>, service: Service<'a>) {
    let Some(node) = service.node.get("image") else {
        return;
    };
    let Some(written) = node.as_str() else { return };
    match draft.resolved(written) {
        Ok(image) => {
            if let Some(why) = images::floating(&image) {
                draft.warn(node, why);
            }
            if image != written {
                draft.scalars.change(node, 0..written.len(), image.clone());
                draft.changed(node, format!("wrote the image out: `{image}`; versions move by commit, not by a variable"));
            }
        }
        Err(variable) => draft.refuse(
            node,
            format!("the image depends on `${{{variable}}}`, which has no value"),
            format!("write the image out, or put a line `{variable}=...` into a file `.env` beside the Compose file"),
        ),
    }
}

fn warn_of_rights(draft: &mut Draft<'_>, service: Service<'_>) {
    if let Some((key, value)) = service.node.entry("privileged")
        && value.as_str() == Some("true")
    {
        draft.warn(key, "a privileged container can do everything on its server: leave it out if the tool works without");
    }
    let mode = service.node.get("network_mode");
    if let Some(mode) = mode.filter(|mode| mode.as_str() == Some("host")) {
        draft.refuse(
            mode,
            "a service in the server's own network cannot be given a port of its own",
            "remove `network_mode: host`; services reach each other by name",
        );
    }
}

/// Networks and volumes that something else made, or that have one name on the whole server.
fn outside(draft: &mut Draft<'_>, section: &str) {
    let entries = draft
        .tree
        .root
        .get(section)
        .and_then(Node::as_mapping)
        .unwrap_or_default();
    for (key, value) in entries {
        let fields = value.as_mapping().unwrap_or_default();
        let gone: Vec<usize> = (0..fields.len())
            .filter(|at| matches!(fields[*at].0.as_str(), Some("external" | "name")))
            .collect();
        if gone.is_empty() {
            continue;
        }
        let name = key.as_str().unwrap_or_default();
        let what = section.trim_end_matches('s');
        if draft.tree.is_flow(value) && gone.len() == fields.len() {
            draft.edits.replace(value.span, "{}");
        } else if gone.len() == fields.len() {
            for (key, value) in fields {
                draft.edits.remove_entry(draft.tree, key, value);
            }
        } else {
            draft.edits.remove(draft.tree, key, value, &gone);
        }
        draft.changed(key, format!("the {what} `{name}` is the stack's own now: one that is shared would mix customers and orders"));
    }
}
