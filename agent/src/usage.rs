//! What the server and its containers use: read from the kernel on a timer, gathered into windows of a minute for the report. Where the
//! kernel's files cannot be found for a container, the engine is asked.

mod cgroup;
mod kernel;
mod meter;
mod sample;
mod window;

pub use meter::{Meter, Target};
pub use sample::{ContainerSample, HostSample, Sample};
pub use window::Gathering;

/// Samples that make a window: a minute, unless the server's configuration says otherwise.
pub const SAMPLES: u32 = 4;
