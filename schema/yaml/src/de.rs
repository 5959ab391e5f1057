//! A serde deserializer over the tree, directed by the requested type; no YAML syntax.

use crate::access::{Entries, Items, Variant};
use crate::error::{DecodeError, NodeId};
use crate::node::{Kind, Node, Tag};
use crate::problem::shorten;
use crate::scalar::{self, Scalar};
use crate::span::Span;
use serde::de::{Deserializer, Error, Visitor};
use std::collections::HashSet;

/// What is out of view because it was reported, and what stands in for what is missing.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) pruned: HashSet<NodeId>,
    pub(crate) filled: Vec<Gap>,
}

/// A missing field that a stand-in takes the place of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    pub(crate) owner: NodeId,
    pub(crate) field: &'static str,
    /// How many stand-ins were refused.
    pub(crate) attempt: usize,
}

impl View {
    pub(crate) fn hides(&self, node: &Node) -> bool {
        !self.pruned.is_empty() && self.pruned.contains(&id(node))
    }
}

pub(crate) fn id(node: &Node) -> NodeId {
    std::ptr::from_ref(node).addr()
}

#[derive(Clone, Copy)]
pub(crate) struct De<'a> {
    pub(crate) node: &'a Node,
    pub(crate) view: &'a View,
}

/// The node itself, or the first key of a mapping.
pub(crate) fn head(node: &Node) -> Span {
    match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        Kind::Sequence(items) => items.first().map_or(node.span, head),
        Kind::Scalar { .. } => node.span,
    }
}

impl<'a> De<'a> {
    pub(crate) fn mismatch(self, expected: &str) -> DecodeError {
        DecodeError::wrong_type(expected, &self.node.describe())
    }

    /// Text for a string: everything but null as it is written.
    fn text(self) -> Result<&'a str, DecodeError> {
        match &self.node.kind {
            Kind::Scalar { value, .. } if self.node.is_null() => {
                let error = self.mismatch("text");
                Err(if value.is_empty() {
                    error
                } else {
                    error.help(format!("write \"{value}\" in quotes if the word is meant"))
                })
            }
            Kind::Scalar { value, .. } => Ok(value),
            _ => Err(self.mismatch("text")),
        }
    }

    fn integer(self, lowest: i128, highest: u128) -> Result<i128, DecodeError> {
        const WANTED: &str = "a whole number";
        let Kind::Scalar { value, tag, .. } = &self.node.kind else {
            return Err(self.mismatch(WANTED));
        };
        if self.node.is_null() {
            return Err(self.mismatch(WANTED));
        }
        if self.node.is_quoted() {
            let error = self.mismatch(WANTED);
            return Err(if scalar::decimal(value).is_some() {
                error.help("leave out the quotes")
            } else {
                error
            });
        }
        if !matches!(tag, Tag::None | Tag::Int) {
            return Err(self.mismatch(WANTED));
        }
        let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
        let digits = unsigned.bytes().all(|b| b.is_ascii_digit()) && !unsigned.is_empty();
        if digits && unsigned.len() > 1 && unsigned.starts_with('0') {
            return Err(self.mismatch(WANTED).label("octal or decimal?").help(format!(
                "write it in decimal without leading zeros, or in quotes (\"{value}\") where text is possible"
            )));
        }
        if ["0x", "0o", "0b"]
            .iter()
            .any(|prefix| unsigned.starts_with(prefix))
        {
            return Err(self
                .mismatch("a whole number in decimal")
                .help("write the number in decimal"));
        }
        if !digits {
            let error = self.mismatch(WANTED);
            let joined = unsigned.replace('_', "");
            return Err(
                if joined != unsigned && scalar::decimal(&joined).is_some() {
                    error.help(format!("write `{joined}`"))
                } else {
                    error
                },
            );
        }
        match scalar::decimal(value) {
            Some(number) if number >= lowest && (number < 0 || number as u128 <= highest) => {
                Ok(number)
            }
            _ => Err(DecodeError::invalid(format!(
                "`{}` is out of range, possible are {lowest} to {highest}",
                shorten(value)
            ))),
        }
    }

    fn float(self) -> Result<f64, DecodeError> {
        const WANTED: &str = "a number";
        match &self.node.kind {
            Kind::Scalar { value, .. } if !self.node.is_null() && !self.node.is_quoted() => {
                scalar::float(value).ok_or_else(|| self.mismatch(WANTED))
            }
            Kind::Scalar { value, .. } if scalar::float(value).is_some() => {
                Err(self.mismatch(WANTED).help("leave out the quotes"))
            }
            _ => Err(self.mismatch(WANTED)),
        }
    }

    fn boolean(self) -> Result<bool, DecodeError> {
        const WANTED: &str = "`true` or `false`";
        let Kind::Scalar { value, .. } = &self.node.kind else {
            return Err(self.mismatch(WANTED));
        };
        let meant = match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        };
        match (&**value, meant) {
            ("true" | "false", Some(exact)) if !self.node.is_quoted() => Ok(exact),
            ("true" | "false", _) => Err(self.mismatch(WANTED).help("leave out the quotes")),
            (_, Some(meant)) => Err(self.mismatch(WANTED).help(format!("write `{meant}`"))),
            _ => Err(self.mismatch(WANTED)),
        }
    }

    fn items(self) -> Result<Items<'a>, DecodeError> {
        match &self.node.kind {
            Kind::Sequence(items) => Ok(Items {
                rest: items,
                index: 0,
                view: self.view,
            }),
            _ if self.node.is_null() => Ok(Items {
                rest: &[],
                index: 0,
                view: self.view,
            }),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn entries(self) -> Result<Entries<'a>, DecodeError> {
        let rest: &[(Node, Node)] = match &self.node.kind {
            Kind::Mapping(entries) => entries,
            _ if self.node.is_null() => &[],
            _ => return Err(self.mismatch("a mapping")),
        };
        Ok(Entries {
            node: self.node,
            rest,
            current: None,
            filled: 0,
            gap: None,
            view: self.view,
        })
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            #[allow(clippy::cast_lossless)]
            let number = self.integer(<$type>::MIN as i128, <$type>::MAX as u128)?;
            visitor.$visit(number as $type)
        })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.visit_str(self.text()?)
        })*
    };
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = DecodeError;

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    texts! { deserialize_str deserialize_string deserialize_char deserialize_bytes deserialize_byte_buf }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let number = self.integer(0, i128::MAX as u128)?;
        visitor.visit_u128(number as u128)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Sequence(_) => self.deserialize_seq(visitor),
            Kind::Mapping(_) => self.deserialize_map(visitor),
            Kind::Scalar { .. } => match scalar::resolve(self.node).unwrap_or(Scalar::Null) {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Float(value) => visitor.visit_f64(value),
                Scalar::Text(value) => visitor.visit_str(value),
                Scalar::Int(value) => {
                    if let Ok(value) = u64::try_from(value) {
                        visitor.visit_u64(value)
                    } else if let Ok(value) = i64::try_from(value) {
                        visitor.visit_i64(value)
                    } else {
                        visitor.visit_f64(value as f64)
                    }
                }
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f32(self.float()? as f32)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            visitor.visit_unit()
        } else {
            Err(self.mismatch("nothing"))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == crate::AS_WRITTEN {
            return match &self.node.kind {
                Kind::Scalar { .. } => self.deserialize_str(visitor),
                _ => self.deserialize_any(visitor),
            };
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self.items()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let items = self.items()?;
        let found = items.rest.len();
        if found > length && self.view.pruned.is_empty() {
            return Err(DecodeError::invalid(format!(
                "{found} items, expected {length}"
            )));
        }
        visitor.visit_seq(items)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.entries()?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Scalar { .. } => {
                let name = self.text().map_err(|error| {
                    error.help(format!("possible values: `{}`", variants.join("`, `")))
                })?;
                visitor.visit_enum(Variant {
                    name,
                    entry: None,
                    view: self.view,
                })
            }
            Kind::Mapping(entries) => {
                if entries.iter().any(|(_, value)| self.view.hides(value)) {
                    return Err(DecodeError::custom("reported inside").stand_in());
                }
                if let [(key, value)] = entries.as_slice() {
                    visitor.visit_enum(Variant {
                        name: key.as_str().unwrap_or_default(),
                        entry: Some((key, value)),
                        view: self.view,
                    })
                } else {
                    Err(DecodeError::invalid(format!(
                        "exactly one key is possible here, found {}",
                        entries.len()
                    ))
                    .help(format!("one of `{}`", variants.join("`, `"))))
                }
            }
            Kind::Sequence(_) => Err(self.mismatch("a word or a mapping with one key")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.node.as_str().unwrap_or_default())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}
