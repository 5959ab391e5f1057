//! The pure core from outside: files in, decisions, slices and sentences out. What these tests share is in `support`.
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "tests are read more than run"
)]

mod backups;
mod catalogue;
mod changes;
mod checker;
mod customers;
mod diagnostics;
mod domains;
mod lost;
mod machine;
mod moved;
mod overrides;
mod policy;
mod ports;
mod properties;
mod questions;
mod rendering;
mod restores;
mod scenarios;
mod sealing;
mod settings;
mod standing;
mod support;
mod versions;
