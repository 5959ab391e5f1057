//! Which leaves of a file are encrypted: the selector of SOPS, by any key on the way to the leaf.

use regex::Regex;

use crate::{Error, Path, go_regex};

/// What SOPS uses where a file or rule names no selector.
const DEFAULT_SUFFIX: &str = "_unencrypted";

/// Which leaves are encrypted. A rule looks at every key of the path, so it holds for whole subtrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// All but what lies below a key with this ending. SOPS's default is `_unencrypted`.
    UnencryptedSuffix(String),
    /// Only what lies below a key with this ending.
    EncryptedSuffix(String),
    /// All but what lies below a key that matches (Go syntax, not anchored).
    UnencryptedRegex(String),
    /// Only what lies below a key that matches (Go syntax, not anchored).
    EncryptedRegex(String),
}

impl Default for Rule {
    /// What `sops` does without configuration: all but keys that end in `_unencrypted`.
    fn default() -> Self {
        Self::UnencryptedSuffix(DEFAULT_SUFFIX.to_owned())
    }
}

impl Rule {
    /// Every leaf, whatever its key is called. The format has no selector for this; `encrypted_regex: .*` means it.
    pub fn all() -> Self {
        Self::EncryptedRegex(".*".to_owned())
    }

    /// The name of the metadata field and its content.
    pub(crate) fn field(&self) -> (&'static str, &str) {
        match self {
            Self::UnencryptedSuffix(text) => ("unencrypted_suffix", text),
            Self::EncryptedSuffix(text) => ("encrypted_suffix", text),
            Self::UnencryptedRegex(text) => ("unencrypted_regex", text),
            Self::EncryptedRegex(text) => ("encrypted_regex", text),
        }
    }

    /// Reads the selector from the fields of a metadata block or creation rule; empty fields count as absent.
    pub(crate) fn from_fields<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Error> {
        let present = |name| field(name).filter(|text| !text.is_empty());
        for name in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
            if present(name).is_some() {
                return Err(Error::unsupported(name));
            }
        }
        let make: [(&str, Make); 4] = [
            ("unencrypted_suffix", Self::UnencryptedSuffix),
            ("encrypted_suffix", Self::EncryptedSuffix),
            ("unencrypted_regex", Self::UnencryptedRegex),
            ("encrypted_regex", Self::EncryptedRegex),
        ];
        let mut found = make
            .into_iter()
            .filter_map(|(name, make)| Some((name, make(present(name)?.to_owned()))));
        let first = found.next();
        if let Some((name, _)) = found.next() {
            return Err(Error::metadata(
                name,
                "a second selector; exactly one may be used",
            ));
        }
        Ok(first.map_or_else(Self::default, |(_, rule)| rule))
    }

    pub(crate) fn compile(&self) -> Result<Selector, Error> {
        let (_, text) = self.field();
        if text.is_empty() {
            return Err(Error::BadPattern {
                pattern: String::new(),
                reason: "an empty selector means none to SOPS".into(),
            });
        }
        Ok(match self {
            Self::UnencryptedSuffix(suffix) => {
                Selector::new(false, Matcher::Suffix(suffix.clone()))
            }
            Self::EncryptedSuffix(suffix) => Selector::new(true, Matcher::Suffix(suffix.clone())),
            Self::UnencryptedRegex(pattern) => {
                Selector::new(false, Matcher::Regex(go_regex::compile(pattern)?))
            }
            Self::EncryptedRegex(pattern) => {
                Selector::new(true, Matcher::Regex(go_regex::compile(pattern)?))
            }
        })
    }
}

/// Makes a rule from its text.
type Make = fn(String) -> Rule;

/// A rule ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    /// Whether a match means "encrypted".
    encrypts: bool,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Suffix(String),
    Regex(Regex),
}

impl Selector {
    fn new(encrypts: bool, matcher: Matcher) -> Self {
        Self { encrypts, matcher }
    }

    /// Whether the leaf at `path` is to be encrypted.
    pub(crate) fn encrypts(&self, path: &Path) -> bool {
        let hit = path.keys().any(|key| match &self.matcher {
            Matcher::Suffix(suffix) => key.ends_with(suffix.as_str()),
            Matcher::Regex(regex) => regex.is_match(key),
        });
        hit == self.encrypts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypts(rule: Rule, path: &[&str]) -> bool {
        let path = path
            .iter()
            .fold(Path::root(), |path, key| path.key(*key))
            .index(0);
        rule.compile().unwrap().encrypts(&path)
    }

    #[test]
    fn any_key_of_the_path_counts() {
        assert!(encrypts(Rule::default(), &["a", "b"]));
        assert!(!encrypts(Rule::default(), &["a_unencrypted", "b"]));
        assert!(encrypts(Rule::EncryptedSuffix("_s".into()), &["a_s", "b"]));
        assert!(!encrypts(
            Rule::EncryptedSuffix("_s".into()),
            &["a_s_", "b"]
        ));
        assert!(encrypts(
            Rule::EncryptedRegex("^pass".into()),
            &["db", "password"]
        ));
        assert!(!encrypts(
            Rule::UnencryptedRegex("^pub".into()),
            &["public", "x"]
        ));
        assert!(encrypts(Rule::all(), &["x_unencrypted"]));
    }

    #[test]
    fn exactly_one_selector() {
        let fields =
            |names: &'static [&'static str]| move |name: &str| names.contains(&name).then_some("x");
        assert_eq!(Rule::from_fields(fields(&[])).unwrap(), Rule::default());
        assert_eq!(
            Rule::from_fields(fields(&["encrypted_regex"])).unwrap(),
            Rule::EncryptedRegex("x".into())
        );
        assert!(Rule::from_fields(fields(&["encrypted_regex", "encrypted_suffix"])).is_err());
        assert!(Rule::from_fields(fields(&["encrypted_comment_regex"])).is_err());
        assert!(Rule::EncryptedRegex("(".into()).compile().is_err());
        assert!(Rule::EncryptedSuffix(String::new()).compile().is_err());
    }
}
