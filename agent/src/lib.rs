//! The agent: makes one server what its slice says, and keeps it so, with or without the hub.
//!
//! ```text
//! hub ── link ─▶ accept (gate, ledger, slices) ─▶ desired ─┐
//!                                                          ├─ converge (pure) ─▶ steps ─ execute ─▶ engine, files, web server
//!      engine, files, web server ── observe ─▶ host_state ─┘                                              │
//!                                                   ▲                                                     │
//!                                                   └──── events, notify, timer (wake) ◀──────────────────┘
//! hub ◀─ link ── outbox ◀── report
//! ```

pub mod accept;
pub mod agent;
pub mod backups;
pub mod ballast;
pub mod certificates;
pub mod clock;
pub mod config;
pub mod containers;
pub mod converge;
pub mod desired;
pub mod diagnose;
pub mod diff;
pub mod enrol;
pub mod execute;
pub mod faults;
pub mod files;
pub mod greet;
pub mod history;
pub mod host;
pub mod host_state;
pub mod install;
pub mod keys;
pub mod lanes;
pub mod ledger;
pub mod link;
pub mod looping;
pub mod once;
pub mod outbox;
pub mod pause;
pub mod redact;
pub mod report;
pub mod rollout;
pub mod scan;
pub mod secrets;
pub mod slices;
pub mod smoke;
pub mod state_file;
pub mod status;
pub mod step;
pub mod timers;
pub mod update;
pub mod usage;
pub mod wake;
pub mod web_server;
