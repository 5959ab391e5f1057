//! Packed bundles, kept while there is room: agents of a busy fleet ask for the same one again after a broken connection.

use super::SliceError;
use git2::Oid;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tenantry_schema::name::RelativePath;

/// Bytes of bundles that are kept.
const ROOM: usize = 32 << 20;

#[derive(Default)]
pub(super) struct Bundles(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_commit: HashMap<Oid, (u64, Arc<[u8]>)>,
    bytes: usize,
    clock: u64,
}

impl Bundles {
    /// The bundle of the slice at `id`, packed from `files` where it is not kept.
    pub(super) fn get_or_pack(
        &self,
        id: Oid,
        files: impl FnOnce() -> Result<BTreeMap<RelativePath, Vec<u8>>, SliceError>,
    ) -> Result<Arc<[u8]>, SliceError> {
        if let Some(bytes) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .touch(id)
        {
            return Ok(bytes);
        }
        // Packed without the lock: two who ask at once do the work twice, and nobody waits.
        let bytes: Arc<[u8]> = tenantry_wire::bundle::pack(&files()?).into();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(id, bytes.clone());
        Ok(bytes)
    }
}

impl Kept {
    fn touch(&mut self, id: Oid) -> Option<Arc<[u8]>> {
        self.clock += 1;
        let (used, bytes) = self.by_commit.get_mut(&id)?;
        *used = self.clock;
        Some(bytes.clone())
    }

    fn keep(&mut self, id: Oid, bytes: Arc<[u8]>) {
        self.bytes += bytes.len();
        if let Some((_, old)) = self.by_commit.insert(id, (self.clock, bytes)) {
            self.bytes -= old.len();
        }
        while self.bytes > ROOM {
            let Some(oldest) = self
                .by_commit
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(id, _)| *id)
            else {
                break;
            };
            if let Some((_, bytes)) = self.by_commit.remove(&oldest) {
                self.bytes -= bytes.len();
            }
        }
    }
}
