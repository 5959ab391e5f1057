//! What is said of the loaded commit today. Worked out once a commit and day: the loop passes far more often.

use super::Hub;
use crate::git::Oid;
use crate::load::said_today;
use jiff::civil::Date;
use std::sync::Arc;
use tenantry_planner::today::day;
use tenantry_schema::Diagnostic;

/// Everything that is to be said of a commit on a day.
pub(super) struct Said {
    of: (Oid, Date),
    all: Arc<Vec<Diagnostic>>,
}

impl Hub {
    /// Everything that is to be said about the loaded commit. While nothing changes, the same list.
    pub(super) fn found(&mut self) -> Arc<Vec<Diagnostic>> {
        let Some(loaded) = &self.loaded else {
            return Arc::default();
        };
        let (Some(desired), Some(revision)) = (&loaded.desired, self.source.revision) else {
            return loaded.diagnostics.clone();
        };
        let of = (revision.commit, day(self.looked_at));
        if let Some(said) = self.said.as_ref().filter(|said| said.of == of) {
            return said.all.clone();
        }
        let today = said_today(self.fleet.objects(), revision.tree, desired, self.looked_at);
        let all = if today.is_empty() {
            loaded.diagnostics.clone()
        } else {
            Arc::new(loaded.diagnostics.iter().cloned().chain(today).collect())
        };
        self.said = Some(Said {
            of,
            all: all.clone(),
        });
        all
    }
}
