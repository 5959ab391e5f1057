//! Tabs as indentation: found in what the parser lets through, and behind syntax errors that they cause.

use crate::problem::{Problem, ProblemKind};
use crate::span::Span;

/// The tabs in the indentation of the line of `start`, if there is only indentation before `start`.
pub(crate) fn indentation(text: &str, start: usize) -> Option<Span> {
    let before = text.get(..start)?;
    let line = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let indent = &before[line..];
    if !indent
        .bytes()
        .all(|b| matches!(b, b' ' | b'\t' | b'-' | b'?'))
    {
        return None;
    }
    // A tab behind the dash separates, it does not indent, unless something nested starts there.
    let spaces = indent.len() - indent.trim_start_matches([' ', '\t']).len();
    first_run(indent, spaces).map(|(from, to)| Span::new(line + from, line + to))
}

/// The tabs at the head of the line of `at`, or of the line with content before it.
pub(crate) fn near(text: &str, at: usize) -> Option<Span> {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for _ in 0..2 {
        let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some((from, to)) = first_run(line, spaces) {
            return Some(Span::new(start + from, start + to));
        }
        end = start.saturating_sub(1);
        if start == 0 {
            break;
        }
    }
    None
}

fn first_run(line: &str, within: usize) -> Option<(usize, usize)> {
    let head = &line[..within];
    let from = head.find('\t')?;
    let run = head[from..].bytes().take_while(|b| *b == b'\t').count();
    Some((from, from + run))
}

pub(crate) fn problem(span: Span) -> Problem {
    Problem::new(span, ProblemKind::Syntax, "a tab in the indentation")
        .with_label("tab")
        .with_help("indent with spaces")
}
