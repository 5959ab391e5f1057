//! Object ids of Git, as plain values: reading objects is the hub's business.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A SHA-1 object id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(pub [u8; 20]);

/// The text is not an object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Git object id: 40 hexadecimal digits")]
pub struct NotAnObjectId(String);

impl ObjectId {
    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl TryFrom<&str> for ObjectId {
    type Error = NotAnObjectId;
    fn try_from(text: &str) -> Result<Self, NotAnObjectId> {
        let mut id = [0; 20];
        hex::decode_to_slice(text, &mut id).map_err(|_| NotAnObjectId(text.to_owned()))?;
        Ok(Self(id))
    }
}

impl TryFrom<String> for ObjectId {
    type Error = NotAnObjectId;
    fn try_from(text: String) -> Result<Self, NotAnObjectId> {
        Self::try_from(text.as_str())
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
