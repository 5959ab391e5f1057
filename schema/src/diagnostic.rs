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
    /// The text of the line; of a very long one the part around the place.
    pub source: String,
    /// Characters of the line that were left out before `source`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u32,
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
            skipped: 0,
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
        // YAML counts a byte order mark for nothing.
        let mark = text
            .get(line_start..)
            .is_some_and(|line| line_start == 0 && line.starts_with('\u{feff}'));
        let line_start = line_start
            + if mark && start > 0 {
                '\u{feff}'.len_utf8()
            } else {
                0
            };
        let before = text[line_start..start].chars().count();
        let skipped = if before < MAX_LINE / 2 {
            0
        } else {
            before - MAX_LINE / 4
        };
        Self {
            file: path.into(),
            line: text[..start].matches('\n').count() as u32 + 1,
            column: before as u32 + 1,
            width: (text[start..end].chars().count() as u32).max(1),
            source: text[line_start..line_end]
                .trim_end_matches('\r')
                .chars()
                .skip(skipped)
                .take(MAX_LINE)
                .collect(),
            skipped: skipped as u32,
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
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
    /// Other places that have to do with it, each with why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<(Place, String)>,
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
            related: Vec::new(),
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

    /// With one more place.
    pub fn related(mut self, place: Place, why: impl Into<String>) -> Self {
        self.related.push((place, why.into()));
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
        let places = std::iter::once(&self.place).chain(self.related.iter().map(|(at, _)| at));
        let lines = places.map(|place| place.line).max().unwrap_or_default();
        let gutter = lines.to_string().len();
        show_place(&mut out, &self.place, &self.label, gutter, colour, paint);
        for (place, why) in &self.related {
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
    // What is left out stands as one character, before and behind.
    let before = if place.skipped > 0 { "…" } else { "" };
    let kept = place.source.chars().count();
    let behind = if kept == MAX_LINE { "…" } else { "" };
    let indent = place.column.saturating_sub(1).saturating_sub(place.skipped) as usize;
    let indent = indent.min(MAX_LINE) + before.chars().count();
    let carets = "^".repeat(
        (place.width as usize)
            .min((MAX_LINE + 2).saturating_sub(indent))
            .max(1),
    );
    let space = if label.is_empty() { "" } else { " " };
    let _ = writeln!(out, "{:gutter$} {frame}│{reset}", "");
    let _ = writeln!(
        out,
        "{frame}{line:>gutter$} │{reset} {before}{}{behind}",
        clean(&place.source)
    );
    let _ = writeln!(
        out,
        "{:gutter$} {frame}│{reset} {:indent$}{colour}{carets}{space}{}{reset}",
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
            } else if c.is_control() || turns_direction(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Invisible characters that turn the direction of writing: with them a text can look like another one.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

    #[test]
    fn of_a_very_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{}wrong{}\n", "a".repeat(100_000), "b".repeat(100_000));
        let place = Place::of("x.yaml", &text, 100_000, 100_005);
        assert_eq!(place.column, 100_001);
        let shown = Diagnostic::error(1, place, "m").label("here").render();
        let lines: Vec<&str> = shown.lines().collect();
        let at = |line: &str, mark: &str| {
            line.split_once(mark)
                .map(|(before, _)| before.chars().count())
        };
        assert_eq!(at(lines[3], "wrong"), at(lines[4], "^^^^^ here"));
        assert!(
            lines.iter().all(|line| line.chars().count() < 260),
            "{shown}"
        );
    }

    #[test]
    fn several_places_are_shown() {
        let text = "plan: pro\nplan: small\n";
        let place = |start| Place::of("x.yaml", text, start, start + 4);
        let shown = Diagnostic::error(101, place(10), "twice")
            .related(place(0), "first")
            .related(Place::file("y.yaml"), "and there")
            .render();
        let expected = "\
error[T0101]: twice
  ┌─ x.yaml:2:1
  │
2 │ plan: small
  │ ^^^^
  │
  ┌─ x.yaml:1:1
  │
1 │ plan: pro
  │ ^^^^ first
  │
  ┌─ y.yaml
  │  and there
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
