//! Sets a value in JSON with comments, as editors keep their settings in, leaving every other character as it is.

use anyhow::{Context, bail};
use serde_json::Value;
use std::ops::Range;

/// `text` with the value at `keys` set; objects on the way are made where they are missing.
pub(super) fn set(text: &str, keys: &[&str], value: &Value) -> anyhow::Result<String> {
    let mut reader = Reader { text, at: 0 };
    reader.skip()?;
    let edit = reader.edit(keys, value)?;
    let mut out = text.to_owned();
    out.replace_range(edit.place, &edit.text);
    Ok(out)
}

struct Edit {
    place: Range<usize>,
    text: String,
}

struct Entry {
    key: String,
    /// Where the key begins.
    start: usize,
    value: Range<usize>,
}

struct Object {
    /// Behind the opening brace.
    inner: usize,
    entries: Vec<Entry>,
    /// Whether a comma stands behind the last entry, and where it ends.
    comma: Option<usize>,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn edit(&mut self, keys: &[&str], value: &Value) -> anyhow::Result<Edit> {
        let object = self.object()?;
        let Some((key, rest)) = keys.split_first() else {
            bail!("no key to set");
        };
        let Some(entry) = object.entries.iter().find(|entry| entry.key == *key) else {
            return Ok(self.insert(&object, key, &nested(rest, value)));
        };
        let inside = self.text.get(entry.value.clone()).unwrap_or_default();
        if rest.is_empty() || !inside.starts_with('{') {
            let text = if rest.is_empty() && inside == one_line(value) {
                inside.to_owned()
            } else {
                one_line(&nested(rest, value))
            };
            return Ok(Edit {
                place: entry.value.clone(),
                text,
            });
        }
        Reader {
            text: self.text,
            at: entry.value.start,
        }
        .edit(rest, value)
    }

    fn insert(&self, object: &Object, key: &str, value: &Value) -> Edit {
        let indent = match object.entries.first() {
            Some(entry) => self.indent_of(entry.start),
            None => format!("{}  ", self.indent_of(object.inner)),
        };
        let entry = format!("{}: {}", Value::from(key), spread(value, &indent));
        match (object.entries.last(), object.comma) {
            (Some(_), Some(comma)) => Edit {
                place: comma..comma,
                text: format!("\n{indent}{entry},"),
            },
            (Some(last), None) => Edit {
                place: last.value.end..last.value.end,
                text: format!(",\n{indent}{entry}"),
            },
            (None, _) => {
                let outer = self.indent_of(object.inner);
                let close = self
                    .text
                    .get(object.inner..)
                    .unwrap_or_default()
                    .find('}')
                    .unwrap_or_default()
                    + object.inner;
                let blank = self
                    .text
                    .get(object.inner..close)
                    .unwrap_or_default()
                    .trim()
                    .is_empty();
                let end = if blank { close } else { object.inner };
                Edit {
                    place: object.inner..end,
                    text: format!("\n{indent}{entry}\n{outer}"),
                }
            }
        }
    }

    /// The blanks that the line of `at` begins with.
    fn indent_of(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line..).unwrap_or_default();
        line.chars()
            .take_while(|c| matches!(c, ' ' | '\t'))
            .collect()
    }

    fn object(&mut self) -> anyhow::Result<Object> {
        self.expect('{')?;
        let mut object = Object {
            inner: self.at,
            entries: Vec::new(),
            comma: None,
        };
        loop {
            self.skip()?;
            if self.peek() == Some('}') {
                self.at += 1;
                return Ok(object);
            }
            if !object.entries.is_empty() && object.comma.is_none() {
                bail!("a comma is missing before {}", self.place());
            }
            object.comma = None;
            let start = self.at;
            let key = self.string()?;
            self.skip()?;
            self.expect(':')?;
            self.skip()?;
            let from = self.at;
            self.value()?;
            object.entries.push(Entry {
                key,
                start,
                value: from..self.at,
            });
            self.skip()?;
            if self.peek() == Some(',') {
                self.at += 1;
                object.comma = Some(self.at);
            }
        }
    }

    fn value(&mut self) -> anyhow::Result<()> {
        match self.peek() {
            Some('"') => drop(self.string()?),
            Some('{' | '[') => self.brackets()?,
            _ => {
                let rest = self.rest();
                let length = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                    .unwrap_or(rest.len());
                if length == 0 {
                    bail!("a value is missing at {}", self.place());
                }
                self.at += length;
            }
        }
        Ok(())
    }

    fn brackets(&mut self) -> anyhow::Result<()> {
        let mut open = 0_usize;
        loop {
            self.skip()?;
            match self.peek() {
                Some('"') => drop(self.string()?),
                Some(c) => {
                    match c {
                        '{' | '[' => open += 1,
                        '}' | ']' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    self.at += c.len_utf8();
                    if open == 0 {
                        return Ok(());
                    }
                }
                None => bail!("a bracket is not closed"),
            }
        }
    }

    fn string(&mut self) -> anyhow::Result<String> {
        let rest = self.rest();
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            match c {
                '"' if at == 0 => {}
                _ if at == 0 => break,
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    self.at += at + 1;
                    let text = rest.get(..=at).unwrap_or_default();
                    return serde_json::from_str(text)
                        .with_context(|| format!("{text} is not a text"));
                }
                _ => escaped = false,
            }
        }
        bail!("a text in double quotes is missing at {}", self.place())
    }

    /// Past blanks and comments.
    fn skip(&mut self) -> anyhow::Result<()> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            let length = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if trimmed.starts_with("/*") {
                let end = trimmed.find("*/").context("a comment is not closed")?;
                end + 2
            } else {
                return Ok(());
            };
            self.at += length;
        }
    }

    fn expect(&mut self, wanted: char) -> anyhow::Result<()> {
        if self.peek() != Some(wanted) {
            bail!("expected `{wanted}` at {}", self.place());
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn place(&self) -> String {
        let before = self.text.get(..self.at).unwrap_or_default();
        format!("line {}", before.matches('\n').count() + 1)
    }
}

/// `value` inside of objects with these keys.
fn nested(keys: &[&str], value: &Value) -> Value {
    keys.iter().rev().fold(value.clone(), |value, key| {
        let map = [((*key).to_owned(), value)];
        Value::Object(map.into_iter().collect())
    })
}

/// Objects over several lines, everything else on one.
fn spread(value: &Value, indent: &str) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let deeper = format!("{indent}  ");
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    format!(
                        "{deeper}{}: {}",
                        Value::from(key.as_str()),
                        spread(value, &deeper)
                    )
                })
                .collect();
            format!("{{\n{}\n{indent}}}", entries.join(",\n"))
        }
        other => one_line(other),
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn everything_else_stays() {
        for (before, after) in [
            ("{}", "{\n  \"a\": {\n    \"b\": 1\n  }\n}"),
            (
                "{\n  // c\n}\n",
                "{\n  \"a\": {\n    \"b\": 1\n  }\n\n  // c\n}\n",
            ),
            (
                "{ \"x\": [1, \"}\"] }",
                "{ \"x\": [1, \"}\"],\n\"a\": {\n  \"b\": 1\n} }",
            ),
            (
                "{\n\t\"a\": { \"b\": 2 /* two */ } // end\n}",
                "{\n\t\"a\": { \"b\": 1 /* two */ } // end\n}",
            ),
            ("{\"a\": null}", "{\"a\": {\"b\":1}}"),
        ] {
            assert_eq!(
                set(before, &["a", "b"], &json!(1)).unwrap(),
                after,
                "{before}"
            );
        }
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\" 1}",
            "{\"a\": 1 \"b\": 2}",
            "{\"a\": }",
            "{\"a: 1}",
            "/* {}",
        ] {
            assert!(set(bad, &["a"], &json!(1)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_set_is_there_and_the_rest_as_well(keys in prop::collection::btree_map("[a-c]{1,2}", 0..9_u8, 0..4), key in "[a-d]", number in 0..9_u8) {
            let before = serde_json::to_string_pretty(&keys).unwrap();
            let after: Value = serde_json::from_str(&set(&before, &[&key], &json!(number)).unwrap()).unwrap();
            let mut expected = json!(keys);
            expected[&key] = json!(number);
            prop_assert_eq!(after, expected);
        }
    }
}
