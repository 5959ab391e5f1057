//! The hub's web side over real sockets on 127.0.0.1.

#![allow(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, and these helpers stand beside them"
)]

mod agents;
mod fixture;
mod hub;
mod pages;
mod programs;
mod readers;
mod reports;
mod throughput;
mod usage;
