//! Names with a grammar of their own: domains, environment variables, paths inside a slice, headers.

use crate::json::text_schema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a host name by RFC 1123 with at least two labels.
    #[error("`{0}` is not a domain name: {1}")]
    Domain(String, String),
    /// Not a portable environment variable name (POSIX 8.1).
    #[error(
        "`{0}` is not a variable name: use capital letters, digits and `_`, not starting with a digit"
    )]
    Variable(String),
    /// A path that leaves its folder, is absolute, or holds odd characters.
    #[error("`{0}` is not a path inside the folder: {1}")]
    Path(String, &'static str),
    /// Not an HTTP header name or value (RFC 9110).
    #[error("`{0}` is not a header: {1}")]
    Header(String, &'static str),
    /// Not `METHOD /path`.
    #[error("`{0}` is not a smoke check: write `GET /path`")]
    Smoke(String),
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $error:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The text as kept.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<&str> for $name {
            type Error = $error;
            fn try_from(text: &str) -> Result<Self, $error> {
                Self::try_from(text.to_owned())
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_type;

mod domain;

pub use domain::DomainName;

text_type!(
    /// A name of an environment variable or secret: `[A-Z_][A-Z0-9_]*`, at most 128 characters.
    VariableName,
    NameError
);

text_schema!(VariableName, "^[A-Z_][A-Z0-9_]{0,127}$", ["SMTP_PASSWORD"]);

impl TryFrom<String> for VariableName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let good = !text.is_empty()
            && text.len() <= 128
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit());
        if good {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Variable(text))
        }
    }
}

text_type!(
    /// A relative path inside a slice or stack: no `..`, no root, no empty part, no control characters or backslashes; at most 512 bytes.
    RelativePath,
    NameError
);

text_schema!(
    RelativePath,
    r"^[^/\\\x00]+(/[^/\\\x00]+)*$",
    ["uploads/avatars"]
);

impl TryFrom<String> for RelativePath {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let fail = |why| Err(NameError::Path(text.clone(), why));
        if text.is_empty() || text.len() > 512 {
            return fail("1 to 512 bytes");
        }
        if text.starts_with('/') {
            return fail("it is absolute");
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return fail("control characters and backslashes are not allowed");
        }
        if text
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..")
        {
            return fail("`.`, `..` and empty parts are not allowed");
        }
        Ok(Self(text.into()))
    }
}

text_type!(
    /// A header name: an RFC 9110 token.
    HeaderName,
    NameError
);

text_schema!(HeaderName, "^[A-Za-z0-9_-]{1,64}$", ["X-Robots-Tag"]);

impl TryFrom<String> for HeaderName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(token) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Header(
                text,
                "a name has letters, digits, `-` and `_` only",
            ))
        }
    }
}

text_type!(
    /// A header value: visible ASCII and spaces. Double quotes, backslashes, `$`, `{` and `}` are refused: the value is written between double
    /// quotes into a web server's configuration, where templates must keep it (`;` is needed by many headers).
    HeaderValue,
    NameError
);

text_schema!(
    HeaderValue,
    ["string", "number", "boolean"],
    r"^[ !#%-\[\]-z|~]{0,1024}$",
    ["noindex"]
);

impl TryFrom<String> for HeaderValue {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let fine =
            |b: u8| (0x20..0x7f).contains(&b) && !matches!(b, b'"' | b'\\' | b'$' | b'{' | b'}');
        if text.len() <= 1024 && text.bytes().all(fine) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Header(
                text,
                "a value has visible ASCII only, without `\"`, `\\`, `$`, `{` and `}`",
            ))
        }
    }
}

/// A check that decides whether a stack works: one request to one of its sites, answered with a status below 400.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Smoke {
    /// Path and query, starting with `/`.
    pub path: Box<str>,
}

text_schema!(Smoke, "^GET /[!-~]{0,511}$", ["GET /healthz"]);

impl TryFrom<String> for Smoke {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        match text.strip_prefix("GET ") {
            Some(path)
                if path.starts_with('/')
                    && path.len() <= 512
                    && path.bytes().all(|b| (0x21..0x7f).contains(&b)) =>
            {
                Ok(Self { path: path.into() })
            }
            _ => Err(NameError::Smoke(text)),
        }
    }
}

impl From<Smoke> for String {
    fn from(smoke: Smoke) -> Self {
        format!("GET {}", smoke.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        assert!(RelativePath::try_from("files/a b/index.html").is_ok());
        for bad in [
            "", "/etc", "..", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b", "a\nb",
        ] {
            assert!(RelativePath::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn smoke_checks() {
        assert!(Smoke::try_from("GET /a?b=%20c".to_owned()).is_ok());
        for bad in [
            "/",
            "GET",
            "GET a",
            "POST /",
            "GET /a b",
            "GET / HTTP/1.1\r\nX: y",
            "GET /\n",
            "GET /\r",
            "GET /\t",
            "GET /\u{e4}",
        ] {
            assert!(Smoke::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_a_header_can_end_a_directive(text in ".{0,40}") {
            if let Ok(value) = HeaderValue::try_from(text) {
                let ends = value.as_str().contains(['"', '\\', '$', '\n', '\r', '{', '}']);
                prop_assert!(!ends);
            }
        }
        #[test]
        fn a_smoke_check_is_one_request_line(method in "GET |GET|get |POST |", path in "(/|[ \r\n\t]|//|@|#|%0d|\u{e4}|[!-~]){0,12}") {
            let text = format!("{method}{path}");
            if let Ok(smoke) = Smoke::try_from(text.clone()) {
                prop_assert!(text.starts_with("GET /") && smoke.path.starts_with('/'));
                prop_assert!(!smoke.path.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()));
                prop_assert_eq!(String::from(smoke), text);
            } else {
                let good = text.strip_prefix("GET ").is_some_and(|path| path.starts_with('/') && path.bytes().all(|b| (b'!'..=b'~').contains(&b)));
                prop_assert!(!good, "{:?}", text);
            }
        }
        #[test]
        fn what_any_text_becomes_is_that_text(text in ".*") {
            if let Ok(name) = DomainName::try_from(text.clone()) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(!text.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-' && c != '.'));
            }
            if let Ok(path) = RelativePath::try_from(text.clone()) {
                prop_assert_eq!(path.as_str(), &text);
                prop_assert!(!text.starts_with('/') && text.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
