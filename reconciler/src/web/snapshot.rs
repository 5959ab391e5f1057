//! One state of the fleet with what is derived from it for readers: JSON, order of rows, search texts. Derived once a state, when first asked for.

use super::pages::Index;
use axum::body::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tenantry_planner::status::FleetStatus;
use tokio::sync::watch;

/// A state and what was derived from it.
pub(super) struct Snapshot {
    pub(super) status: Arc<FleetStatus>,
    /// Differs between any two states, also across restarts. Plain ASCII.
    pub(super) version: String,
    index: OnceLock<Index>,
    json: OnceLock<Arc<Json>>,
}

/// The state as JSON.
pub(super) struct Json {
    pub(super) body: Bytes,
    /// With its quotes, as it stands in the header.
    pub(super) etag: String,
}

impl Snapshot {
    /// For finding and ordering rows.
    pub(super) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.status))
    }

    /// The state as JSON with its entity tag.
    pub(super) fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(Arc::clone(json));
        }
        let body = serde_json::to_vec(&*self.status)?;
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
        Ok(Arc::clone(self.json.get_or_init(|| {
            Arc::new(Json {
                body: body.into(),
                etag,
            })
        })))
    }
}

/// The newest snapshot.
pub(super) struct Snapshots {
    status: watch::Receiver<Arc<FleetStatus>>,
    newest: Mutex<Option<Arc<Snapshot>>>,
    count: AtomicU64,
}

impl Snapshots {
    pub(super) fn new(status: watch::Receiver<Arc<FleetStatus>>) -> Self {
        Self {
            status,
            newest: Mutex::new(None),
            count: AtomicU64::new(0),
        }
    }

    /// The snapshot of the newest state.
    pub(super) fn newest(&self) -> Arc<Snapshot> {
        let status = Arc::clone(&self.status.borrow());
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = newest
            .as_ref()
            .filter(|snapshot| Arc::ptr_eq(&snapshot.status, &status))
        {
            return Arc::clone(snapshot);
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let version = format!("{:x}-{count:x}", status.at.as_millisecond());
        let snapshot = Arc::new(Snapshot {
            status,
            version,
            index: OnceLock::new(),
            json: OnceLock::new(),
        });
        *newest = Some(Arc::clone(&snapshot));
        snapshot
    }
}
