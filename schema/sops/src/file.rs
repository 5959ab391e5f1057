//! A SOPS file: what can be read without a key, and opening it with one.

use secrecy::ExposeSecret;

use crate::cipher::{DataKey, Flaw, Opened, Sealed};
use crate::metadata::Metadata;
use crate::rule::Selector;
use crate::yaml::{self, Data, Entry, Node, Scalar};
use crate::{Error, Identities, Kind, Map, Path, Rule, Segment, Timestamp, Value, mac};

/// The reserved top-level key.
pub(crate) const METADATA_KEY: &str = "sops";

/// A parsed file. Holds ciphertext and clear leaves only.
#[derive(Clone)]
pub struct SopsFile {
    pub(crate) source: String,
    pub(crate) entries: Vec<Entry>,
    /// Index of the `sops` entry.
    pub(crate) metadata_at: usize,
    pub(crate) metadata: Metadata,
    pub(crate) selector: Selector,
    pub(crate) is_flow: bool,
}

/// One leaf, seen without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where it is.
    pub path: Path,
    /// What it is; for an encrypted leaf, what it says it is.
    pub kind: Kind,
    /// Whether its value is hidden.
    pub encrypted: bool,
}

/// A file that was opened, with its MAC checked.
#[derive(Debug, Clone)]
pub struct Decrypted {
    /// The plaintext tree in document order, without metadata and comments.
    pub root: Map,
}

impl Decrypted {
    /// See [`Map::to_flat_map`].
    pub fn to_flat_map(
        &self,
    ) -> Result<std::collections::BTreeMap<String, secrecy::SecretString>, Error> {
        self.root.to_flat_map()
    }
}

impl SopsFile {
    /// Reads a file without any key: names, clear leaves, metadata. A byte order mark is dropped.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let source = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = yaml::parse(source)?.ok_or(Error::NotSops)?;
        let is_flow = root.is_flow(source);
        let Data::Map(entries) = root.data else {
            return Err(Error::NotSops);
        };
        let metadata_at = entries
            .iter()
            .position(|entry| entry.key == METADATA_KEY)
            .ok_or(Error::NotSops)?;
        let metadata = Metadata::read(&entries[metadata_at].value)?;
        Ok(Self {
            source: source.to_owned(),
            selector: metadata.rule.compile()?,
            entries,
            metadata_at,
            metadata,
            is_flow,
        })
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Who can open the file: age recipients as written, of whatever kind.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.metadata
            .age
            .iter()
            .map(|entry| entry.recipient.as_str())
    }

    /// Version of SOPS that the file says it was written by.
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// When a value was last changed.
    pub fn last_modified(&self) -> Timestamp {
        self.metadata.last_modified
    }

    /// Which leaves are encrypted.
    pub fn rule(&self) -> &Rule {
        &self.metadata.rule
    }

    /// Whether clear leaves may be changed without the key.
    pub fn mac_only_encrypted(&self) -> bool {
        self.metadata.mac_only_encrypted
    }

    /// Top-level keys in order, without `sops`.
    pub fn top_level_keys(&self) -> impl Iterator<Item = &str> {
        self.data_entries().map(|entry| entry.key.as_str())
    }

    /// Every leaf in document order. Empty lists and mappings count as leaves, encrypted comments do not.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for entry in self.data_entries() {
            self.collect(&entry.value, Path::from(entry.key.as_str()), &mut leaves);
        }
        leaves
    }

    /// The first leaf that the rule says is encrypted and that is not, although `sops` would have encrypted it.
    pub(crate) fn first_exposed(&self) -> Option<Path> {
        let exposed = |leaf: &Leaf| {
            let empty = || match self.node(&leaf.path).map(|node| &node.data) {
                Some(Data::Scalar(scalar)) => scalar.text.is_empty(),
                _ => true,
            };
            !leaf.encrypted
                && leaf.kind != Kind::Null
                && self.selector.encrypts(&leaf.path)
                && !empty()
        };
        self.leaves()
            .into_iter()
            .find(exposed)
            .map(|leaf| leaf.path)
    }

    /// Refuses a file in which an encrypted value, or the MAC, is damaged so that no key opens it.
    pub(crate) fn check_whole(&self) -> Result<(), Error> {
        let damaged = |path: &Path| match self.node(path).map(|node| &node.data) {
            Some(Data::Scalar(scalar)) => {
                self.selector.encrypts(path)
                    && Sealed::looks_like(&scalar.text)
                    && !Sealed::is_whole(&scalar.text)
            }
            _ => false,
        };
        if let Some(leaf) = self.leaves().iter().find(|leaf| damaged(&leaf.path)) {
            return Err(Error::value(&leaf.path, Flaw::Malformed.to_string()));
        }
        if Sealed::is_whole(&self.metadata.mac) {
            Ok(())
        } else {
            Err(Error::metadata("mac", Flaw::Malformed.to_string()))
        }
    }

    /// The value of a clear leaf; `None` if it is encrypted, not a scalar, or not there.
    pub fn clear_value(&self, path: &Path) -> Option<Value> {
        match &self.node(path)?.data {
            Data::Scalar(scalar) if !self.is_sealed(scalar, path) => scalar.value(),
            _ => None,
        }
    }

    /// Opens the file: finds the data key, decrypts every leaf, checks the MAC.
    pub fn decrypt(&self, identities: &Identities) -> Result<Decrypted, Error> {
        let key = self.data_key(identities)?;
        self.decrypt_with(&key)
    }

    pub(crate) fn data_key(&self, identities: &Identities) -> Result<DataKey, Error> {
        identities.unwrap(&self.metadata.age)
    }

    pub(crate) fn decrypt_with(&self, key: &DataKey) -> Result<Decrypted, Error> {
        let root = self.open_tree(key)?;
        let computed = mac::of(&root, &self.selector, self.metadata.mac_only_encrypted);
        let stored = key.open(
            &self.metadata.mac,
            &self.metadata.last_modified.to_seconds_text(),
        );
        match stored {
            Ok(Opened::Value(Value::Str(stored))) if stored.expose_secret() == computed => {
                Ok(Decrypted { root })
            }
            _ => Err(Error::MacMismatch),
        }
    }

    /// The plaintext tree, without looking at the MAC.
    pub(crate) fn open_tree(&self, key: &DataKey) -> Result<Map, Error> {
        let mut root = Map::new();
        for entry in self.data_entries() {
            let mut path = Path::from(entry.key.as_str());
            if let Some(value) = self.open_node(key, &entry.value, &mut path)? {
                root.push(entry.key.clone(), value);
            }
        }
        Ok(root)
    }

    pub(crate) fn data_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| (at != self.metadata_at).then_some(entry))
    }

    pub(crate) fn metadata_entry(&self) -> &Entry {
        &self.entries[self.metadata_at]
    }

    /// The node at `path`; list indexes do not count encrypted comments.
    pub(crate) fn node(&self, path: &Path) -> Option<&Node> {
        let (first, rest) = path.segments().split_first()?;
        let Segment::Key(first) = first else {
            return None;
        };
        let start = self.data_entries().find(|entry| entry.key == *first)?;
        rest.iter()
            .try_fold(&start.value, |node, segment| match (&node.data, segment) {
                (_, Segment::Key(key)) => node.get(key),
                (Data::List(items), Segment::Index(index)) => {
                    items.iter().filter(|item| !is_comment(item)).nth(*index)
                }
                _ => None,
            })
    }

    /// Whether this scalar is one that decrypting changes.
    pub(crate) fn is_sealed(&self, scalar: &Scalar, path: &Path) -> bool {
        self.selector.encrypts(path) && Sealed::parse(&scalar.text).is_ok()
    }

    fn open_node(
        &self,
        key: &DataKey,
        node: &Node,
        path: &mut Path,
    ) -> Result<Option<Value>, Error> {
        Ok(Some(match &node.data {
            Data::Scalar(scalar) => return self.open_scalar(key, scalar, path),
            Data::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    path.push(Segment::Index(list.len()));
                    list.extend(self.open_node(key, item, path)?);
                    path.pop();
                }
                Value::List(list)
            }
            Data::Map(entries) => {
                let mut map = Map::new();
                for entry in entries {
                    path.push(Segment::Key(entry.key.clone()));
                    if let Some(value) = self.open_node(key, &entry.value, path)? {
                        map.push(entry.key.clone(), value);
                    }
                    path.pop();
                }
                Value::Map(map)
            }
        }))
    }

    fn open_scalar(
        &self,
        key: &DataKey,
        scalar: &Scalar,
        path: &Path,
    ) -> Result<Option<Value>, Error> {
        let value = scalar
            .value()
            .ok_or_else(|| Error::value(path, "is an integer beyond 64 bits"))?;
        if !self.selector.encrypts(path) {
            return Ok(Some(value));
        }
        match &value {
            Value::Null => Ok(Some(value)),
            Value::Str(text) if text.expose_secret().is_empty() => Ok(Some(value)),
            Value::Str(text) => match key.open(text.expose_secret(), &path.additional_data()) {
                Ok(Opened::Value(value)) => Ok(Some(value)),
                Ok(Opened::Comment(_)) => Ok(None),
                Err(flaw) => Err(Error::value(path, flaw.to_string())),
            },
            _ => Err(Error::value(path, Flaw::NotEncrypted.to_string())),
        }
    }

    fn collect(&self, node: &Node, path: Path, leaves: &mut Vec<Leaf>) {
        let clear = |kind| Leaf {
            path: path.clone(),
            kind,
            encrypted: false,
        };
        match &node.data {
            Data::Map(entries) if entries.is_empty() => leaves.push(clear(Kind::Map)),
            Data::List(items) if items.is_empty() => leaves.push(clear(Kind::List)),
            Data::Map(entries) => {
                for entry in entries {
                    self.collect(&entry.value, path.clone().key(entry.key.as_str()), leaves);
                }
            }
            Data::List(items) => {
                for (at, item) in items.iter().filter(|item| !is_comment(item)).enumerate() {
                    self.collect(item, path.clone().index(at), leaves);
                }
            }
            Data::Scalar(scalar) if self.is_sealed(scalar, &path) => leaves.push(Leaf {
                kind: sealed_kind(&scalar.text),
                encrypted: true,
                path,
            }),
            Data::Scalar(scalar) => leaves.push(clear(
                scalar.value().map_or(Kind::Int, |value| value.kind()),
            )),
        }
    }
}

impl std::fmt::Debug for SopsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SopsFile")
            .field("recipients", &self.recipients().collect::<Vec<_>>())
            .field("keys", &self.top_level_keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// SOPS writes some comments inside lists as encrypted list items.
fn is_comment(node: &Node) -> bool {
    node.as_text()
        .and_then(|text| Sealed::parse(text).ok())
        .is_some_and(|sealed| sealed.kind == "comment")
}

fn sealed_kind(text: &str) -> Kind {
    match Sealed::parse(text).map(|sealed| sealed.kind) {
        Ok("int") => Kind::Int,
        Ok("float") => Kind::Float,
        Ok("bool") => Kind::Bool,
        Ok("time") => Kind::Time,
        _ => Kind::Str,
    }
}
