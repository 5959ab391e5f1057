//! The machine beneath the tools: which areas of it a server's slice asks for, who may log in, and what its agent says of them.

use crate::documents::HeadDocuments;
use crate::waiting::WaitingOn;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::document::{Host, Hub, Person, Role, Server, Users};
use tenantry_schema::id::{ServerId, StaffId};
use tenantry_schema::key::LoginKey;
use tenantry_schema::wire::{AgentUpdate, AgentWait, AreaState, Report, UserSpec};

/// Areas of the fleet and of the server. Servers that have none of their own share the fleet's.
pub fn host(hub: &Hub, server: &Server) -> Option<Arc<Host>> {
    let host = match (&hub.host, &server.host) {
        (fleet, None) => fleet.clone(),
        (None, Some(own)) => Some(own.clone()),
        (Some(fleet), Some(own)) => Some(Arc::new(fleet.on(own))),
    };
    host.filter(|host| !host.areas().is_empty())
}

/// Who may log in where `users:` is asked for. Nobody with no key at all is among them.
pub(super) fn users(head: &HeadDocuments, host: Option<&Host>) -> BTreeMap<StaffId, UserSpec> {
    let Some(users) = host.and_then(|host| host.users.as_ref()) else {
        return BTreeMap::new();
    };
    let staff = head.staff.0.iter();
    staff
        .filter_map(|(id, person)| Some((id.clone(), user_on(users, id, person)?)))
        .collect()
}

/// How somebody logs in where `users:` is asked for. None: not at all.
pub fn user_on(users: &Users, id: &StaffId, person: &Person) -> Option<UserSpec> {
    let may = users.only.as_ref().is_none_or(|only| only.contains(id));
    may.then(|| user(person))?
}

fn user(person: &Person) -> Option<UserSpec> {
    let login = person.server_login.as_ref()?;
    let keys = login.keys.clone();
    let keys = keys.unwrap_or_else(|| {
        person
            .signing_keys
            .iter()
            .cloned()
            .map(LoginKey::from)
            .collect()
    });
    let sudo = login.sudo.unwrap_or(person.role <= Role::Admin);
    (!keys.is_empty()).then_some(UserSpec { keys, sudo })
}

/// What is not as it should be about the machine and the agent's program.
pub(super) fn waiting(server: &ServerId, report: &Report, out: &mut Vec<WaitingOn>) {
    for (area, report) in &report.areas {
        let message = report.message.clone();
        match (report.state, &report.waiting) {
            // What holds the whole server up is said once.
            (AreaState::Good, _) | (_, Some(AgentWait::ObserveOnly | AgentWait::Paused { .. })) => {
            }
            (_, Some(AgentWait::Window { opens })) => {
                out.push(WaitingOn::Window { opens: *opens });
            }
            _ => out.push(WaitingOn::HostArea {
                server: server.clone(),
                area: *area,
                message: message.unwrap_or_else(|| "it is being changed".to_owned()),
            }),
        }
    }
    if let Some(update) = &report.agent_update {
        out.push(WaitingOn::AgentProgram {
            server: server.clone(),
            message: words(update),
        });
    }
}

/// Whether something of the machine failed or is refused.
pub(super) fn ails(report: &Report) -> bool {
    let mut areas = report.areas.values();
    areas.any(|area| matches!(area.state, AreaState::Failed | AreaState::Refused))
}

fn words(update: &AgentUpdate) -> String {
    match update {
        AgentUpdate::Fetching { release, done } => {
            format!(
                "release {release} is being fetched ({} KiB so far)",
                done >> 10
            )
        }
        AgentUpdate::Ready { release } => format!("release {release} is about to be tried"),
        AgentUpdate::Rejected {
            release, reason, ..
        } => format!(
            "release {release} was tried and given up, and the one before goes on; it is not tried again: {reason}"
        ),
        AgentUpdate::Refused { release, reason } => {
            format!("release {release} is not tried: {reason}")
        }
        AgentUpdate::Failed { release, reason } => {
            format!("release {release} cannot be had and is tried again: {reason}")
        }
    }
}
