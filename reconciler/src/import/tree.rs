//! The tree of the Compose file with its text: services, keys, where lines begin and end.

use std::collections::HashSet;
use std::ops::Range;
use tenantry_yaml::{Kind, Node, Span};

/// A Compose file as read.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) text: &'a str,
    pub(super) root: &'a Node,
}

/// A service, by name.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    pub(super) name: &'a str,
    pub(super) key: &'a Node,
    pub(super) node: &'a Node,
}

impl<'a> Tree<'a> {
    pub(super) fn new(text: &'a str, root: &'a Node) -> Self {
        Self { text, root }
    }

    pub(super) fn services(self) -> Vec<Service<'a>> {
        let entries = self.root.get("services").and_then(Node::as_mapping);
        let named = entries
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, node)| {
                let name = key.as_str()?;
                (!name.starts_with("x-")).then_some(Service { name, key, node })
            });
        named.collect()
    }

    pub(super) fn service(self, name: &str) -> Option<Service<'a>> {
        self.services()
            .into_iter()
            .find(|service| service.name == name)
    }

    /// The whole lines that a span touches, line end included.
    pub(super) fn lines(self, span: Span) -> Range<usize> {
        let start = self.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let from = span.end.max(span.start);
        let end = self.text[from..]
            .find('\n')
            .map_or(self.text.len(), |at| from + at + 1);
        start..end
    }

    /// What stands before `at` on its line.
    pub(super) fn before(self, at: usize) -> &'a str {
        let start = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        &self.text[start..at]
    }

    /// The indentation of the line that `at` stands on.
    pub(super) fn indent(self, at: usize) -> &'a str {
        let before = self.before(at);
        &before[..before.len() - before.trim_start_matches(' ').len()]
    }

    /// Whether a list or mapping is written with brackets.
    pub(super) fn is_flow(self, node: &Node) -> bool {
        self.text[node.span.start..].starts_with(['[', '{'])
    }

    /// Scalars that stand within brackets, where braces and commas need quotes.
    pub(super) fn within_brackets(self) -> HashSet<Span> {
        fn walk(tree: Tree<'_>, node: &Node, flow: bool, out: &mut HashSet<Span>) {
            match &node.kind {
                Kind::Scalar { .. } => {
                    if flow {
                        out.insert(node.span);
                    }
                }
                Kind::Sequence(items) => {
                    let flow = flow || tree.is_flow(node);
                    for item in items {
                        walk(tree, item, flow, out);
                    }
                }
                Kind::Mapping(entries) => {
                    let flow = flow || tree.is_flow(node);
                    for (_, value) in entries {
                        walk(tree, value, flow, out);
                    }
                }
            }
        }
        let mut out = HashSet::new();
        walk(self, self.root, false, &mut out);
        out
    }

    /// Every scalar that is interpolated: values below the known top-level keys, each with the keys that lead to it.
    pub(super) fn values(self) -> Vec<(Vec<&'a str>, &'a Node)> {
        fn walk<'a>(
            node: &'a Node,
            path: &mut Vec<&'a str>,
            out: &mut Vec<(Vec<&'a str>, &'a Node)>,
        ) {
            match &node.kind {
                Kind::Scalar { .. } => out.push((path.clone(), node)),
                Kind::Sequence(items) => items.iter().for_each(|item| walk(item, path, out)),
                Kind::Mapping(entries) => {
                    for (key, value) in entries {
                        let name = key.as_str().unwrap_or_default();
                        if !name.starts_with("x-") {
                            path.push(name);
                            walk(value, path, out);
                            path.pop();
                        }
                    }
                }
            }
        }
        let mut out = Vec::new();
        walk(self.root, &mut Vec::new(), &mut out);
        let mut seen = HashSet::new();
        out.retain(|(_, node)| seen.insert(node.span));
        out
    }
}
