//! Parser events to a tree: duplicates, tags, anchors, merge keys and all limits; no types.

use crate::limits::Limits;
use crate::node::{Kind, Node};
use crate::offsets::Offsets;
use crate::problem::{Problem, ProblemKind};
use crate::span::Span;
use crate::{entries, syntax, tabs, tags};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// So many mistakes in the tree and the reading of it ends: a garbled file would bring thousands.
pub(crate) const MAX_TREE_PROBLEMS: usize = 50;

/// Parses one document. `Err` holds everything that was found, sorted by place.
pub fn parse(text: &str, limits: &Limits) -> Result<Node, Vec<Problem>> {
    match parse_partial(text, limits) {
        (Some(node), problems) if problems.is_empty() => Ok(node),
        (_, problems) => Err(problems),
    }
}

/// Like [`parse`], but gives the tree also where it has mistakes that leave its shape clear: of duplicate keys
/// the first stays, an unknown tag is dropped. No tree means that the text is not YAML or exceeds a limit.
pub fn parse_partial(text: &str, limits: &Limits) -> (Option<Node>, Vec<Problem>) {
    if text.len() > limits.max_bytes {
        let message = format!(
            "the text has {} bytes, at most {} are read",
            text.len(),
            limits.max_bytes
        );
        let problem = Problem::new(Span::point(0), ProblemKind::TooLarge, message);
        return (None, vec![problem]);
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let base = text.len() - body.len();
    if let Some(problem) = syntax::forbidden_character(body, base) {
        return (None, vec![problem]);
    }
    let mut builder = Builder::new(text, base, limits);
    let complete = builder.run(body);
    let mut problems = builder.problems;
    problems.sort_by_key(|problem| problem.span);
    let node = complete.then(|| {
        builder
            .root
            .unwrap_or_else(|| Node::scalar(Span::point(base), ""))
    });
    (node, problems)
}

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
}

struct Anchored {
    node: Node,
    depth: usize,
    count: usize,
}

struct Builder<'a> {
    text: &'a str,
    limits: &'a Limits,
    offsets: Offsets,
    has_tabs: bool,
    frames: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    copied: usize,
    documents: usize,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, base: usize, limits: &'a Limits) -> Self {
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
            problems: Vec::new(),
        }
    }

    /// Whether the end was reached, so that there is a tree.
    fn run(&mut self, body: &str) -> bool {
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
                let tag = tags::scalar(tag.as_deref(), span, self.text, &mut self.problems);
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
                self.finish(Node { span, kind }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                tags::collection(tag.as_deref(), "seq", span, self.text, &mut self.problems);
                self.open(Content::Sequence(Vec::new()), span, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                tags::collection(tag.as_deref(), "map", span, self.text, &mut self.problems);
                let content = Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                };
                self.open(content, span, anchor)
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

    fn open(&mut self, content: Content, span: Span, anchor: usize) -> Result<(), Box<Problem>> {
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
        self.finish(Node { span, kind }, frame.anchor)
    }

    /// Puts a complete node where it belongs, remembering it if it has an anchor.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Box<Problem>> {
        if anchor > 0 {
            let count = node.count();
            self.spend(count, node.span)?;
            let depth = node.height();
            let anchored = Anchored {
                node: node.clone(),
                depth,
                count,
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
        let (count, mut node) = (anchored.count, anchored.node.clone());
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
