//! The job of backups that is at work: one at a time.

use super::{Loop, instant};
use crate::agent::Look;
use crate::backups::restore::mend;
use crate::step::Lane;
use crate::web_server::WebServer;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::task::spawn_local;
use tokio::time::Instant;

impl<W: WebServer + 'static> Loop<W> {
    /// Begins the job of backups that is due, one at a time. Returns when to look again.
    pub(super) fn attend_backups(&mut self, look: &Look) -> Instant {
        let busy = self.lanes.keys().filter_map(|lane| match lane {
            Lane::Instance(name) => Some(name.clone()),
            _ => None,
        });
        self.agent.desk.set_busy(busy);
        if let Some(desired) = self.agent.desired() {
            let all = desired.instances.iter();
            let wanted = all.map(|(name, instance)| (name.clone(), instance.digest.clone()));
            self.agent.desk.set_wanted(wanted);
        }
        let patrol = self.patrol();
        if let Some(task) = self.backup.take_if(|task| task.is_finished()) {
            // It ended: what it says is there, unless it panicked, which the log has.
            if let Some(Ok(events)) = task.now_or_never() {
                for event in events {
                    self.agent.news.event(event);
                }
            }
        }
        if self.backup.is_some() {
            return patrol;
        }
        let now = Timestamp::now();
        // Before anything else: a tool stands still until its data is in order.
        let (broken_off, again) = self.agent.mend_due(look, now);
        if let Some(instance) = broken_off {
            let (engine, desk) = (self.agent.hands().engine.clone(), self.agent.desk.clone());
            self.backup = Some(spawn_local(mend(engine, desk, instance)));
            return patrol;
        }
        let (work, wake) = self.agent.due(look, now);
        let wake = [wake, again].into_iter().flatten().min();
        if let Some(work) = work {
            self.backup = Some(spawn_local(work.run()));
            return patrol;
        }
        wake.map_or(patrol, |at| patrol.min(instant(at)))
    }
}
