//! Explicit tags: those of the core schema, those of the format, and no others.

use crate::node::Tag;
use crate::problem::{Problem, ProblemKind};
use crate::span::Span;

/// The tag as one of the format's own.
pub(crate) fn own(
    tag: Option<&saphyr_parser::Tag>,
    known: &[&'static str],
) -> Option<&'static str> {
    let written = tag.map(written)?;
    known.iter().copied().find(|known| *known == written)
}

/// The tag of a scalar; reports it and gives none if it is unknown.
pub(crate) fn scalar(
    tag: Option<&saphyr_parser::Tag>,
    span: Span,
    text: &str,
    problems: &mut Vec<Problem>,
) -> Tag {
    let Some(tag) = tag else { return Tag::None };
    if tag.is_yaml_core_schema() {
        match tag.suffix.as_str() {
            "str" => return Tag::Str,
            "int" => return Tag::Int,
            "float" => return Tag::Float,
            "bool" => return Tag::Bool,
            "null" => return Tag::Null,
            _ => {}
        }
    } else if tag.suffix == "!" && tag.handle.is_empty()
        || tag.handle == "!" && tag.suffix.is_empty()
    {
        return Tag::Str;
    }
    problems.push(unknown(tag, span, text));
    Tag::None
}

/// Reports every tag of a list or mapping but `fitting` (`seq`, `map`).
pub(crate) fn collection(
    tag: Option<&saphyr_parser::Tag>,
    fitting: &str,
    span: Span,
    text: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(tag) = tag else { return };
    if !(tag.is_yaml_core_schema() && tag.suffix == fitting) {
        problems.push(unknown(tag, span, text));
    }
}

fn written(tag: &saphyr_parser::Tag) -> String {
    if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else {
        format!("{}{}", tag.handle, tag.suffix)
    }
}

fn unknown(tag: &saphyr_parser::Tag, span: Span, text: &str) -> Problem {
    let written = written(tag);
    let length = span
        .of(text)
        .find(char::is_whitespace)
        .unwrap_or(span.len());
    let message = format!(
        "the tag `{}` is not known",
        crate::problem::shorten(&written)
    );
    Problem::new(
        Span::new(span.start, span.start + length),
        ProblemKind::UnknownTag { tag: written },
        message,
    )
    .with_help("leave the tag out, or quote text that starts with `!`")
}
