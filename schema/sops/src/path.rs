//! Where a leaf is in a document. Names only, never values.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The key of a mapping.
    Key(String),
    /// The 0-based index in a list. Encrypted comments that SOPS stores as list items are not counted.
    Index(usize),
}

/// The way from the root to a node; shown as `users[0].password`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The root.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The steps from the root down.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and one more key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// This path and one more list index.
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// The keys of the path, without list indexes: what SOPS rules and additional data look at.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
    }

    /// The additional data of a leaf: every key followed by a colon.
    /// Source: `Tree.Encrypt` of SOPS, `strings.Join(path, ":") + ":"`.
    pub(crate) fn additional_data(&self) -> String {
        let mut keys = self.keys().peekable();
        if keys.peek().is_none() {
            return ":".to_owned();
        }
        let mut out = String::new();
        for key in keys {
            out.push_str(key);
            out.push(':');
        }
        out
    }

    /// The first `len` steps.
    pub(crate) fn prefix(&self, len: usize) -> Self {
        Self(self.0[..len].to_vec())
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

impl From<&str> for Path {
    /// One top-level key; dots are part of the key.
    fn from(key: &str) -> Self {
        Self::root().key(key)
    }
}

impl FromIterator<Segment> for Path {
    fn from_iter<T: IntoIterator<Item = Segment>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
