//! What is told: the state of the server, and what happened since the last report.

use super::{Agent, Look};
use crate::files::FilesError;
use crate::outbox::Outbox;
use crate::report::{self, News};
use crate::web_server::WebServer;
use jiff::Timestamp;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{Event, EventKind, Report};

impl<W: WebServer> Agent<W> {
    /// Notes that something happened.
    pub fn event(
        &mut self,
        kind: EventKind,
        instance: Option<InstanceName>,
        message: String,
        at: Timestamp,
    ) {
        self.news.event(Event {
            at,
            kind,
            instance,
            message,
        });
    }

    /// The state of the server as it is reported, without number, time and news.
    pub fn report(&self, look: &Look) -> Report {
        let ledger = self.hands.ledger.borrow();
        let kept = self.desired().and_then(|desired| desired.backups.as_ref());
        Report {
            backups: kept.map(|kept| self.desk.report(kept)),
            ..report::report(self.desired(), look, ledger.get())
        }
    }

    /// Numbers a report and puts it into the outbox, with the news.
    pub fn post(
        &mut self,
        mut report: Report,
        outbox: &mut Outbox,
        now: Timestamp,
    ) -> Result<(), FilesError> {
        let mut ledger = self.hands.ledger.borrow_mut();
        report.sequence = ledger
            .get()
            .sequence
            .max(outbox.newest().unwrap_or_default())
            + 1;
        report.taken_at = now;
        ledger.update(|ledger| ledger.sequence = report.sequence)?;
        self.news.tell(&mut report);
        outbox.push(&report)?;
        self.news = News::default();
        Ok(())
    }
}
