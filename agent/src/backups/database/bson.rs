//! As much of BSON as the headers of an archive need: the fields of a flat document.
//!
//! Source: the BSON specification, version 1.1.

use std::collections::BTreeMap;

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    Number(i64),
    /// Of another kind.
    Other,
}

/// The fields of a document. None if it is not one, or has a kind of value that no header has.
pub(super) fn fields(document: &[u8]) -> Option<BTreeMap<&str, Value<'_>>> {
    let (length, rest) = number(document)?;
    if usize::try_from(length).ok()? != document.len() {
        return None;
    }
    let mut rest = rest.strip_suffix(&[0])?;
    let mut fields = BTreeMap::new();
    while let Some((kind, after)) = rest.split_first() {
        let end = after.iter().position(|byte| *byte == 0)?;
        let key = std::str::from_utf8(after.get(..end)?).ok()?;
        let (value, after) = value(*kind, after.get(end + 1..)?)?;
        if fields.insert(key, value).is_some() {
            return None;
        }
        rest = after;
    }
    Some(fields)
}

fn number(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((i32::from_le_bytes(*number), rest))
}

fn value(kind: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let skipped = |length: usize| Some((Value::Other, bytes.get(length..)?));
    match kind {
        // A string: its length with the zero at its end.
        0x02 => {
            let (length, rest) = number(bytes)?;
            let length = usize::try_from(length).ok()?;
            let (text, rest) = rest.split_at_checked(length)?;
            let text = std::str::from_utf8(text.strip_suffix(&[0])?).ok()?;
            Some((Value::Text(text), rest))
        }
        0x08 => {
            let (flag, rest) = bytes.split_first()?;
            Some((Value::Flag(*flag != 0), rest))
        }
        0x10 => {
            let (number, rest) = number(bytes)?;
            Some((Value::Number(number.into()), rest))
        }
        0x12 => {
            let (number, rest) = bytes.split_first_chunk::<8>()?;
            Some((Value::Number(i64::from_le_bytes(*number)), rest))
        }
        // A document and an array tell their length; a number with a fraction, a time, nothing.
        0x03 | 0x04 => skipped(usize::try_from(number(bytes)?.0).ok()?.max(5)),
        0x01 | 0x09 | 0x11 => skipped(8),
        0x0a => skipped(0),
        _ => None,
    }
}
