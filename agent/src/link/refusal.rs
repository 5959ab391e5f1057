//! What the hub says when it does not serve a request: a status, a word for programs and a hint for people,
//! `{"error": …, "hint": …}`. Whoever stands between may say it too: only what is signed is the hub's own.

use reqwest::StatusCode;
use serde::Deserialize;
use std::fmt;

/// Longest refusal that is read, in bytes.
pub(super) const LARGEST: usize = 16 << 10;
/// Longest hint that is shown, in characters.
const LONGEST_HINT: usize = 400;
/// Longest word for programs, in characters.
const LONGEST_KIND: usize = 40;

/// A request that was not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRefusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Word for programs, such as `unknown_key`.
    pub kind: Option<String>,
    /// What to do about it, in a sentence. On one line, without control characters.
    pub hint: Option<String>,
    /// Whether the answer carried the hub's signature.
    pub signed: bool,
}

#[derive(Deserialize)]
struct Body {
    error: String,
    hint: String,
}

impl HubRefusal {
    /// From an answer's status and body; another body than the hub's says nothing.
    pub fn read(status: StatusCode, body: &[u8], signed: bool) -> Self {
        let body: Option<Body> = serde_json::from_slice(body).ok();
        let (kind, hint) = body.map_or((None, None), |body| {
            (
                line(&body.error, LONGEST_KIND),
                line(&body.hint, LONGEST_HINT),
            )
        });
        Self {
            status,
            kind,
            hint,
            signed,
        }
    }
}

/// Text of strangers goes to logs and terminals: one line, nothing that steers a terminal.
fn line(text: &str, longest: usize) -> Option<String> {
    let clean = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(longest);
    let clean = clean.collect::<String>().trim().to_owned();
    (!clean.is_empty()).then_some(clean)
}

impl fmt::Display for HubRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the hub answers with status {}", self.status)?;
        if let Some(kind) = &self.kind {
            write!(f, ", {kind}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> HubRefusal {
        HubRefusal::read(StatusCode::UNAUTHORIZED, body.as_bytes(), false)
    }

    #[test]
    fn kind_and_hint_are_told() {
        let told = read(r#"{"error":"unknown_key","hint":"add the keys"}"#);
        assert_eq!(
            told.to_string(),
            "the hub answers with status 401 Unauthorized, unknown_key: add the keys"
        );
    }

    #[test]
    fn what_others_say_is_a_status() {
        for body in ["", "<html>no</html>", "{}", "{\"error\":7,\"hint\":[]}"] {
            assert_eq!(
                read(body).to_string(),
                "the hub answers with status 401 Unauthorized"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_steers_a_terminal(kind in ".{0,60}", hint in "(.|\n|\r|\u{1b}){0,600}") {
            let body = serde_json::json!({ "error": kind, "hint": hint }).to_string();
            let text = read(&body).to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            prop_assert!(text.chars().count() < 600);
        }
    }
}
