//! A small file of the state folder whose loss costs work done once more and nothing else: read at the start, changed on disk first.

use crate::files::{FilesError, Root};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_schema::name::RelativePath;

/// A value and its file.
#[derive(Debug)]
pub struct StateFile<T> {
    root: Root,
    name: RelativePath,
    value: T,
}

impl<T: Default + Clone + PartialEq + Serialize + DeserializeOwned> StateFile<T> {
    /// Reads the file `name` of `root`, of at most `limit` bytes. One that is damaged counts as none.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn open(root: Root, name: RelativePath, limit: u64) -> Result<Self, FilesError> {
        let bytes = root.read(&name, limit)?;
        let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self {
            root,
            name,
            value: value.unwrap_or_default(),
        })
    }

    /// What it says.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// Changes it. When this returns without an error the change is on disk; with one, nothing has changed.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<(), FilesError> {
        let mut value = self.value.clone();
        change(&mut value);
        if value != self.value {
            let text = serde_json::to_vec_pretty(&value).expect("text and numbers");
            self.root.write(&self.name, &text)?;
            self.value = value;
        }
        Ok(())
    }
}
