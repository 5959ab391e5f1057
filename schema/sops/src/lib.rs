//! The SOPS file format: its YAML store with age recipients. Reads, checks, writes and edits files that the `sops`
//! program reads and writes too. Works on text: no files, no network, no processes, no clock, no environment.
//!
//! ```
//! use tenantry_sops::{Change, EncryptOptions, Identities, Map, Path, Rule, SopsFile, Timestamp, encrypt};
//!
//! let identity = age::x25519::Identity::generate();
//! let recipient = identity.to_public().to_string().parse()?;
//! let options = EncryptOptions {
//!     recipients: vec![recipient],
//!     rule: Rule::default(),
//!     mac_only_encrypted: true,
//!     last_modified: Timestamp::parse_rfc3339("2026-11-21T10:00:00Z")?,
//! };
//! let text = encrypt(&Map::new().with("token", "s3cret"), &options, &mut rand::rng())?;
//!
//! let file = SopsFile::parse(&text)?;
//! assert_eq!(file.top_level_keys().collect::<Vec<_>>(), ["token"]);
//! let identities = Identities::from(identity);
//! assert_eq!(file.decrypt(&identities)?.root.get("token"), Some(&"s3cret".into()));
//!
//! let change = Change::Set { path: Path::from("user"), value: "root".into() };
//! let later = Timestamp::parse_rfc3339("2026-11-22T10:00:00Z")?;
//! let edited = file.edit(&identities, &[change], later, &mut rand::rng())?;
//! assert_eq!(SopsFile::parse(&edited)?.top_level_keys().count(), 2);
//! # Ok::<(), tenantry_sops::Error>(())
//! ```
//!
//! Format: the source of SOPS 3.11 (`sops.go`, `aes/cipher.go`, `stores/yaml/store.go`, `age/keysource.go`).
//!
//! Not supported, and refused with an error that says so: key services other than age, key groups, age recipients of
//! other kinds when encrypting, selectors by comment, several documents in one file, anchors and aliases.

mod apply;
mod cipher;
mod comments;
mod creation_rules;
mod edit;
mod emit;
mod encrypt;
mod error;
mod file;
mod go_regex;
mod keys;
mod layout;
mod mac;
mod metadata;
mod path;
mod plain;
mod recipients;
mod rekey;
mod rule;
mod scalar;
mod time;
mod value;
mod weave;
mod yaml;

pub use creation_rules::{CreationRule, CreationRules};
pub use edit::Change;
pub use encrypt::{EncryptOptions, encrypt};
pub use error::Error;
pub use file::{Decrypted, Leaf, SopsFile};
pub use keys::{is_sops, sealed_keys, top_level_keys};
pub use path::{Path, Segment};
pub use rand::CryptoRng;
pub use recipients::{Identities, Recipient};
pub use rule::Rule;
pub use secrecy::{ExposeSecret, SecretString};
pub use time::Timestamp;
pub use value::{Kind, Map, Value};
pub use weave::encrypt_text;
