//! Variables of services: as a mapping, as a list, from environment files (which are written out), and the tool's own address among them.

use super::draft::Draft;
use super::ports::{Site, after_image, indent_of};
use super::scalars::{changed, plain_or_quoted};
use super::tree::Service;
use super::{Found, images, names, parse_env_file};
use std::cell::RefCell;
use std::ops::Range;
use tenantry_compose::template::Template;
use tenantry_yaml::{Node, Span};

/// One variable of one service.
pub(super) struct Entry<'a> {
    pub(super) service: Service<'a>,
    pub(super) name: String,
    /// As written; none where it comes from outside (`environment: [NAME]`).
    pub(super) value: Option<String>,
    /// What to point at.
    pub(super) node: &'a Node,
    place: Place,
}

enum Place {
    /// The value of a mapping.
    Value,
    /// An item `NAME=value`: where the value begins.
    Item(usize),
    /// A line of an environment file, with what changes in it.
    File(RefCell<Vec<(Range<usize>, String)>>),
}

impl<'a> Entry<'a> {
    /// Changes bytes of the value.
    pub(super) fn change(&self, draft: &mut Draft<'a>, range: Range<usize>, with: &str) {
        match &self.place {
            Place::Value => draft.scalars.change(self.node, range, with),
            Place::Item(offset) => {
                draft
                    .scalars
                    .change(self.node, range.start + offset..range.end + offset, with);
            }
            Place::File(parts) => parts.borrow_mut().push((range, with.to_owned())),
        }
    }

    /// Gives a variable from outside a value.
    pub(super) fn assign(&self, draft: &mut Draft<'a>, value: &str) {
        match self.place {
            Place::Item(_) => {
                let length = self.node.as_str().map_or(0, str::len);
                draft
                    .scalars
                    .change(self.node, length..length, format!("={value}"));
            }
            _ => draft.edits.replace(
                self.node.span,
                if self.node.span.is_empty() {
                    format!(" {value}")
                } else {
                    value.to_owned()
                },
            ),
        }
    }

    /// Whether part of the value is changed already.
    pub(super) fn has(&self, draft: &Draft<'_>, range: &Range<usize>) -> bool {
        match &self.place {
            Place::Value => draft.scalars.has(self.node.span, range),
            Place::Item(offset) => draft
                .scalars
                .has(self.node.span, &(range.start + offset..range.end + offset)),
            Place::File(parts) => parts
                .borrow()
                .iter()
                .any(|(part, _)| part.start < range.end && range.start < part.end),
        }
    }

    /// Whether it comes from an environment file, and not from the Compose file's own text.
    pub(super) fn is_from_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }
}

/// Reads the variables of all services, and puts the tool's own address in.
pub(super) fn read<'a>(draft: &mut Draft<'a>, sites: &[Site]) -> Vec<Entry<'a>> {
    let mut all = Vec::new();
    for service in draft.tree.services() {
        let mut entries = written(service);
        from_files(draft, service, &mut entries);
        if images::database(&draft.image(service.node)).is_none() {
            for entry in &entries {
                own_address(draft, entry, sites);
            }
        }
        all.extend(entries);
    }
    all
}

fn written(service: Service<'_>) -> Vec<Entry<'_>> {
    let Some(environment) = service.node.get("environment") else {
        return Vec::new();
    };
    let value = |name: &Node, node| Entry {
        service,
        name: name.as_str().unwrap_or_default().to_owned(),
        value: Node::as_str(node)
            .filter(|_| !node.is_null())
            .map(str::to_owned),
        node,
        place: Place::Value,
    };
    let item = |node| {
        let text = Node::as_str(node).unwrap_or_default();
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        Entry {
            service,
            name: name.to_owned(),
            value,
            node,
            place: Place::Item(name.len() + 1),
        }
    };
    match (environment.as_mapping(), environment.as_sequence()) {
        (Some(entries), _) => entries.iter().map(|(key, node)| value(key, node)).collect(),
        (_, Some(items)) => items.iter().map(item).collect(),
        _ => Vec::new(),
    }
}

fn from_files<'a>(draft: &mut Draft<'a>, service: Service<'a>, entries: &mut Vec<Entry<'a>>) {
    let Some((key, value)) = service.node.entry("env_file") else {
        return;
    };
    let one = [value];
    let nodes: Vec<&Node> = value
        .as_sequence()
        .map_or_else(|| one.to_vec(), |items| items.iter().collect());
    // A later file wins over an earlier one.
    let mut lines: Vec<(String, String)> = Vec::new();
    for node in nodes {
        let path = node
            .get("path")
            .unwrap_or(node)
            .as_str()
            .unwrap_or_default();
        let optional = node.get("required").and_then(Node::as_str) == Some("false");
        match draft.input.beside.look(path.trim_start_matches("./")) {
            Found::File(content) => {
                let text = String::from_utf8_lossy(&content).into_owned();
                for (name, value) in parse_env_file(&text) {
                    lines.retain(|(known, _)| *known != name);
                    lines.push((name, value));
                }
                draft.changed(
                    key,
                    format!("the variables of `{path}` are written out under `environment`"),
                );
            }
            _ if optional => {}
            _ => draft.refuse(
                node,
                format!("`{path}` is not there, so its variables are not known"),
                "put it beside the Compose file, or write its variables under `environment`",
            ),
        }
    }
    for (name, value) in lines {
        if entries.iter().any(|entry| entry.name == name) {
            continue;
        }
        let variables = Template::parse(&value).is_ok_and(|template| !template.is_literal());
        let value = if variables {
            value
        } else {
            value.replace('$', "$$")
        };
        entries.push(Entry {
            service,
            name,
            value: Some(value),
            node: key,
            place: Place::File(RefCell::default()),
        });
    }
}

/// Writes what came from environment files.
pub(super) fn insert(draft: &mut Draft<'_>, entries: &[Entry<'_>]) {
    let tree = draft.tree;
    for service in tree.services() {
        let Some((key, value)) = service.node.entry("env_file") else {
            continue;
        };
        let lines: Vec<(&str, String)> = entries
            .iter()
            .filter(|entry| entry.service.name == service.name)
            .filter_map(|entry| match &entry.place {
                Place::File(parts) => Some((
                    entry.name.as_str(),
                    changed(entry.value.as_deref()?, &parts.borrow()),
                )),
                _ => None,
            })
            .collect();
        draft.edits.remove_entry(tree, key, value);
        if lines.is_empty() {
            continue;
        }
        let write = |indent: &str, list: bool| -> String {
            lines
                .iter()
                .map(|(name, value)| {
                    if list {
                        format!(
                            "{indent}- {}\n",
                            plain_or_quoted(&format!("{name}={value}"), false)
                        )
                    } else {
                        format!("{indent}{name}: {}\n", plain_or_quoted(value, false))
                    }
                })
                .collect()
        };
        let Some((_, environment)) = service.node.entry("environment") else {
            let indent = indent_of(draft, service);
            let text = format!(
                "{indent}environment:\n{}",
                write(&format!("{indent}  "), false)
            );
            let place = tree
                .lines(key.span)
                .start
                .max(after_image(draft, service).min(tree.lines(key.span).start));
            draft.edits.insert(place, text);
            continue;
        };
        let children: Vec<Span> = match (environment.as_mapping(), environment.as_sequence()) {
            (Some(entries), _) => entries
                .iter()
                .map(|(key, value)| Span::new(key.span.start, value.span.end.max(key.span.end)))
                .collect(),
            (_, Some(items)) => items.iter().map(|item| item.span).collect(),
            _ => Vec::new(),
        };
        match children
            .last()
            .filter(|last| last.end <= environment.span.end && !tree.is_flow(environment))
        {
            Some(last) => {
                let list = environment.as_sequence().is_some();
                draft
                    .edits
                    .insert(tree.lines(*last).end, write(tree.indent(last.start), list));
            }
            None => draft.refuse(
                key,
                "the variables of the file cannot be added to `environment` as it is written",
                "write `environment` with one variable a line",
            ),
        }
    }
}

/// An address that stands for the tool's own becomes the site's.
fn own_address<'a>(draft: &mut Draft<'a>, entry: &Entry<'a>, sites: &[Site]) {
    let written = entry.value.as_deref().unwrap_or_default();
    let Ok(value) = draft.resolved(written) else {
        return;
    };
    let value = value.as_str();
    let plain =
        names::is_own_address(&entry.name) && !["HOST", "HOSTNAME"].contains(&entry.name.as_str());
    let site = sites
        .iter()
        .find(|site| site.service == entry.service.name)
        .or(sites.first());
    let Some(site) = site.filter(|_| plain) else {
        return;
    };
    let (scheme, rest) = value
        .split_once("://")
        .map_or(("", value), |(scheme, rest)| (scheme, rest));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(authority, |(host, _)| host);
    let web = scheme.is_empty() || scheme == "http" || scheme == "https";
    if !web || authority.contains(['@', ',', ' ']) {
        return;
    }
    if !names::is_placeholder_host(host) {
        let public = host.contains('.')
            && host
                .rsplit('.')
                .next()
                .is_some_and(|top| top.len() > 1 && top.chars().all(|c| c.is_ascii_alphabetic()));
        if public && !written.contains('$') {
            draft.warn(
                entry.node,
                format!("`{}` looks like the address of one installation: `${{{}_URL}}` and `${{{}_HOST}}` are those of each order", entry.name, site.prefix(), site.prefix()),
            );
        }
        return;
    }
    let what = if scheme.is_empty() { "HOST" } else { "URL" };
    let variable = format!("${{{}_{what}}}", site.prefix());
    let end = value.len() - rest.len() + authority.len();
    // Values of variables are not written where they stand: the whole value is.
    let with = format!("{variable}{}", &value[end..]);
    entry.change(draft, 0..written.len(), &with);
    draft.changed(
        entry.node,
        format!(
            "`{}` is `{variable}` now, the address of each order's own site",
            entry.name
        ),
    );
}
