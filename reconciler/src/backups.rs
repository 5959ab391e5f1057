//! Backups as the hub looks after them: what is kept, and forgetting the rest with a credential that no agent has.

mod repository;
mod retain;
mod schedule;
mod upkeep;
mod wanted;

pub use repository::{Repository, RepositoryError, address};
pub use retain::{Kept, retain};
pub(crate) use schedule::{Last, due};
pub use upkeep::{Customer, Keys, Looked, Upkeep, UpkeepError};
pub use wanted::{OVERWRITTEN_KEPT, Wanted};
