//! How go-yaml v3 types an unquoted scalar. The MAC depends on it, so this follows its `resolve.go` case by case.

use crate::{Timestamp, Value};

/// The value of an unquoted scalar; `None` for an integer that SOPS itself cannot hold (beyond 64 bits signed).
pub(crate) fn resolve_plain(text: &str) -> Option<Value> {
    if let Some(value) = from_table(text) {
        return Some(value);
    }
    let value = match text.as_bytes().first() {
        Some(b'.') => go_float(text).map(Value::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            if let Some(time) = Timestamp::parse_yaml(text) {
                return Some(Value::Time(time));
            }
            let plain = text.replace('_', "");
            match go_integer(&plain) {
                Integer::Fits(int) => Some(Value::Int(int)),
                Integer::TooLarge => return None,
                Integer::NotOne => yaml_float(&plain).map(Value::Float),
            }
        }
        _ => None,
    };
    Some(value.unwrap_or_else(|| Value::text(text)))
}

fn from_table(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

enum Integer {
    Fits(i64),
    TooLarge,
    NotOne,
}

/// Go's `ParseInt(text, 0, 64)` with `0x`, `0o`, `0b` and old-style `0` octals.
fn go_integer(text: &str) -> Integer {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Integer::NotOne;
    }
    let magnitude = u64::from_str_radix(digits, radix);
    match magnitude {
        Ok(magnitude) if negative => match 0_i64.checked_sub_unsigned(magnitude) {
            Some(int) => Integer::Fits(int),
            None => Integer::NotOne,
        },
        Ok(magnitude) => i64::try_from(magnitude).map_or(Integer::TooLarge, Integer::Fits),
        Err(_) => Integer::NotOne,
    }
}

/// go-yaml's `yamlStyleFloat`: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn yaml_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent_ok =
        exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    (mantissa_ok && exponent_ok)
        .then(|| go_float(text))
        .flatten()
}

/// Go's `ParseFloat`, which unlike Rust's refuses what overflows.
fn go_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// Reads the plaintext of a `type:float` leaf, as Go's `ParseFloat` does.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        other => go_float(other),
    }
}

/// Reads the plaintext of a `type:bool` leaf, as Go's `ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Texts that some YAML reader takes for a truth value or a base-60 number, so that they must be quoted.
pub(crate) fn is_old_style(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
            | "="
            | "<<"
    ) || is_base_60(text)
}

fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    text.contains(':')
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b':' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, wanted: Value) {
        assert!(resolve_plain(text) == Some(wanted), "{text}");
    }

    #[test]
    fn integers() {
        for (text, int) in [
            ("0", 0),
            ("-1", -1),
            ("+12", 12),
            ("0x10", 16),
            ("0755", 493),
            ("0o17", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("-0x10", -16),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            is(text, Value::Int(int));
        }
        assert!(resolve_plain("18446744073709551615").is_none());
    }

    #[test]
    fn floats() {
        for (text, float) in [
            ("1.5", 1.5),
            ("08", 8.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("-1.5E-2", -0.015),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            (".inf", f64::INFINITY),
            ("-.INF", f64::NEG_INFINITY),
        ] {
            is(text, Value::Float(float));
        }
    }

    #[test]
    fn texts() {
        for text in [
            "yes", "0x", "1e", "1e999", "-", "+", ".", "1.2.3", "a", "0b12", "NaN", "inf", "1:30",
            "nULL",
        ] {
            is(text, Value::text(text));
        }
    }

    #[test]
    fn nulls_truths_and_times() {
        for text in ["", "~", "null", "Null", "NULL"] {
            is(text, Value::Null);
        }
        is("TRUE", Value::Bool(true));
        is("false", Value::Bool(false));
        assert!(matches!(resolve_plain("2001-12-15"), Some(Value::Time(_))));
    }
}
