//! What the hub says.

use super::{Loop, STALE};
use crate::execute::sentence;
use crate::link::poll::FromHub;
use crate::link::troubles::About;
use crate::web_server::WebServer;
use jiff::Timestamp;
use tenantry_schema::wire::Refusal;
use tokio::time::Instant;

impl<W: WebServer + 'static> Loop<W> {
    /// Takes in what comes from the hub. Whether it makes a look worth while: most answers say that nothing is new.
    pub(super) fn hear(&mut self, message: FromHub) -> bool {
        let now = Timestamp::now();
        match message {
            FromHub::Heard => {
                let news = self.away || !self.own.answered || self.is_stale();
                self.heard = (Instant::now(), now);
                self.away = false;
                self.own.answered = true;
                self.troubles.borrow_mut().served(About::Slices);
                return news;
            }
            FromHub::Bundle { bytes, accepted } => {
                let good = self.agent.offer(&bytes, true, now);
                self.have.send_replace(self.agent.have());
                self.abandon_outdated();
                // The asker is gone only when everything ends.
                let _ = accepted.send(good);
            }
            FromHub::Questions(questions) => {
                self.answer(questions);
                return false;
            }
            FromHub::Trouble(error) => {
                self.troubles
                    .borrow_mut()
                    .refused(About::Slices, &error, now);
                if !self.away {
                    // A hub that comes back may have forgotten everything (law 3): it is told as soon as it can be reached.
                    self.away = true;
                    self.reported = None;
                }
                if let Some(kind) = error.refusal() {
                    self.agent.news.refusal(Refusal {
                        at: now,
                        kind,
                        detail: sentence(&error),
                    });
                }
            }
        }
        true
    }

    /// Whether nothing believed was heard for so long that the hub is told.
    pub(super) fn is_stale(&self) -> bool {
        self.heard.0.elapsed() > STALE
    }
}
