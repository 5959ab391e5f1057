//! Cuts secrets out of texts that leave the server: what containers print, what the engine says.

use regex::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;
use tenantry_schema::Secret;

/// Shorter values (`yes`, `5432`) are no secrets, and cutting them out would make a text unreadable.
const SHORTEST: usize = 6;
/// What stands in the place of a secret.
const CUT: &str = "[redacted]";

/// What is secret wherever it stands, and what is kept of it: encrypted values and private keys, passwords in addresses and headers, hashes
/// of passwords, what a text itself calls a password.
static MARKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let marks = [
        (r"ENC\[[A-Za-z0-9_]+,[^\]]*\]?", ""),
        (r"AGE-SECRET-KEY-[A-Z0-9-]+", ""),
        // A line of a key whose first line is somewhere else, also behind the time of a log.
        (r"(?m)(?P<kept>^|[ \t])[A-Za-z0-9+/]{48,}={0,2}\r?$", ""),
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
            "",
        ),
        (
            r"\$(?:2[abxy]|argon2(?:id|i|d)|6|5|y)\$[A-Za-z0-9./$=,+-]{8,}",
            "",
        ),
        (
            r"\b[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}\b",
            "",
        ),
        (
            r"(?P<kept>[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?P<rest>@)",
            "@",
        ),
        (
            r"(?i)(?P<kept>\bauthorization\W{1,4}(?:basic|bearer|token)\s+)[^\s,;]+",
            "",
        ),
        (
            r#"(?i)(?P<kept>(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|private[_-]?key|credentials?)\w*["']?\s*(?:=|:|=>)\s*["']?)[^\s"',;&]+"#,
            "",
        ),
    ];
    let compiled =
        marks.map(|(pattern, rest)| (Regex::new(pattern).expect("a tested expression"), rest));
    compiled.into()
});

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

    /// The text without them, and without what is secret by its form.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = self.values(text);
        for (pattern, rest) in MARKS.iter() {
            if pattern.is_match(&clean) {
                let put = |found: &regex::Captures<'_>| {
                    let kept = found.name("kept").map_or("", |kept| kept.as_str());
                    format!("{kept}{CUT}{rest}")
                };
                clean = pattern.replace_all(&clean, put).into_owned();
            }
        }
        clean
    }

    fn values(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for value in &self.0 {
            if clean.contains(value.expose().as_str()) {
                clean = clean.replace(value.expose().as_str(), CUT);
            }
        }
        clean
    }
}

/// Drops what is left of the first line of a text whose beginning was cut off: half of a secret is not known as one.
pub fn without_cut_line(text: &mut Vec<u8>) {
    let end = text.iter().position(|byte| *byte == b'\n');
    text.drain(..end.map_or(text.len(), |at| at + 1));
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

    #[test]
    fn what_looks_secret_is_cut_out_whosever_it_is() {
        let nothing = Redactor::default();
        for (text, clean) in [
            (
                "key: ENC[AES256_GCM,data:x,type:str] end",
                "key: [redacted] end",
            ),
            ("AGE-SECRET-KEY-1QQQQ", "[redacted]"),
            (
                "a -----BEGIN OPENSSH PRIVATE KEY-----\nxyz\n-----END OPENSSH PRIVATE KEY----- b",
                "a [redacted] b",
            ),
            ("-----BEGIN PRIVATE KEY-----", "[redacted]"),
            (
                "dsn=postgres://app:hunter2@db/app",
                "dsn=postgres://app:[redacted]@db/app",
            ),
            (
                "Authorization: Bearer abc.def",
                "Authorization: Bearer [redacted]",
            ),
            (
                r#"{"db_password":"hunter2","a":1}"#,
                r#"{"db_password":"[redacted]","a":1}"#,
            ),
            (
                "--api-key=hunter2 --port=80",
                "--api-key=[redacted] --port=80",
            ),
            ("hash $2b$12$abcdefghijklmnop", "hash [redacted]"),
            (
                "2026-01-02T03:04:05.678901234Z MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n2026-01-02T03:04:06Z end",
                "2026-01-02T03:04:05.678901234Z [redacted]\n2026-01-02T03:04:06Z end",
            ),
            (
                "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
                "[redacted]",
            ),
            (
                "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
                "jwt [redacted]",
            ),
        ] {
            assert_eq!(nothing.clean(text), clean);
        }
        for harmless in [
            "password authentication failed for user app",
            "GET /tokens 200 in 3 ms",
            "see https://example.com:8080/a for more",
            "2026-01-02T03:04:05Z started",
        ] {
            assert_eq!(nothing.clean(harmless), harmless);
        }
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
