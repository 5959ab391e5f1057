//! Plaintext trees: ordered, typed as SOPS types them, never printable. No YAML and no cryptography here.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::{Error, Path, Segment, Timestamp};

/// A plaintext value. `Debug` shows the kind only, also for numbers: a PIN is a secret too.
#[derive(Clone)]
pub enum Value {
    /// `null`; stays in clear and is not part of the MAC.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A time.
    Time(Timestamp),
    /// A text; zeroed on drop. The empty text stays in clear.
    Str(SecretString),
    /// A list.
    List(Vec<Value>),
    /// An ordered mapping.
    Map(Map),
}

/// What a value is, without the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `type:bool`.
    Bool,
    /// `type:int`.
    Int,
    /// `type:float`.
    Float,
    /// `type:time`.
    Time,
    /// `type:str` or `type:bytes`.
    Str,
    /// A list; appears as a leaf only when empty.
    List,
    /// A mapping; appears as a leaf only when empty.
    Map,
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Str(SecretString::from(text.into()))
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Time(_) => Kind::Time,
            Self::Str(_) => Kind::Str,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }

    /// The text that SOPS encrypts and hashes for a scalar; `None` for null, lists and mappings.
    /// Source: `ToBytes` of SOPS.
    pub fn scalar_text(&self) -> Option<SecretString> {
        let text = match self {
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => float_text(*float),
            Self::Time(time) => time.to_string(),
            Self::Str(text) => return Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => return None,
        };
        Some(SecretString::from(text))
    }

    /// The node at `path` below this one.
    pub fn get(&self, path: &Path) -> Option<&Self> {
        path.segments()
            .iter()
            .try_fold(self, |node, segment| match (node, segment) {
                (Self::Map(map), Segment::Key(key)) => map.get(key),
                (Self::List(list), Segment::Index(index)) => list.get(*index),
                _ => None,
            })
    }
}

/// Go's `FormatFloat(value, 'f', -1, 64)`: shortest digits, never an exponent.
fn float_text(float: f64) -> String {
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{float}")
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Map(map) => map.fmt(f),
            other => write!(f, "{:?}([REDACTED])", other.kind()),
        }
    }
}

impl PartialEq for Value {
    /// Floats compare by bits, so that a value always equals itself.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a.expose_secret() == b.expose_secret(),
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<SecretString> for Value {
    fn from(text: SecretString) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

/// An ordered mapping with text keys. The order is part of the MAC.
#[derive(Clone, PartialEq, Default)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// Without entries.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets `key`, in its old place if it is there, else at the end.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same, for building in one expression.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.insert(key, value);
        self
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every top-level scalar as text: `True`/`False` for truth values, shortest digits for numbers.
    /// Nulls are left out. Fails with [`Error::NotFlat`] at a list or mapping.
    pub fn to_flat_map(&self) -> Result<BTreeMap<String, SecretString>, Error> {
        let mut flat = BTreeMap::new();
        for (key, value) in self.iter() {
            match (value, value.scalar_text()) {
                (Value::Null, _) => {}
                (_, Some(text)) => {
                    flat.insert(key.to_owned(), text);
                }
                (_, None) => return Err(Error::NotFlat { path: key.into() }),
            }
        }
        Ok(flat)
    }

    /// Appends without looking for the key: for readers that have checked for duplicates.
    pub(crate) fn push(&mut self, key: String, value: Value) {
        self.0.push((key, value));
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0
            .iter_mut()
            .find_map(|(name, value)| (name == key).then_some(value))
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(iter: T) -> Self {
        let mut map = Self::new();
        for (key, value) in iter {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let map = Map::new()
            .with("password", "hunter2")
            .with("pin", 4711)
            .with("list", vec![Value::text("hunter2")]);
        let shown = format!("{map:?}");
        assert!(shown.contains("password"));
        assert!(!shown.contains("hunter2") && !shown.contains("4711"));
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (float, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (1e21, "1000000000000000000000"),
            (-0.0, "-0"),
            (1e-7, "0.0000001"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float_text(float), text);
        }
    }

    #[test]
    fn a_nested_file_is_not_flat() {
        let flat = Map::new().with("a", "x").with("n", Value::Null);
        assert_eq!(flat.to_flat_map().unwrap().len(), 1);
        let nested = flat.with("m", Map::new());
        assert_eq!(
            nested.to_flat_map().err(),
            Some(Error::NotFlat { path: "m".into() })
        );
    }
}
