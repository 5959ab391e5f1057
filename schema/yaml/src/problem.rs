//! What can be wrong with a text, and where; rendering for a terminal or a page happens elsewhere.

use crate::span::Span;
use std::fmt;

/// The kind of a problem, for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// Not YAML.
    Syntax,
    /// A key stands twice in one mapping; `related` names the first.
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that the type does not have.
    UnknownField {
        /// As written.
        field: String,
        /// What would have been possible.
        expected: Vec<String>,
        /// The nearest of those.
        suggestion: Option<String>,
    },
    /// A word that is none of the possible ones.
    UnknownVariant {
        /// As written.
        variant: String,
        /// What would have been possible.
        expected: Vec<String>,
        /// The nearest of those.
        suggestion: Option<String>,
    },
    /// A key that must be there is not.
    MissingField {
        /// Its name.
        field: String,
    },
    /// A value of another type than the one that belongs here.
    WrongType {
        /// In words.
        expected: String,
        /// In words.
        found: String,
    },
    /// The right type, but a value that is not possible.
    InvalidValue {
        /// Why.
        message: String,
    },
    /// More than one document in a file.
    MultipleDocuments,
    /// A tag such as `!include`.
    UnknownTag {
        /// As written.
        tag: String,
    },
    /// A key that is a list or a mapping.
    NonScalarKey,
    /// An alias that refers to its own inside, or `<<` where it does not belong.
    Alias,
    /// Anchors and aliases copy more than the budget allows.
    AliasBudget,
    /// Nested deeper than the limit.
    TooDeep,
    /// Longer than the limit.
    TooLarge,
    /// Right as such, but not supported here; used by the readers of particular formats.
    Unsupported,
    /// A variable that nothing gives a value; used by the readers of formats that have variables.
    UnsetVariable,
}

/// One mistake, located.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, in bytes of the text.
    pub span: Span,
    /// What kind.
    pub kind: ProblemKind,
    /// One sentence without a full stop, for example "unknown key `nmae`".
    pub message: String,
    /// A few words for beneath the underlined text.
    pub label: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Further places that belong to it, each with a few words.
    pub related: Vec<(Span, String)>,
    /// The place in the tree, for example `tools.umami.env[0]`; empty at the top.
    pub path: String,
}

impl Problem {
    /// A problem without label, help, related places and path.
    pub fn new(span: Span, kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            span,
            kind,
            message: message.into(),
            label: String::new(),
            help: None,
            related: Vec::new(),
            path: String::new(),
        }
    }

    /// An [`ProblemKind::InvalidValue`] whose message is the sentence itself.
    pub fn invalid(span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = ProblemKind::InvalidValue {
            message: message.clone(),
        };
        Self::new(span, kind, message)
    }

    /// Sets the label.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the help.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a related place.
    pub fn with_related(mut self, span: Span, words: impl Into<String>) -> Self {
        self.related.push((span, words.into()));
        self
    }

    /// Sets the path.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for Problem {}

/// At most 40 characters of one line, for messages.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None if line.len() < text.trim_end().len() => format!("{line}..."),
        None => line.to_owned(),
    }
}
