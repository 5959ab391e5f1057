//! YAML for files that people write: text to a spanned tree to a typed value, every error located, all errors at once; no files, no schema of any kind of document.
//!
//! Scalars are read as the *requested type* demands, so `no`, `1:30` and `0755` stay text where text is
//! wanted, and are explained rather than guessed where a number is wanted.

mod access;
mod build;
mod de;
mod decode;
mod entries;
mod error;
mod limits;
mod node;
mod offsets;
mod parse;
mod placeholder;
mod problem;
mod scalar;
mod span;
mod suggest;
mod syntax;
mod tabs;
mod tags;

pub use decode::{MAX_PROBLEMS, decode, decode_partly};
pub use limits::Limits;
pub use node::{Kind, Node, Tag};
pub use parse::{Marked, Partial, parse, parse_marked, parse_partial};
pub use problem::{Problem, ProblemKind};
pub use scalar::{Scalar, resolve};
pub use span::{LineIndex, Position, Span};
pub use suggest::suggest;

use serde::de::DeserializeOwned;

/// A type that takes a text or something else asks for it as a newtype of this name: of a scalar it is then given the text that was written
/// (`0755`, `1.10`), not what an untyped reader would make of it.
pub const AS_WRITTEN: &str = "$as_written";

/// Parses and decodes in one go.
///
/// Recoverable mistakes of the tree (duplicate keys, unknown tags) and mistakes of the types are reported
/// together. For cross-file checks that need positions later, call [`parse`] and [`decode`] separately.
pub fn from_str<T: DeserializeOwned>(text: &str, limits: &Limits) -> Result<T, Vec<Problem>> {
    let (node, mut problems) = parse_partial(text, limits);
    if let Some(node) = node {
        let (value, more) = decode(&node);
        problems.extend(more);
        if let (Some(value), true) = (value, problems.is_empty()) {
            return Ok(value);
        }
    }
    problems.sort_by_key(|problem| problem.span);
    problems.truncate(MAX_PROBLEMS);
    Err(problems)
}
