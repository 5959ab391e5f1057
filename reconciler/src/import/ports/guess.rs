//! Reading published ports, and which service and port visitors are meant to reach.

use super::super::draft::Draft;
use super::super::images;
use super::super::tree::Service;
use super::{Candidate, Choice, Site};
use tenantry_schema::id::SiteName;
use tenantry_yaml::Node;

/// A published port as written.
pub(super) struct Published<'a> {
    pub(super) service: Service<'a>,
    pub(super) index: usize,
    pub(super) node: &'a Node,
    /// The port in the container; none where it cannot be read.
    pub(super) target: Option<u16>,
    pub(super) tcp: bool,
}

/// Reads the published ports of a service.
pub(super) fn read<'a>(draft: &Draft<'_>, service: Service<'a>) -> Vec<Published<'a>> {
    let items = service
        .node
        .get("ports")
        .and_then(Node::as_sequence)
        .unwrap_or_default();
    let one = |(index, node): (usize, &'a Node)| {
        let (target, protocol) = if let Some(target) = node.get("target") {
            let protocol = node.get("protocol").and_then(Node::as_str).unwrap_or("tcp");
            (
                target.as_str().unwrap_or_default().to_owned(),
                protocol.to_owned(),
            )
        } else {
            let written = node.as_str().unwrap_or_default();
            // What stands before the port of the container may well have no value.
            let last = last_part(written);
            let text = draft.resolved(last).unwrap_or_default();
            match text.split_once('/') {
                Some((port, protocol)) => (port.to_owned(), protocol.to_owned()),
                None => (text, "tcp".to_owned()),
            }
        };
        Published {
            service,
            index,
            node,
            target: target.parse().ok(),
            tcp: protocol == "tcp",
        }
    };
    items.iter().enumerate().map(one).collect()
}

/// What stands behind the last colon that is no part of a variable.
fn last_part(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    &text[start..]
}

/// The one service and port that can be meant, or all that can be.
pub(super) fn guess(
    draft: &Draft<'_>,
    services: &[Service<'_>],
    published: &[Published<'_>],
) -> Choice {
    let candidate = |service: Service<'_>, port: u16| Candidate {
        service: service.name.to_owned(),
        port,
        image: draft.image(service.node),
    };
    let mut found: Vec<Candidate> = Vec::new();
    for port in published.iter().filter(|port| port.tcp) {
        if let Some(target) = port.target
            && images::is_web_port(target)
            && images::database(&draft.image(port.service.node)).is_none()
        {
            found.push(candidate(port.service, target));
        }
    }
    if found.is_empty() {
        found.extend(
            services
                .iter()
                .filter_map(|service| Some(candidate(*service, unpublished(draft, *service)?))),
        );
    }
    found.dedup();
    let visitors: Vec<Candidate> = found
        .iter()
        .filter(|candidate| !images::is_helper(&candidate.image))
        .cloned()
        .collect();
    let found = if visitors.is_empty() { found } else { visitors };
    match (found.as_slice(), SiteName::try_from("site")) {
        ([], _) => Choice::Sites(Vec::new()),
        ([only], Ok(name)) => Choice::Sites(vec![Site {
            name,
            service: only.service.clone(),
            port: only.port,
        }]),
        _ => Choice::Ask(found),
    }
}

/// The port of a service that publishes none: from the labels of a proxy, from `expose`, from the image.
fn unpublished(draft: &Draft<'_>, service: Service<'_>) -> Option<u16> {
    let image = draft.image(service.node);
    if images::database(&image).is_some() {
        return None;
    }
    let label = |node: &Node| -> Option<u16> {
        let texts: Vec<String> = match (node.as_sequence(), node.as_mapping()) {
            (Some(items), _) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            (_, Some(entries)) => entries
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{}={}",
                        key.as_str().unwrap_or_default(),
                        value.as_str().unwrap_or_default()
                    )
                })
                .collect(),
            _ => Vec::new(),
        };
        texts.iter().find_map(|text| {
            let (name, value) = text.split_once('=')?;
            if name.starts_with("traefik.") && name.ends_with(".server.port") {
                value.trim().parse().ok()
            } else {
                None
            }
        })
    };
    let exposed = || {
        service
            .node
            .get("expose")?
            .as_sequence()?
            .iter()
            .find_map(|item| item.as_str()?.parse().ok())
    };
    service
        .node
        .get("labels")
        .and_then(label)
        .or_else(exposed)
        .filter(|port| images::is_web_port(*port))
        .or_else(|| images::web_port(&image))
}

#[cfg(test)]
mod tests {
    use super::last_part;

    #[test]
    fn the_part_for_the_container() {
        assert_eq!(last_part("127.0.0.1:${PORT:-8080}:80/tcp"), "80/tcp");
        assert_eq!(last_part("${PORT:-80}"), "${PORT:-80}");
        assert_eq!(last_part("80"), "80");
    }
}
