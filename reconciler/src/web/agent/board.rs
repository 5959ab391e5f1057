//! Which slice is the newest of every server, and waking those who wait for it. The bundles themselves are kept elsewhere.

use super::ports::CurrentSlice;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use tenantry_schema::id::ServerKey;
use tokio::sync::watch;

/// Heads of the newest slices: the part of a [`super::SliceSource`] that is not storage. A server may be watched before anything was published for it.
#[derive(Debug, Default)]
pub struct SliceBoard {
    places: RwLock<HashMap<ServerKey, Place>>,
}

#[derive(Debug)]
struct Place {
    slice: Option<CurrentSlice>,
    count: watch::Sender<u64>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            slice: None,
            count: watch::Sender::new(0),
        }
    }
}

impl SliceBoard {
    /// An empty board.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest slice of `server`.
    pub fn current(&self, server: &ServerKey) -> Option<CurrentSlice> {
        self.places
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server)?
            .slice
            .clone()
    }

    /// Counts the changes of `server`'s slice.
    pub fn changed(&self, server: &ServerKey) -> watch::Receiver<u64> {
        if let Some(place) = self
            .places
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(server)
        {
            return place.count.subscribe();
        }
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.entry(server.clone()).or_default().count.subscribe()
    }

    /// `slice` is the newest of `server` from now on. Wakes those who wait for it if it is another than before.
    pub fn publish(&self, server: &ServerKey, slice: CurrentSlice) {
        self.put(server, Some(slice));
    }

    /// There is no slice of `server` any more.
    pub fn withdraw(&self, server: &ServerKey) {
        self.put(server, None);
    }

    fn put(&self, server: &ServerKey, slice: Option<CurrentSlice>) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(server.clone()).or_default();
        if place.slice != slice {
            place.slice = slice;
            place.count.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_concerned_is_woken() {
        let board = SliceBoard::new();
        let [a, b] = ["a", "b"].map(|s| ServerKey {
            customer: "acme".try_into().unwrap(),
            server: s.try_into().unwrap(),
        });
        let (mut of_a, of_b) = (board.changed(&a), board.changed(&b));
        let slice = CurrentSlice {
            generation: 4,
            content: "c1".into(),
            commit: "f".into(),
        };
        board.publish(&a, slice.clone());
        assert!(of_a.has_changed().unwrap() && !of_b.has_changed().unwrap());
        assert_eq!(board.current(&a), Some(slice.clone()));
        assert_eq!(board.current(&b), None);
        of_a.mark_unchanged();
        board.publish(&a, slice);
        assert!(
            !of_a.has_changed().unwrap(),
            "the same slice again wakes nobody"
        );
        board.withdraw(&a);
        assert!(of_a.has_changed().unwrap());
        assert_eq!(board.current(&a), None);
    }
}
