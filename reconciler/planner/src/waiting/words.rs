//! Each reason as a sentence for people.

use super::WaitingOn;
use std::fmt;

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => write!(f, "the order is paused (`automation: paused`)"),
            Self::DomainTaken { domain, holder } => write!(
                f,
                "the domain {domain} belongs to order {holder}; the first keeps it"
            ),
            Self::DomainLeftBehind { domain, holder } => write!(
                f,
                "the domain {domain} belongs to order {holder}, whose customer is not in the fleet any more: if fleet/customers/{} was renamed, rename it back; \
                 if it is gone for good, let go of the domain with `git rm :/fleet/decisions/{}/{}/domain.yaml` and commit",
                holder.customer, holder.customer, holder.order
            ),
            Self::ServerGone { server } => write!(
                f,
                "server {server} is no longer in the fleet; restore its document, or remove the order"
            ),
            Self::Move { from, to } => write!(
                f,
                "the order runs on {from}; its data is not moved to {to} by an edit (set `server: {from}`)"
            ),
            Self::Server { needs: 0 } => {
                write!(f, "the customer has no server; add one under servers/")
            }
            Self::Server { needs } => write!(
                f,
                "no server of the customer has {} MiB of memory free",
                needs >> 20
            ),
            Self::PortTaken {
                server,
                port,
                holder,
            } => write!(
                f,
                "the order has port {port} already, which belongs to {holder} on {server}; name another server in the order, or write a free port into its decision"
            ),
            Self::AgentKeys { server } => {
                write!(
                    f,
                    "server {server} has no agent keys; run `tenantry-agent enrol` there and add what it prints to its document"
                )
            }
            Self::FirstContact { server } => write!(
                f,
                "the agent on {server} has never reported; start `tenantry-agent run` there"
            ),
            Self::AgentSilent { server, since } => {
                write!(f, "the agent on {server} has been silent since {since:.0}")
            }
            Self::SliceHeld { server, because } => write!(
                f,
                "the slice of {server} stays as it is until this is solved: {because}"
            ),
            Self::SliceDelivery { server } => write!(
                f,
                "the agent on {server} has not taken the newest slice yet"
            ),
            Self::SliceRefused {
                server,
                reason,
                detail,
            } => {
                let reason = serde_json::to_value(reason)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default();
                write!(
                    f,
                    "the agent on {server} refused the slice ({reason}): {detail}"
                )
            }
            Self::Convergence {
                instance,
                message: Some(message),
            } => write!(f, "{instance} is being set up: {message}"),
            Self::Convergence {
                instance,
                message: None,
            } => write!(f, "{instance} is being set up"),
            Self::Site {
                host,
                message: Some(message),
            } => write!(f, "the site {host} is not live: {message}"),
            Self::Site {
                host,
                message: None,
            } => write!(f, "the site {host} is not live yet"),
            Self::AgentFailure { instance, message } => {
                write!(f, "{instance} failed and is tried again: {message}")
            }
            Self::RolledBack { instance, message } => write!(
                f,
                "the new version of {instance} was rolled back, and its last good one runs until another version is wanted: {message}"
            ),
            Self::RolloutHeld { instance, message } => write!(
                f,
                "the new version of {instance} is not healthy, and a person has to decide: {message}"
            ),
            Self::BackupFirst {
                instance,
                message: None,
            } => write!(f, "{instance} is changed after a verified backup of it"),
            Self::BackupFirst {
                instance,
                message: Some(message),
            } => write!(
                f,
                "{instance} is changed after a verified backup of it: {message}"
            ),
            Self::Disk { free, needed } => write!(
                f,
                "{} MiB are free on the server, and {} MiB must be before an image is fetched; make room there",
                free >> 20,
                needed >> 20
            ),
            Self::DriftReported { instance, message } => write!(
                f,
                "{instance} is not as the slice says and is left so (`drift: report`): {}",
                message.as_deref().unwrap_or("see the server's page")
            ),
            Self::Window { opens } => write!(
                f,
                "disruptive steps wait for the maintenance window, which opens at {opens:.0}"
            ),
            Self::ObserveOnly { server } => write!(
                f,
                "server {server} is managed by `observe`: nothing is changed there"
            ),
            Self::AgentPaused { until } => {
                write!(f, "the agent is paused by hand until {until:.0}")
            }
            Self::StackBroken { tool } => write!(
                f,
                "the stack {tool} cannot be used as it is; see the diagnostics"
            ),
            Self::NewVersion { tool, because } => write!(
                f,
                "{tool} stays at its version, because the wanted one does not fit: {because}"
            ),
            Self::Documents => write!(f, "its documents have errors; see the diagnostics"),
            Self::Acknowledgement {
                servers,
                of,
                allowed,
            } => write!(
                f,
                "what the newest commit takes away stays: it is on {servers} of {of} servers, and {allowed} may lose something at once (`policy.max_removed`); put it back, or `tenantry acknowledge`"
            ),
            Self::DecisionsLost(taken) => write!(f, "{taken}"),
            Self::Decision { what } => write!(f, "the hub has to decide first: {what}"),
            Self::SealingRules { problem } => write!(
                f,
                "new secrets cannot be encrypted until .sops.yaml is mended: {problem}"
            ),
            Self::BackupOverdue {
                instance,
                since,
                problem,
            } => {
                write!(f, "{instance} has had no good backup since {since:.0}")?;
                match problem {
                    Some(problem) => write!(f, "; the last attempt failed: {problem}"),
                    None => Ok(()),
                }
            }
            Self::DrillFailed { instance, problem } => {
                write!(f, "the restore drill of {instance} failed: {problem}")
            }
            Self::BackupCheckFailed {
                server,
                at,
                problem,
            } => write!(
                f,
                "the backups of {server} were checked at {at:.0}, and are damaged or cannot be read: {problem}"
            ),
            Self::OperationHeld { operation, because } => {
                write!(f, "operation {operation} is not started: {because}")
            }
            Self::Retry { at, error } => write!(f, "tried again at {at:.0}; last time: {error}"),
            Self::Dead { error } => write!(f, "all attempts failed; last time: {error}"),
            Self::Certificate { host, message } => {
                write!(f, "{host} waits for its certificate: {message}")
            }
            Self::CertificateBudget { host, of, until } => write!(
                f,
                "{host} waits for its certificate: the authority issues no more for {of} before {until:.0}"
            ),
            Self::HostArea {
                server,
                area,
                message,
            } => write!(f, "`{area}` of the machine {server}: {message}"),
            Self::AgentProgram { server, message } => {
                write!(f, "the agent on {server}: {message}")
            }
            Self::Activation { reason } => write!(f, "this hub may not act: {reason}"),
        }
    }
}
