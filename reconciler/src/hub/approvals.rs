//! What is to be said about operations today: who has to approve them, which approvals do not count, which are over. It changes with the day, so it is
//! no part of what loading a commit says.

use super::Hub;
use crate::load::text_of;
use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;
use tenantry_planner::operations;
use tenantry_schema::Diagnostic;

impl Hub {
    /// Everything that is to be said about the loaded commit.
    pub(super) fn found(&self) -> Arc<Vec<Diagnostic>> {
        let Some(loaded) = &self.loaded else {
            return Arc::default();
        };
        let (Some(desired), Some(revision)) = (&loaded.desired, self.source.revision) else {
            return loaded.diagnostics.clone();
        };
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let objects = self.fleet.objects();
        let found = operations::diagnose(desired, today, &|path| {
            text_of(objects, revision.tree, path)
        });
        if found.is_empty() {
            return loaded.diagnostics.clone();
        }
        Arc::new(loaded.diagnostics.iter().cloned().chain(found).collect())
    }
}
