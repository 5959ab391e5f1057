//! Reports that cannot be kept on disk: told to the hub from memory, so that it hears of a disk that fails from the agent itself.
//!
//! They count in a ledger of their own that ends with the process. Numbers of the ledger on disk cannot be given to them: it could not
//! be written down that they are used, and after the next start other reports would get them, which the hub then takes for known.

use super::Link;
use super::backoff::Backoff;
use crate::report::News;
use jiff::Timestamp;
use rand::RngCore as _;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tenantry_schema::wire::{Event, EventKind, Report, ReportBatch};
use tokio::sync::Notify;

/// Reports that wait at most. When there are more, the second oldest goes: the oldest may be on its way.
const MOST: usize = 50;

/// What waits.
#[derive(Debug)]
pub struct Unsaved {
    ledger: String,
    sequence: u64,
    waiting: VecDeque<Report>,
    /// Why reports could not be kept, as it was told last.
    why: Option<String>,
    news: Rc<Notify>,
}

impl Default for Unsaved {
    /// Nothing waits.
    fn default() -> Self {
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        Self {
            ledger: hex::encode(id),
            sequence: 0,
            waiting: VecDeque::new(),
            why: None,
            news: Rc::default(),
        }
    }
}

impl Unsaved {
    /// Takes a report with its news, and says in it why it could not be kept.
    pub fn put(&mut self, mut report: Report, news: &News, why: &str, now: Timestamp) {
        self.sequence += 1;
        report.sequence = self.sequence;
        report.taken_at = now;
        report.since = None;
        news.tell(&mut report);
        if self.why.as_deref() != Some(why) {
            self.why = Some(why.to_owned());
            report.events.push(Event {
                at: now,
                kind: EventKind::Failed,
                instance: None,
                message: format!("reports cannot be kept on disk: {why}"),
            });
        }
        self.waiting.push_back(report);
        if self.waiting.len() > MOST {
            self.waiting.remove(1);
        }
        self.news.notify_one();
    }

    /// Reports can be kept again.
    pub fn over(&mut self) {
        self.why = None;
    }

    fn first(&self) -> Option<ReportBatch> {
        Some(ReportBatch {
            ledger: self.ledger.clone(),
            reports: vec![self.waiting.front()?.clone()],
        })
    }

    fn told(&mut self, sequence: u64) {
        self.waiting.retain(|report| report.sequence > sequence);
    }
}

/// Delivers what waits, one after the other, and does so forever.
pub async fn deliver_unsaved(link: Link, unsaved: Rc<RefCell<Unsaved>>) {
    let news = unsaved.borrow().news.clone();
    let mut backoff = Backoff::default();
    loop {
        let Some(batch) = unsaved.borrow().first() else {
            news.notified().await;
            continue;
        };
        match link.deliver(&batch).await {
            Ok(receipt) => {
                unsaved.borrow_mut().told(receipt.accepted);
                backoff.reset();
            }
            Err(error) => {
                tracing::debug!(%error, "a report from memory is not delivered");
                tokio::time::sleep(backoff.next(&mut rand::rng())).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_report;

    fn news(message: &str) -> News {
        let event = Event {
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::Changed,
            instance: None,
            message: message.to_owned(),
        };
        let mut news = News::default();
        news.event(event);
        news
    }

    fn messages(report: &Report) -> Vec<&str> {
        let events = report.events.iter();
        events.map(|event| event.message.as_str()).collect()
    }

    #[test]
    fn why_is_told_once_and_again_after_it_was_over() {
        let mut unsaved = Unsaved::default();
        let now = Timestamp::UNIX_EPOCH;
        for what in ["one", "two"] {
            unsaved.put(test_report(70, false), &news(what), "no room", now);
        }
        unsaved.over();
        unsaved.put(test_report(71, false), &News::default(), "no room", now);
        let told: Vec<_> = unsaved.waiting.iter().map(messages).collect();
        let why = "reports cannot be kept on disk: no room";
        assert_eq!(told, [vec!["one", why], vec!["two"], vec![why]]);
        let numbers: Vec<_> = unsaved.waiting.iter().map(|it| it.sequence).collect();
        assert_eq!(numbers, [1, 2, 3]);
        unsaved.told(2);
        assert_eq!(unsaved.first().unwrap().reports[0].sequence, 3);
        unsaved.told(3);
        assert_eq!(unsaved.first(), None);
    }

    #[test]
    fn what_waits_is_bounded_and_what_may_be_on_its_way_stays() {
        let mut unsaved = Unsaved::default();
        for _ in 0..MOST + 10 {
            let report = test_report(1, false);
            unsaved.put(report, &News::default(), "", Timestamp::UNIX_EPOCH);
        }
        assert_eq!(unsaved.waiting.len(), MOST);
        assert_eq!(unsaved.waiting[0].sequence, 1);
        assert_eq!(unsaved.waiting[1].sequence, 12);
    }
}
