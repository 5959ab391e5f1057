//! The pure core of the hub: compile documents, plan, explain, render slices, tell the status.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness (law 4). The flow, one direction:
//!
//! ```text
//! files ──documents──▶ CustomerDocuments ──link──▶ Desired ─┐
//!                                                           ├─ plan ─▶ Plan (decisions, slices, waits, next wake) ──▶ status
//! agents' reports ────────────────────────────▶ Inventory ──┘
//! Desired + plaintext secrets ──render──▶ files of a slice
//! ```

pub mod addresses;
pub mod catalogue;
pub mod change;
pub mod check;
pub mod codes;
pub mod decision;
pub mod desired;
pub mod documents;
pub mod domains;
pub mod explain;
pub mod input;
pub mod inventory;
pub mod link;
pub mod lost;
mod moved;
pub mod object;
pub mod operations;
pub mod plan;
pub mod policy;
pub mod query;
pub mod references;
pub mod removal;
pub mod render;
pub mod sealing;
pub mod slice_input;
pub mod status;
pub mod today;
pub mod waiting;

pub use desired::Desired;
pub use inventory::{Inventory, Observed};
pub use object::ObjectId;
pub use plan::{Plan, PlanCache, plan};
pub use waiting::WaitingOn;
