//! The parser's own messages in the words of people who write files; no parsing.

use crate::problem::{Problem, ProblemKind};
use crate::span::Span;
use crate::tabs;

/// The problem for the parser's message `info` at byte `at`.
pub(crate) fn explain(text: &str, at: usize, info: &str) -> Problem {
    if let Some(problem) = conflict(text) {
        return problem;
    }
    if info.contains("invalid indentation")
        && text
            .get(at..)
            .is_some_and(|rest| rest.starts_with(['"', '\'']))
    {
        return Problem::new(
            place(text, at),
            ProblemKind::Syntax,
            "a quote is never closed",
        )
        .with_label("opens here")
        .with_help("add the closing quote, or indent the lines that go on further than the key");
    }
    if let Some(span) = tabs::near(text, at) {
        return tabs::problem(span);
    }
    if info.contains("mapping values are not allowed") && !second_on_line(text, at) {
        return Problem::new(
            place(text, at),
            ProblemKind::Syntax,
            "this line is indented unlike its neighbours, or the line before lacks a `:`",
        )
        .with_help("line up the keys of one mapping, and write `key: value`");
    }
    let (message, help) = words(info);
    let mut problem = Problem::new(place(text, at), ProblemKind::Syntax, message);
    if let Some(help) = help {
        problem = problem.with_help(help);
    }
    problem
}

/// What a merge left for people to decide.
fn conflict(text: &str) -> Option<Problem> {
    const MARK: &str = "<<<<<<< ";
    let start = if text.starts_with(MARK) {
        0
    } else {
        text.find("\n<<<<<<< ")? + 1
    };
    let line = text[start..].lines().next().unwrap_or_default();
    let span = Span::new(start, start + line.len());
    let problem = Problem::new(
        span,
        ProblemKind::Syntax,
        "a merge conflict was not resolved",
    );
    Some(
        problem
            .with_label("mark of a conflict")
            .with_help("keep one of the two sides, and remove the lines with the marks"),
    )
}

/// A character that may stand nowhere in a file for people: control characters and byte order marks.
///
/// `base` is where `body` begins in the whole text.
pub(crate) fn forbidden_character(body: &str, base: usize) -> Option<Problem> {
    let control = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7f;
    let at = body.bytes().position(control);
    let mark = if body.is_ascii() {
        None
    } else {
        body.find('\u{feff}')
    };
    let (at, message) = match (at, mark) {
        (at, Some(mark)) if at.is_none_or(|at| mark < at) => {
            (mark, "a byte order mark inside of the text")
        }
        (Some(at), _) => (at, "a control character"),
        (None, _) => return None,
    };
    let character = body[at..].chars().next()?;
    let span = Span::new(base + at, base + at + character.len_utf8());
    let label = format!("invisible character U+{:04X}", character as u32);
    let problem = Problem::new(span, ProblemKind::Syntax, message)
        .with_label(label)
        .with_help("delete it; in \"...\" it can be written as an escape");
    Some(problem)
}

/// Whether a `key: ` stands before `at` on its line.
fn second_on_line(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    before[line..].contains(": ")
}

/// One character at `at`; at the end of the text the last character that is not blank.
fn place(text: &str, at: usize) -> Span {
    let mut start = at.min(text.len());
    if text[start..].trim().is_empty() {
        start = text
            .trim_end()
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at);
    }
    let width = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(start, start + width)
}

fn words(info: &str) -> (String, Option<&'static str>) {
    let known = [
        (
            "mapping values are not allowed",
            "a second `key: value` on one line",
            "quote text that contains `: `, or begin a new line",
        ),
        (
            "illegal placement of ':'",
            "a `:` cannot stand here",
            "quote text that contains `: `, or close the `[` or `{` before it",
        ),
        (
            "must be followed by a valid YAML whitespace",
            "a tab where a space belongs",
            "put a space behind `:` and `-`",
        ),
        (
            "tab",
            "a tab where spaces belong",
            "use spaces, or quotes around text with tabs",
        ),
        (
            "did not find expected node content",
            "a value is missing here",
            "write a value, or quote this character if it is meant as text",
        ),
        (
            "simple key expect",
            "a key without `:`, or text that is indented wrongly",
            "write `key: value`, and line up keys of one mapping",
        ),
        (
            "did not find expected key",
            "this line is indented unlike its neighbours",
            "line up the keys of one mapping",
        ),
        (
            "expected '-' indicator",
            "this line is indented unlike the list before it",
            "line up the dashes of one list",
        ),
        (
            "block sequence entries are not allowed",
            "a list cannot start here",
            "put the `-` on a line of its own, below the key",
        ),
        (
            "flow sequence, expected",
            "the list that began with `[` is not closed",
            "add `,` or `]`",
        ),
        (
            "flow mapping, did not find",
            "the mapping that began with `{` is not closed",
            "add `,` or `}`",
        ),
        (
            "misplaced bracket",
            "a closing bracket without an opening one",
            "quote the text if the bracket belongs to it",
        ),
        (
            "found unexpected end of stream",
            "a quote is never closed",
            "add the closing quote",
        ),
        (
            "unexpected document indicator",
            "a quote is never closed",
            "add the closing quote",
        ),
        (
            "invalid trailing content after",
            "text behind the closing quote",
            "quote the whole text, and double a `'` inside of '...'",
        ),
        (
            "unknown escape character",
            "an escape that YAML does not know",
            "write `\\\\` for a backslash, or use '...', where it is plain",
        ),
        (
            "found unknown anchor",
            "no anchor (`&name`) of this name before this place",
            "quote the text if it starts with `*`",
        ),
        (
            "unexpected character: `@'",
            "text cannot start with `@`",
            "quote it",
        ),
        (
            "unexpected character: ``'",
            "text cannot start with a backtick",
            "quote it",
        ),
        (
            "unexpected character: `%'",
            "text cannot start with `%`",
            "quote it",
        ),
        (
            "invalid indentation",
            "this line is not indented far enough",
            "indent it further than the line that it belongs to",
        ),
    ];
    for (part, message, help) in known {
        if info.contains(part) {
            return (message.to_owned(), Some(help));
        }
    }
    (format!("not YAML: {info}"), None)
}
