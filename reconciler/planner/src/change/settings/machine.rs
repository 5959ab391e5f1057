//! The machine beneath the tools: its areas, who may log in, and the agent's program.

use super::{beyond, differing, differs, moved};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use tenantry_schema::document::{
    AgentRelease, Docker, Fail2ban, Firewall, Host, HostArea, Packages, Ssh, Users,
};
use tenantry_schema::id::StaffId;
use tenantry_schema::wire::UserSpec;

/// Areas that are looked after, before and after.
pub(super) fn areas(old: Option<&Host>, new: Option<&Host>, said: &mut Vec<String>) {
    use HostArea as A;
    let none = Host::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let Host {
        unmanaged,
        packages,
        users,
        ssh,
        firewall,
        fail2ban,
        time_zone,
        swap,
        sysctls,
        docker,
        timers,
    } = old;
    said.extend(differs(
        "areas of the machine that are left alone:",
        unmanaged,
        &new.unmanaged,
        listed,
    ));
    let areas = [
        area(
            A::Packages,
            packages.as_ref(),
            new.packages.as_ref(),
            install,
        ),
        area(A::Users, users.as_ref(), new.users.as_ref(), who),
        area(A::Ssh, ssh.as_ref(), new.ssh.as_ref(), |old, new| {
            listens(old, *new)
        }),
        area(A::Firewall, firewall.as_ref(), new.firewall.as_ref(), opens),
        area(
            A::Fail2ban,
            fail2ban.as_ref(),
            new.fail2ban.as_ref(),
            |old, new| bans(old, *new),
        ),
        area(
            A::TimeZone,
            time_zone.as_ref(),
            new.time_zone.as_ref(),
            plain,
        ),
        area(A::Swap, swap.as_ref(), new.swap.as_ref(), plain),
        area(
            A::Sysctls,
            sysctls.as_ref(),
            new.sysctls.as_ref(),
            |old, new| entries(old, new, |name, value| format!("{name} = {value}")),
        ),
        area(A::Docker, docker.as_ref(), new.docker.as_ref(), engine),
        // What timers run may be long.
        area(
            A::Timers,
            timers.as_ref(),
            new.timers.as_ref(),
            |old, new| entries(old, new, |name, _| format!("timer {name}")),
        ),
    ];
    said.extend(areas.into_iter().flatten());
}

/// One area; `words` says how it is, or what differs from what it was.
fn area<T: PartialEq>(
    area: HostArea,
    old: Option<&T>,
    new: Option<&T>,
    words: impl Fn(Option<&T>, &T) -> Vec<String>,
) -> Option<String> {
    match (old, new) {
        (None, Some(new)) => {
            let words = words(None, new).join(", ");
            let words = if words.is_empty() {
                "nothing is asked for yet"
            } else {
                &words
            };
            Some(format!("`{area}` of the machine is looked after: {words}"))
        }
        (Some(_), None) => Some(format!(
            "`{area}` of the machine is looked after no more and stays as it is"
        )),
        (Some(old), Some(new)) if old != new => Some(format!(
            "`{area}` of the machine: {}",
            words(Some(old), new).join(", ")
        )),
        _ => None,
    }
}

/// `what new`, or `what old → new`. None: it is the same.
fn value<T: PartialEq + Display>(what: &str, old: Option<&T>, new: &T) -> Option<String> {
    match old {
        Some(old) => moved(what, old, new),
        None => Some(format!("{what} {new}")),
    }
}

/// The same of what is either so or not.
fn switch(old: Option<bool>, new: bool, on: &str, off: &str) -> Option<String> {
    (old != Some(new)).then(|| if new { on } else { off }.to_owned())
}

fn listed<T: Display>(names: &BTreeSet<T>) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn plain<T: PartialEq + Display>(old: Option<&T>, new: &T) -> Vec<String> {
    vec![match old {
        Some(old) => format!("{old} → {new}"),
        None => new.to_string(),
    }]
}

/// Entries that come, change and go.
fn entries<K: Ord + Display, V: PartialEq>(
    old: Option<&BTreeMap<K, V>>,
    new: &BTreeMap<K, V>,
    words: impl Fn(&K, &V) -> String,
) -> Vec<String> {
    let none = BTreeMap::new();
    let sides = differing(old.unwrap_or(&none), new);
    let each = sides.map(|(name, old, new)| match (old, new) {
        (Some(_), Some(new)) => format!("{} (changed)", words(name, new)),
        (None, Some(new)) => words(name, new),
        (_, None) => format!("{name} is asked for no more"),
    });
    each.collect()
}

fn install(old: Option<&Packages>, new: &Packages) -> Vec<String> {
    let Packages {
        install,
        unattended_upgrades,
    } = new;
    let none = BTreeSet::new();
    let before = old.map_or(&none, |old| &old.install);
    let more = beyond(install, before).map(|names| format!("{names} installed"));
    let less = beyond(before, install)
        .map(|names| format!("{names} asked for no more (what is installed stays)"));
    let upgrades = switch(
        old.map(|old| old.unattended_upgrades),
        *unattended_upgrades,
        "security updates by themselves",
        "no security updates by themselves",
    );
    more.into_iter().chain(less).chain(upgrades).collect()
}

fn who(old: Option<&Users>, new: &Users) -> Vec<String> {
    let words = |Users { only }: &Users| {
        only.as_ref().map_or_else(
            || "all of the staff with a `server_login`".to_owned(),
            listed,
        )
    };
    value("may log in:", old.map(words).as_ref(), &words(new))
        .into_iter()
        .collect()
}

fn listens(old: Option<&Ssh>, new: Ssh) -> Vec<String> {
    let Ssh { port, root } = new;
    let port = value("port", old.map(|old| &old.port), &port);
    let root = switch(
        old.map(|old| old.root),
        root,
        "root may log in with a key",
        "root may not log in",
    );
    port.into_iter().chain(root).collect()
}

fn opens(old: Option<&Firewall>, new: &Firewall) -> Vec<String> {
    let Firewall { open } = new;
    let none = BTreeSet::new();
    let before = old.map_or(&none, |old| &old.open);
    let more = beyond(open, before).map(|ports| format!("{ports} opened"));
    let less = beyond(before, open).map(|ports| format!("{ports} closed"));
    let rest = old.is_none().then(|| {
        "all that comes from outside is refused but for SSH, the web and what is opened".to_owned()
    });
    rest.into_iter().chain(more).chain(less).collect()
}

fn bans(old: Option<&Fail2ban>, new: Fail2ban) -> Vec<String> {
    let Fail2ban { attempts, ban } = new;
    let after = value(
        "shuts out after attempts:",
        old.map(|old| &old.attempts),
        &attempts,
    );
    let span = value("for", old.map(|old| &old.ban), &ban);
    after.into_iter().chain(span).collect()
}

fn engine(old: Option<&Docker>, new: &Docker) -> Vec<String> {
    let Docker {
        live_restore,
        log_size,
        log_files,
    } = new;
    let live = switch(
        old.map(|old| old.live_restore),
        *live_restore,
        "containers go on while the engine is restarted",
        "containers stop while the engine is restarted",
    );
    let size = value("size of a log", old.map(|old| &old.log_size), log_size);
    let files = value("files of a log", old.map(|old| &old.log_files), log_files);
    live.into_iter().chain(size).chain(files).collect()
}

/// Who may log in to the machine.
pub(super) fn users(
    old: &BTreeMap<StaffId, UserSpec>,
    new: &BTreeMap<StaffId, UserSpec>,
    said: &mut Vec<String>,
) {
    for (id, old, new) in differing(old, new) {
        let Some(UserSpec { keys, sudo }) = new else {
            said.push(format!("{id} may no longer log in to the machine"));
            continue;
        };
        let Some(old) = old else {
            let root = if *sudo { " and become root" } else { "" };
            said.push(format!("{id} may log in to the machine{root}"));
            continue;
        };
        if old.keys != *keys {
            said.push(format!("{id} logs in to the machine with other keys"));
        }
        if old.sudo != *sudo {
            let may = if *sudo {
                "may become"
            } else {
                "may no longer become"
            };
            said.push(format!("{id} {may} root on the machine"));
        }
    }
}

/// The program that the agent runs.
pub(super) fn program(
    old: Option<&AgentRelease>,
    new: Option<&AgentRelease>,
    said: &mut Vec<String>,
) {
    let release = |program: Option<&AgentRelease>| {
        program.map_or_else(
            || "the one that is there".to_owned(),
            |program| program.release.to_string(),
        )
    };
    said.extend(moved("the agent's program:", &release(old), &release(new)));
    let (Some(old), Some(new)) = (old, new) else {
        return;
    };
    let AgentRelease {
        release,
        sha256,
        allow_older,
    } = old;
    let files: Vec<String> = differing(sha256, &new.sha256)
        .filter_map(|(architecture, _, _)| {
            let name = serde_json::to_value(architecture).ok()?;
            Some(name.as_str()?.to_owned())
        })
        .collect();
    if !files.is_empty() && *release == new.release {
        said.push(format!(
            "the agent's program {release} is another file for {}",
            files.join(", ")
        ));
    }
    said.extend(switch(
        Some(*allow_older),
        new.allow_older,
        "agents may go back to an older program",
        "agents go back to no older program",
    ));
}
