//! Scalars that change in part: collected by place, written back in the style they were written in.

use super::edits::Edits;
use super::tree::Tree;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::ops::Range;
use tenantry_yaml::{Limits, Node, Span, parse};

/// Bytes of a scalar's text, and what they become.
type Parts = Vec<(Range<usize>, String)>;

/// Parts of scalars that become something else.
#[derive(Debug, Default)]
pub(super) struct Scalars<'a> {
    changed: BTreeMap<Span, (&'a str, Parts)>,
}

impl<'a> Scalars<'a> {
    /// Changes bytes of a scalar's text. What overlaps with an earlier change is left out.
    pub(super) fn change(&mut self, node: &'a Node, range: Range<usize>, with: impl Into<String>) {
        let Some(text) = node.as_str() else { return };
        let (_, parts) = self.changed.entry(node.span).or_insert((text, Vec::new()));
        let overlaps = |part: &Range<usize>| part.start < range.end && range.start < part.end;
        if !parts.iter().any(|(part, _)| overlaps(part)) {
            parts.push((range, with.into()));
        }
    }

    /// Whether a part of a scalar is changed already.
    pub(super) fn has(&self, span: Span, range: &Range<usize>) -> bool {
        let overlaps = |part: &Range<usize>| part.start < range.end && range.start < part.end;
        self.changed
            .get(&span)
            .is_some_and(|(_, parts)| parts.iter().any(|(part, _)| overlaps(part)))
    }

    /// Hands the new texts over.
    pub(super) fn write(&self, tree: Tree<'_>, brackets: &HashSet<Span>, edits: &mut Edits) {
        for (span, (text, parts)) in &self.changed {
            if edits.is_gone(*span) {
                continue;
            }
            let source = span.of(tree.text);
            let new = if source.starts_with(['|', '>']) {
                // The text of a block is its source but for the indentation.
                parts
                    .iter()
                    .fold(source.to_owned(), |source, (range, with)| {
                        source.replace(&text[range.clone()], with)
                    })
            } else {
                in_style(&changed(text, parts), source, brackets.contains(span))
            };
            edits.replace(*span, new);
        }
    }
}

/// A text with some of its parts changed.
pub(super) fn changed(text: &str, parts: &[(Range<usize>, String)]) -> String {
    let mut parts: Vec<&(Range<usize>, String)> = parts.iter().collect();
    parts.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut out = text.to_owned();
    for (range, with) in parts {
        out.replace_range(range.clone(), with);
    }
    out
}

/// `text` as a scalar in the style of `source`, another scalar.
fn in_style(text: &str, source: &str, brackets: bool) -> String {
    if source.starts_with('\'') && !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    if source.starts_with('"') {
        return quoted(text);
    }
    plain_or_quoted(text, brackets)
}

/// Without quotes where it means the same.
pub(super) fn plain_or_quoted(text: &str, brackets: bool) -> String {
    let risky = brackets && text.contains(['{', '}', '[', ']', ',', '"', '\'']);
    let odd = text.is_empty() || text.trim() != text || text.contains(char::is_control);
    if risky || odd {
        return quoted(text);
    }
    let same = parse(&format!("a: {text}\n"), &Limits::default()).is_ok_and(|root| {
        root.get("a")
            .is_some_and(|node| node.as_str() == Some(text) && !node.is_null() && is_text(text))
    });
    if same { text.to_owned() } else { quoted(text) }
}

/// Whether a plain scalar is text for every reader of YAML: no number, no boolean, no date.
fn is_text(text: &str) -> bool {
    let word = [
        "true", "false", "yes", "no", "on", "off", "null", "~", "y", "n",
    ];
    let path = text.starts_with("./") || text.starts_with("../");
    !word.contains(&text.to_ascii_lowercase().as_str())
        && (path
            || !text
                .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | '=')))
}

/// In double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_only_where_needed() {
        for plain in ["${DB_PASSWORD}", "postgres://u:${P}@db:5432/x", "a b"] {
            assert_eq!(plain_or_quoted(plain, false), plain);
        }
        for odd in ["yes", "8080", "", "a: b", "a #b", "*x", "1.0", "- x"] {
            assert_eq!(plain_or_quoted(odd, false), format!("\"{odd}\""));
        }
        assert_eq!(plain_or_quoted("${X}", true), "\"${X}\"");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "[ -~äö\t\n]{0,30}", brackets: bool) {
            let written = plain_or_quoted(&text, brackets);
            let document = if brackets { format!("a: [{written}]\n") } else { format!("a: {written}\n") };
            let root = parse(&document, &Limits::default()).unwrap();
            let node = root.get("a").unwrap();
            let node = if brackets { &node.as_sequence().unwrap()[0] } else { node };
            prop_assert_eq!(node.as_str(), Some(text.as_str()));
        }
    }
}
