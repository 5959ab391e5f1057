//! What a plain scalar means: YAML 1.2 core schema for untyped readers, stricter rules for typed ones.

use crate::node::{Kind, Node, Tag};

/// A scalar by the YAML 1.2 core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'t> {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `false` and their capitalised forms.
    Bool(bool),
    /// Decimal, `0o` octal or `0x` hexadecimal.
    Int(i128),
    /// With point, exponent, `.inf` or `.nan`.
    Float(f64),
    /// Everything else.
    Text(&'t str),
}

/// Resolves a scalar node by the core schema; `None` for lists and mappings.
pub fn resolve(node: &Node) -> Option<Scalar<'_>> {
    let Kind::Scalar { value, plain, tag } = &node.kind else {
        return None;
    };
    let by_tag = match tag {
        Tag::None if *plain => return Some(untyped(value)),
        Tag::None | Tag::Str => None,
        Tag::Null => Some(Scalar::Null),
        Tag::Int => int(value).map(Scalar::Int),
        Tag::Float => float(value).map(Scalar::Float),
        Tag::Bool => boolean(value).map(Scalar::Bool),
    };
    Some(by_tag.unwrap_or(Scalar::Text(value)))
}

fn untyped(value: &str) -> Scalar<'_> {
    if is_null(value) {
        return Scalar::Null;
    }
    if let Some(bool) = boolean(value) {
        return Scalar::Bool(bool);
    }
    // Numbers start with one of these; everything else is spared the attempts.
    if matches!(value.as_bytes()[0], b'0'..=b'9' | b'+' | b'-' | b'.') {
        if let Some(int) = int(value) {
            return Scalar::Int(int);
        }
        if let Some(float) = float(value) {
            return Scalar::Float(float);
        }
    }
    Scalar::Text(value)
}

pub(crate) fn is_null(value: &str) -> bool {
    matches!(value, "" | "~" | "null" | "Null" | "NULL")
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn int(value: &str) -> Option<i128> {
    if let Some(hex) = value.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = value.strip_prefix("0o") {
        return digits(octal, 8);
    }
    decimal(value)
}

fn digits(text: &str, radix: u32) -> Option<i128> {
    // `from_str_radix` would take a sign after the prefix.
    if text.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(text, radix).ok()
}

/// `[-+]?[0-9]+`, leading zeros included; `None` also when it does not fit.
pub(crate) fn decimal(value: &str) -> Option<i128> {
    value.parse().ok()
}

/// A float by the core schema; whole numbers count.
pub(crate) fn float(value: &str) -> Option<f64> {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if value.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == value.len() => return Some(f64::NAN),
        _ => {}
    }
    // Rust also reads `inf`, `nan` and `infinity`, which YAML does not.
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_schema() {
        for (text, meaning) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("no", Scalar::Text("no")),
            ("on", Scalar::Text("on")),
            ("1:30", Scalar::Text("1:30")),
            ("2026-11-21", Scalar::Text("2026-11-21")),
            ("1_000", Scalar::Text("1_000")),
            ("True", Scalar::Bool(true)),
            ("0755", Scalar::Int(755)),
            ("0o17", Scalar::Int(15)),
            ("0xff", Scalar::Int(255)),
            ("0x+f", Scalar::Text("0x+f")),
            ("-7", Scalar::Int(-7)),
            ("1.10", Scalar::Float(1.10)),
            (".5", Scalar::Float(0.5)),
            ("1e3", Scalar::Float(1000.0)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
            ("inf", Scalar::Text("inf")),
            ("nan", Scalar::Text("nan")),
            (".", Scalar::Text(".")),
            ("-", Scalar::Text("-")),
            ("+", Scalar::Text("+")),
        ] {
            assert_eq!(untyped(text), meaning, "{text:?}");
        }
    }
}
