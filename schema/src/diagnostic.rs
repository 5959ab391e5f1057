//! What is wrong with a file of the fleet, where, and what to do about it. Finding problems happens elsewhere; this is how they read.

use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) mod render;
#[cfg(test)]
mod tests;

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
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: [{}] {}",
            self.place,
            self.code,
            render::clean(&self.message)
        )
    }
}
