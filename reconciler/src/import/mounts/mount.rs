//! One mount of a service, in either form, and writing it with another source.

use super::super::draft::Draft;
use super::super::scalars::plain_or_quoted;
use tenantry_yaml::Node;

/// A mount as written, values put in.
pub(super) struct Mount<'a> {
    pub(super) node: &'a Node,
    /// Where the source stands, in the long form.
    pub(super) source_node: Option<&'a Node>,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) options: Vec<String>,
    pub(super) is_bind: bool,
}

impl<'a> Mount<'a> {
    pub(super) fn read(draft: &mut Draft<'a>, node: &'a Node) -> Option<Self> {
        let mut resolve = |node: &'a Node| {
            let text = node.as_str()?;
            match draft.resolved(text) {
                Ok(text) => Some(text),
                Err(variable) => {
                    draft.refuse(
                        node,
                        format!("the mount depends on `${{{variable}}}`, which has no value"),
                        format!("write the path out, or put a line `{variable}=...` into a file `.env` beside the Compose file"),
                    );
                    None
                }
            }
        };
        if node.as_mapping().is_some() {
            let kind = node.get("type").and_then(Node::as_str)?;
            let source_node = node.get("source");
            let read_only = node.get("read_only").and_then(Node::as_str) == Some("true");
            return Some(Self {
                node,
                source: resolve(source_node?)?,
                source_node,
                target: resolve(node.get("target")?)?,
                options: if read_only {
                    vec!["ro".to_owned()]
                } else {
                    Vec::new()
                },
                is_bind: kind == "bind",
            });
        }
        let text = resolve(node)?;
        let mut parts = text.splitn(3, ':');
        let (source, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let options = parts.next().unwrap_or_default();
        let is_bind = source.starts_with(['.', '/', '~']) || source.contains('/');
        Some(Self {
            node,
            source_node: None,
            source,
            target,
            options: options
                .split(',')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
            is_bind,
        })
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.options.iter().any(|option| option == "ro")
    }

    /// Writes the mount with another source.
    pub(super) fn rewrite(&self, draft: &mut Draft<'_>, source: &str, volume: bool) {
        let Some(node) = self.source_node else {
            let options: Vec<&str> = self
                .options
                .iter()
                .map(String::as_str)
                .filter(|option| !matches!(*option, "z" | "Z"))
                .collect();
            let mut text = format!("{source}:{}", self.target);
            if !options.is_empty() {
                text = format!("{text}:{}", options.join(","));
            }
            let written = self.node.as_str().unwrap_or_default();
            draft.edits.replace(
                self.node.span,
                in_style_of(draft, self.node, &text, written),
            );
            return;
        };
        let quoted = plain_or_quoted(source, draft.brackets.contains(&node.span));
        draft.edits.replace(node.span, quoted);
        if volume {
            if let Some(kind) = self.node.get("type") {
                draft.edits.replace(kind.span, "volume");
            }
            if let Some((key, value)) = self.node.entry("bind") {
                draft.edits.remove_entry(draft.tree, key, value);
            }
        }
    }
}

/// `text` with the quotes that the node has.
fn in_style_of(draft: &Draft<'_>, node: &Node, text: &str, written: &str) -> String {
    let source = node.span.of(draft.tree.text);
    let quote = source.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) if !text.contains([quote, '\\']) && !written.contains(quote) => {
            format!("{quote}{text}{quote}")
        }
        _ => plain_or_quoted(text, draft.brackets.contains(&node.span)),
    }
}
