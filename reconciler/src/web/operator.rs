//! What operators ask servers through the hub: signed with a key of `staff.yaml`, written down, put to the server's own long poll, answered by
//! its agent. The pages are public; logs are not, so none of it is shown there.

mod desk;
mod diagnose;
mod staff;

pub use staff::StaffDirectory;

pub(in crate::web) use desk::QuestionDesk;
pub(in crate::web) use diagnose::{MOST_ANSWER, Seen, diagnose};

use super::agent::SourceError;
use crate::store::{AuditEntry, UsageHistory, UsageSpan};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::LogMatch;
use tokio::sync::watch;

/// What the diary knows of single servers, and where it is written down who asked them what.
pub trait Diary: Send + Sync + 'static {
    /// What a server used, up to `now`.
    fn usage(
        &self,
        server: ServerKey,
        span: UsageSpan,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<UsageHistory, SourceError>>;
    /// The newest lines that rules found on a server, oldest first.
    fn matches(&self, server: ServerKey) -> BoxFuture<'_, Result<Vec<LogMatch>, SourceError>>;
    /// Writes something down. Durable when it returns.
    fn note(&self, entry: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>>;
}

/// What pages and operators are told of single servers.
#[derive(Clone)]
pub struct ServerDoors {
    /// The diary.
    pub diary: Arc<dyn Diary>,
    /// Who may ask.
    pub staff: watch::Receiver<Arc<StaffDirectory>>,
}

impl ServerDoors {
    /// Nothing is known, and nobody may ask.
    pub fn none() -> Self {
        Self {
            diary: Arc::new(Nothing),
            staff: watch::Sender::default().subscribe(),
        }
    }
}

struct Nothing;

impl Diary for Nothing {
    fn usage(
        &self,
        _: ServerKey,
        _: UsageSpan,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<UsageHistory, SourceError>> {
        let empty = UsageHistory {
            from: now,
            until: now,
            step: 60,
            host: Vec::new(),
            containers_step: 60,
            containers: std::collections::BTreeMap::new(),
        };
        Box::pin(std::future::ready(Ok(empty)))
    }

    fn matches(&self, _: ServerKey) -> BoxFuture<'_, Result<Vec<LogMatch>, SourceError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn note(&self, _: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(std::future::ready(Err("there is no diary".into())))
    }
}
