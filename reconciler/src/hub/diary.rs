//! The diary as the web server sees it.

use crate::store::{AuditEntry, Happening, StateStore, UsageHistory, UsageSpan};
use crate::web::{Diary, SourceError};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::LogMatch;

/// Rows of history that are looked through for found lines: all that are kept.
const LOOKED_THROUGH: usize = crate::store::HISTORY_PER_SERVER;

/// The door to it.
pub(super) struct Door(pub(super) Arc<dyn StateStore>);

impl Diary for Door {
    fn usage(
        &self,
        server: ServerKey,
        span: UsageSpan,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<UsageHistory, SourceError>> {
        let reply = self.0.usage(server, span, now);
        Box::pin(async move { Ok(reply.await?) })
    }

    fn matches(&self, server: ServerKey) -> BoxFuture<'_, Result<Vec<LogMatch>, SourceError>> {
        let reply = self.0.history(server, LOOKED_THROUGH);
        Box::pin(async move {
            let history = reply.await?;
            let found = history.into_iter().filter_map(|entry| match entry.what {
                Happening::Match(found) => Some(*found),
                _ => None,
            });
            Ok(found.collect())
        })
    }

    fn note(&self, entry: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>> {
        let reply = self.0.audit(vec![entry]);
        Box::pin(async move { Ok(reply.await?) })
    }
}
