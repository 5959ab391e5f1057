//! How a diagnostic reads on a terminal: like a compiler's, with the line, the place in it, and what to do. Nothing of a file's content can command the
//! terminal.

use super::{Diagnostic, MAX_LINE, Place, Severity};
use std::fmt::Write as _;

impl Diagnostic {
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
    // Names of files are anybody's, too.
    let place_shown = clean(&place.to_string());
    let _ = writeln!(out, "{:gutter$} {frame}┌─{reset} {place_shown}", "");
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
pub(super) fn clean(text: &str) -> String {
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
pub(crate) fn turns_direction(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
