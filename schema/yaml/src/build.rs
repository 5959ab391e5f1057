//! Parser events to a tree: duplicates, tags, anchors, merge keys and all limits; no types.

use crate::limits::Limits;
use crate::node::{Kind, Node};
use crate::offsets::Offsets;
use crate::parse::Marked;
use crate::problem::{Problem, ProblemKind};
use crate::span::Span;
use crate::{entries, syntax, tabs, tags};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// So many mistakes in the tree and the reading of it ends: a garbled file would bring thousands.
pub(crate) const MAX_TREE_PROBLEMS: usize = 50;

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
    },
}

struct Frame {
    content: Content,
    span: Span,
    anchor: usize,
    flow: bool,
    mark: Option<&'static str>,
}

struct Anchored {
    node: Node,
    depth: usize,
    count: usize,
    mark: Option<&'static str>,
}

/// Takes events of the parser.
pub(crate) struct Builder<'a> {
    text: &'a str,
    limits: &'a Limits,
    offsets: Offsets,
    has_tabs: bool,
    frames: Vec<Frame>,
    pub(crate) root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    copied: usize,
    documents: usize,
    pub(crate) marked: Vec<Marked>,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    /// Of a text whose first `base` bytes are none of the document's.
    pub(crate) fn new(text: &'a str, base: usize, limits: &'a Limits) -> Self {
        Self {
            text,
            limits,
            offsets: Offsets::new(&text[base..], base),
            has_tabs: text.contains('\t'),
            frames: Vec::with_capacity(8),
            root: None,
            anchors: HashMap::new(),
            copied: 0,
            documents: 0,
            marked: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Whether the end was reached, so that there is a tree.
    pub(crate) fn run(&mut self, body: &str) -> bool {
        let mut parser = Parser::new_from_str(body);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(event) => event,
                Err(error) => {
                    let at = self.offsets.byte(*error.marker());
                    // The scanner runs ahead of our own count and has a limit of its own.
                    let problem = if error.info().contains("recursion limit") {
                        self.too_deep(Span::point(at))
                    } else {
                        syntax::explain(self.text, at, error.info())
                    };
                    self.problems.push(problem);
                    return false;
                }
            };
            let span = Span::new(self.offsets.byte(span.start), self.offsets.byte(span.end));
            match self.on_event(event, span) {
                Ok(()) if self.problems.len() < MAX_TREE_PROBLEMS => {}
                Ok(()) => return false,
                Err(problem) => {
                    self.problems.push(*problem);
                    return false;
                }
            }
        }
        true
    }

    fn on_event(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let missing = plain && value.is_empty() && tag.is_none() && anchor == 0;
                let span = if missing {
                    self.place_of_nothing(span)
                } else {
                    span
                };
                let mark = tags::own(tag.as_deref(), self.limits.tags);
                let tag = tag.as_deref().filter(|_| mark.is_none());
                let tag = tags::scalar(tag, span, self.text, &mut self.problems);
                let span = if plain {
                    span
                } else {
                    // The parser's end is the next token's place.
                    let length = span.of(self.text).trim_end().len();
                    Span::new(span.start, span.start + length)
                };
                let kind = Kind::Scalar {
                    value: value.into(),
                    plain,
                    tag,
                };
                self.mark(mark, span);
                self.finish(Node { span, kind }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                let mark = self.collection_tag(tag.as_deref(), "seq", span);
                self.open(Content::Sequence(Vec::new()), span, anchor, mark)
            }
            Event::MappingStart(anchor, tag) => {
                let mark = self.collection_tag(tag.as_deref(), "map", span);
                let content = Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                };
                self.open(content, span, anchor, mark)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let problem = Problem::new(
                        span,
                        ProblemKind::MultipleDocuments,
                        "a second document in one file",
                    )
                    .with_label("starts here")
                    .with_help("put it into a file of its own");
                    return Err(Box::new(problem));
                }
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// The tag of a list or mapping, where it is one of the format's own.
    fn collection_tag(
        &mut self,
        tag: Option<&saphyr_parser::Tag>,
        fitting: &str,
        span: Span,
    ) -> Option<&'static str> {
        let mark = tags::own(tag, self.limits.tags);
        let tag = tag.filter(|_| mark.is_none());
        tags::collection(tag, fitting, span, self.text, &mut self.problems);
        mark
    }

    fn mark(&mut self, tag: Option<&'static str>, span: Span) {
        self.marked.extend(tag.map(|tag| Marked { span, tag }));
    }

    /// The parser reports a value that is not there at the token after it; people look behind the colon.
    fn place_of_nothing(&self, span: Span) -> Span {
        let Some(frame) = self.frames.last() else {
            return Span::point(span.start);
        };
        let from = match &frame.content {
            Content::Mapping { key: Some(key), .. } => {
                let end = key.span.end;
                let rest = self.text.get(end..).unwrap_or_default();
                let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                let colon = rest[blanks..].starts_with(':');
                return Span::point(if colon { end + blanks + 1 } else { end });
            }
            Content::Mapping { key: None, .. } => return Span::point(span.start),
            Content::Sequence(items) => items.last().map_or(frame.span.start, |item| item.span.end),
        };
        let rest = self.text.get(from..span.start).unwrap_or_default();
        match rest.find('-') {
            Some(dash) if !frame.flow => Span::point(from + dash + 1),
            _ => Span::point(span.start),
        }
    }

    fn open(
        &mut self,
        content: Content,
        span: Span,
        anchor: usize,
        mark: Option<&'static str>,
    ) -> Result<(), Box<Problem>> {
        if self.frames.len() >= self.limits.max_depth {
            return Err(Box::new(self.too_deep(span)));
        }
        let flow = span.of(self.text).trim_end().ends_with(['[', '{']);
        if self.has_tabs {
            self.check_tabs(span.start);
        }
        self.frames.push(Frame {
            content,
            span,
            anchor,
            flow,
            mark,
        });
        Ok(())
    }

    fn too_deep(&self, span: Span) -> Problem {
        let message = format!("nested deeper than {} levels", self.limits.max_depth);
        Problem::new(span, ProblemKind::TooDeep, message)
    }

    fn close(&mut self, end: Span) -> Result<(), Box<Problem>> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let mut span = frame.span;
        let kind = match frame.content {
            Content::Sequence(items) => {
                span.end = items.last().map_or(span.end, |item| item.span.end);
                Kind::Sequence(items)
            }
            Content::Mapping { mut entries, .. } => {
                span.end = entries.last().map_or(span.end, |(_, value)| value.span.end);
                entries::drop_duplicates(&mut entries, &mut self.problems);
                entries::merge(&mut entries, self.limits.merge_keys, &mut self.problems);
                Kind::Mapping(entries)
            }
        };
        if frame.flow {
            span.end = end.end;
        }
        span.end = span.end.max(span.start);
        self.mark(frame.mark, span);
        self.finish(Node { span, kind }, frame.anchor)
    }

    /// Puts a complete node where it belongs, remembering it if it has an anchor.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        if anchor > 0 {
            let count = node.count();
            self.spend(count, node.span)?;
            let depth = node.height();
            let newest = self.marked.last();
            let anchored = Anchored {
                node: node.clone(),
                depth,
                count,
                mark: newest
                    .filter(|marked| marked.span == node.span)
                    .map(|marked| marked.tag),
            };
            self.anchors.insert(anchor, anchored);
        }
        self.attach(node);
        Ok(())
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Box<Problem>> {
        self.copied += nodes;
        if self.copied > self.limits.max_alias_nodes {
            let message = format!(
                "anchors and aliases copy more than {} values",
                self.limits.max_alias_nodes
            );
            let problem =
                Problem::new(span, ProblemKind::AliasBudget, message).with_label("exceeded here");
            return Err(Box::new(problem));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Box<Problem>> {
        let Some(anchored) = self.anchors.get(&id) else {
            let problem = Problem::new(
                span,
                ProblemKind::Alias,
                "an alias inside of the value that it stands for",
            )
            .with_label("refers to itself");
            return Err(Box::new(problem));
        };
        if self.frames.len() + anchored.depth > self.limits.max_depth {
            return Err(Box::new(self.too_deep(span)));
        }
        let (count, mark, mut node) = (anchored.count, anchored.mark, anchored.node.clone());
        self.mark(mark, span);
        node.span = span;
        self.spend(count, span)?;
        self.attach(node);
        Ok(())
    }

    fn attach(&mut self, node: Node) {
        if self.has_tabs {
            self.check_tabs(node.span.start);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => {
                let scalar = matches!(node.kind, Kind::Scalar { .. });
                if let Some(key) = key.take() {
                    if matches!(key.kind, Kind::Scalar { .. }) {
                        entries.push((key, node));
                    }
                    return;
                }
                if !scalar {
                    let problem = Problem::new(
                        node.span,
                        ProblemKind::NonScalarKey,
                        format!("a key must be text, this is {}", node.describe()),
                    )
                    .with_help("quote text that starts with `{` or `[`");
                    self.problems.push(problem);
                }
                *key = Some(node);
            }
        }
    }

    fn check_tabs(&mut self, start: usize) {
        let block = self.frames.iter().all(|frame| !frame.flow);
        if !block {
            return;
        }
        if let Some(span) = tabs::indentation(self.text, start)
            && self.problems.iter().all(|known| known.span != span)
        {
            self.problems.push(tabs::problem(span));
        }
    }
}
