//! Versions of tools, and how a question compares them.

use std::cmp::Ordering;

/// The numbers at the beginning of a version: `33.0.2-apache` is 33.0.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads a tag. None where it does not begin with a number (`latest`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let numbers = text[..end].trim_end_matches('.').split('.');
        let numbers: Result<Vec<u64>, _> = numbers.map(str::parse).collect();
        numbers.ok().map(Self)
    }

    /// Compares as far as `other` says: 33.0.2 equals 33.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let numbers = other.0.iter().enumerate();
        numbers
            .map(|(at, wanted)| self.0.get(at).copied().unwrap_or_default().cmp(wanted))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}

/// How a version has to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Less,
    AtMost,
    Equal,
    Other,
    AtLeast,
    More,
}

impl Sign {
    /// Whether versions that compare like this are what is asked for.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::Other => order != Ordering::Equal,
            Self::AtLeast => order != Ordering::Less,
            Self::More => order == Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_compare_as_far_as_the_question_goes() {
        assert_eq!(
            version("33.0.2-apache").compare(&version("33")),
            Ordering::Equal
        );
        assert_eq!(
            version("v33.1").compare(&version("33.0.2")),
            Ordering::Greater
        );
        assert_eq!(version("9").compare(&version("10.1")), Ordering::Less);
        assert_eq!(version("10").compare(&version("10.0")), Ordering::Equal);
        assert_eq!(Version::parse("latest"), None);
        assert_eq!(Version::parse(""), None);
    }
}
