//! Packages: those that are asked for, and those that other areas need. None is ever removed.

use super::files::{is_repair, wanted, write};
use super::{Go, HostInput, Stop};
use crate::host::found::Found;
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::Action;
use crate::host::{APT_FOLDER, APT_MAIN, UPGRADES, texts};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{Host, HostArea};
use tenantry_schema::id::StaffId;
use tenantry_schema::wire::UserSpec;

/// Lists that are older name packages that are gone.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// Packages that an area cannot do without.
fn of(area: HostArea, users: &BTreeMap<StaffId, UserSpec>) -> &'static [&'static str] {
    match area {
        HostArea::Users if users.values().any(|user| user.sudo) => &["sudo"],
        // The client tries the new settings.
        HostArea::Ssh => &["openssh-server", "openssh-client"],
        HostArea::Firewall => &["nftables"],
        HostArea::Fail2ban => &["fail2ban", "nftables", "python3-systemd"],
        HostArea::TimeZone => &["tzdata"],
        _ => &[],
    }
}

/// All packages that have to be there.
pub fn needed(host: &Host, users: &BTreeMap<StaffId, UserSpec>) -> BTreeSet<String> {
    let areas = host.areas().into_iter();
    let mut all: BTreeSet<String> = areas
        .flat_map(|area| of(area, users))
        .map(|name| (*name).to_owned())
        .collect();
    if let Some(packages) = &host.packages {
        all.extend(packages.install.iter().map(ToString::to_string));
        if packages.unattended_upgrades {
            all.insert("unattended-upgrades".into());
        }
    }
    all
}

/// What keeps an area from beginning, if packages do.
pub(super) fn missing(input: &HostInput<'_>, area: HostArea) -> Option<Stop> {
    let needs = of(area, input.users);
    if area == HostArea::Packages || needs.is_empty() {
        return None;
    }
    let installed = match &input.found.installed {
        Some(Ok(installed)) => installed,
        Some(Err(why)) => return Some(Stop::Unseen(why.clone())),
        None => return Some(Stop::Unseen("packages were not looked at".into())),
    };
    let missing: Vec<_> = needs
        .iter()
        .filter(|name| !installed.contains(**name))
        .copied()
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.join(", ");
    Some(Stop::Waits(if input.host.packages.is_some() {
        format!("it needs {names}, which `packages` installs")
    } else {
        format!("it needs {names}: install what is missing, or have `packages:` looked after")
    }))
}

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(packages) = &input.host.packages else {
        return Ok(Go::default());
    };
    let installed = match &input.found.installed {
        Some(Ok(installed)) => installed,
        Some(Err(why)) => return Err(Stop::Unseen(why.clone())),
        None => return Err(Stop::Unseen("packages were not looked at".into())),
    };
    let needed = needed(input.host, input.users);
    let upgrades = packages.unattended_upgrades;
    let mut go = Go::new(digest_of(
        needed
            .iter()
            .map(String::as_str)
            .chain([if upgrades { "upgrades" } else { "" }]),
    ));
    let repair = is_repair(input.found, HostArea::Packages, &go.of);
    let missing: Vec<_> = needed.difference(installed).cloned().collect();
    if !missing.is_empty() {
        let stale = input.found.lists.is_none_or(|lists| {
            let age = input.now.duration_since(lists);
            age > STALE || age.is_negative()
        });
        if stale {
            go.add(Action::Run(apt(["update"])));
        }
        let install = ["install", "--no-install-recommends", "--"].map(str::to_owned);
        let call = apt(install.into_iter().chain(missing));
        go.all([(Action::Run(call), repair)]);
    }
    let settings = wanted(UPGRADES, &texts::upgrades(upgrades), 0o644);
    go.all(write(input.found, settings, repair)?);
    if let Some(why) = later_words(input.found) {
        go.trouble = true;
        go.message = Some(why);
    }
    if !input.found.memory.has(HostArea::Packages, &go.of, None) {
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
    Ok(go)
}

/// Files that apt reads after ours and that speak of updates by themselves, so that they win.
fn later_words(found: &Found) -> Option<String> {
    if let Some(why) = found.unlisted.get(APT_FOLDER) {
        return Some(format!("whether another file wins is not known: {why}"));
    }
    let theirs = found
        .files
        .iter()
        .filter(|(path, _)| path.as_str() != UPGRADES && path.as_str().starts_with(APT_MAIN));
    for (path, file) in theirs {
        match file {
            Ok(None) => {}
            Ok(Some(file)) if !speaks_of_updates(&file.data) => {}
            Ok(Some(_)) => {
                return Some(format!(
                    "/{path} is read after /{UPGRADES} and speaks of APT::Periodic, so that it wins: take that out of it, or leave `packages` unmanaged"
                ));
            }
            Err(why) => return Some(format!("whether /{path} wins is not known: {why}")),
        }
    }
    None
}

/// `APT::Periodic::Unattended-Upgrade "0";`, `APT { Periodic { Enable "0"; }; };`
fn speaks_of_updates(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data).to_ascii_lowercase();
    let is_comment =
        |line: &str| line.starts_with("//") || line.starts_with('#') && !line.starts_with("#clear");
    let mut words = text.lines().filter(|line| !is_comment(line.trim_start()));
    words.any(|line| line.contains("periodic"))
}

/// Waits for others that use apt; keeps configuration files as people left them.
fn apt<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Call {
    let options = [
        "-q",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=300",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "APT::Update::Error-Mode=any",
    ];
    let all = options.map(str::to_owned).into_iter();
    Call::new(
        Program::AptGet,
        all.chain(arguments.into_iter().map(Into::into)),
    )
}
