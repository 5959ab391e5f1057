//! Looks for trouble in the logs of containers, by the rules of the slice (`error_rules:`). Logs are followed, so a line costs its own
//! reading and no more; what was read is remembered by container, across restarts of either side.
//!
//! # Guarantees
//! Every line that the engine can give is looked at, in the order in which it was written, as long as the container is there. A line is told
//! at least once: after a crash of the agent what was told in its last minute may be told again.
//!
//! # Caveats
//! Logs that the engine cannot read (`logging: {driver: none}`) are not looked at. Of a container that is removed while the agent is down, what
//! was not read is lost with its log.

mod follow;
mod lines;
mod positions;
mod rules;

pub use follow::{Scan, Target};
pub use rules::Rules;
