//! A file as people read it: the plaintext in the file's own order, style and comments, without the metadata.

use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::apply::same;
use crate::cipher::{DataKey, Opened, Sealed};
use crate::emit::{self, Out};
use crate::layout::{self, Splices, splice};
use crate::yaml::{self, Data, Node};
use crate::{Error, Identities, Map, Path, Segment, SopsFile, Value};

/// What stands in place of an encrypted leaf.
type Show<'s> = &'s dyn Fn(&Path, &Value) -> Option<String>;

/// The additional data that an encrypted comment is bound to, and its text.
pub(crate) type BoundComment = (String, Zeroizing<String>);

impl SopsFile {
    /// The plaintext as YAML: what `sops -d` prints, but with the layout of this file. The MAC is checked, and the text is
    /// read back and compared with what was decrypted. Take it to a terminal or a memory-only file, nowhere else.
    pub fn plain_text(&self, identities: &Identities) -> Result<SecretString, Error> {
        let key = self.data_key(identities)?;
        let plain = self.decrypt_with(&key)?.root;
        let text = Zeroizing::new(self.render(&key, &|_, _| None)?);
        if !same(&read(&text)?, &plain) {
            return Err(Error::unsupported(
                "showing a file with this layout as plain text",
            ));
        }
        Ok(SecretString::from(text.as_str()))
    }

    /// The same text with `mask` of each encrypted leaf in place of its value. Encrypted comments are left out.
    /// For showing what changed without showing the values.
    pub fn masked_text(
        &self,
        identities: &Identities,
        mask: &dyn Fn(&Path, &SecretString) -> String,
    ) -> Result<String, Error> {
        let key = self.data_key(identities)?;
        self.decrypt_with(&key)?;
        let empty = SecretString::from("");
        self.render(&key, &|path, value| {
            Some(mask(
                path,
                &value.scalar_text().unwrap_or_else(|| empty.clone()),
            ))
        })
    }

    fn render(&self, key: &DataKey, show: Show<'_>) -> Result<String, Error> {
        if self.is_flow {
            return Err(Error::unsupported(
                "showing a file in flow style as plain text",
            ));
        }
        let metadata =
            layout::entry_lines(&self.source, self.metadata_entry()).ok_or_else(|| {
                Error::metadata("sops", "is written in a form that cannot be left out")
            })?;
        let mut splices: Splices = vec![(metadata.line_start..metadata.end, String::new())];
        let masked = show(&Path::root(), &Value::Null).is_some();
        for (span, place) in self.sealed_comments(key) {
            let text = if masked {
                String::new()
            } else {
                place.1.to_string()
            };
            splices.push((span, text));
        }
        for entry in self.data_entries() {
            let mut path = Path::from(entry.key.as_str());
            let key_start = Some(entry.key_span.start);
            self.render_node(&entry.value, key_start, &mut path, key, show, &mut splices)?;
        }
        Ok(splice(&self.source, splices))
    }

    fn render_node(
        &self,
        node: &Node,
        key_start: Option<usize>,
        path: &mut Path,
        key: &DataKey,
        show: Show<'_>,
        splices: &mut Splices,
    ) -> Result<(), Error> {
        match &node.data {
            Data::Map(entries) => {
                for entry in entries {
                    path.push(Segment::Key(entry.key.clone()));
                    let at = Some(entry.key_span.start);
                    self.render_node(&entry.value, at, path, key, show, splices)?;
                    path.pop();
                }
            }
            Data::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(Segment::Index(at));
                    self.render_node(item, None, path, key, show, splices)?;
                    path.pop();
                }
            }
            Data::Scalar(scalar) if self.is_sealed(scalar, path) => {
                let opened = key.open(&scalar.text, &path.additional_data());
                match opened.map_err(|flaw| Error::value(path, flaw.to_string()))? {
                    Opened::Value(value) => {
                        let text = match show(path, &value) {
                            Some(mask) => emit::inline_string(&mask),
                            None => self.written(&value, node, key_start, path)?,
                        };
                        splices.push((node.span.clone(), text));
                    }
                    Opened::Comment(text) => splices.push(self.comment_item(node, &text)),
                }
            }
            Data::Scalar(_) => {}
        }
        Ok(())
    }

    /// A value as it stands after its key or dash.
    fn written(
        &self,
        value: &Value,
        node: &Node,
        key_start: Option<usize>,
        path: &Path,
    ) -> Result<String, Error> {
        let rest = self.source[node.span.end..]
            .lines()
            .next()
            .unwrap_or_default();
        let out = Out::clear(value, path)?;
        if let (Out::Literal(_), Some(key_start)) = (&out, key_start)
            && rest.trim_end().is_empty()
            && !self.is_in_flow(path)
        {
            let line = self.source[..key_start].rfind('\n').map_or(0, |at| at + 1);
            let mut text = String::new();
            emit::entries(&mut text, &[("k".into(), out)], key_start - line);
            let text = Zeroizing::new(text);
            let text = text.strip_prefix("k: ").unwrap_or_default();
            return Ok(text.strip_suffix('\n').unwrap_or(text).to_owned());
        }
        Ok(match (value, out) {
            (Value::Str(text), _) if self.is_in_flow(path) => {
                emit::double_quoted(text.expose_secret())
            }
            (Value::Str(text), _) => emit::inline_string(text.expose_secret()),
            (_, Out::Inline(text)) => text,
            _ => return Err(Error::value(path, "is not a scalar")),
        })
    }

    /// SOPS writes some comments inside lists as encrypted items: back to a comment.
    fn comment_item(&self, node: &Node, text: &str) -> (Range<usize>, String) {
        let line = self.source[..node.span.start]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let before = &self.source[line..node.span.start];
        if before.trim() == "-" {
            let dash = line + before.find('-').unwrap_or_default();
            return (dash..node.span.end, format!("#{text}"));
        }
        (node.span.clone(), emit::double_quoted(&format!("#{text}")))
    }

    /// Encrypted comments with the place they are bound to and their text. SOPS binds them to the mapping or list around
    /// them, which the text alone does not tell for sure; the right place is the one under which they open.
    pub(crate) fn sealed_comments(&self, key: &DataKey) -> Vec<(Range<usize>, BoundComment)> {
        let spans = layout::comments(&self.source);
        if spans.is_empty() {
            return Vec::new();
        }
        let mut places = vec![Path::root().additional_data()];
        for leaf in self.leaves() {
            for len in 1..=leaf.path.segments().len() {
                let place = leaf.path.prefix(len).additional_data();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        let opened = |span: Range<usize>| {
            let text = &self.source[span.clone()];
            if !Sealed::parse(text).is_ok_and(|sealed| sealed.kind == "comment") {
                return None;
            }
            places.iter().find_map(|place| match key.open(text, place) {
                Ok(Opened::Comment(comment)) => Some((span.clone(), (place.clone(), comment))),
                _ => None,
            })
        };
        spans.into_iter().filter_map(opened).collect()
    }
}

/// Plain YAML as a tree. An empty text is an empty mapping.
pub(crate) fn read(text: &str) -> Result<Map, Error> {
    let Some(root) = yaml::parse(text)? else {
        return Ok(Map::new());
    };
    match value(&root, &mut Path::root())? {
        Value::Map(map) => Ok(map),
        _ => Err(Error::unsupported(
            "a file that is not a mapping (`name: value` on each line)",
        )),
    }
}

fn value(node: &Node, path: &mut Path) -> Result<Value, Error> {
    Ok(match &node.data {
        Data::Scalar(scalar) => scalar
            .value()
            .ok_or_else(|| Error::value(path, "is an integer beyond 64 bits; quote it"))?,
        Data::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                path.push(Segment::Index(at));
                list.push(value(item, path)?);
                path.pop();
            }
            Value::List(list)
        }
        Data::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                path.push(Segment::Key(entry.key.clone()));
                map.push(entry.key.clone(), value(&entry.value, path)?);
                path.pop();
            }
            Value::Map(map)
        }
    })
}
