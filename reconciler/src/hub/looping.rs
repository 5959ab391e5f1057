//! The loop: pass after pass, each when something woke it or its time came.

use super::inventory::{Reports, Wake};
use super::{Hub, HubError};
use jiff::Timestamp;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;

/// After a failed pass the loop tries again this soon.
const BREATH: Duration = Duration::from_secs(5);
/// The data directory is looked at this often while nothing happens.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// Shortest time between two passes that only take in reports: many reports are planned together.
const GATHER: Duration = Duration::from_millis(20);

/// Passes until it is told to stop, or until its data directory is gone.
pub(super) fn run(
    hub: &mut Hub,
    mut wakes: UnboundedReceiver<Wake>,
    handle: &Handle,
) -> Result<(), HubError> {
    let mut look = true;
    loop {
        hub.data.check()?;
        let next = match hub.pass(look) {
            Ok(_) => {
                look = false;
                hub.next_wake()
            }
            // What was to be looked at is looked at again.
            Err(error) => {
                tracing::error!("a pass failed: {}", super::chain(&error));
                Timestamp::now()
                    .checked_add(BREATH)
                    .unwrap_or(Timestamp::MAX)
            }
        };
        let mut batch: Vec<Reports> = Vec::new();
        let mut wake = wait(hub, &mut wakes, handle, next)?;
        if matches!(wake, Some(Wake::Reports(_))) {
            std::thread::sleep(GATHER);
        }
        while let Some(woken) = wake {
            match woken {
                Wake::Branch | Wake::Pushed => look = true,
                Wake::Told => {}
                // Who asked and did not wait is gone.
                Wake::Upkeep(answer) => drop(answer.send(hub.upkeep())),
                Wake::Reports(reports) => batch.push(*reports),
                Wake::Stop => return Ok(()),
            }
            wake = wakes.try_recv().ok();
        }
        for reports in batch {
            hub.observe(reports);
        }
    }
}

/// What wakes the loop first; nothing where it is time for the next pass.
fn wait(
    hub: &Hub,
    wakes: &mut UnboundedReceiver<Wake>,
    handle: &Handle,
    next: Timestamp,
) -> Result<Option<Wake>, HubError> {
    loop {
        let left = Duration::try_from(Timestamp::now().duration_until(next))
            .unwrap_or(Duration::ZERO)
            .max(Duration::from_millis(1));
        let pause = left.min(LOOK_AFTER);
        match handle.block_on(async { tokio::time::timeout(pause, wakes.recv()).await }) {
            Ok(wake) => return Ok(Some(wake.unwrap_or(Wake::Stop))),
            Err(_) if pause == left => return Ok(None),
            Err(_) => hub.data.check()?,
        }
    }
}
