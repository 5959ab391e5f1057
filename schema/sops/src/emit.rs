//! Writes trees as block YAML in the layout of SOPS (go-yaml v3, four columns), so that a file that `sops`
//! writes again does not change where its content did not.

use std::fmt::Write as _;

use secrecy::ExposeSecret;

use crate::{Error, Map, Path, Value, scalar};

/// go-yaml and most readers refuse implicit keys over 1024 characters.
const MAX_KEY: usize = 1000;

/// A tree whose scalars are final YAML or text that goes into a block.
pub(crate) enum Out {
    /// One line of finished YAML.
    Inline(String),
    /// Text for a `|` block.
    Literal(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    /// A clear value. `path` is for errors only.
    pub(crate) fn clear(value: &Value, path: &Path) -> Result<Self, Error> {
        Ok(match value {
            Value::Str(text) => string(text.expose_secret()),
            Value::List(items) => {
                let items: Result<_, _> =
                    items.iter().map(|item| Self::clear(item, path)).collect();
                Self::List(items?)
            }
            Value::Map(map) => Self::clear_map(map, path)?,
            other => Self::Inline(plain_scalar(other)),
        })
    }

    fn clear_map(map: &Map, path: &Path) -> Result<Self, Error> {
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let path = path.clone().key(key);
            entries.push((self::key(key, &path)?, Self::clear(value, &path)?));
        }
        Ok(Self::Map(entries))
    }
}

/// Appends the entries of a mapping, each on lines of its own that start at `column`.
pub(crate) fn entries(out: &mut String, entries: &[(String, Out)], column: usize) {
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            indent(out, column);
        }
        out.push_str(key);
        out.push(':');
        value_after_key(out, value, column);
    }
}

/// The next deeper column. Source: `yaml_emitter_increase_indent` of go-yaml v3.
fn deeper(column: usize) -> usize {
    4 * ((column + 4) / 4)
}

fn value_after_key(out: &mut String, value: &Out, column: usize) {
    match value {
        Out::Map(map) if !map.is_empty() => {
            out.push('\n');
            indent(out, deeper(column));
            entries(out, map, deeper(column));
        }
        Out::List(items) if !items.is_empty() => {
            out.push('\n');
            indent(out, deeper(column));
            list(out, items, deeper(column));
        }
        other => {
            out.push(' ');
            leaf(out, other, deeper(column));
        }
    }
}

fn list(out: &mut String, items: &[Out], column: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            indent(out, column);
        }
        out.push_str("- ");
        match item {
            Out::Map(map) if !map.is_empty() => entries(out, map, column + 2),
            Out::List(items) if !items.is_empty() => list(out, items, column + 2),
            other => leaf(out, other, deeper(column)),
        }
    }
}

fn leaf(out: &mut String, value: &Out, column: usize) {
    match value {
        Out::Inline(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Out::Literal(text) => {
            out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in text.lines() {
                if !line.is_empty() {
                    indent(out, column);
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        Out::List(_) => out.push_str("[]\n"),
        Out::Map(_) => out.push_str("{}\n"),
    }
}

fn indent(out: &mut String, column: usize) {
    out.extend(std::iter::repeat_n(' ', column));
}

fn plain_scalar(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => float_yaml(*float),
        Value::Time(time) => time.to_string(),
        _ => "null".to_owned(),
    }
}

/// A float that is read as a float again, with the same digits.
fn float_yaml(float: f64) -> String {
    if float.is_nan() {
        return ".nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    if float != 0.0 && !(1e-5..1e16).contains(&float.abs()) {
        return format!("{float:e}");
    }
    format!("{float:?}")
}

/// A text: unquoted where nothing can be misread, a block where it has lines, else double-quoted.
pub(crate) fn string(text: &str) -> Out {
    if fits_block(text) {
        return Out::Literal(text.to_owned());
    }
    Out::Inline(inline_string(text))
}

/// The same on one line.
pub(crate) fn inline_string(text: &str) -> String {
    if fits_plain(text) {
        text.to_owned()
    } else {
        double_quoted(text)
    }
}

/// A key as it stands before its colon. `path` is for errors only.
pub(crate) fn key(key: &str, path: &Path) -> Result<String, Error> {
    let written = inline_string(key);
    if written.len() > MAX_KEY {
        return Err(Error::BadKey {
            path: path.to_string(),
            reason: format!("longer than {MAX_KEY} bytes"),
        });
    }
    Ok(written)
}

fn fits_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let follows_indicator = || text.as_bytes().get(1).is_some_and(|byte| *byte != b' ');
    let starts_well = match first {
        '-' => follows_indicator(),
        '?' | ':' | ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\''
        | '"' | '%' | '@' | '`' | ' ' => false,
        _ => true,
    };
    starts_well
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || (' '..='~').contains(&c))
        && !scalar::is_old_style(text)
        && matches!(scalar::resolve_plain(text), Some(Value::Str(_)))
}

fn fits_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    text.contains('\n')
        && !body.is_empty()
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with('\n')
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || c.is_alphanumeric() || (' '..='~').contains(&c))
        && body.split('\n').all(|line| !line.ends_with([' ', '\t']))
        && body.split('\n').all(|line| !line.starts_with('\t'))
}

/// YAML double quotes with escapes; one line whatever the text.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => escape(&mut out, c as u32),
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, code: u32) {
    // Writing to a String cannot fail.
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02X}"),
        0x100..=0xffff => write!(out, "\\u{code:04X}"),
        _ => write!(out, "\\U{code:08X}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn written(map: &Map) -> String {
        let Out::Map(map) = Out::clear_map(map, &Path::root()).unwrap() else {
            unreachable!()
        };
        let mut out = String::new();
        entries(&mut out, &map, 0);
        out
    }

    #[test]
    fn layout_is_that_of_sops() {
        let inner = Map::new()
            .with("x", 1)
            .with("y", Map::new().with("z", "a\nb\n"));
        let map = Map::new()
            .with(
                "m",
                Map::new().with("list", vec![Value::from("one"), inner.into()]),
            )
            .with("nested", vec![Value::from(vec![Value::from("a")])])
            .with("e", Map::new())
            .with("l", Vec::new());
        let wanted = "m:\n    list:\n        - one\n        - x: 1\n          \"y\":\n            z: |\n                a\n                b\nnested:\n    - - a\ne: {}\nl: []\n";
        assert_eq!(written(&map), wanted);
    }

    #[test]
    fn every_text_is_read_back() {
        for text in [
            "",
            " ",
            "a: b",
            "a #b",
            "- a",
            "-a",
            "yes",
            "0x10",
            "1.5",
            "null",
            "~",
            "2001-01-01",
            "---",
            "--- a",
            "...",
            "? a",
            "key:",
            "#",
            "\u{feff}",
            "\u{85}",
            "\u{2028}",
            "\u{1f600}",
            "\0",
            "a\rb",
            "a\n b\n",
            "\na",
            "a\n",
            "a\n\n",
            "a\nb",
            "a \nb",
            "a\n\tb",
            "\t",
            "'",
            "\"",
            "\\",
            "{a}",
            "[a",
            "a]",
            "ä",
            "%a",
            "1:30",
            "=",
            "<<",
            "!a",
            "&a",
            "*a",
            "|",
            ">",
            "@",
            "`",
            "x\u{fffe}",
        ] {
            let map = Map::new()
                .with("k", text)
                .with("l", vec![Value::from(text)]);
            let source = written(&map);
            let root = yaml::parse(&source).unwrap().unwrap();
            let back = root.get("k").unwrap();
            assert_eq!(back.as_text(), Some(text), "{source}");
            let yaml::Data::Scalar(scalar) = &back.data else {
                panic!()
            };
            assert!(scalar.value() == Some(Value::text(text)), "{source}");
        }
    }

    #[test]
    fn every_float_is_read_back() {
        for float in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            1e16,
            1e300,
            5e-324,
            1e-5,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let text = float_yaml(float);
            assert!(
                scalar::resolve_plain(&text) == Some(Value::Float(float)),
                "{text}"
            );
        }
    }
}
