//! Reports: when the next one is due, and where it goes.

use super::Loop;
use crate::agent::Look;
use crate::execute::sentence;
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::time::Duration;
use tenantry_schema::wire::Report;
use tokio::time::Instant;

/// A report without news while the hub is away.
const LONELY_HEARTBEAT: Duration = Duration::from_mins(15);
/// Between two reports.
const REPORT_PAUSE: Duration = Duration::from_millis(200);

impl<W: WebServer + 'static> Loop<W> {
    /// Reports what changed, or that nothing did. Returns when the next report is due.
    pub(super) fn report(&mut self, look: &Look) -> Instant {
        let mut report = self.agent.report(look);
        report.agent_update.clone_from(&self.own.state);
        self.add_health(&mut report, look);
        self.gather();
        if self.is_stale() {
            report.stale_since = Some(self.heard.1);
        }
        let now = Instant::now();
        if let Some((last, at)) = &self.reported {
            let waiting = !self.outbox.borrow().is_empty();
            let pause = if *last != report || !self.agent.news.is_empty() {
                REPORT_PAUSE
            } else if waiting {
                LONELY_HEARTBEAT
            } else {
                self.agent.config().intervals.report()
            };
            if now < *at + pause {
                return *at + pause;
            }
        }
        let posted = self.agent.post(
            report.clone(),
            &mut self.outbox.borrow_mut(),
            Timestamp::now(),
        );
        match posted {
            Ok(()) => {
                self.gathered();
                self.posted.notify_one();
                self.unsaved.borrow_mut().over();
            }
            Err(error) => self.tell_unsaved(report.clone(), &sentence(&error)),
        }
        self.reported = Some((report, now));
        now + self.agent.config().intervals.report()
    }

    /// What happened since the last report is kept for the next run to deliver.
    pub(super) fn finish_up(&mut self) {
        self.gather();
        let last = self.reported.take().map(|(report, _)| report);
        if let Some(report) = last.filter(|_| !self.agent.news.is_empty()) {
            let posted = self
                .agent
                .post(report, &mut self.outbox.borrow_mut(), Timestamp::now());
            match posted {
                Ok(()) => self.gathered(),
                Err(error) => {
                    tracing::error!(error = sentence(&error), "the last report cannot be kept");
                }
            }
        }
    }

    /// The hub is told from memory. What happened is told with it, and nowhere else.
    fn tell_unsaved(&mut self, report: Report, why: &str) {
        tracing::error!(error = why, "a report cannot be kept");
        let news = std::mem::take(&mut self.agent.news);
        let mut unsaved = self.unsaved.borrow_mut();
        unsaved.put(report, &news, why, Timestamp::now());
        drop(unsaved);
        self.gathered();
    }
}
