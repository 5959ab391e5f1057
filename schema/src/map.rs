//! A map that is made once and then read in many places: documents, what is resolved from them, and slices hold the same settings of a tool.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A map in the order of its keys that cannot be changed. A clone shares what is in it.
///
/// Most maps of a fleet have one entry. Here that costs one entry; a node of a [`BTreeMap`] has room for eleven, and each clone has its own.
pub struct SharedMap<K, V>(Arc<[(K, V)]>);

impl<K, V> SharedMap<K, V> {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Its entries, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.into_iter()
    }

    /// Its keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Its values, by key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.0.binary_search_by(|(own, _)| own.borrow().cmp(key));
        at.ok()
            .and_then(|at| self.0.get(at))
            .map(|(_, value)| value)
    }

    /// Whether there is a value of `key`.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }
}

/// The entries of a [`SharedMap`], by key.
pub type Iter<'m, K, V> =
    std::iter::Map<std::slice::Iter<'m, (K, V)>, fn(&'m (K, V)) -> (&'m K, &'m V)>;

impl<'m, K, V> IntoIterator for &'m SharedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;
    fn into_iter(self) -> Iter<'m, K, V> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V> From<BTreeMap<K, V>> for SharedMap<K, V> {
    fn from(map: BTreeMap<K, V>) -> Self {
        // The empty one takes no memory of its own.
        if map.is_empty() {
            return Self::default();
        }
        Self(map.into_iter().collect())
    }
}

/// Of entries with the same key the last one counts.
impl<K: Ord, V> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        entries.into_iter().collect::<BTreeMap<K, V>>().into()
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SharedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SharedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for SharedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

impl<K: schemars::JsonSchema, V: schemars::JsonSchema> schemars::JsonSchema for SharedMap<K, V> {
    fn inline_schema() -> bool {
        BTreeMap::<K, V>::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        BTreeMap::<K, V>::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        BTreeMap::<K, V>::schema_id()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeMap::<K, V>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_and_writes_what_the_map_that_it_is_made_from_does(entries: Vec<(u8, String)>, wanted: u8) {
            let map: BTreeMap<u8, String> = entries.iter().cloned().collect();
            let shared: SharedMap<u8, String> = entries.into_iter().collect();
            prop_assert_eq!(shared.len(), map.len());
            prop_assert_eq!(shared.is_empty(), map.is_empty());
            prop_assert!(shared.iter().eq(map.iter()));
            prop_assert!(shared.keys().eq(map.keys()) && shared.values().eq(map.values()));
            prop_assert_eq!(shared.get(&wanted), map.get(&wanted));
            prop_assert_eq!(shared.contains_key(&wanted), map.contains_key(&wanted));
            let text = serde_json::to_string(&map).unwrap();
            prop_assert_eq!(&serde_json::to_string(&shared).unwrap(), &text);
            prop_assert_eq!(serde_json::from_str::<SharedMap<u8, String>>(&text).unwrap(), shared);
        }
    }

    #[test]
    fn a_clone_shares() {
        let one: SharedMap<&str, u16> = [("b", 2), ("a", 1)].into();
        let other = one.clone();
        assert!(std::ptr::eq(one.get("a").unwrap(), other.get("a").unwrap()));
        assert_eq!(format!("{other:?}"), r#"{"a": 1, "b": 2}"#);
    }
}
