//! The pure core from outside: files in, decisions, slices and sentences out. What these tests share is in `support`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod catalogue;
mod checker;
mod diagnostics;
mod domains;
mod properties;
mod rendering;
mod scenarios;
mod support;
