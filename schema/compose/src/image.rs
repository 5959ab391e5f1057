//! References to images: the parts of a name; no registry.

use std::fmt;

/// `[registry/]repository[:tag][@digest]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    text: String,
    /// Where the repository ends in `text`.
    repository: usize,
    /// Where `@` stands, or the length.
    at: usize,
}

impl ImageRef {
    /// Parses a reference; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let at = text.find('@').unwrap_or(text.len());
        let name = &text[..at];
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let repository = name[last..].find(':').map_or(at, |colon| last + colon);
        let path = &name[..repository];
        if path.is_empty() || path.split('/').any(str::is_empty) {
            return Err("an image name is empty or has an empty part");
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
        if !path.chars().all(fine) {
            return Err("an image name has only letters, digits, `.`, `_`, `-` and `/`");
        }
        if path[last.min(path.len())..]
            .chars()
            .any(|c| c.is_ascii_uppercase())
        {
            return Err("an image name is in lower case");
        }
        let tag = &name[repository..];
        let tag_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !tag.is_empty() && (tag.len() < 2 || tag.len() > 129 || !tag[1..].chars().all(tag_fine))
        {
            return Err("an image tag has 1 to 128 letters, digits, `.`, `_` and `-`");
        }
        let digest = &text[at..];
        let digest_fine = digest.strip_prefix("@sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if !digest.is_empty() && !digest_fine {
            return Err("an image digest is `sha256:` and 64 hexadecimal digits");
        }
        Ok(Self {
            text: text.to_owned(),
            repository,
            at,
        })
    }

    /// A reference that holds a value that is not known yet.
    pub(crate) fn opaque(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            repository: text.len(),
            at: text.len(),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Without tag and digest.
    pub fn repository(&self) -> &str {
        &self.text[..self.repository]
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&str> {
        self.text[self.repository..self.at].strip_prefix(':')
    }

    /// The digest (`sha256:...`), if one is written.
    pub fn digest(&self) -> Option<&str> {
        self.text[self.at..].strip_prefix('@')
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::ImageRef;

    #[test]
    fn parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, repository, tag, has_digest) in [
            ("nginx", "nginx", None, false),
            ("nginx:1.27", "nginx", Some("1.27"), false),
            ("ghcr.io/a/b:v1", "ghcr.io/a/b", Some("v1"), false),
            ("localhost:5000/a", "localhost:5000/a", None, false),
            ("a@D", "a", None, true),
            ("a:1@D", "a", Some("1"), true),
        ] {
            let image = ImageRef::parse(&text.replace('D', &digest)).unwrap();
            assert_eq!(image.repository(), repository);
            assert_eq!(image.tag(), tag);
            assert_eq!(image.digest(), has_digest.then_some(digest.as_str()));
        }
        for text in [
            "",
            ":1",
            "a:",
            "/a",
            "a//b",
            "a b",
            "A/B",
            "Nginx",
            "a@sha256:12",
            "a:b:c",
            "a@",
        ] {
            assert!(ImageRef::parse(text).is_err(), "{text}");
        }
    }
}
