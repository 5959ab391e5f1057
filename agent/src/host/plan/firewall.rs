//! The firewall and fail2ban. SSH and the web are open always, so that nobody can shut themselves out by a line that is missing.

use super::files::{is_repair, is_right, wanted};
use super::ssh::{configured_ports, port_is_its_own};
use super::{Go, HostInput, Stop};
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::Action;
use crate::host::texts::Gates;
use crate::host::{JAIL, RULES, RULES_TARGET, RULES_UNIT, texts};
use std::collections::BTreeSet;
use tenantry_schema::document::{Firewall, HostArea};

/// Debian's unit of it.
const FAIL2BAN: &str = "fail2ban.service";

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(firewall) = &input.host.firewall else {
        return Ok(Go::default());
    };
    let found = input.found;
    port_is_its_own(found)?;
    let gates = gates(input, firewall)?;
    let text = texts::rules(&gates);
    let unit = found.systemd.then(texts::rules_unit);
    let parts = [text.as_str(), unit.as_deref().unwrap_or_default()];
    let mut go = Go::new(digest_of(parts));
    let repair = is_repair(found, HostArea::Firewall, &go.of);
    let file = wanted(RULES, &text, 0o600);
    let loaded = found
        .memory
        .has(HostArea::Firewall, &go.of, Some(&found.boot));
    if is_right(found, &file)? && loaded {
        go.inspect(input, HostArea::Firewall, Action::EnsureRules(text.into()));
    } else {
        go.all([(Action::Rules(text.into()), repair)]);
    }
    if let Some(unit) = unit {
        go.unit(found, HostArea::Firewall, (RULES_TARGET, RULES_UNIT), &unit)?;
    }
    if !loaded {
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
    go.message = closed(input, &gates);
    Ok(go)
}

/// While the SSH server moves, its old port stays open.
fn gates(input: &HostInput<'_>, firewall: &Firewall) -> Result<Gates, Stop> {
    let mut always = configured_ports(input.found).map_err(Stop::Unseen)?;
    always.extend(input.host.ssh.map(|ssh| ssh.port));
    always.extend([input.web.http, input.web.https]);
    Ok(Gates {
        always,
        web: [input.web.https].into(),
        open: firewall.open.clone(),
    })
}

/// Ports that containers publish to the world, and that nobody asked to be open.
fn closed(input: &HostInput<'_>, gates: &Gates) -> Option<String> {
    let published = input.published?.iter();
    let shut = published.filter(|((port, protocol), _)| {
        !gates.open.iter().any(|gate| gate.covers(*port, *protocol)) && !gates.always.contains(port)
    });
    let shut: Vec<_> = shut
        .map(|((port, protocol), container)| format!("{port}/{protocol} of container {container}"))
        .collect();
    (!shut.is_empty()).then(|| {
        format!(
            "published to the world and kept shut, for `firewall.open` does not name them: {}",
            shut.join(", ")
        )
    })
}

pub(super) fn fail2ban(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(settings) = &input.host.fail2ban else {
        return Ok(Go::default());
    };
    let found = input.found;
    port_is_its_own(found)?;
    let ports: BTreeSet<u16> = configured_ports(found).map_err(Stop::Unseen)?;
    let text = texts::jail(settings, &ports);
    let mut go = Go::new(digest_of([text.as_str()]));
    let repair = is_repair(found, HostArea::Fail2ban, &go.of);
    let file = wanted(JAIL, &text, 0o644);
    let right = is_right(found, &file)?;
    if right && repair {
        if found.systemd {
            let units = vec![FAIL2BAN.to_owned()];
            go.inspect(input, HostArea::Fail2ban, Action::EnsureUnits(units));
        }
        return Ok(go);
    }
    if !right {
        let check = Call::new(Program::Fail2banClient, ["-t"]);
        go.all([(Action::Try(file, check), repair)]);
    }
    if found.systemd {
        let enable = Call::new(Program::Systemctl, ["enable", FAIL2BAN]);
        let restart = Call::new(Program::Systemctl, ["restart", FAIL2BAN]);
        go.all([
            (Action::Run(enable), repair),
            (Action::Run(restart), repair),
        ]);
    }
    let of = go.of.clone();
    go.add(Action::Note { of });
    Ok(go)
}
