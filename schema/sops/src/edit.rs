//! Changing a file in place: only the text of what changed is replaced, so comments, layout and every other
//! ciphertext stay byte for byte. Each result is parsed and compared with what was asked for before it is given out.

use std::ops::Range;

use rand::CryptoRng;
use secrecy::ExposeSecret;

use crate::apply::{apply, get, no_such, same};
use crate::cipher::{DataKey, Sealed};
use crate::emit::{self, Out};
use crate::encrypt::{Sealer, check_key, seal_mac};
use crate::layout::{self, splice};
use crate::yaml::Node;
use crate::{Error, Identities, Map, Path, Segment, SopsFile, Timestamp, Value};

/// One change to the plaintext of a file.
#[derive(Debug, Clone)]
pub enum Change {
    /// Sets a leaf or subtree; missing mappings on the way are made. List items can be replaced, not added.
    Set {
        /// Where.
        path: Path,
        /// What should be there.
        value: Value,
    },
    /// Removes a key of a mapping that keeps other keys.
    Remove {
        /// Where.
        path: Path,
    },
}

impl SopsFile {
    /// Applies `changes` in order under the same data key. The MAC is checked before and written anew, with
    /// `last_modified`. If nothing changes, the text comes back as it was.
    pub fn edit(
        &self,
        identities: &Identities,
        changes: &[Change],
        last_modified: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, Error> {
        let key = self.data_key(identities)?;
        let mut plain = self.decrypt_with(&key)?.root;
        let mut file = self.clone();
        for change in changes {
            let (path, value) = match change {
                Change::Set { path, value } => (path, Some(value)),
                Change::Remove { path } => (path, None),
            };
            let Some((first, _)) = path.segments().split_first() else {
                return Err(Error::unsupported("changing the root; name a key"));
            };
            if let Segment::Key(first) = first {
                check_key(first, &Path::root())?;
            }
            if value.is_some() && get(&plain, path) == value {
                continue;
            }
            apply(&mut plain, path, value)?;
            let mut sealer = Sealer {
                key: &key,
                selector: &self.selector,
                rng,
            };
            let text = match value {
                Some(value) => file.set_text(path, value, &mut sealer)?,
                None => file.remove_text(path)?,
            };
            file = reparse(text)?;
            if !same(&file.open_tree(&key)?, &plain) {
                return Err(Error::unsupported(format!(
                    "changing `{path}` in the layout of this file"
                )));
            }
        }
        if file.source == self.source {
            return Ok(file.source);
        }
        let text = file.with_mac(&key, last_modified, rng)?;
        let done = reparse(text)?;
        done.decrypt_with(&key)?;
        Ok(done.source)
    }

    fn set_text(
        &self,
        path: &Path,
        value: &Value,
        sealer: &mut Sealer<'_>,
    ) -> Result<String, Error> {
        let Some(node) = self.node(path) else {
            return self.insert_text(path, value, sealer);
        };
        let out = sealer.value(value, &mut path.clone())?;
        match out {
            Out::Inline(text) if layout::is_one_piece(node) => {
                let text = if self.is_in_flow(path) {
                    in_brackets(value, text)
                } else {
                    text
                };
                Ok(splice(&self.source, vec![(node.span.clone(), text)]))
            }
            out => self.replace_entry(path, out),
        }
    }

    /// Writes an existing key and its value anew on lines of their own.
    fn replace_entry(&self, path: &Path, out: Out) -> Result<String, Error> {
        let (key, lines) = self.entry_lines(path)?;
        let column = lines.column;
        let mut text = String::new();
        emit::entries(&mut text, &[(self.source[key].to_owned(), out)], column);
        Ok(splice(
            &self.source,
            vec![(lines.key_start..lines.end, text)],
        ))
    }

    fn insert_text(
        &self,
        path: &Path,
        value: &Value,
        sealer: &mut Sealer<'_>,
    ) -> Result<String, Error> {
        // The longest part that is there; what is missing becomes nested mappings.
        let steps = path.segments();
        let there = (1..steps.len())
            .rev()
            .find(|len| self.node(&path.prefix(*len)).is_some())
            .unwrap_or(0);
        let parent = path.prefix(there);
        let mut value = value.clone();
        for step in steps[there + 1..].iter().rev() {
            let Segment::Key(key) = step else {
                return Err(no_such(path));
            };
            value = Value::Map(Map::new().with(key.as_str(), value));
        }
        let Segment::Key(key) = &steps[there] else {
            return Err(no_such(path));
        };
        let own = parent.clone().key(key.as_str());
        if there == 0 {
            let out = sealer.value(&value, &mut own.clone())?;
            return self.insert_top_level(emit::key(key, &own)?, out);
        }
        let siblings = self
            .node(&parent)
            .and_then(Node::as_map)
            .unwrap_or_default();
        let Some(last) = siblings.last() else {
            return self.set_text(
                &parent,
                &Value::Map(Map::new().with(key.as_str(), value)),
                sealer,
            );
        };
        let lines = self.entry_lines(&parent.clone().key(last.key.as_str()))?.1;
        let mut text = " ".repeat(lines.column);
        let out = sealer.value(&value, &mut own.clone())?;
        emit::entries(&mut text, &[(emit::key(key, &own)?, out)], lines.column);
        Ok(layout::insert_line(&self.source, lines.end, &text))
    }

    fn insert_top_level(&self, key: String, out: Out) -> Result<String, Error> {
        if self.is_flow {
            return Err(Error::unsupported("adding keys to a file in flow style"));
        }
        let mut text = String::new();
        emit::entries(&mut text, &[(key, out)], 0);
        Ok(layout::insert_line(
            &self.source,
            self.metadata_entry().key_span.start,
            &text,
        ))
    }

    fn remove_text(&self, path: &Path) -> Result<String, Error> {
        let lines = self.entry_lines(path)?.1;
        if self.source[lines.line_start..lines.key_start].contains('-') {
            return Err(Error::unsupported(format!(
                "removing `{path}`, the first key of a list item"
            )));
        }
        Ok(splice(
            &self.source,
            vec![(lines.line_start..lines.end, String::new())],
        ))
    }

    /// The key's span and the lines of the entry at `path`, which must be in block style.
    fn entry_lines(&self, path: &Path) -> Result<(Range<usize>, layout::Lines), Error> {
        let refuse = || Error::unsupported(format!("changing `{path}` in the layout of this file"));
        let Some((Segment::Key(key), parent)) = path.segments().split_last() else {
            return Err(refuse());
        };
        if self.is_in_flow(path) {
            return Err(refuse());
        }
        let entries = if parent.is_empty() {
            self.entries.as_slice()
        } else {
            self.node(&path.prefix(parent.len()))
                .and_then(Node::as_map)
                .ok_or_else(|| no_such(path))?
        };
        let entry = entries
            .iter()
            .find(|entry| entry.key == *key)
            .ok_or_else(|| no_such(path))?;
        let lines = layout::entry_lines(&self.source, entry).ok_or_else(refuse)?;
        Ok((entry.key_span.clone(), lines))
    }

    /// Whether the node at `path` stands inside brackets.
    pub(crate) fn is_in_flow(&self, path: &Path) -> bool {
        let parents = 1..path.segments().len();
        self.is_flow
            || parents.into_iter().any(|len| {
                self.node(&path.prefix(len))
                    .is_some_and(|node| node.is_flow(&self.source))
            })
    }

    /// The text with a fresh MAC for the tree that it holds under `key`.
    pub(crate) fn with_mac(
        &self,
        key: &DataKey,
        last_modified: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, Error> {
        let plain = self.open_tree(key)?;
        let mac = seal_mac(
            &plain,
            key,
            &self.selector,
            self.metadata.mac_only_encrypted,
            last_modified,
            rng,
        );
        let block = &self.metadata_entry().value;
        let is_flow = self.is_flow || block.is_flow(&self.source);
        let mac = if is_flow {
            emit::double_quoted(&mac)
        } else {
            mac
        };
        let time = emit::double_quoted(&last_modified.to_seconds_text());
        let field = |name: &str, text: String| {
            let node = block.get(name).filter(|node| layout::is_one_piece(node));
            let node = node.ok_or_else(|| {
                Error::metadata(name, "is written in a form that cannot be changed")
            })?;
            Ok((node.span.clone(), text))
        };
        Ok(splice(
            &self.source,
            vec![field("mac", mac)?, field("lastmodified", time)?],
        ))
    }
}

pub(crate) fn reparse(text: String) -> Result<SopsFile, Error> {
    SopsFile::parse(&text).map_err(|error| match error {
        Error::Yaml { .. } => Error::unsupported("changing a file with this layout"),
        other => other,
    })
}

/// A finished scalar for use between brackets, where commas and brackets mean something.
fn in_brackets(value: &Value, written: String) -> String {
    match value {
        Value::Str(text) if !Sealed::looks_like(&written) && !written.starts_with('"') => {
            emit::double_quoted(text.expose_secret())
        }
        _ if Sealed::looks_like(&written) => emit::double_quoted(&written),
        _ => written,
    }
}
