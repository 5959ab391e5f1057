//! Changing who can open a file: under the same data key, or under a fresh one. Values do not change here.

use std::ops::Range;

use rand::CryptoRng;

use crate::apply::same;
use crate::cipher::{DataKey, Opened};
use crate::edit::reparse;
use crate::encrypt::wrap;
use crate::layout::{self, Splices, splice};
use crate::metadata::{self, AgeEntry};
use crate::yaml::{Data, Node};
use crate::{Error, Identities, Path, Recipient, Segment, SopsFile, Timestamp, emit};

impl SopsFile {
    /// Makes exactly `recipients` able to open the file, as `sops updatekeys` does: the data key and every value stay.
    /// Who could open it before still knows the data key; use [`SopsFile::rotate`] to lock somebody out of later values.
    pub fn update_recipients(
        &self,
        identities: &Identities,
        recipients: &[Recipient],
    ) -> Result<String, Error> {
        let key = self.data_key(identities)?;
        let fresh: Vec<_> = recipients
            .iter()
            .filter(|new| self.entry_of(new).is_none())
            .cloned()
            .collect();
        let mut wrapped = if fresh.is_empty() {
            Vec::new()
        } else {
            wrap(&fresh, &key)?
        };
        let mut entries: Vec<AgeEntry> = Vec::new();
        for recipient in recipients {
            if entries
                .iter()
                .any(|entry| entry.recipient == recipient.as_str())
            {
                continue;
            }
            if let Some(kept) = self.entry_of(recipient) {
                entries.push(kept.clone());
            } else if let Some(at) = wrapped
                .iter()
                .position(|entry| entry.recipient == recipient.as_str())
            {
                entries.push(wrapped.remove(at));
            }
        }
        if entries.is_empty() {
            return Err(Error::NoRecipients);
        }
        if entries
            .iter()
            .map(|entry| entry.recipient.as_str())
            .eq(self.recipients())
        {
            return Ok(self.source.clone());
        }
        let text = splice(&self.source, vec![self.age_splice(&entries)?]);
        reparse(text).map(|file| file.source)
    }

    /// Encrypts everything anew under a fresh data key for `recipients`, as `sops rotate` does. Encrypted comments are
    /// carried over where their place in the tree can be told.
    pub fn rotate(
        &self,
        identities: &Identities,
        recipients: &[Recipient],
        last_modified: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, Error> {
        let old = self.data_key(identities)?;
        let plain = self.decrypt_with(&old)?.root;
        let new = DataKey::generate(rng);
        let mut splices = self.comment_splices(&old, &new, rng);
        for entry in self.data_entries() {
            let mut path = Path::from(entry.key.as_str());
            self.rotate_node(&entry.value, &mut path, &old, &new, rng, &mut splices)?;
        }
        splices.push(self.age_splice(&wrap(recipients, &new)?)?);
        let file = reparse(splice(&self.source, splices))?;
        let text = file.with_mac(&new, last_modified, rng)?;
        let file = reparse(text)?;
        if !same(&file.decrypt_with(&new)?.root, &plain) {
            return Err(Error::unsupported("rotating a file with this layout"));
        }
        Ok(file.source)
    }

    fn entry_of(&self, recipient: &Recipient) -> Option<&AgeEntry> {
        self.metadata
            .age
            .iter()
            .find(|entry| entry.recipient == recipient.as_str())
    }

    fn age_splice(&self, entries: &[AgeEntry]) -> Result<(Range<usize>, String), Error> {
        let refuse = || Error::unsupported("changing recipients in the layout of this file");
        let block = &self.metadata_entry().value;
        let entry = block
            .as_map()
            .unwrap_or_default()
            .iter()
            .find(|entry| entry.key == "age")
            .ok_or_else(refuse)?;
        if self.is_flow || block.is_flow(&self.source) {
            return Err(refuse());
        }
        let lines = layout::entry_lines(&self.source, entry).ok_or_else(refuse)?;
        Ok((
            lines.key_start..lines.end,
            metadata::write_age(entries, lines.column),
        ))
    }

    fn rotate_node(
        &self,
        node: &Node,
        path: &mut Path,
        old: &DataKey,
        new: &DataKey,
        rng: &mut dyn CryptoRng,
        splices: &mut Splices,
    ) -> Result<(), Error> {
        match &node.data {
            Data::Map(entries) => {
                for entry in entries {
                    path.push(Segment::Key(entry.key.clone()));
                    self.rotate_node(&entry.value, path, old, new, rng, splices)?;
                    path.pop();
                }
            }
            Data::List(items) => {
                for item in items {
                    self.rotate_node(item, path, old, new, rng, splices)?;
                }
            }
            Data::Scalar(scalar) if self.is_sealed(scalar, path) => {
                let place = path.additional_data();
                let opened = old
                    .open(&scalar.text, &place)
                    .map_err(|flaw| Error::value(path, flaw.to_string()))?;
                let sealed = match opened {
                    Opened::Value(value) => new.seal(&value, &place, rng),
                    Opened::Comment(text) => Some(new.seal_text(&text, "comment", &place, rng)),
                };
                let Some(mut sealed) = sealed else {
                    return Ok(());
                };
                if !layout::is_one_piece(node) {
                    return Err(Error::unsupported(format!(
                        "rotating `{path}` in the layout of this file"
                    )));
                }
                if self.source[node.span.clone()].starts_with(['"', '\'']) {
                    sealed = emit::double_quoted(&sealed);
                }
                splices.push((node.span.clone(), sealed));
            }
            Data::Scalar(_) => {}
        }
        Ok(())
    }

    /// Encrypted comments under the new key.
    fn comment_splices(&self, old: &DataKey, new: &DataKey, rng: &mut dyn CryptoRng) -> Splices {
        self.sealed_comments(old)
            .into_iter()
            .map(|(span, (place, text))| (span, new.seal_text(&text, "comment", &place, rng)))
            .collect()
    }
}
