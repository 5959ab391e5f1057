//! The time zone, settings of the kernel, and swap.

use super::files::{is_repair, wanted, write};
use super::{Go, HostInput, Stop};
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::Action;
use crate::host::{SWAP, SWAP_TARGET, SWAP_UNIT, SYSCTLS, path, texts};
use tenantry_schema::document::HostArea;
use tenantry_schema::wire::AgentWait;

/// A disk is not filled up with swap.
const SPARE: u64 = 1 << 30;

pub(super) fn time_zone(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(zone) = &input.host.time_zone else {
        return Ok(Go::default());
    };
    let found = input.found;
    if !found.zone_known {
        return Err(Stop::Refused(format!(
            "this machine knows no time zone `{zone}`"
        )));
    }
    let mut go = Go::new(digest_of([zone.as_str()]));
    let repair = is_repair(found, HostArea::TimeZone, &go.of);
    let named = found
        .zone
        .as_deref()
        .and_then(|target| target.split_once("zoneinfo/"));
    if named.is_none_or(|(_, name)| name != zone.as_str()) {
        go.all([(Action::Zone(zone.clone()), repair)]);
    }
    go.all(write(
        found,
        wanted("etc/timezone", &format!("{zone}\n"), 0o644),
        repair,
    )?);
    note(input, HostArea::TimeZone, &mut go);
    Ok(go)
}

pub(super) fn sysctls(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(settings) = &input.host.sysctls else {
        return Ok(Go::default());
    };
    let text = texts::sysctls(settings);
    let mut go = Go::new(digest_of([text.as_str()]));
    let repair = is_repair(input.found, HostArea::Sysctls, &go.of);
    go.all(write(input.found, wanted(SYSCTLS, &text, 0o644), repair)?);
    let mut unknown = Vec::new();
    for (name, value) in settings {
        match input.found.kernel.get(name) {
            Some(Ok(Some(now))) if now == value.as_str() => {}
            Some(Ok(Some(_))) => {
                let (name, value) = (name.clone(), value.clone());
                go.all([(Action::Kernel { name, value }, repair)]);
            }
            Some(Ok(None)) => unknown.push(name.as_str()),
            Some(Err(why)) => return Err(Stop::Unseen(why.clone())),
            None => return Err(Stop::Unseen(format!("{name} was not looked at"))),
        }
    }
    if !unknown.is_empty() {
        go.trouble = true;
        go.message = Some(format!("this kernel has no {}", unknown.join(", ")));
    }
    note(input, HostArea::Sysctls, &mut go);
    Ok(go)
}

pub(super) fn swap(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(size) = input.host.swap else {
        return Ok(Go::default());
    };
    let found = input.found;
    let swaps = found
        .swaps
        .as_ref()
        .map_err(|why| Stop::Unseen(why.clone()))?;
    let file = format!("/{SWAP}");
    let unit = found.systemd.then(texts::swap_unit);
    let parts = [size.to_string(), unit.clone().unwrap_or_default()];
    let mut go = Go::new(digest_of(parts.iter().map(String::as_str)));
    let repair = is_repair(found, HostArea::Swap, &go.of);
    // Whole pages.
    let bytes = size.0 / 4096 * 4096;
    if bytes < 1 << 20 {
        return Err(Stop::Refused("a swap file has at least 1M".into()));
    }
    let used = swaps.contains_key(&file);
    let right = found.swap_file == Some(bytes);
    if !right {
        if used && let Some(window) = input.window.filter(|window| !window.is_open(input.now)) {
            // What is swapped out comes back into memory first.
            let opens = window.next_open(input.now);
            go.waiting = Some(AgentWait::Window { opens });
            go.next = Some(opens);
            return Ok(go);
        }
        let room = found
            .room
            .saturating_add(found.swap_file.unwrap_or_default());
        if room < bytes.saturating_add(SPARE) {
            return Err(Stop::Refused(format!(
                "{} MiB are free, and a swap file of {} MiB leaves too little",
                room >> 20,
                bytes >> 20
            )));
        }
        if used {
            go.add(Action::Run(Call::new(Program::Swapoff, [file.clone()])));
        }
        if found.swap_file.is_some() {
            // There need not be room for both.
            go.add(Action::Remove(path(SWAP)));
        }
        go.all([(Action::SwapFile { bytes }, repair)]);
    }
    if let Some(unit) = unit {
        go.unit(found, HostArea::Swap, (SWAP_TARGET, SWAP_UNIT), &unit)?;
    }
    if !used || !right {
        go.all([(Action::Run(Call::new(Program::Swapon, [file])), repair)]);
    }
    note(input, HostArea::Swap, &mut go);
    Ok(go)
}

fn note(input: &HostInput<'_>, area: HostArea, go: &mut Go) {
    if !input.found.memory.has(area, &go.of, None) {
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
}
