//! Changes of a text by place: cut, replace, insert. Everything else stays as it is, comments included.

use super::tree::Tree;
use std::collections::BTreeMap;
use std::ops::Range;
use tenantry_yaml::{Node, Span};

/// Changes that are collected and made at once.
#[derive(Debug, Default)]
pub(super) struct Edits {
    cuts: Vec<Range<usize>>,
    replaced: BTreeMap<(usize, usize), String>,
    inserted: BTreeMap<usize, Vec<String>>,
}

impl Edits {
    /// Takes a part of the text away.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        self.cuts.push(range);
    }

    /// Puts another text where a node stands.
    pub(super) fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.replaced.insert((span.start, span.end), text.into());
    }

    /// Puts whole lines before the line that begins at `at`.
    pub(super) fn insert(&mut self, at: usize, lines: impl Into<String>) {
        self.inserted.entry(at).or_default().push(lines.into());
    }

    /// Whether what stands there is cut or replaced as a whole.
    pub(super) fn is_gone(&self, span: Span) -> bool {
        let cut = self
            .cuts
            .iter()
            .any(|cut| cut.start <= span.start && span.start < cut.end);
        cut || self
            .replaced
            .keys()
            .any(|(start, end)| *start <= span.start && span.end <= *end && span.start < *end)
    }

    /// Takes entries of a list or mapping away; with the last one the key that leads there, `key`.
    pub(super) fn remove(&mut self, tree: Tree<'_>, key: &Node, parent: &Node, gone: &[usize]) {
        let children = children(parent);
        if gone.len() >= children.len() {
            self.remove_entry(tree, key, parent);
            return;
        }
        if !tree.is_flow(parent) {
            for index in gone {
                self.cut(tree.lines(children[*index]));
            }
            return;
        }
        for index in gone {
            let span = children[*index];
            let kept_before = (0..*index).rev().find(|at| !gone.contains(at));
            match (children.get(index + 1), kept_before) {
                (Some(next), _) => self.cut(span.start..next.start),
                (None, Some(before)) => self.cut(children[before].end..span.end),
                (None, None) => self.cut(span.start..span.end),
            }
        }
    }

    /// Takes an entry of a mapping written in lines away.
    pub(super) fn remove_entry(&mut self, tree: Tree<'_>, key: &Node, value: &Node) {
        // The value of an alias ends where the alias does.
        let end = value.span.end.max(key.span.end);
        self.cut(tree.lines(Span::new(key.span.start, end)));
    }

    /// The text with all changes.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut steps: Vec<(usize, usize, &str)> = Vec::new();
        for cut in self.merged_cuts() {
            steps.push((cut.start, cut.end, ""));
        }
        let within_cut = |at: usize| self.cuts.iter().any(|cut| cut.start <= at && at < cut.end);
        let mut end_of_last = 0;
        for ((start, end), with) in &self.replaced {
            // A part of what was replaced as a whole changes with it.
            if !within_cut(*start) && *start >= end_of_last {
                steps.push((*start, *end, with));
                end_of_last = *end;
            }
        }
        let mut out = String::new();
        let mut at = 0;
        steps.sort_unstable();
        let mut inserted = self.inserted.iter().peekable();
        for (start, end, with) in steps {
            while let Some((place, lines)) = inserted.peek().filter(|(place, _)| **place <= start) {
                out.push_str(text.get(at..**place).unwrap_or_default());
                out.push_str(&lines.concat());
                at = at.max(**place);
                inserted.next();
            }
            out.push_str(text.get(at..start).unwrap_or_default());
            out.push_str(with);
            at = at.max(end);
        }
        for (place, lines) in inserted {
            out.push_str(text.get(at..*place).unwrap_or_default());
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&lines.concat());
            at = at.max(*place);
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }

    fn merged_cuts(&self) -> Vec<Range<usize>> {
        let mut cuts = self.cuts.clone();
        cuts.sort_by_key(|cut| (cut.start, cut.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for cut in cuts {
            match merged.last_mut() {
                Some(last) if cut.start <= last.end => last.end = last.end.max(cut.end),
                _ => merged.push(cut),
            }
        }
        merged
    }
}

/// Where the entries of a list or mapping stand, keys included.
fn children(node: &Node) -> Vec<Span> {
    match (node.as_sequence(), node.as_mapping()) {
        (Some(items), _) => items.iter().map(|item| item.span).collect(),
        (_, Some(entries)) => entries
            .iter()
            .map(|(key, value)| Span::new(key.span.start, value.span.end.max(key.span.end)))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_yaml::{Limits, parse};

    fn removed(text: &str, gone: &[usize]) -> String {
        let root = parse(text, &Limits::default()).unwrap();
        let (key, value) = root.entry("a").unwrap();
        let mut edits = Edits::default();
        edits.remove(Tree::new(text, &root), key, value, gone);
        edits.apply(text)
    }

    #[test]
    fn entries_go_with_their_lines_or_commas() {
        let lines = "a:\n  - x # one\n  # two\n  - y\nb: 1\n";
        assert_eq!(removed(lines, &[0]), "a:\n  # two\n  - y\nb: 1\n");
        assert_eq!(removed(lines, &[0, 1]), "b: 1\n");
        let flow = "a: [x, y, z]\nb: 1\n";
        assert_eq!(removed(flow, &[0]), "a: [y, z]\nb: 1\n");
        assert_eq!(removed(flow, &[2]), "a: [x, y]\nb: 1\n");
        assert_eq!(removed(flow, &[1, 2]), "a: [x]\nb: 1\n");
        assert_eq!(removed("a: { x: 1, y: 2 }\n", &[1]), "a: { x: 1 }\n");
    }

    #[test]
    fn what_is_cut_or_replaced_as_a_whole_takes_its_parts_along() {
        let text = "one\ntwo\nthree\n";
        let mut edits = Edits::default();
        edits.cut(4..8);
        edits.replace(Span::new(5, 6), "x");
        edits.replace(Span::new(8, 13), "drei");
        edits.replace(Span::new(9, 10), "y");
        edits.insert(4, "+\n");
        edits.insert(14, "end\n");
        assert_eq!(edits.apply(text), "one\n+\ndrei\nend\n");
    }
}
