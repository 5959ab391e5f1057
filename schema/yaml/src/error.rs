//! The error that travels through serde: it gathers place and path on its way up; it is never shown as such.

use crate::problem::{Problem, ProblemKind, shorten};
use crate::span::Span;
use crate::suggest::suggest;
use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// Identity of a node while the tree is borrowed: its address.
pub(crate) type NodeId = usize;

/// Where an error belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// What to underline.
    pub(crate) span: Span,
    /// The value whose entry or item is taken out of view.
    pub(crate) entry: NodeId,
    /// The error is about the key, not the value.
    pub(crate) key: bool,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) kind: ProblemKind,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: Option<String>,
    pub(crate) place: Option<Place>,
    /// Innermost first; keys with their dot, indexes in brackets.
    path: Vec<String>,
    /// Raised by a stand-in for something already reported.
    pub(crate) stand_in: bool,
    /// Index of the gap whose stand-in was refused.
    pub(crate) gap: Option<usize>,
    /// The field's name as the program holds it, to fill the gap and go on.
    pub(crate) missing: Option<&'static str>,
}

/// Boxed, because every return value on the happy path carries room for it.
#[derive(Debug)]
pub(crate) struct DecodeError(pub(crate) Box<Inner>);

impl DecodeError {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            label: String::new(),
            help: None,
            place: None,
            path: Vec::new(),
            stand_in: false,
            missing: None,
            gap: None,
        }))
    }

    pub(crate) fn wrong_type(expected: &str, found: &str) -> Self {
        let kind = ProblemKind::WrongType {
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        Self::new(kind, format!("expected {expected}, found {found}"))
            .label(format!("expected {expected}"))
    }

    pub(crate) fn invalid(message: String) -> Self {
        let kind = ProblemKind::InvalidValue {
            message: message.clone(),
        };
        Self::new(kind, message)
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn stand_in(mut self) -> Self {
        self.0.stand_in = true;
        self
    }

    pub(crate) fn in_gap(mut self, index: usize) -> Self {
        self.0.gap = Some(index);
        self
    }

    /// Keeps the innermost place.
    pub(crate) fn locate(mut self, place: impl FnOnce() -> Place) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(place());
        }
        self
    }

    pub(crate) fn under_key(mut self, key: &str) -> Self {
        let needs_quotes = key.is_empty() || key.contains(['.', '[', ' ']);
        self.0.path.push(if needs_quotes {
            format!(".\"{key}\"")
        } else {
            format!(".{key}")
        });
        self
    }

    pub(crate) fn under_index(mut self, index: usize) -> Self {
        self.0.path.push(format!("[{index}]"));
        self
    }

    pub(crate) fn into_problem(self, fallback: Span) -> Problem {
        let inner = *self.0;
        let mut path: String = inner.path.iter().rev().map(String::as_str).collect();
        if path.starts_with('.') {
            path.remove(0);
        }
        Problem {
            span: inner.place.map_or(fallback, |place| place.span),
            kind: inner.kind,
            message: inner.message,
            label: inner.label,
            help: inner.help,
            related: Vec::new(),
            path,
        }
    }
}

fn listed(words: &'static [&'static str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// "did you mean" if there is a near word, otherwise all of them.
fn help_for(suggestion: Option<&str>, expected: &[&str], noun: &str) -> Option<String> {
    match suggestion {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if expected.is_empty() => None,
        None => {
            let all: Vec<String> = expected.iter().map(|word| format!("`{word}`")).collect();
            Some(format!("possible {noun}: {}", all.join(", ")))
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::invalid(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong_type(&expected.to_string(), &found_words(found))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid(format!(
            "{} is not possible here, expected {expected}",
            found_words(found)
        ))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::invalid(format!("{length} items, expected {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = suggest(variant, expected);
        let kind = ProblemKind::UnknownVariant {
            variant: variant.to_owned(),
            expected: listed(expected),
            suggestion: near.map(str::to_owned),
        };
        let mut error = Self::new(kind, format!("unknown value `{}`", shorten(variant)));
        error.0.help = help_for(near, expected, "values");
        error.label("none of the possible values")
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let near = suggest(field, expected);
        let kind = ProblemKind::UnknownField {
            field: field.to_owned(),
            expected: listed(expected),
            suggestion: near.map(str::to_owned),
        };
        let mut error = Self::new(kind, format!("unknown key `{}`", shorten(field)));
        error.0.help = help_for(near, expected, "keys");
        error.label("not known here")
    }

    fn missing_field(field: &'static str) -> Self {
        let kind = ProblemKind::MissingField {
            field: field.to_owned(),
        };
        let mut error = Self::new(kind, format!("the key `{field}` is missing"))
            .label(format!("`{field}` belongs here"))
            .help(format!("add `{field}:`"));
        error.0.missing = Some(field);
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::invalid(format!("`{field}` is given twice, once under another name"))
    }
}

fn found_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Char(value) => format!("the text \"{value}\""),
        Unexpected::Str(value) => format!("the text \"{}\"", shorten(value)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}
