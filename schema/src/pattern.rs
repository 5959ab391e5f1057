//! Regular expressions that documents hold. Known to be good, and small enough for a server that applies them to every line of a log.

use crate::json::text_schema;
use crate::name::text_type;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest pattern, in bytes.
const LONGEST: usize = 1000;
/// Bytes that a compiled pattern may take.
const LARGEST: usize = 512 << 10;

/// Why a text is no such pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The expression is wrong.
    #[error("this is not a regular expression: {0}")]
    Syntax(String),
    /// It takes too much memory.
    #[error("this regular expression is too large: repeat less, or use shorter ranges")]
    TooLarge,
    /// The text is too long.
    #[error("a pattern has at most {LONGEST} bytes")]
    TooLong,
    /// It says nothing.
    #[error("this is found in every line, also in an empty one")]
    Everything,
}

text_type!(
    /// A regular expression that is looked for in lines of logs. It takes time in proportion to the line, whatever it says.
    LogPattern,
    PatternError
);

text_schema!(LogPattern, "^.{1,1000}$", ["(?i)out of memory"]);

impl LogPattern {
    /// The expression, compiled. The error cannot be while text and release are the same.
    pub fn compile(&self) -> Result<Regex, PatternError> {
        compile(self.as_str())
    }
}

impl TryFrom<String> for LogPattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        if compile(&text)?.is_match("") {
            return Err(PatternError::Everything);
        }
        Ok(Self(text.into()))
    }
}

fn compile(text: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(text)
        .size_limit(LARGEST)
        .dfa_size_limit(LARGEST)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        // The last line says what is wrong; those before draw it.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            PatternError::Syntax(last.trim_start_matches("error: ").to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_server_could_not_bear_is_refused() {
        for good in ["timeout", "(?i)fatal: .*", r"^\[error\]", "\\bOOM\\b"] {
            assert!(LogPattern::try_from(good).is_ok(), "{good}");
        }
        assert_eq!(LogPattern::try_from(""), Err(PatternError::Everything));
        assert_eq!(LogPattern::try_from("x*"), Err(PatternError::Everything));
        let large = LogPattern::try_from(r"(\w{1,900}){900}");
        assert_eq!(large, Err(PatternError::TooLarge));
        assert_eq!(
            LogPattern::try_from("x".repeat(1001)),
            Err(PatternError::TooLong)
        );
        assert_eq!(
            LogPattern::try_from("(a").unwrap_err().to_string(),
            "this is not a regular expression: unclosed group"
        );
        assert!(LogPattern::try_from(r"(?=look)").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_what_is_good_compiles(text in ".{0,60}") {
            if let Ok(pattern) = LogPattern::try_from(text) {
                prop_assert!(pattern.compile().is_ok());
            }
        }
    }
}
