//! Questions that wait for a server's agent to fetch them, and people who wait for answers. In memory: whoever asks waits, and asks again
//! where the hub was restarted meanwhile.

use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{Answer, AnswerOutcome, Question};
use tokio::sync::{oneshot, watch};

/// Questions to one server that are open at once, and to all servers.
const OPEN_PER_SERVER: usize = 4;
const OPEN: usize = 64;

/// The desk.
#[derive(Debug, Default)]
pub(in crate::web) struct QuestionDesk(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    by_server: HashMap<ServerKey, Place>,
    open: usize,
}

#[derive(Debug, Default)]
struct Place {
    /// Not fetched yet.
    queue: VecDeque<Question>,
    /// Whoever waits for the answer to a question.
    waiting: HashMap<String, oneshot::Sender<AnswerOutcome>>,
    count: watch::Sender<u64>,
}

/// Too many questions are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// A question that was put. Forgotten when dropped.
pub(super) struct Put<'a> {
    desk: &'a QuestionDesk,
    server: ServerKey,
    id: String,
    answer: oneshot::Receiver<AnswerOutcome>,
}

impl Put<'_> {
    /// Completes when the agent answers.
    pub(super) async fn answer(&mut self) -> Option<AnswerOutcome> {
        (&mut self.answer).await.ok()
    }

    /// Whether the agent has fetched it.
    pub(super) fn is_fetched(&self) -> bool {
        let places = self.desk.places();
        let place = places.by_server.get(&self.server);
        place.is_none_or(|place| place.queue.iter().all(|question| question.id != self.id))
    }
}

impl Drop for Put<'_> {
    fn drop(&mut self) {
        let mut places = self.desk.places();
        if let Some(place) = places.by_server.get_mut(&self.server) {
            place.queue.retain(|question| question.id != self.id);
            place.waiting.remove(&self.id);
        }
        places.open = places.open.saturating_sub(1);
    }
}

impl QuestionDesk {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question to a server, and wakes its long poll.
    pub(super) fn put(&self, server: ServerKey, question: Question) -> Result<Put<'_>, TooMany> {
        let (sender, answer) = oneshot::channel();
        let id = question.id.clone();
        let mut places = self.places();
        if places.open >= OPEN {
            return Err(TooMany);
        }
        let place = places.by_server.entry(server.clone()).or_default();
        if place.waiting.len() >= OPEN_PER_SERVER {
            return Err(TooMany);
        }
        place.queue.push_back(question);
        place.waiting.insert(id.clone(), sender);
        place.count.send_modify(|count| *count += 1);
        places.open += 1;
        drop(places);
        Ok(Put {
            desk: self,
            server,
            id,
            answer,
        })
    }

    /// Counts the questions that were put to a server.
    pub(in crate::web) fn asked(&self, server: &ServerKey) -> watch::Receiver<u64> {
        let mut places = self.places();
        if let Some(place) = places.by_server.get(server) {
            return place.count.subscribe();
        }
        places
            .by_server
            .entry(server.clone())
            .or_default()
            .count
            .subscribe()
    }

    /// Hands out the questions to a server that somebody still waits for. Each is handed out once.
    pub(in crate::web) fn fetch(&self, server: &ServerKey, now: Timestamp) -> Vec<Question> {
        let mut places = self.places();
        let Some(place) = places.by_server.get_mut(server) else {
            return Vec::new();
        };
        place
            .queue
            .drain(..)
            .filter(|question| question.until > now)
            .collect()
    }

    /// Takes the answer of a server's agent. Whether anybody waited for it: questions of other servers are not this one's to answer.
    pub(in crate::web) fn answered(&self, server: &ServerKey, answer: Answer) -> bool {
        let waiting = self
            .places()
            .by_server
            .get_mut(server)
            .and_then(|place| place.waiting.remove(&answer.id));
        waiting.is_some_and(|waiting| waiting.send(answer.outcome).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> ServerKey {
        ServerKey {
            customer: "acme".try_into().unwrap(),
            server: name.try_into().unwrap(),
        }
    }

    fn question(id: &str) -> Question {
        Question {
            id: id.into(),
            by: "jo".into(),
            until: Timestamp::from_second(100).unwrap(),
            inquiry: serde_json::Value::Null,
        }
    }

    fn said(id: &str) -> Answer {
        Answer {
            id: id.into(),
            outcome: AnswerOutcome::Refused {
                reason: "no".into(),
            },
        }
    }

    #[tokio::test]
    async fn a_question_is_fetched_once_and_answered_by_its_server_alone() {
        let desk = QuestionDesk::default();
        let (a, b) = (server("a"), server("b"));
        let asked = desk.asked(&a);
        let mut put = desk.put(a.clone(), question("1")).unwrap();
        assert!(asked.has_changed().unwrap() && !desk.asked(&b).has_changed().unwrap());
        let now = Timestamp::from_second(50).unwrap();
        assert!(desk.fetch(&b, now).is_empty() && !put.is_fetched());
        assert_eq!(desk.fetch(&a, now).len(), 1);
        assert!(put.is_fetched() && desk.fetch(&a, now).is_empty());
        assert!(!desk.answered(&b, said("1")), "not its question");
        assert!(!desk.answered(&a, said("2")), "nobody asked that");
        assert!(desk.answered(&a, said("1")));
        assert!(!desk.answered(&a, said("1")), "once");
        assert!(put.answer().await.is_some());
    }

    #[test]
    fn whoever_goes_takes_the_question_along() {
        let desk = QuestionDesk::default();
        let a = server("a");
        drop(desk.put(a.clone(), question("1")).unwrap());
        assert!(desk.fetch(&a, Timestamp::UNIX_EPOCH).is_empty());
        assert_eq!(desk.places().open, 0);
        let _late = desk.put(a.clone(), question("2")).unwrap();
        assert!(
            desk.fetch(&a, Timestamp::from_second(100).unwrap())
                .is_empty(),
            "too late"
        );
    }

    #[test]
    fn there_is_an_end_to_asking() {
        let desk = QuestionDesk::default();
        let all: Vec<_> = (0..OPEN + 10)
            .map(|n| desk.put(server(&format!("s{}", n % 40)), question(&n.to_string())))
            .collect();
        assert_eq!(all.iter().filter(|put| put.is_ok()).count(), OPEN);
        drop(all);
        let one: Vec<_> = (0..OPEN)
            .map(|n| desk.put(server("a"), question(&n.to_string())))
            .collect();
        assert_eq!(
            one.iter().filter(|put| put.is_ok()).count(),
            OPEN_PER_SERVER
        );
    }
}
