//! Backups: when they are due, how they are taken so that they are whole, and how they are tried out.
//!
//! # Expected flow
//!
//! ```text
//! backups.yaml ─┐
//!               ├─ plan ─▶ Job ─ work ─▶ take: dump, verify, save, look again, receipt ─▶ repository
//! records ──────┘             │          check: restic's own, with a share of the data read back
//!      ▲                      │          drill: restore into containers of its own, compare, remove
//!      │                      └──────── restore: back up what is there, put back, compare; mend what was broken off
//!      └───────────────────── records ◀─────────────┘ ─▶ report
//! ```
//!
//! # Guarantees
//!
//! - **A backup is good only if a receipt says so**: a small snapshot of its own, written last, that names the snapshot of the data, what is in
//!   it, and what was counted while it was dumped. A dump that failed, or lacks its end, never comes into a snapshot; a snapshot that restic
//!   could not finish or read wholly never gets a receipt. Killed at any moment, nothing counts as good that is not.
//! - One job at a time, at the lowest priority. Converging never waits for one, except for an instance whose containers are frozen while a
//!   volume is read.
//! - A restore is all or nothing, and what it overwrites is in a backup ([`restore`]).
//! - Nothing of value is removed: the agent only appends. What it removes is what it made itself (spool files, containers of drills), and what a
//!   restore has replaced.

pub mod database;
pub mod desk;
pub mod drill;
pub mod error;
pub mod files;
pub mod job;
pub mod manifest;
pub mod plan;
pub mod ready;
pub mod records;
pub mod requests;
pub mod restic;
pub mod restore;
pub mod sqlite;
pub mod take;
pub mod targets;
pub mod told;
pub mod tool;
pub mod unsettled;

pub use desk::Desk;
pub use error::BackupError;
