//! How slices, reports and requests are packed, signed and checked. Pure: no network, files, environment or clock; time and randomness come in.
//!
//! | module | what |
//! | --- | --- |
//! | [`SigningKey`], [`VerifyingKey`] | ed25519 keys in OpenSSH's formats, parsed once |
//! | [`sshsig`] | signatures over bytes that `ssh-keygen -Y verify` accepts |
//! | [`http`] | RFC 9421 signatures of agents' requests and the hub's answers |
//! | [`bundle`] | many files as one compressed, size-capped, deterministic archive |
//! | [`slice`] | sealing a slice on the hub, opening it on the agent |
//! | [`ledger`] | the rule that says which slice may be accepted (law 6) |
//!
//! The hub renders files, and then:
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use tenantry_wire::{SigningKey, bundle, ledger, slice};
//! # let mut rng = rand::rng();
//! # let server = tenantry_schema::id::ServerKey { customer: "acme".try_into()?, server: "acme-1".try_into()? };
//! # let (plaintext, files) = (BTreeMap::new(), BTreeMap::new());
//! let key = SigningKey::generate(&mut rng);
//! let content_key = slice::content_key(&key, &server);
//! let draft = slice::Draft {
//!     fleet_id: "example".try_into()?,
//!     server: server.clone(),
//!     generation: 41,
//!     commit: "3f2a91c".repeat(6),
//!     issued: "2026-11-21T10:00:00Z".parse()?,
//!     content: slice::content_digest(&content_key, &plaintext), // of files before encryption
//!     files,                                                    // as they travel, secrets encrypted
//! };
//! let bytes = bundle::pack(&slice::seal(draft, &key)?);
//!
//! // and the agent:
//! let files = bundle::unpack(&bytes, &bundle::Limits::default())?;
//! let trusted = [key.verifying_key().clone()];
//! let expect = slice::Expect { fleet_id: &"example".try_into()?, server: &server, trusted: &trusted };
//! let open = slice::open(files, &expect)?;
//! assert_eq!(ledger::judge(None, &open.manifest, true), ledger::Verdict::Accept);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bundle;
pub mod http;
mod key;
pub mod ledger;
mod refused;
pub mod slice;
pub mod sshsig;

pub use key::{KeyError, SigningKey, VerifyingKey};
pub use refused::Refused;
