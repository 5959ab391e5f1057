//! The one error type of this crate. No plaintext and no key material is ever put into a variant.

/// What went wrong, in kinds that a caller can act on.
///
/// Paths are shown as `a.b[0]`. Messages never contain a decrypted value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not YAML, or not YAML that this crate reads.
    #[error("line {line}: {reason}")]
    Yaml {
        /// 1-based line.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// There is no top-level `sops` mapping: the file is not encrypted.
    #[error("not a SOPS file: no top-level `sops` mapping")]
    NotSops,
    /// The `version` in the metadata is not of the 3.x family.
    #[error("SOPS file version `{version}` is not supported")]
    UnsupportedVersion {
        /// As written.
        version: String,
    },
    /// The file or rule needs a kind of key other than age.
    #[error("key type `{kind}` is not supported, only age recipients are")]
    UnsupportedKeyType {
        /// The name of the field, for example `pgp` or `key_groups`.
        kind: String,
    },
    /// A feature of YAML or SOPS that this crate refuses rather than handle wrongly.
    #[error("not supported: {what}")]
    Unsupported {
        /// Which one, and where if known.
        what: String,
    },
    /// A field of the metadata is missing or malformed.
    #[error("SOPS metadata field `{field}`: {reason}")]
    BadMetadata {
        /// Name below `sops`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A pattern does not compile.
    #[error("pattern `{pattern}` is not a valid regular expression: {reason}")]
    BadPattern {
        /// As written.
        pattern: String,
        /// What the compiler says.
        reason: String,
    },
    /// None of the identities can open the file.
    #[error("no identity matches any of the recipients {}", .recipients.join(", "))]
    NoMatchingKey {
        /// Who could open it.
        recipients: Vec<String>,
    },
    /// The entry for one of our keys is damaged: the key is right, its content is not.
    #[error("the data key wrapped for {recipient} is damaged")]
    BadDataKey {
        /// Whose entry.
        recipient: String,
    },
    /// Leaves were added, removed, reordered or changed without the key, or the MAC itself was.
    #[error("the file was changed by somebody without the key: MAC mismatch")]
    MacMismatch,
    /// One leaf cannot be decrypted or has no valid type.
    #[error("value `{path}`: {reason}")]
    BadValue {
        /// Where.
        path: String,
        /// What is wrong, without the value.
        reason: String,
    },
    /// A key cannot be written (reserved `sops`, duplicate, too long).
    #[error("key `{path}`: {reason}")]
    BadKey {
        /// Where.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A flat map was asked for, but this leaf is a list or mapping.
    #[error("`{path}` is not a scalar")]
    NotFlat {
        /// Where.
        path: String,
    },
    /// An edit names something that is not there.
    #[error("`{path}` does not exist")]
    NoSuchPath {
        /// Where.
        path: String,
    },
    /// Not an age X25519 recipient.
    #[error("`{recipient}` is not an age recipient (age1…)")]
    BadRecipient {
        /// As written.
        recipient: String,
    },
    /// Not an age identity file. The line is not quoted: it may be a damaged secret.
    #[error("line {line} is not an age identity")]
    BadIdentity {
        /// 1-based line.
        line: usize,
    },
    /// A file would be readable by nobody.
    #[error("no recipients")]
    NoRecipients,
    /// A leaf that the file's own rule says is encrypted, and is not.
    #[error("value `{path}` is in clear text")]
    ClearText {
        /// Where.
        path: String,
    },
    /// Not an RFC 3339 time.
    #[error("`{text}` is not an RFC 3339 time")]
    BadTime {
        /// As written.
        text: String,
    },
}

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn metadata(field: &str, reason: impl Into<String>) -> Self {
        Self::BadMetadata {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn value(path: &crate::Path, reason: impl Into<String>) -> Self {
        Self::BadValue {
            path: path.to_string(),
            reason: reason.into(),
        }
    }
}
