//! The keyed digest over everything that a container, network or volume is made from. Equal inputs give equal digests, whatever
//! order they were written in; any other input gives another. It is kept as a label, which everybody on the server can read:
//! hence keyed, so that nobody can test guesses of a secret against it.
//!
//! Encoding: HMAC-SHA-256 over parts, each as the length of its name, its name, the length of its content (both 64 bits, big
//! endian) and its content, so that no two lists of parts have the same encoding. Maps go in by key order.

use super::desired::{NetworkSpec, ServiceSpec};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use std::fmt;
use tenantry_schema::secret::Secret;

/// Changes when the encoding does, so that containers are compared by one encoding only.
const ENCODING: &[u8] = b"1";

/// The key of the digests: secret, one per server, never changed (a new key makes every container anew).
#[derive(Clone, Debug)]
pub struct InputsKey(Secret<Vec<u8>>);

impl InputsKey {
    /// Takes at least 32 random bytes.
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    /// Digest of a service whose image has this id (`sha256:…`).
    pub fn container(&self, service: &ServiceSpec, image_id: &str) -> Digest {
        let mut parts = Parts::new(self, "container");
        parts.add("image", image_id.as_bytes());
        parts.add_all("settings", &service.container);
        for (name, value) in &service.container.env.0 {
            parts.add("variable", name.as_bytes());
            parts.add("value", value.expose().as_bytes());
        }
        for (path, digest) in &service.files {
            parts.add("file", path.as_os_str().as_encoded_bytes());
            parts.add("content", digest.as_bytes());
        }
        parts.finish()
    }

    /// Digest of a network.
    pub fn network(&self, network: &NetworkSpec) -> Digest {
        let mut parts = Parts::new(self, "network");
        parts.add_all("settings", network);
        parts.finish()
    }

    /// Digest of the content of a file, for [`ServiceSpec::files`].
    pub fn file(&self, content: &[u8]) -> String {
        let mut parts = Parts::new(self, "file");
        parts.add("content", content);
        parts.finish().0
    }
}

/// 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Digest(String);

impl Digest {
    /// As it is written into a label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Parts(Hmac<Sha256>);

impl Parts {
    fn new(key: &InputsKey, what: &str) -> Self {
        let mac =
            Hmac::<Sha256>::new_from_slice(key.0.expose()).expect("HMAC takes a key of any length");
        let mut parts = Self(mac);
        parts.add("encoding", ENCODING);
        parts.add("what", what.as_bytes());
        parts
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        for bytes in [name.as_bytes(), content] {
            self.0.update(&(bytes.len() as u64).to_be_bytes());
            self.0.update(bytes);
        }
    }

    /// Plain data with sorted maps serialises to the same JSON every time. The text may hold secrets and is wiped.
    fn add_all<T: Serialize>(&mut self, name: &str, data: &T) {
        let text = serde_json::to_vec(data).expect("plain data with text keys has a JSON form");
        let text = Secret::new(text);
        self.add(name, text.expose());
    }

    fn finish(self) -> Digest {
        Digest(hex::encode(self.0.finalize().into_bytes()))
    }
}
