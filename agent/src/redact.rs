//! Cuts secrets out of texts that leave the server: what containers print, what the engine says.

use std::fmt::Write as _;
use tenantry_schema::Secret;

/// Shorter values (`yes`, `5432`) are no secrets, and cutting them out would make a text unreadable.
const SHORTEST: usize = 6;
/// What stands in the place of a secret.
const CUT: &str = "[redacted]";

/// Knows values that must not be seen.
#[derive(Debug, Default)]
pub struct Redactor(Vec<Secret<String>>);

impl Redactor {
    /// Cuts out these values, in clear and in the forms in which programs print them: quoted, in an address, in base64. A value of
    /// several lines is also cut out line by line.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets {
            let whole = secret.expose().as_str();
            let lines = whole.lines().map(str::trim);
            for value in std::iter::once(whole.trim()).chain(lines) {
                if value.len() >= SHORTEST {
                    all.extend([
                        value.to_owned(),
                        quoted(value),
                        in_address(value),
                        base64(value),
                    ]);
                }
            }
        }
        // The longest first, so that no rest of it stays.
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self(all.into_iter().map(Secret::new).collect())
    }

    /// The text without them.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for value in &self.0 {
            if clean.contains(value.expose().as_str()) {
                clean = clean.replace(value.expose().as_str(), CUT);
            }
        }
        clean
    }
}

/// As within a JSON text, without the quotation marks.
fn quoted(value: &str) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// Percent-encoded, as in the password of a URL.
fn in_address(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// RFC 4648, without padding: whatever follows the value changes the last characters, so these are left off.
fn base64(value: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = value.as_bytes().chunks_exact(3);
    let letters = whole.flat_map(|three| {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor(values: &[&str]) -> Redactor {
        let secrets: Vec<_> = values
            .iter()
            .map(|value| Secret::new((*value).to_owned()))
            .collect();
        Redactor::new(&secrets)
    }

    #[test]
    fn secrets_are_cut_out_in_every_form() {
        let redactor = redactor(&["p@ss\"phrase/1", "short", "line one\nline two"]);
        for text in [
            "password p@ss\"phrase/1 is wrong",
            r#"{"password":"p@ss\"phrase/1"}"#,
            "postgres://app:p%40ss%22phrase%2F1@db/app",
            "line one",
            "then line two",
            // echo -n 'p@ss"phrase/1' | base64
            "cEBzcyJwaHJhc2UvMQ==",
        ] {
            let clean = redactor.clean(text);
            assert!(clean.contains(CUT), "{clean}");
            assert!(!clean.contains("phrase"), "{clean}");
        }
        assert_eq!(redactor.clean("a short text"), "a short text");
    }

    proptest! {
        #[test]
        fn no_secret_survives(value in "[!-{}~]{6,20}", before in ".{0,20}", after in ".{0,20}") {
            let redactor = redactor(&[&value]);
            let clean = redactor.clean(&format!("{before}{value}{after}"));
            let rest = clean.replace(CUT, "|");
            prop_assert!(!rest.contains(&value));
        }
    }
}
