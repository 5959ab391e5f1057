//! `/agent/v1/*`: signed requests of agents, signed answers. What a slice is and where reports are kept is behind the two traits here.

mod answer;
mod answers;
mod board;
mod body;
mod directory;
mod gate;
mod next;
mod ports;
mod program;
mod refusal;
mod reports;
mod verify;

pub use board::SliceBoard;
pub use directory::{AgentDirectory, AgentIdentity, DirectoryError};
pub use gate::Limits;
pub use ports::{CurrentSlice, ReportError, ReportSink, SliceSource, SourceError};

pub(super) use answers::answers;
pub(super) use next::next;
pub(super) use program::program;
pub(super) use reports::reports;
