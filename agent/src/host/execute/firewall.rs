//! Rules of the firewall: checked, loaded in one transaction, then kept for the next start of the machine.

use super::{Done, Ground, HostError};
use crate::faults;
use crate::files::{Access, digest};
use crate::host::programs::{Call, Program, ProgramError};
use crate::host::{RULES, path};
use jiff::Timestamp;
use tenantry_schema::document::HostArea;

fn nft<const N: usize>(arguments: [&str; N]) -> Call {
    Call::new(Program::Nft, arguments)
}

pub(super) async fn load(ground: &Ground, text: &str, now: Timestamp) -> Result<(), HostError> {
    let input = Some(text.as_bytes());
    let checked = ground.programs.run(&nft(["-c", "-f", "-"]), input).await;
    checked.map_err(|source| HostError::Unfit {
        path: path(RULES),
        source,
    })?;
    ground.programs.run(&nft(["-f", "-"]), input).await?;
    faults::changed();
    ground
        .root
        .write_as(&path(RULES), text.as_bytes(), &Access::mode(0o600))?;
    let listed = list(ground).await?;
    ground
        .memory
        .borrow_mut()
        .update(|memory| memory.rules = Some(digest(listed.as_bytes())))?;
    ground.inspected(HostArea::Firewall, now);
    Ok(())
}

/// The kernel's own listing is compared with the one that it gave when the rules had been loaded.
pub(super) async fn ensure(ground: &Ground, text: &str, now: Timestamp) -> Result<Done, HostError> {
    let listed = list(ground)
        .await
        .ok()
        .map(|listed| digest(listed.as_bytes()));
    if listed.is_some() && listed == ground.memory.borrow().get().rules {
        ground.inspected(HostArea::Firewall, now);
        return Ok(Done::Unchanged);
    }
    tracing::warn!("the rules of the firewall are not those that were loaded");
    load(ground, text, now).await.map(|()| Done::Changed)
}

/// Without counters.
async fn list(ground: &Ground) -> Result<String, ProgramError> {
    let list = nft(["-s", "list", "table", "inet", "tenantry"]);
    ground.programs.run(&list, None).await
}
