//! Points at which tests let the process die: after each change outside of itself. In release builds there are none.

use std::sync::atomic::{AtomicI64, Ordering};

/// Changes until the end; negative where nothing is to happen.
static LEFT: AtomicI64 = AtomicI64::new(-1);

/// Lets the process die right after so many more changes.
pub fn arm(changes: u32) {
    LEFT.store(i64::from(changes), Ordering::SeqCst);
}

/// To be called after each change of a file or on the container engine.
pub fn changed() {
    if cfg!(debug_assertions)
        && LEFT.load(Ordering::SeqCst) >= 0
        && LEFT.fetch_sub(1, Ordering::SeqCst) == 0
    {
        // As a power cut would: nothing is cleaned up.
        std::process::abort();
    }
}
