//! Walking lists, mappings and variants for serde, past what is out of view; every error gets its place here.

use crate::de::{De, View, head, id};
use crate::error::{DecodeError, Place};
use crate::node::{Kind, Node};
use crate::placeholder::Placeholder;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Where to point for an error in the value of an entry.
fn place_of(value: &Node, key: Option<&Node>) -> Place {
    let multi = !matches!(value.kind, Kind::Scalar { .. });
    let span = match key {
        Some(key) if multi || value.span.is_empty() => key.span,
        _ => head(value),
    };
    Place {
        span,
        entry: id(value),
        key: false,
    }
}

pub(crate) struct Items<'a> {
    pub(crate) rest: &'a [Node],
    pub(crate) index: usize,
    pub(crate) view: &'a View,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        while let Some((node, rest)) = self.rest.split_first() {
            self.rest = rest;
            let index = self.index;
            self.index += 1;
            if self.view.hides(node) {
                continue;
            }
            let view = self.view;
            return seed
                .deserialize(De { node, view })
                .map(Some)
                .map_err(|error| error.locate(|| place_of(node, None)).under_index(index));
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

pub(crate) struct Entries<'a> {
    pub(crate) node: &'a Node,
    pub(crate) rest: &'a [(Node, Node)],
    pub(crate) current: Option<(&'a Node, &'a Node)>,
    pub(crate) filled: usize,
    pub(crate) gap: Option<usize>,
    pub(crate) view: &'a View,
}

impl Entries<'_> {
    /// The next gap of this mapping, by its index.
    fn next_gap(&mut self) -> Option<usize> {
        let (me, begin) = (id(self.node), self.filled);
        let rest = self.view.filled.iter().enumerate().skip(begin);
        let found = rest
            .filter(|(_, gap)| gap.owner == me)
            .map(|(at, _)| at)
            .next();
        self.filled = found.map_or(self.view.filled.len(), |at| at + 1);
        found
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        while let Some(((key, value), rest)) = self.rest.split_first() {
            self.rest = rest;
            if self.view.hides(value) {
                continue;
            }
            self.current = Some((key, value));
            let view = self.view;
            return seed
                .deserialize(De { node: key, view })
                .map(Some)
                .map_err(|error| {
                    error
                        .locate(|| Place {
                            span: key.span,
                            entry: id(value),
                            key: true,
                        })
                        .under_key(key.as_str().unwrap_or_default())
                });
        }
        self.current = None;
        self.gap = self.next_gap();
        match self.gap {
            Some(at) => seed
                .deserialize(StrDeserializer::<DecodeError>::new(
                    self.view.filled[at].field,
                ))
                .map(Some)
                .map_err(DecodeError::stand_in),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let Some((key, node)) = self.current.take() else {
            let Some(at) = self.gap.take() else {
                return Err(DecodeError::custom("a value was asked for before its key"));
            };
            let stand_in = Placeholder::new(self.view.filled[at].attempt);
            return seed
                .deserialize(stand_in)
                .map_err(|error| error.stand_in().in_gap(at));
        };
        let view = self.view;
        seed.deserialize(De { node, view }).map_err(|error| {
            error
                .locate(|| place_of(node, Some(key)))
                .under_key(key.as_str().unwrap_or_default())
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

pub(crate) struct Variant<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: Option<(&'a Node, &'a Node)>,
    pub(crate) view: &'a View,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), DecodeError> {
        let entry = self.entry;
        let variant = seed
            .deserialize(StrDeserializer::<DecodeError>::new(self.name))
            .map_err(|error| match entry {
                Some((key, value)) => error.locate(|| Place {
                    span: key.span,
                    entry: id(value),
                    key: true,
                }),
                None => error,
            })?;
        Ok((variant, self))
    }
}

impl<'a> Variant<'a> {
    fn payload(&self) -> Result<(De<'a>, &'a Node), DecodeError> {
        match self.entry {
            Some((key, node)) => Ok((
                De {
                    node,
                    view: self.view,
                },
                key,
            )),
            None => Err(
                DecodeError::invalid(format!("`{}` needs a value of its own", self.name))
                    .help(format!("write `{{ {}: ... }}`", self.name)),
            ),
        }
    }

    fn within<T>(
        &self,
        read: impl FnOnce(De<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let (de, key) = self.payload()?;
        read(de).map_err(|error| {
            error
                .locate(|| place_of(de.node, Some(key)))
                .under_key(self.name)
        })
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.entry {
            None => Ok(()),
            Some(_) => self.within(|de| {
                if de.node.is_null() {
                    Ok(())
                } else {
                    Err(de.mismatch("nothing"))
                }
            }),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        self.within(|de| seed.deserialize(de))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.within(|de| de.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.within(|de| de.deserialize_map(visitor))
    }
}
