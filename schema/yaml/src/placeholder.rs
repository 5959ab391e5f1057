//! A harmless value of any shape, standing in for what was reported as missing so that decoding can look further.

use crate::error::DecodeError;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, VariantAccess, Visitor};
use std::iter::empty;

/// Texts tried in turn for types that check what they are given.
const TEXTS: [&str; 10] = [
    "a",
    "1",
    "a.example",
    "a@a.example",
    "https://a.example",
    "2026-01-01",
    "1d",
    "1M",
    "192.0.2.1",
    "",
];

/// How many attempts can differ.
pub(crate) const ATTEMPTS: usize = TEXTS.len();

/// Deserializes as some text, one, `false`, nothing, an empty list or mapping, or the first variant.
///
/// A type that refuses fails with an error marked as a stand-in's, which is never shown.
pub(crate) struct Placeholder {
    /// An enum whose first variant holds the enum again would never end.
    depth: u8,
    text: &'static str,
}

impl Placeholder {
    /// The stand-in for attempt number `attempt`.
    pub(crate) fn new(attempt: usize) -> Self {
        // Deep enough for real types.
        Self {
            depth: 16,
            text: TEXTS.get(attempt).copied().unwrap_or_default(),
        }
    }

    fn inner(&self) -> Result<Self, DecodeError> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..*self }),
            None => Err(DecodeError::custom("too deep for a stand-in").stand_in()),
        }
    }
}

type Entries = std::iter::Empty<(Placeholder, Placeholder)>;

impl serde::de::IntoDeserializer<'_, DecodeError> for Placeholder {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! answer {
    ($($method:ident => $visit:ident($value:expr),)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit($value).map_err(DecodeError::stand_in)
        })*
    };
}

impl<'de> Deserializer<'de> for Placeholder {
    type Error = DecodeError;

    answer! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(1),
        deserialize_i16 => visit_i16(1),
        deserialize_i32 => visit_i32(1),
        deserialize_i64 => visit_i64(1),
        deserialize_i128 => visit_i128(1),
        deserialize_u8 => visit_u8(1),
        deserialize_u16 => visit_u16(1),
        deserialize_u32 => visit_u32(1),
        deserialize_u64 => visit_u64(1),
        deserialize_u128 => visit_u128(1),
        deserialize_f32 => visit_f32(1.0),
        deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char(' '),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
        deserialize_seq => visit_seq(SeqDeserializer::new(empty::<Placeholder>())),
        deserialize_map => visit_map(MapDeserializer::new(Entries::default())),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text).map_err(DecodeError::stand_in)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_none().map_err(DecodeError::stand_in)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit().map_err(DecodeError::stand_in)
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
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor
            .visit_newtype_struct(self.inner()?)
            .map_err(DecodeError::stand_in)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { depth, text } = self.inner()?;
        let items = std::iter::repeat_with(|| Placeholder { depth, text }).take(length);
        visitor
            .visit_seq(SeqDeserializer::new(items))
            .map_err(DecodeError::stand_in)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
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
        let first = variants.first().copied().unwrap_or_default();
        visitor
            .visit_enum(Variant(first, self.inner()?))
            .map_err(DecodeError::stand_in)
    }
}

struct Variant(&'static str, Placeholder);

impl<'de> EnumAccess<'de> for Variant {
    type Error = DecodeError;
    type Variant = Placeholder;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Placeholder), DecodeError> {
        let name = serde::de::value::StrDeserializer::<DecodeError>::new(self.0);
        Ok((seed.deserialize(name)?, self.1))
    }
}

impl<'de> VariantAccess<'de> for Placeholder {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }
}
