//! The two doors between agents' endpoints and the rest of the hub: where slices come from, where reports go.

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Receipt, ReportBatch};
use tokio::sync::watch;

/// What went wrong behind a door. It is logged, and never told to an agent.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// The head of the newest slice of a server. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentSlice {
    /// Its generation.
    pub generation: u64,
    /// Digest of its content, hexadecimal.
    pub content: Arc<str>,
    /// The fleet commit that it was rendered from.
    pub commit: Arc<str>,
}

impl CurrentSlice {
    /// `content`: the digest of its content, hexadecimal; `commit`: the fleet commit.
    pub fn new(generation: u64, content: &str, commit: &str) -> Self {
        Self {
            generation,
            content: content.into(),
            commit: commit.into(),
        }
    }
}

/// The newest slice of every server. [`super::SliceBoard`] does the part of it that is not storage.
pub trait SliceSource: Send + Sync + 'static {
    /// The newest slice of `server`; none while nothing was published for it. Called once a request and more: must not block.
    fn current(&self, server: &ServerKey) -> Option<CurrentSlice>;

    /// The packed bundle of the newest slice of `server`, with the head that it belongs to.
    fn bundle<'a>(
        &'a self,
        server: &'a ServerKey,
    ) -> BoxFuture<'a, Result<Option<(CurrentSlice, Bytes)>, SourceError>>;

    /// Changes whenever [`SliceSource::current`] of `server` does, and of no other server, so that one commit wakes only those that it is for.
    fn changed(&self, server: &ServerKey) -> watch::Receiver<u64>;
}

/// Where agents' reports go.
pub trait ReportSink: Send + Sync + 'static {
    /// Keeps the reports of `batch` that are new and says up to where everything is kept. Must be durable when it returns.
    fn accept(
        &self,
        server: ServerKey,
        batch: ReportBatch,
    ) -> BoxFuture<'_, Result<Receipt, ReportError>>;
}

/// Why reports are not kept.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The batch makes no sense; sending it again will not help. The sentence goes to the agent.
    #[error("{0}")]
    Refused(String),
    /// It cannot be kept now; the agent tries again.
    #[error("reports cannot be kept now")]
    Unavailable(#[source] SourceError),
}
