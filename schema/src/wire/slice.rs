//! `slice.yaml`: the signed head of a slice.

use crate::id::{FleetId, ServerKey};
use crate::name::RelativePath;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the slice's layout that this release writes and reads.
pub const SLICE_FORMAT: u32 = 1;
/// The file that holds the [`Manifest`].
pub const MANIFEST_FILE: &str = "slice.yaml";
/// The file beside it: its signature in SSH signature format (`ssh-keygen -Y verify`).
pub const SIGNATURE_FILE: &str = "slice.yaml.sig";
/// The namespace of that signature.
pub const SIGNATURE_NAMESPACE: &str = "tenantry-slice";

/// The head of a slice. It names every file, so that one signature covers all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SLICE_FORMAT`].
    pub format: u32,
    /// The fleet.
    pub fleet_id: FleetId,
    /// The server that the slice is for.
    pub server: ServerKey,
    /// Number of commits reachable from `commit`, plus the fleet's floor. Only grows.
    pub generation: u64,
    /// The fleet commit that it was rendered from.
    pub commit: String,
    /// When it was rendered.
    pub issued: Timestamp,
    /// Keyed digest (HMAC-SHA-256, hexadecimal) of the plaintext of all files: equal content, equal digest, whatever the encryption made of it.
    pub content: String,
    /// SHA-256 (hexadecimal) of every other file of the slice.
    pub files: BTreeMap<RelativePath, String>,
}

/// Whether a file of a slice can be executed on the server: slices carry no permission bits, so it is told by how the file begins (a
/// script that names its interpreter, or an ELF program).
pub fn can_run(content: &[u8]) -> bool {
    content.starts_with(b"#!") || content.starts_with(b"\x7fELF")
}
