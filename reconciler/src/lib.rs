//! The hub and the command line: load, observe, execute, store, web. What is decided and why is the planner crate's business; this crate does I/O.
//!
//! | module | what |
//! | --- | --- |
//! | [`git`] | the fleet's repository: objects, the branch, commits by compare-and-swap |
//! | [`load`] | a commit to `Desired`, cached by object id, errors contained |
//! | [`cache`] | what is known of customers from earlier runs |
//! | [`decide`] | decisions to a commit |
//! | [`generate`] | values of secrets: drawn, shared, worked out |
//! | [`publish`] | a slice's input to a sealed slice |
//! | [`slices`], [`store`] | what was published; reports, attempts, audit: the data directory |
//! | [`foresee`] | what a hub would do with a commit |
//! | `review` | that, told to people: terminal, pull request, commit status |
//! | [`hub`] | the loop: load, plan, decide, publish, tell |
//! | [`secrets`] | what people do with files of secrets |
//! | [`trust`] | which commits may be followed |
//! | [`verdicts`], [`forge`] | what the hub thinks of commits, posted where they are reviewed |
//! | [`web`] | agents' API, status page, metrics |
//! | [`import`] | a Compose file to a stack |
//! | [`cli`] | the commands |

pub mod backups;
pub mod cache;
pub mod cli;
pub mod config;
pub mod decide;
pub mod foresee;
pub mod forge;
pub mod generate;
pub mod git;
pub mod hub;
pub mod import;
pub mod keys;
pub mod load;
pub mod lost;
pub mod publish;
mod review;
pub mod secrets;
pub mod slices;
pub mod store;
pub mod trust;
pub mod verdicts;
pub mod web;

/// This release. A hub acts only if it is the one that the fleet has activated.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
