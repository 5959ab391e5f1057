//! The tree: scalars, sequences and mappings with their places; reading it does not allocate.

use crate::span::Span;

/// An explicit core-schema tag (`!!str`); every other tag is refused while parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tag {
    /// No tag: quoted scalars are text, plain ones what the reader asks for.
    #[default]
    None,
    /// `!!str` or the non-specific `!`.
    Str,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!bool`
    Bool,
    /// `!!null`
    Null,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text, with escapes and folding already applied.
    Scalar {
        /// The text. Empty for a value that is not there (`key:`).
        value: Box<str>,
        /// Written without quotes and not as a block (`|`, `>`).
        plain: bool,
        /// Explicit tag.
        tag: Tag,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Entries in document order; keys are scalars and differ from each other in their text.
    Mapping(Vec<(Node, Node)>),
}

/// A value and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands. An expanded alias has the place of the alias; what is inside of it that of the anchor.
    /// A value that is not there has the empty place behind its colon or dash.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

impl Node {
    /// A plain scalar, for building trees by hand.
    pub fn scalar(span: Span, value: impl Into<Box<str>>) -> Self {
        Self {
            span,
            kind: Kind::Scalar {
                value: value.into(),
                plain: true,
                tag: Tag::None,
            },
        }
    }

    /// The text of a scalar as written (plain `0755` is `"0755"`), `None` for lists and mappings.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping in document order.
    pub fn as_mapping(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is null: nothing at all, `~` or `null` without quotes, or `!!null`.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { value, plain, tag } => match tag {
                Tag::Null => true,
                Tag::None => *plain && crate::scalar::is_null(value),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the tag or the quotes say that this scalar is text and nothing else.
    pub fn is_quoted(&self) -> bool {
        matches!(
            self.kind,
            Kind::Scalar {
                plain: false,
                tag: Tag::None,
                ..
            } | Kind::Scalar { tag: Tag::Str, .. }
        )
    }

    /// The entry of a mapping with this key: key and value.
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.as_mapping()?
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(name, value)| (name, value))
    }

    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Where `key` itself stands.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entry(key).map(|(name, _)| name.span)
    }

    /// The node at a path of keys; a list is entered by the decimal index of an item.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        path.iter().try_fold(self, |node, part| {
            let part = part.as_ref();
            match &node.kind {
                Kind::Sequence(items) => items.get(part.parse::<usize>().ok()?),
                _ => node.get(part),
            }
        })
    }

    /// Where the last key of `path` stands (or the item, in a list).
    pub fn key_span_at<S: AsRef<str>>(&self, path: &[S]) -> Option<Span> {
        let (last, parents) = path.split_last()?;
        let parent = self.at(parents)?;
        match &parent.kind {
            Kind::Sequence(_) => parent.at(std::slice::from_ref(last)).map(|item| item.span),
            _ => parent.key_span(last.as_ref()),
        }
    }

    /// How many nodes this one consists of, itself and keys included.
    pub fn count(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 1,
            Kind::Sequence(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Kind::Mapping(entries) => {
                1 + entries
                    .iter()
                    .map(|(key, value)| key.count() + value.count())
                    .sum::<usize>()
            }
        }
    }

    /// Levels of lists and mappings from here down; 0 for a scalar.
    pub(crate) fn height(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::Sequence(items) => 1 + items.iter().map(Node::height).max().unwrap_or(0),
            Kind::Mapping(entries) => {
                let values = entries.iter().map(|(_, value)| value.height());
                1 + values.max().unwrap_or(0)
            }
        }
    }

    /// What this is, in words for a message.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar { value, .. } if self.is_null() => {
                if value.is_empty() {
                    "nothing".to_owned()
                } else {
                    format!("null (`{value}`)")
                }
            }
            Kind::Scalar { value, .. } => {
                let shown = crate::problem::shorten(value);
                if self.is_quoted() {
                    format!("the text \"{shown}\"")
                } else {
                    format!("`{shown}`")
                }
            }
        }
    }
}
