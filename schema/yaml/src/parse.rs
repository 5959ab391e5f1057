//! A text to a tree: the entry points.

use crate::build::Builder;
use crate::limits::Limits;
use crate::node::Node;
use crate::problem::{Problem, ProblemKind};
use crate::span::Span;
use crate::syntax;

/// Parses one document. `Err` holds everything that was found, sorted by place.
pub fn parse(text: &str, limits: &Limits) -> Result<Node, Vec<Problem>> {
    match parse_partial(text, limits) {
        (Some(node), problems) if problems.is_empty() => Ok(node),
        (_, problems) => Err(problems),
    }
}

/// A value with a tag of the format's own ([`Limits::tags`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// The place of the value: that of its node.
    pub span: Span,
    /// The tag.
    pub tag: &'static str,
}

/// What is left of a text that may have mistakes.
#[derive(Debug, Clone, Default)]
pub struct Partial {
    /// The tree; `None` where the text is not YAML or exceeds a limit.
    pub root: Option<Node>,
    /// The values with tags of the format's own.
    pub marked: Vec<Marked>,
    /// Everything that was found, sorted by place.
    pub problems: Vec<Problem>,
}

/// Like [`parse`], but gives the tree also where it has mistakes that leave its shape clear: of duplicate keys
/// the first stays, an unknown tag is dropped. No tree means that the text is not YAML or exceeds a limit.
pub fn parse_partial(text: &str, limits: &Limits) -> (Option<Node>, Vec<Problem>) {
    let Partial { root, problems, .. } = parse_marked(text, limits);
    (root, problems)
}

/// Like [`parse_partial`], with the values that have a tag of the format's own.
pub fn parse_marked(text: &str, limits: &Limits) -> Partial {
    let refused = |problem| Partial {
        problems: vec![problem],
        ..Partial::default()
    };
    if text.len() > limits.max_bytes {
        let message = format!(
            "the text has {} bytes, at most {} are read",
            text.len(),
            limits.max_bytes
        );
        return refused(Problem::new(Span::point(0), ProblemKind::TooLarge, message));
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let base = text.len() - body.len();
    if let Some(problem) = syntax::forbidden_character(body, base) {
        return refused(problem);
    }
    let mut builder = Builder::new(text, base, limits);
    let complete = builder.run(body);
    let mut problems = builder.problems;
    problems.sort_by_key(|problem| problem.span);
    let root = complete.then(|| {
        builder
            .root
            .unwrap_or_else(|| Node::scalar(Span::point(base), ""))
    });
    Partial {
        root,
        marked: builder.marked,
        problems,
    }
}
