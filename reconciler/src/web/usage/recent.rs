//! What was read of servers' usage lately. Every open page asks again at each change of the fleet, by anybody, while minutes are the finest steps.

use crate::store::{UsageHistory, UsageSpan};
use crate::web::SourceError;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tenantry_schema::id::ServerKey;
use tokio::sync::OnceCell;

/// The step of the finest series: nothing new is known earlier.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// Histories that are held. One of a server with twenty containers takes half a megabyte.
const MOST: usize = 64;

/// What is asked for.
type Key = (ServerKey, UsageSpan);

/// One history, or the place where it will be: who asks meanwhile waits for the same reading.
struct Slot {
    since: Timestamp,
    history: Arc<OnceCell<Arc<UsageHistory>>>,
}

/// Histories that are less than a minute old.
#[derive(Default)]
pub(in crate::web) struct Recent(Mutex<HashMap<Key, Slot>>);

impl Recent {
    /// The history of `key`: what was read within the last minute, else what `read` gives. A failure is not remembered.
    pub(super) async fn get<F>(
        &self,
        key: Key,
        now: Timestamp,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<UsageHistory>, SourceError>
    where
        F: Future<Output = Result<UsageHistory, SourceError>>,
    {
        let slot = self.slot(key, now);
        let history = slot.get_or_try_init(async || read().await.map(Arc::new));
        history.await.cloned()
    }

    fn slot(&self, key: Key, now: Timestamp) -> Arc<OnceCell<Arc<UsageHistory>>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| now.duration_since(slot.since).abs() < FRESH);
        if slots.len() >= MOST && !slots.contains_key(&key) {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.since);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                slots.remove(&oldest);
            }
        }
        let slot = slots.entry(key).or_insert_with(|| Slot {
            since: now,
            history: Arc::default(),
        });
        slot.history.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(number: usize) -> Key {
        let server = ServerKey {
            customer: "acme".try_into().unwrap(),
            server: format!("acme-{number}").as_str().try_into().unwrap(),
        };
        (server, UsageSpan::Day)
    }

    fn history(until: Timestamp) -> UsageHistory {
        UsageHistory {
            from: at(0),
            until,
            step: 60,
            host: Vec::new(),
            containers_step: 60,
            containers: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_minute_is_read_once() {
        let (recent, reads) = (Recent::default(), AtomicUsize::new(0));
        let ask = async |number: usize, second: i64| {
            let read = async || {
                tokio::task::yield_now().await;
                reads.fetch_add(1, Ordering::Relaxed);
                Ok(history(at(second)))
            };
            recent
                .get(key(number), at(second), read)
                .await
                .unwrap()
                .until
        };
        // Pages that are open ask at the same moment.
        let both = tokio::join!(ask(1, 0), ask(1, 0));
        assert_eq!(both, (at(0), at(0)));
        assert_eq!(ask(1, 59).await, at(0));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert_eq!(ask(2, 59).await, at(59), "another server");
        assert_eq!(ask(1, 60).await, at(60), "a minute later");
        // A clock that was put back holds nothing up.
        assert_eq!(ask(1, -500).await, at(-500));
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered_and_room_is_bounded() {
        let recent = Recent::default();
        let failed = recent.get(key(0), at(0), async || Err("no disk".into()));
        assert_eq!(failed.await.unwrap_err().to_string(), "no disk");
        for number in 0..2 * MOST {
            let read = async || Ok(history(at(1)));
            recent.get(key(number), at(1), read).await.unwrap();
        }
        assert_eq!(recent.0.lock().unwrap().len(), MOST);
    }
}
