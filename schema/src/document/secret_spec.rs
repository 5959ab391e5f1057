//! `secrets:` of a stack: what the hub draws once for every order, and what follows from it.

use crate::name::VariableName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a secret is generated, or which other one it follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretSpec {
    /// What it looks like. Absent: `password`.
    pub kind: Option<SecretKind>,
    /// Characters of a password, 8 to 512. Absent: 32.
    #[schemars(range(min = 8, max = 512))]
    pub length: Option<u16>,
    /// Which characters a password has. Absent: `url-safe`.
    pub alphabet: Option<Alphabet>,
    /// Random bytes behind `hex`, `base64` and `base64url`, 8 to 256. Absent: 32.
    #[schemars(range(min = 8, max = 256))]
    pub bytes: Option<u16>,
    /// What stands before what is drawn, up to 32 printable characters, such as `base64:` of a Laravel key. Absent: nothing.
    #[schemars(length(max = 32))]
    #[schemars(example = &"base64:")]
    pub prefix: Option<String>,
    /// What is worked out from another secret of the stack, for tools that take a hash of a password: `{bcrypt: NAME}`, `{argon2: NAME}` or
    /// `{pbkdf2: NAME}`. Absent: it is drawn.
    #[schemars(extend("examples" = [{ "bcrypt": "ADMIN_PASSWORD" }]))]
    pub derive: Option<Derivation>,
    /// The secret of the stack that has the same value, for tools that know it under two names. Absent: none.
    #[schemars(example = &"RPC_SECRET")]
    pub share_with: Option<VariableName>,
    /// Secrets of the stack that must not have the same value. It is enough if one of two says so.
    #[schemars(extend("examples" = [["SESSION_KEY"]]))]
    pub must_differ: Vec<VariableName>,
    /// Whether it may be replaced later. What follows another secret is replaced with that one.
    pub rotate: Rotate,
}

/// What a secret looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// Characters of an alphabet.
    #[default]
    Password,
    /// Random bytes in lower-case hexadecimal.
    Hex,
    /// Random bytes in Base64 (RFC 4648, with padding).
    Base64,
    /// Random bytes in Base64 for URLs and file names (RFC 4648, section 5, without padding).
    Base64url,
    /// A random UUID (RFC 9562, version 4).
    Uuid,
}

/// A hash of another secret, with a salt of its own that is drawn once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Derivation {
    /// bcrypt, as `$2b$10$…`: n8n, Portainer, the password files of nginx.
    Bcrypt(VariableName),
    /// Argon2id as a PHC string, `$argon2id$v=19$…`: Vaultwarden.
    Argon2(VariableName),
    /// PBKDF2 with SHA-256 as Django writes it, `pbkdf2_sha256$…`: Authentik.
    Pbkdf2(VariableName),
}

impl Derivation {
    /// The secret that it is worked out from.
    pub fn source(&self) -> &VariableName {
        let (Self::Bcrypt(source) | Self::Argon2(source) | Self::Pbkdf2(source)) = self;
        source
    }

    /// The key that says so.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bcrypt(_) => "bcrypt",
            Self::Argon2(_) => "argon2",
            Self::Pbkdf2(_) => "pbkdf2",
        }
    }
}

impl SecretSpec {
    /// Characters of a password where nothing is said.
    pub const LENGTH: u16 = 32;
    /// Random bytes where nothing is said.
    pub const BYTES: u16 = 32;
    /// Characters that a password may have.
    pub const LENGTHS: std::ops::RangeInclusive<u16> = 8..=512;
    /// Random bytes that there may be.
    pub const SIZES: std::ops::RangeInclusive<u16> = 8..=256;
    /// Longest prefix.
    pub const PREFIX: usize = 32;

    /// A password of so many characters.
    pub fn password(length: u16, alphabet: Alphabet) -> Self {
        Self {
            length: Some(length),
            alphabet: Some(alphabet),
            ..Self::default()
        }
    }

    /// The secret that this one follows: the same, or worked out from it.
    pub fn follows(&self) -> Option<&VariableName> {
        let derived = self.derive.as_ref().map(Derivation::source);
        self.share_with.as_ref().or(derived)
    }

    /// Whether its value has to do with those of others, which must then be known.
    pub fn is_related(&self) -> bool {
        self.follows().is_some() || !self.must_differ.is_empty()
    }

    /// How many characters are drawn, prefix included.
    pub fn characters(&self) -> usize {
        let bytes = usize::from(self.bytes.unwrap_or(Self::BYTES));
        let drawn = match self.kind.unwrap_or_default() {
            SecretKind::Password => usize::from(self.length.unwrap_or(Self::LENGTH)),
            SecretKind::Hex => 2 * bytes,
            SecretKind::Base64 => bytes.div_ceil(3) * 4,
            SecretKind::Base64url => (bytes * 4).div_ceil(3),
            SecretKind::Uuid => 36,
        };
        drawn + self.prefix.as_ref().map_or(0, String::len)
    }
}

/// Characters of a generated secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// Letters and digits: fits into URLs and files without escaping.
    #[default]
    UrlSafe,
    /// Lower-case hexadecimal.
    Hex,
    /// Digits only.
    Digits,
}

/// Whether a secret may be replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rotate {
    /// When a person asks for it.
    #[default]
    Manual,
    /// Never: data is encrypted with it.
    Never,
}
