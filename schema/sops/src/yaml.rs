//! Reads one YAML document into a small tree that keeps order, scalar style and the place of every node in the source.
//! Anchors, aliases, merge keys, several documents and keys that are not text are refused: none of them survives SOPS.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::{Error, Value, scalar};

/// Deeper documents are refused, so that hostile input cannot exhaust the stack.
const MAX_DEPTH: usize = 100;
/// Larger documents are refused.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A node and where it stands in the source, in bytes.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) data: Data,
    pub(crate) span: Range<usize>,
}

#[derive(Clone)]
pub(crate) enum Data {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Unquoted and without a tag, so that its type follows from its text.
    plain: bool,
    /// Written as a `|` or `>` block.
    pub(crate) block: bool,
    tag: Option<CoreTag>,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

#[derive(Clone, Copy)]
enum CoreTag {
    Str,
    Other,
}

impl Scalar {
    /// The typed value, as go-yaml v3 decodes it; `None` if SOPS has no type for it.
    pub(crate) fn value(&self) -> Option<Value> {
        match self.tag {
            Some(CoreTag::Other) => scalar::resolve_plain(&self.text),
            None if self.plain => scalar::resolve_plain(&self.text),
            Some(CoreTag::Str) | None => Some(Value::text(self.text.as_str())),
        }
    }
}

impl Node {
    /// The entries, if this is a mapping.
    pub(crate) fn as_map(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?
            .iter()
            .find_map(|entry| (entry.key == key).then_some(&entry.value))
    }

    /// The text of a scalar, whatever its type.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether a list or mapping is written with brackets.
    pub(crate) fn is_flow(&self, source: &str) -> bool {
        !matches!(self.data, Data::Scalar(_)) && source[self.span.start..].starts_with(['[', '{'])
    }
}

/// Parses the single document in `source`; `None` if there is none or it is null.
pub(crate) fn parse(source: &str) -> Result<Option<Node>, Error> {
    read(source, None)
}

/// The same for a document that only people write: aliases of scalars stand for what they name.
pub(crate) fn parse_with_aliases(source: &str) -> Result<Option<Node>, Error> {
    read(source, Some(HashMap::new()))
}

fn read(source: &str, anchors: Option<Anchors>) -> Result<Option<Node>, Error> {
    if source.len() > MAX_BYTES {
        return Err(Error::unsupported(format!("files over {MAX_BYTES} bytes")));
    }
    let mut reader = Reader::new(source, anchors);
    let mut root = None;
    loop {
        match reader.next()? {
            (Event::DocumentStart(_), span) => {
                if root.is_some() {
                    return Err(refuse(span, "several documents in one file"));
                }
                root = Some(reader.node(0)?);
            }
            (Event::StreamEnd, _) => break,
            _ => {}
        }
    }
    Ok(root.filter(|node| !matches!(&node.data, Data::Scalar(scalar) if scalar.text.is_empty())))
}

/// Named scalars, by the parser's number of their anchor.
type Anchors = HashMap<usize, Scalar>;

struct Reader<'a> {
    /// None where anchors are refused.
    anchors: Option<Anchors>,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Byte offset of each character; `None` where they are the same.
    offsets: Option<Vec<usize>>,
    len: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, anchors: Option<Anchors>) -> Self {
        let offsets = (!source.is_ascii()).then(|| {
            source
                .char_indices()
                .map(|(at, _)| at)
                .chain([source.len()])
                .collect()
        });
        Self {
            anchors,
            parser: Parser::new_from_str(source),
            offsets,
            len: source.len(),
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Error::Yaml {
                line: error.marker().line(),
                reason: error.info().to_owned(),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Error> {
        let (event, span) = self.next()?;
        self.node_from(event, span, depth)
    }

    fn node_from(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Error> {
        if depth > MAX_DEPTH {
            return Err(refuse(span, "deeper nesting than 100 levels"));
        }
        let data = match event {
            Event::Scalar(text, style, anchor, tag) if anchor == 0 || self.anchors.is_some() => {
                let plain = style == ScalarStyle::Plain;
                let tag = match tag.as_deref() {
                    // go-yaml writes the text `<<` so; as a key it merges, which is refused below.
                    Some(tag) if plain && text == "<<" && is_merge(tag) => Some(CoreTag::Str),
                    tag => core_tag(tag, span)?,
                };
                let scalar = Scalar {
                    text: text.into_owned(),
                    plain,
                    block: matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
                    tag,
                };
                if let (Some(anchors), true) = (&mut self.anchors, anchor != 0) {
                    anchors.insert(anchor, scalar.clone());
                }
                Data::Scalar(scalar)
            }
            Event::SequenceStart(0, None) => Data::List(self.list(depth)?),
            Event::MappingStart(0, None) => Data::Map(self.map(depth)?),
            Event::Alias(anchor) => {
                let anchors = self.anchors.as_ref();
                let named = anchors.and_then(|anchors| anchors.get(&anchor).cloned());
                Data::Scalar(named.ok_or_else(|| refuse(span, "aliases"))?)
            }
            Event::Scalar(..) => return Err(refuse(span, "anchors")),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err(refuse(span, "anchors and tags on lists and mappings"));
            }
            _ => return Err(refuse(span, "this construct")),
        };
        Ok(Node {
            data,
            span: self.bytes(span),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Error> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node_from(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node_from(event, span, depth + 1)?;
            let key_span = key.span;
            let key = match key.data {
                Data::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
                    return Err(refuse(span, "merge keys"));
                }
                Data::Scalar(scalar) if matches!(scalar.value(), Some(Value::Str(_))) => {
                    scalar.text
                }
                _ => return Err(refuse(span, "keys that are not text (quote them)")),
            };
            if !seen.insert(key.clone()) {
                return Err(Error::Yaml {
                    line: span.start.line(),
                    reason: format!("key `{key}` is there twice"),
                });
            }
            let value = self.node(depth + 1)?;
            entries.push(Entry {
                key,
                key_span,
                value,
            });
        }
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        self.byte(span.start.index())..self.byte(span.end.index())
    }

    fn byte(&self, character: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.len),
            None => character.min(self.len),
        }
    }
}

fn is_merge(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "merge"
}

fn core_tag(tag: Option<&Tag>, span: Span) -> Result<Option<CoreTag>, Error> {
    let Some(tag) = tag else { return Ok(None) };
    match tag.suffix.as_str() {
        "str" if tag.is_yaml_core_schema() => Ok(Some(CoreTag::Str)),
        "int" | "float" | "bool" | "null" | "timestamp" if tag.is_yaml_core_schema() => {
            Ok(Some(CoreTag::Other))
        }
        _ => Err(refuse(
            span,
            "tags other than !!str, !!int, !!float, !!bool, !!null, !!timestamp",
        )),
    }
}

fn refuse(span: Span, what: &str) -> Error {
    Error::unsupported(format!("{what} (line {})", span.start.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_bytes_of_the_source() {
        let source = "ä: \"ö\"\nlist:\n  - x # c\n  - |\n    text\nend: ENC[a,b]\n";
        let root = parse(source).unwrap().unwrap();
        let text = |node: &Node| &source[node.span.clone()];
        assert_eq!(text(root.get("ä").unwrap()), "\"ö\"");
        let Data::List(items) = &root.get("list").unwrap().data else {
            panic!()
        };
        assert_eq!(text(&items[0]), "x");
        assert_eq!(text(root.get("end").unwrap()), "ENC[a,b]");
    }

    #[test]
    fn a_block_spans_its_lines_without_its_head() {
        let source =
            "a: |\n  one\n\n  # two\nb: two\n  lines # c\nl:\n  - |\n    x\n    y\n  - >-\n    z\n";
        let root = parse(source).unwrap().unwrap();
        let text = |node: &Node| &source[node.span.clone()];
        assert_eq!(text(root.get("a").unwrap()), "one\n\n  # two\n");
        assert_eq!(text(root.get("b").unwrap()), "two\n  lines");
        let Data::List(items) = &root.get("l").unwrap().data else {
            panic!()
        };
        assert_eq!(text(&items[0]), "x\n    y\n  ");
    }

    #[test]
    fn refusals() {
        for source in [
            "a: &x 1\nb: *x\n",
            "a: 1\n---\nb: 2\n",
            "1: x\n",
            "true: x\n",
            "<<: {a: 1}\n",
            "? [a]\n: b\n",
            "a: !foo x\n",
            "a: !!binary aGk=\n",
            "a: !!map {}\n",
        ] {
            assert!(
                matches!(parse(source), Err(Error::Unsupported { .. })),
                "{source}"
            );
        }
        assert!(matches!(
            parse("a: 1\na: 2\n"),
            Err(Error::Yaml { line: 2, .. })
        ));
        assert!(matches!(parse("a: [\n"), Err(Error::Yaml { .. })));
        let deep = "[".repeat(5000);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn nothing_is_no_document() {
        for source in ["", "# only a comment\n", "---\n", "~empty: 1\n"] {
            assert_eq!(
                parse(source).unwrap().is_none(),
                !source.starts_with('~'),
                "{source}"
            );
        }
    }
}
