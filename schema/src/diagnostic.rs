//! What is wrong with a file of the fleet, where, and what to do about it. Finding problems happens elsewhere; this is how they read.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is held up.
    Warning,
    /// The scope of the file stays at its last good version.
    Error,
}

/// A stable number of a kind of problem, such as `T0107`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix('T')
            .and_then(|number| number.parse().ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected a code such as T0107"))
    }
}

/// A place in a file, with the line itself, so that it can be shown without the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path in the fleet repository.
    pub file: String,
    /// Line, from 1. 0 means the file as a whole.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters to underline, at least 1.
    pub width: u32,
    /// The text of the line, shortened where it is very long.
    pub source: String,
}

impl Place {
    /// The file as a whole.
    pub fn file(path: impl Into<String>) -> Self {
        Self {
            file: path.into(),
            line: 0,
            column: 0,
            width: 1,
            source: String::new(),
        }
    }

    /// The place of the bytes `start..end` of `text`, the content of `path`.
    pub fn of(path: impl Into<String>, text: &str, start: usize, end: usize) -> Self {
        let mut start = start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let mut end = end.clamp(start, line_end);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            file: path.into(),
            line: text[..start].matches('\n').count() as u32 + 1,
            column: text[line_start..start].chars().count() as u32 + 1,
            width: (text[start..end].chars().count() as u32).max(1),
            source: text[line_start..line_end]
                .trim_end_matches('\r')
                .chars()
                .take(MAX_LINE)
                .collect(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// Characters of a source line that are kept.
const MAX_LINE: usize = 240;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to write under the caret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Ways out and consequences, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Another place that has to do with it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<(Place, String)>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: u16, place: Place, message: impl Into<String>) -> Self {
        Self {
            code: Code(code),
            severity: Severity::Error,
            message: message.into(),
            place,
            label: String::new(),
            notes: Vec::new(),
            related: None,
        }
    }

    /// A warning.
    pub fn warning(code: u16, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    /// With a text under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With one more note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// With another place.
    pub fn related(mut self, place: Place, why: impl Into<String>) -> Self {
        self.related = Some((place, why.into()));
        self
    }

    /// Whether it freezes its scope.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As a compiler would print it, over several lines, without colours.
    pub fn render(&self) -> String {
        self.render_with(Palette::plain())
    }

    /// As a compiler would print it, in ANSI colours.
    pub fn render_coloured(&self) -> String {
        self.render_with(Palette::ansi())
    }

    fn render_with(&self, paint: Palette) -> String {
        let mut out = String::new();
        let (word, colour) = match self.severity {
            Severity::Error => ("error", paint.error),
            Severity::Warning => ("warning", paint.warning),
        };
        let _ = writeln!(
            out,
            "{colour}{word}[{}]{}: {}",
            self.code,
            paint.reset,
            clean(&self.message)
        );
        let gutter = self.place.line.to_string().len().max(1);
        show_place(&mut out, &self.place, &self.label, gutter, colour, paint);
        if let Some((place, why)) = &self.related {
            show_place(&mut out, place, why, gutter, paint.frame, paint);
        }
        for note in &self.notes {
            let _ = writeln!(
                out,
                "{:gutter$} {}={} {}",
                "",
                paint.frame,
                paint.reset,
                clean(note)
            );
        }
        out
    }
}

fn show_place(
    out: &mut String,
    place: &Place,
    label: &str,
    gutter: usize,
    colour: &str,
    paint: Palette,
) {
    let (frame, reset) = (paint.frame, paint.reset);
    let _ = writeln!(out, "{:gutter$} {frame}┌─{reset} {place}", "");
    if place.line == 0 {
        if !label.is_empty() {
            let _ = writeln!(out, "{:gutter$} {frame}│{reset}  {}", "", clean(label));
        }
        return;
    }
    let line = place.line;
    let indent = place.column.saturating_sub(1) as usize;
    let carets = "^".repeat((place.width as usize).min(MAX_LINE));
    let _ = writeln!(out, "{:gutter$} {frame}│{reset}", "");
    let _ = writeln!(
        out,
        "{frame}{line:>gutter$} │{reset} {}",
        clean(&place.source)
    );
    let _ = writeln!(
        out,
        "{:gutter$} {frame}│{reset} {:indent$}{colour}{carets} {}{reset}",
        "",
        "",
        clean(label)
    );
    let _ = writeln!(out, "{:gutter$} {frame}│{reset}", "");
}

/// Control characters come from files of strangers and must not reach a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: [{}] {}",
            self.place,
            self.code,
            clean(&self.message)
        )
    }
}

#[derive(Clone, Copy)]
struct Palette {
    error: &'static str,
    warning: &'static str,
    frame: &'static str,
    reset: &'static str,
}

impl Palette {
    const fn plain() -> Self {
        Self {
            error: "",
            warning: "",
            frame: "",
            reset: "",
        }
    }

    const fn ansi() -> Self {
        Self {
            error: "\x1b[1;31m",
            warning: "\x1b[1;33m",
            frame: "\x1b[34m",
            reset: "\x1b[0m",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_like_a_compiler() {
        let text = "plan: pro\ntools:\n  nextcluod: { state: stopped }\n";
        let start = text.find("nextcluod").unwrap();
        let shown = Diagnostic::error(
            107,
            Place::of("orders/website.yaml", text, start, start + 9),
            "unknown tool `nextcluod`",
        )
        .label("not in the catalogue")
        .note("did you mean `nextcloud`?")
        .render();
        let expected = "\
error[T0107]: unknown tool `nextcluod`
  ┌─ orders/website.yaml:3:3
  │
3 │   nextcluod: { state: stopped }
  │   ^^^^^^^^^ not in the catalogue
  │
  = did you mean `nextcloud`?
";
        assert_eq!(shown, expected);
    }

    proptest! {
        #[test]
        fn any_place_can_be_shown(text in "(.|\n|\r|\t){0,60}", start in 0usize..80, length in 0usize..80) {
            let place = Place::of("x.yaml", &text, start, start + length);
            let shown = Diagnostic::error(1, place, "m").label("l").render();
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
