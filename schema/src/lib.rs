//! The vocabulary of Tenantry: documents, names, diagnostics, and what hub and agent say to each other.
//!
//! Types and their parsing only. No I/O, no clock, no cryptography: whoever needs those works with these types from outside.

pub mod amount;
pub mod diagnostic;
pub mod document;
pub mod id;
pub mod json;
pub mod key;
pub mod map;
pub mod name;
pub mod pattern;
pub mod secret;
pub mod size;
pub mod text;
pub mod url;
pub mod window;
pub mod wire;

pub use diagnostic::{Diagnostic, Severity};
pub use map::SharedMap;
pub use secret::Secret;
