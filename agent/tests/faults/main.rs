//! What goes wrong beneath the agent: it dies, its container engine hangs or is made anew, events get lost, registries are away,
//! files cannot be written. In the end the server is as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod chains;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod engine;
mod events;
mod killed;
#[allow(dead_code, reason = "made for other tests too")]
#[path = "../containers/lab.rs"]
mod lab;
mod middle;
mod own_engine;
mod port;
mod reboot;
mod registry;
mod rig;
mod room;
mod shape;
mod writes;
