//! Plain scalars as the YAML reader of Compose sees them: what it takes for a number or a date is not text.

use tenantry_yaml::{Node, Scalar, resolve};

/// Whether Compose's YAML reader, too, takes this scalar for text.
pub(crate) fn is_text(node: &Node, text: &str) -> bool {
    match resolve(node) {
        Some(Scalar::Text(_)) if node.is_quoted() => true,
        Some(Scalar::Text(_)) => !(odd_number(text) || date(text)),
        _ => false,
    }
}

/// Numbers that only the YAML reader of Compose sees: `1_000`, `0b11`, signed hexadecimal.
fn odd_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let prefixed = ["0b", "0o", "0x"].iter().any(|prefix| {
        unsigned.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_')
        })
    });
    prefixed
        || unsigned.starts_with(|c: char| c.is_ascii_digit())
            && unsigned.contains('_')
            && unsigned
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.'))
}

/// `2026-11-21` and longer timestamps.
fn date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((head, tail)) = bytes.split_at_checked(4) else {
        return false;
    };
    head.iter().all(u8::is_ascii_digit)
        && tail.first() == Some(&b'-')
        && tail[1..].iter().take(1).all(u8::is_ascii_digit)
        && tail.len() >= 4
        && bytes.iter().all(|b| {
            b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b'T' | b't' | b'Z' | b' ' | b'+')
        })
}
