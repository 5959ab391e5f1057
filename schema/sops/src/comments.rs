//! Where comments stand in YAML text, and which mapping or list each belongs to. No cryptography.

use std::ops::Range;

use crate::layout::Splices;
use crate::yaml::{Data, Entry, Node};
use crate::{Path, Segment};

/// One comment: the text after its `#`, to the end of the line without trailing white space.
pub(crate) struct Comment {
    /// Of the text, without the `#`.
    pub(crate) span: Range<usize>,
    /// The mapping or list around it, as SOPS sees it.
    pub(crate) place: Path,
}

/// The start of a key or list item, and the mapping or list it is in.
struct Anchor {
    at: usize,
    column: usize,
    place: Path,
}

/// Every comment of `source`, whose root mapping has `entries`.
pub(crate) fn find(source: &str, entries: &[Entry]) -> Vec<Comment> {
    let mut walk = Walk {
        source,
        anchors: Vec::new(),
        scalars: Vec::new(),
    };
    walk.map(entries, &Path::root());
    let (mut anchors, mut scalars) = (walk.anchors, walk.scalars);
    anchors.sort_by_key(|anchor| anchor.at);
    scalars.sort_by_key(|span| span.start);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(hash) = source[at..].find('#').map(|next| at + next) {
        at = hash + 1;
        let inside = scalars.partition_point(|span| span.start <= hash);
        if let Some(span) = inside.checked_sub(1).map(|index| &scalars[index])
            && span.end > hash
        {
            at = span.end.max(at);
            continue;
        }
        let before = source[..hash].chars().next_back();
        if !before.is_none_or(|c| c.is_ascii_whitespace()) {
            continue;
        }
        let end = source[hash..]
            .find('\n')
            .map_or(source.len(), |len| hash + len);
        let end = hash + 1 + source[hash + 1..end].trim_end().len();
        found.push(Comment {
            span: hash + 1..end,
            place: place(source, &anchors, hash),
        });
        at = end;
    }
    found
}

/// The lines of a block scalar, from its `|` or `>` to the end of its last line. `from` is where its head is looked for.
pub(crate) fn block(source: &str, node: &Node, from: usize) -> Option<Range<usize>> {
    let head = source.get(from..node.span.start)?;
    let start = from + head.find(['|', '>'])?;
    let end = source[..node.span.end]
        .rfind('\n')
        .map_or(node.span.end, |at| at + 1);
    let end = if node.span.end == source.len() {
        source.len()
    } else {
        end
    };
    (start < end).then_some(start..end)
}

/// Where the head of a block in a list begins: after the dashes of its line.
pub(crate) fn item_head(source: &str, node: &Node) -> usize {
    let head_end = source[..node.span.start].trim_end().len();
    let line = source[..head_end].rfind('\n').map_or(0, |at| at + 1);
    let dashes = source[line..].len() - source[line..].trim_start_matches([' ', '-']).len();
    line + dashes
}

/// The comment on the line of a block's head, with what is before its `#`.
pub(crate) fn head_comment(source: &str, block: &Range<usize>) -> Option<Range<usize>> {
    let line = source[block.start..]
        .find('\n')
        .map_or(block.end, |len| block.start + len);
    let hash = source[block.start..line].find(" #")?;
    Some(block.start + hash..line)
}

fn place(source: &str, anchors: &[Anchor], hash: usize) -> Path {
    let line = source[..hash].rfind('\n').map_or(0, |at| at + 1);
    let next = anchors.partition_point(|anchor| anchor.at < hash);
    let (before, after) = anchors.split_at(next);
    let own_line = source[line..hash]
        .bytes()
        .all(|byte| byte == b' ' || byte == b'\t');
    let column = hash - line;
    let fits = |anchor: &&Anchor| anchor.column == column;
    let found = if own_line {
        after
            .first()
            .filter(fits)
            .or_else(|| before.iter().rev().find(fits))
            .or(before.last())
            .or(after.first())
    } else {
        before.last()
    };
    found.map_or_else(Path::root, |anchor| anchor.place.clone())
}

struct Walk<'s> {
    source: &'s str,
    anchors: Vec<Anchor>,
    /// Keys and scalars: a `#` in them is no comment.
    scalars: Vec<Range<usize>>,
}

impl Walk<'_> {
    fn map(&mut self, entries: &[Entry], place: &Path) {
        for entry in entries {
            self.anchor(entry.key_span.start, place);
            self.scalars.push(entry.key_span.clone());
            let inner = place.clone().key(entry.key.as_str());
            self.node(&entry.value, &inner, Some(entry.key_span.end));
        }
    }

    fn node(&mut self, node: &Node, place: &Path, key_end: Option<usize>) {
        match &node.data {
            Data::Map(entries) => self.map(entries, place),
            Data::List(items) => {
                for item in items {
                    let dash = self.source[..item.span.start].rfind('-');
                    self.anchor(dash.unwrap_or(item.span.start), place);
                    self.node(item, place, None);
                }
            }
            Data::Scalar(scalar) if scalar.block => {
                let from = key_end.unwrap_or_else(|| item_head(self.source, node));
                let whole = block(self.source, node, from).unwrap_or_else(|| node.span.clone());
                self.scalars.push(whole);
            }
            Data::Scalar(_) => self.scalars.push(node.span.clone()),
        }
    }

    fn anchor(&mut self, at: usize, place: &Path) {
        let line = self.source[..at].rfind('\n').map_or(0, |at| at + 1);
        let keys = place
            .segments()
            .iter()
            .filter(|step| matches!(step, Segment::Key(_)));
        self.anchors.push(Anchor {
            at,
            column: at - line,
            place: keys.cloned().collect(),
        });
    }
}

/// Drops the replacements that lie inside of another one.
pub(crate) fn without_nested(mut splices: Splices) -> Splices {
    splices.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    splices.retain(|(range, _)| {
        let keep = range.start >= end;
        if keep {
            end = range.end;
        }
        keep
    });
    splices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn found(source: &str) -> Vec<(String, String)> {
        let root = yaml::parse(source).unwrap().unwrap();
        find(source, root.as_map().unwrap())
            .into_iter()
            .map(|comment| (source[comment.span].to_owned(), comment.place.to_string()))
            .collect()
    }

    #[test]
    fn only_comments_and_where_they_belong() {
        let source = "# top\na: x#y # inline\nb: |\n  # text\n  more\nm:\n  # inner\n  k: 'a # b'\n  # last\nlist:\n  # first\n  - one # item\n  - two\n# foot\n";
        let wanted = [
            (" top", ""),
            (" inline", ""),
            (" inner", "m"),
            (" last", "m"),
            (" first", "list"),
            (" item", "list"),
            (" foot", ""),
        ];
        let wanted = wanted.map(|(text, place)| (text.to_owned(), place.to_owned()));
        assert_eq!(found(source), wanted);
    }

    #[test]
    fn heads_of_blocks() {
        let source = "a: | # why\n  text\nl:\n  - >-\n    x\nb: 1\n";
        let root = yaml::parse(source).unwrap().unwrap();
        let entry = &root.as_map().unwrap()[0];
        let whole = block(source, &entry.value, entry.key_span.end).unwrap();
        assert_eq!(&source[whole.clone()], "| # why\n  text\n");
        assert_eq!(&source[head_comment(source, &whole).unwrap()], " # why");
        let Data::List(items) = &root.get("l").unwrap().data else {
            panic!()
        };
        let whole = block(source, &items[0], item_head(source, &items[0])).unwrap();
        assert_eq!(&source[whole], ">-\n    x\n");
    }
}
