//! Containers: makes a Docker engine run what Compose files ask for, and keeps it so.
//!
//! # Expected flow
//!
//! ```text
//! Project ── spec::instance ──▶ InstanceInput ─┐
//!                                              ├─ converge ─▶ Pass { steps, waiting } ─ execute, step by step ─▶ engine
//! engine ── Observer::observe ─▶ EngineState ──┘                                                                  │
//!    ▲                                                                                                            │
//!    └──────────────────────────────── events::watch ─▶ Wake ─▶ the next pass ◀───────────────────────────────────┘
//! ```
//!
//! 1. [`spec::instance`] turns a Compose project into plain data ([`desired`]), and tells which files must be written first.
//! 2. [`Observer::observe`] lists what is on the engine.
//! 3. [`converge`] compares, purely; [`remove_others`] does so for projects that nothing asks for any more.
//! 4. [`execute`] takes the steps of one instance in order. After the first failure or [`Ensured::PlanAgain`] the rest of that
//!    instance's steps is dropped, and the next pass plans anew.
//! 5. [`watch`] says when to look again; pass the id in a [`ContainerEvent`] to [`Observer::forget`].
//!
//! One pass rarely suffices: an image must be here before its container is planned, a dependency healthy before what needs it
//! starts. It is over when [`Pass::is_converged`].
//!
//! # Guarantees
//!
//! - A pass with nothing to do writes nothing.
//! - A volume is never removed or changed, whatever happens. Containers are removed without their volumes, and anonymous volumes
//!   move on to the container that takes over.
//! - What carries another keeper's mark, belongs to `docker compose run`, or to a project that is not asked for, is left alone.
//! - A container is made anew exactly when one of its inputs changes ([`inputs`]). If the new one cannot be made or started, the
//!   old one is put back.
//! - No value of an environment, command or secret is printed by `Debug`, put into an error or logged.
//!
//! # Caveats
//!
//! - Mounts name absolute paths, and paths are inputs: keep an instance's files at the same place in every generation.
//! - A mounted single file pins an inode: a container goes on seeing a file that was replaced. A wanted change makes the container
//!   anew because the content's digest is an input; a file that drifted and was put back does because the kernel tells that the
//!   mount is of a file that is gone ([`mounts`]). Where `/proc` of the engine cannot be read, it does not.
//! - The engine's client logs whole answers at level `debug` under the target `bollard`; keep that target above `debug`.
//! - Changed options of a volume are not applied: that would need a new volume.

mod ask;
mod body;
pub mod bounds;
mod concern;
mod converge;
pub mod desired;
mod engine;
mod error;
mod events;
pub mod exec;
mod execute;
mod images;
pub mod inputs;
mod labels;
mod log;
mod lookout;
mod mounts;
mod names;
mod observe;
mod pace;
pub mod scratch;
pub mod spec;
pub mod state;
mod stats;
mod step;
pub mod still;
mod verify;
pub mod volumes;
mod witness;

pub use ask::{Place, container_of_service, inspected, volumes_of};
pub use concern::Concern;
pub use converge::{Facts, Held, Version, converge, disturbed, in_force, remove_others};
pub use desired::InstanceInput;
pub use engine::Engine;
pub use error::{EngineError, ErrorKind};
pub use events::{ContainerEvent, NetworkEvent, Wake, watch};
pub use execute::{Ensured, execute, remove_image};
pub use images::{ImageFacts, Login, Logins, Pinned, Pins, Progress, RESERVE, pin, registry_of};
pub use inputs::InputsKey;
pub use log::{Piece, end_of_log, follow_log};
pub use lookout::Lookout;
pub use mounts::Replaced;
pub use names::image as image_name;
pub use observe::Observer;
pub use pace::Pace;
pub use state::{AllTold, EngineState, Told};
pub use stats::{Told as ToldUsage, usage_of};
pub use step::{Action, Pass, Step, Target, Waiting, WaitingOn, Why};
pub use witness::{LastWords, health_text, last_words};

#[cfg(test)]
pub(crate) mod tests;
