//! Files of variables (`env_file`): one `NAME=value` a line, as compose-go's reader takes them; no reading of files.
//!
//! Unquoted values end at ` #` and are trimmed; those in `"` know `\n`, `\t`, `\"`, `\\`, `\$`; those in `'` are taken as they are. Both kinds of
//! quotes may span lines. Variables are interpolated except in `'`; lines above count as values.

use crate::interpolate::Values;
use crate::template::{OPAQUE, Template};
use std::collections::BTreeMap;

/// Longest file.
pub(crate) const MAX_BYTES: usize = 256 << 10;

/// One variable, and the line it begins at, counted from 1.
pub(crate) type Entry = (String, String, usize);

/// A line that is not understood, and why.
pub(crate) type Wrong = (usize, String);

/// All variables, in the order of the file; of two with one name the later counts.
pub(crate) fn parse(text: &str, values: &Values<'_>) -> Result<Vec<Entry>, Vec<Wrong>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let mut above: BTreeMap<String, String> = BTreeMap::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let this = rest[..end].trim();
        if this.is_empty() || this.starts_with('#') {
            rest = &rest[end..];
            line += 1;
            continue;
        }
        let taken = entry(rest, end);
        let consumed = &rest[..taken.end];
        match taken
            .value
            .and_then(|raw| resolve(&raw, values, &above).map(|value| (taken.name, value)))
        {
            Ok((name, value)) => {
                above.insert(name.to_owned(), value.clone());
                found.push((name.to_owned(), value, line));
            }
            Err(why) => wrong.push((line, why)),
        }
        line += consumed.matches('\n').count();
        rest = &rest[taken.end..];
    }
    if wrong.is_empty() {
        Ok(found)
    } else {
        Err(wrong)
    }
}

struct Taken<'t> {
    name: &'t str,
    value: Result<Raw, String>,
    /// Where the next line begins.
    end: usize,
}

enum Raw {
    /// Variables in it are resolved.
    Template(String),
    /// Nothing in it is.
    Literal(String),
    /// A name without `=`: the value comes from outside.
    Outside(String),
}

/// The entry that `text` begins with; its first line ends at `end`.
fn entry(text: &str, end: usize) -> Taken<'_> {
    let line = text[..end].trim_end_matches(['\n', '\r']);
    let bare = line.trim_start();
    let indent = line.len() - bare.len();
    let (bare, indent) = match bare.strip_prefix("export ") {
        Some(rest) => (rest, indent + "export ".len()),
        None => (bare, indent),
    };
    let fail = |why: &str| Taken {
        name: "",
        value: Err(why.to_owned()),
        end,
    };
    let Some(split) = bare.find(['=', ':']) else {
        let name = bare.trim();
        if !is_name(name) {
            return fail("this is no `NAME=value`");
        }
        let value = Ok(Raw::Outside(name.to_owned()));
        return Taken { name, value, end };
    };
    let name = bare[..split].trim();
    if !is_name(name) {
        return fail("the name of a variable has letters, digits, `_`, `.` and `-`");
    }
    let raw = &bare[split + 1..];
    let value = raw.trim_start_matches([' ', '\t']);
    let Some(quote @ ('"' | '\'')) = value.chars().next() else {
        let value = value.find(" #").map_or(value, |at| &value[..at]);
        let value = if value.starts_with('#') {
            ""
        } else {
            value.trim()
        };
        return Taken {
            name,
            value: Ok(Raw::Template(value.to_owned())),
            end,
        };
    };
    let begin = indent + split + 1 + (raw.len() - value.len()) + 1;
    let Some(length) = closing(&text[begin..], quote) else {
        return fail("a quote is never closed");
    };
    let inner = &text[begin..begin + length];
    let after = &text[begin + length + 1..];
    let next = after.find('\n').map_or(after.len(), |at| at + 1);
    let tail = after[..next].trim();
    if !tail.is_empty() && !tail.starts_with('#') {
        return fail("something stands behind the closing quote");
    }
    let value = if quote == '\'' {
        Raw::Literal(inner.to_owned())
    } else {
        Raw::Template(unescape(inner))
    };
    Taken {
        name,
        value: Ok(value),
        end: begin + length + 1 + next,
    }
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// A dollar sign that is escaped stays one.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(other @ ('"' | '\\' | '\'')) => out.push(other),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

fn resolve(
    raw: &Raw,
    values: &Values<'_>,
    above: &BTreeMap<String, String>,
) -> Result<String, String> {
    let text = match raw {
        Raw::Literal(text) => return Ok(text.clone()),
        Raw::Outside(name) => {
            let value = values.named(name);
            return value.ok_or_else(|| format!("the variable `{name}` has no value"));
        }
        Raw::Template(text) => text,
    };
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    let first = |missing: Vec<crate::template::Unresolved>| {
        let first = missing.into_iter().next();
        first.map(|missing| missing.message).unwrap_or_default()
    };
    match values {
        Values::Real(lookup) => template
            .resolve(&|name| lookup(name).or_else(|| above.get(name).cloned()))
            .map_err(first),
        Values::Known(known) if template.is_literal() => template.sample(known).map_err(first),
        Values::Known(known) => {
            let known = |name: &str| above.contains_key(name) || known(name);
            template.sample(&known).map_err(first)?;
            Ok(OPAQUE.to_string())
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Vec<Wrong>> {
        let lookup = |name: &str| (name == "OUT").then(|| "side".to_owned());
        let found = parse(text, &Values::Real(&lookup))?;
        Ok(found
            .into_iter()
            .map(|(name, value, _)| (name, value))
            .collect())
    }

    fn one(text: &str) -> String {
        let found = read(text).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}"));
        assert_eq!(found.len(), 1, "{text:?}");
        found[0].1.clone()
    }

    #[test]
    fn values() {
        for (text, value) in [
            ("A=1", "1"),
            ("export A = 1 ", "1"),
            ("A: yaml", "yaml"),
            ("A=1 # why", "1"),
            ("A=1#2", "1#2"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("A=\"a b\\n$OUT\" # c", "a b\nside"),
            ("A=\"\\$OUT\"", "$OUT"),
            ("A='$OUT \\n'", "$OUT \\n"),
            ("A=\"two\nlines\"", "two\nlines"),
            ("A=${OUT}-${NONE:-x}", "side-x"),
            ("A=$$5", "$5"),
            ("OUT", "side"),
            ("# c\n\n  A=1\r\n", "1"),
        ] {
            assert_eq!(one(text), value, "{text:?}");
        }
        let found = read("A=1\nB=${A}2\nA=3").unwrap();
        assert_eq!(found[1].1, "12");
    }

    #[test]
    fn mistakes_have_lines() {
        for (text, line) in [
            ("A=1\nB=\"x", 2),
            ("A=\"a\nb\"\n1x=2", 3),
            ("A=\"a\" b", 1),
            ("A=${", 1),
            ("A=$NONE", 1),
            ("NONE", 1),
            ("a b", 1),
        ] {
            assert_eq!(read(text).unwrap_err()[0].0, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "([A-Z]=|[\"'\\\\$#{} \n:=-]|[a-z]){0,60}") {
            let _ = read(&text);
            let _ = parse(&text, &Values::Known(&|_| true));
        }
    }
}
