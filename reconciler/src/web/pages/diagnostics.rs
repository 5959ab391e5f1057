//! Diagnostics as a compiler prints them, line by line, so that a page can colour what a terminal would.

use serde::Serialize;
use tenantry_schema::Diagnostic;

/// Diagnostics on one page.
const SHOWN: usize = 50;

/// Those that are shown, errors first, and how many are not.
#[derive(Serialize)]
pub(super) struct Diagnostics {
    shown: Vec<Shown>,
    more: usize,
    errors: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct Shown {
    tone: &'static str,
    lines: Vec<Line>,
}

/// One line of [`Diagnostic::render`]; `kind` is `head`, `mark`, `note` or empty.
#[derive(Serialize)]
struct Line {
    kind: &'static str,
    text: String,
}

impl Diagnostics {
    pub(super) fn new(all: &[Diagnostic]) -> Self {
        let errors = all.iter().filter(|diagnostic| diagnostic.is_error());
        let warnings = all.iter().filter(|diagnostic| !diagnostic.is_error());
        Self {
            shown: errors
                .clone()
                .chain(warnings.clone())
                .take(SHOWN)
                .map(Shown::new)
                .collect(),
            more: all.len().saturating_sub(SHOWN),
            errors: errors.count(),
            warnings: warnings.count(),
        }
    }
}

impl Shown {
    fn new(diagnostic: &Diagnostic) -> Self {
        let rendered = diagnostic.render();
        let lines = rendered.lines().enumerate().map(|(at, text)| Line {
            kind: kind(at, text),
            text: text.to_owned(),
        });
        Self {
            tone: if diagnostic.is_error() { "bad" } else { "warn" },
            lines: lines.collect(),
        }
    }
}

fn kind(at: usize, text: &str) -> &'static str {
    let body = text.trim_start();
    if at == 0 {
        "head"
    } else if body
        .strip_prefix('│')
        .is_some_and(|rest| rest.trim_start().starts_with('^'))
    {
        "mark"
    } else if body.starts_with("= ") {
        "note"
    } else {
        ""
    }
}
