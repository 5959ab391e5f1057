//! Plaintext YAML that people wrote, encrypted leaf by leaf in its own layout. What did not change keeps its ciphertext.

use std::ops::Range;

use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::cipher::{DataKey, Opened};
use crate::comments::{self, Comment};
use crate::edit::reparse;
use crate::encrypt::{check_key, wrap};
use crate::layout::{self, Splices, splice};
use crate::metadata::{Metadata, WRITTEN_VERSION};
use crate::plain::{BoundComment, read};
use crate::rule::Selector;
use crate::yaml::{self, Data, Entry, Node};
use crate::{EncryptOptions, Error, Identities, Path, Segment, SopsFile, Timestamp, emit};

/// Encrypts YAML as people wrote it: comments, order and style stay, also of multi-line texts as far as ciphertext has any.
/// Comments are encrypted where `sops` would. `rng` gives the data key and the nonces.
pub fn encrypt_text(
    plain: &str,
    options: &EncryptOptions,
    rng: &mut dyn CryptoRng,
) -> Result<String, Error> {
    let key = DataKey::generate(rng);
    let metadata = Metadata {
        age: wrap(&options.recipients, &key)?,
        mac: "placeholder".to_owned(),
        last_modified: options.last_modified,
        rule: options.rule.clone(),
        mac_only_encrypted: options.mac_only_encrypted,
        version: WRITTEN_VERSION.to_owned(),
    };
    let weaver = Weaver {
        key: &key,
        selector: &options.rule.compile()?,
        old: None,
    };
    weaver.finish(plain, &metadata.write(), options.last_modified, rng)
}

impl SopsFile {
    /// The file with `plain` as its whole new plaintext, under the same data key, for the same recipients: what `sops edit`
    /// does. Values and comments that did not change keep their ciphertext. The MAC is checked before and written anew.
    /// If nothing changes, the text comes back as it was.
    pub fn replace_text(
        &self,
        identities: &Identities,
        plain: &SecretString,
        last_modified: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, Error> {
        let plain = plain.expose_secret();
        if self.plain_text(identities)?.expose_secret() == plain {
            return Ok(self.source.clone());
        }
        let key = self.data_key(identities)?;
        self.decrypt_with(&key)?;
        let lines = layout::entry_lines(&self.source, self.metadata_entry())
            .ok_or_else(|| Error::metadata("sops", "is written in a form that cannot be moved"))?;
        let metadata = &self.source[lines.line_start..lines.end];
        let weaver = Weaver {
            key: &key,
            selector: &self.selector,
            old: Some(self),
        };
        weaver.finish(plain, metadata, last_modified, rng)
    }
}

struct Weaver<'a> {
    key: &'a DataKey,
    selector: &'a Selector,
    /// Where ciphertext of unchanged values is taken from.
    old: Option<&'a SopsFile>,
}

impl Weaver<'_> {
    fn finish(
        &self,
        plain: &str,
        metadata: &str,
        last_modified: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, Error> {
        let plain = plain.strip_prefix('\u{feff}').unwrap_or(plain);
        let wanted = read(plain)?;
        for (key, _) in wanted.iter() {
            check_key(key, &Path::root())?;
        }
        let root = yaml::parse(plain)?;
        if root.as_ref().is_some_and(|root| root.is_flow(plain)) && !wanted.is_empty() {
            return Err(Error::unsupported(
                "encrypting a file in flow style (`{…}` around everything)",
            ));
        }
        let entries = root.as_ref().and_then(Node::as_map).unwrap_or_default();
        let mut text = if wanted.is_empty() && root.is_some() {
            String::new()
        } else {
            let mut splices = self.comments(plain, entries, rng);
            self.map(plain, entries, &mut Path::root(), rng, &mut splices)?;
            splice(plain, comments::without_nested(splices))
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(metadata);
        let file = reparse(text)?;
        let done = reparse(file.with_mac(self.key, last_modified, rng)?)?;
        if done.decrypt_with(self.key)?.root != wanted {
            return Err(Error::unsupported("encrypting a file with this layout"));
        }
        Ok(done.source)
    }

    fn map(
        &self,
        plain: &str,
        entries: &[Entry],
        path: &mut Path,
        rng: &mut dyn CryptoRng,
        splices: &mut Splices,
    ) -> Result<(), Error> {
        for entry in entries {
            path.push(Segment::Key(entry.key.clone()));
            self.node(
                plain,
                &entry.value,
                Some(entry.key_span.end),
                path,
                rng,
                splices,
            )?;
            path.pop();
        }
        Ok(())
    }

    fn node(
        &self,
        plain: &str,
        node: &Node,
        key_end: Option<usize>,
        path: &mut Path,
        rng: &mut dyn CryptoRng,
        splices: &mut Splices,
    ) -> Result<(), Error> {
        let scalar = match &node.data {
            Data::Map(entries) => return self.map(plain, entries, path, rng, splices),
            Data::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(Segment::Index(at));
                    self.node(plain, item, None, path, rng, splices)?;
                    path.pop();
                }
                return Ok(());
            }
            Data::Scalar(scalar) => scalar,
        };
        let beyond = || Error::value(path, "is an integer beyond 64 bits; quote it");
        let value = scalar.value().ok_or_else(beyond)?;
        if !self.selector.encrypts(path) {
            return Ok(());
        }
        let kept = self
            .old
            .and_then(|old| old.same_sealed(self.key, path, &value));
        let Some(sealed) = kept.or_else(|| self.key.seal(&value, &path.additional_data(), rng))
        else {
            return Ok(());
        };
        if !scalar.block {
            // Between brackets the commas of the ciphertext would part it.
            let rest = &plain[node.span.end..];
            let quoted = in_flow(plain, node, rest);
            let text = if quoted {
                emit::double_quoted(&sealed)
            } else {
                sealed
            };
            splices.push((node.span.clone(), text));
            return Ok(());
        }
        let from = key_end.unwrap_or_else(|| comments::item_head(plain, node));
        let whole = comments::block(plain, node, from)
            .ok_or_else(|| Error::unsupported(format!("the layout of `{path}`")))?;
        let head = match comments::head_comment(plain, &whole) {
            Some(span) => {
                let text = plain[span.start + 2..span.end].trim_end();
                let place = path.prefix(path.segments().len() - 1);
                format!(" #{}", self.comment(text, &place, rng).as_str())
            }
            None => String::new(),
        };
        splices.push((whole, format!("{sealed}{head}\n")));
        Ok(())
    }

    fn comments(&self, plain: &str, entries: &[Entry], rng: &mut dyn CryptoRng) -> Splices {
        comments::find(plain, entries)
            .into_iter()
            .map(|Comment { span, place }| {
                let text = self.comment(&plain[span.clone()], &place, rng);
                (span, text.to_string())
            })
            .collect()
    }

    /// What stands after the `#`: ciphertext where `sops` would encrypt it, unless it was in clear before.
    fn comment(&self, text: &str, place: &Path, rng: &mut dyn CryptoRng) -> Zeroizing<String> {
        let clear = || Zeroizing::new(text.to_owned());
        if text.trim().is_empty() || !self.selector.encrypts(place) {
            return clear();
        }
        if let Some(old) = self.old {
            if old.source.contains(&format!("#{text}\n")) {
                return clear();
            }
            let mut sealed = old.sealed_comments(self.key).into_iter();
            let same = |(_, (bound, opened)): &(Range<usize>, BoundComment)| {
                opened.as_str() == text && *bound == place.additional_data()
            };
            if let Some((span, _)) = sealed.find(same) {
                return Zeroizing::new(old.source[span].to_owned());
            }
        }
        let sealed = self
            .key
            .seal_text(text, "comment", &place.additional_data(), rng);
        Zeroizing::new(sealed)
    }
}

impl SopsFile {
    /// The ciphertext at `path`, if it opens to `value`.
    fn same_sealed(&self, key: &DataKey, path: &Path, value: &crate::Value) -> Option<String> {
        let node = self.node(path)?;
        let text = node.as_text()?;
        match key.open(text, &path.additional_data()) {
            Ok(Opened::Value(old)) if old == *value => Some(text.to_owned()),
            _ => None,
        }
    }
}

/// Whether a scalar stands between brackets: what follows on its line says so, or what precedes.
fn in_flow(plain: &str, node: &Node, rest: &str) -> bool {
    let line = plain[..node.span.start].rfind('\n').map_or(0, |at| at + 1);
    let next = rest.trim_start().chars().next();
    let before = plain[line..node.span.start].trim_end().chars().next_back();
    matches!(next, Some(',' | ']' | '}')) || matches!(before, Some('[' | '{' | ','))
}
