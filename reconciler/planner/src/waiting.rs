//! Why something is not done yet (law 12): one variant a reason, one sentence each.

mod words;

use crate::lost::TakenAway;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenantry_schema::document::HostArea;
use tenantry_schema::id::{InstanceName, OperationId, OrderKey, ServerId, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::RefusalKind;

/// Why something is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WaitingOn {
    /// `automation: paused`.
    Paused,
    /// Another order holds the domain, or one above or below it.
    DomainTaken {
        /// The domain that is in the way.
        domain: String,
        /// Who holds it.
        holder: OrderKey,
    },
    /// A customer who is not in the fleet any more holds the domain, or one above or below it.
    DomainLeftBehind {
        /// The domain that is in the way.
        domain: String,
        /// Who holds it.
        holder: OrderKey,
    },
    /// The server that the order was assigned to is no longer in the fleet.
    ServerGone {
        /// The server.
        server: ServerId,
    },
    /// The order names another server than the one it runs on; moving data needs an operation.
    Move {
        /// Where it runs.
        from: ServerId,
        /// Where the document wants it.
        to: ServerId,
    },
    /// The customer has no server, or none with enough memory.
    Server {
        /// Bytes of memory that the order asks for.
        needs: u64,
    },
    /// The order has a port already that belongs to something else on the server that it would come to.
    PortTaken {
        /// The server.
        server: ServerId,
        /// The port.
        port: u16,
        /// What has it there.
        holder: String,
    },
    /// The server document has no `agent:` keys.
    AgentKeys {
        /// The server.
        server: ServerId,
    },
    /// The agent has never reported.
    FirstContact {
        /// The server.
        server: ServerId,
    },
    /// The agent has not reported for a while.
    AgentSilent {
        /// The server.
        server: ServerId,
        /// Its last report.
        since: Timestamp,
    },
    /// The slice cannot be made as it should be without leaving out something that runs, so the one before stays in force (law 7).
    SliceHeld {
        /// The server.
        server: ServerId,
        /// What stands in the way.
        because: String,
    },
    /// The agent has not taken the newest slice yet.
    SliceDelivery {
        /// The server.
        server: ServerId,
    },
    /// The agent refused the slice.
    SliceRefused {
        /// The server.
        server: ServerId,
        /// Why.
        reason: RefusalKind,
        /// In a sentence.
        detail: String,
    },
    /// The agent is at work on it.
    Convergence {
        /// What it works on.
        instance: InstanceName,
        /// What it says.
        message: Option<String>,
    },
    /// A tool runs, and the web server does not serve its site as the slice says.
    Site {
        /// The public name.
        host: DomainName,
        /// What the agent says.
        message: Option<String>,
    },
    /// The agent could not do it and tries again.
    AgentFailure {
        /// What failed.
        instance: InstanceName,
        /// What it says.
        message: String,
    },
    /// A new version did not become healthy; the last good one runs until something else is wanted.
    RolledBack {
        /// What was rolled back.
        instance: InstanceName,
        /// What was wrong with the new version.
        message: String,
    },
    /// A new version did not become healthy, and a person has to decide what happens to it.
    RolloutHeld {
        /// What is held.
        instance: InstanceName,
        /// What is wrong, and what can be done.
        message: String,
    },
    /// A verified backup comes before the change.
    BackupFirst {
        /// What is changed.
        instance: InstanceName,
        /// What the agent says.
        message: Option<String>,
    },
    /// There is no room on the server for what has to be fetched.
    Disk {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// Something drifted and is left as it is (`drift: report`).
    DriftReported {
        /// What drifted.
        instance: InstanceName,
        /// In which way.
        message: Option<String>,
    },
    /// Disruptive steps wait for the maintenance window.
    Window {
        /// When it opens.
        opens: Timestamp,
    },
    /// The server is managed by `observe`.
    ObserveOnly {
        /// The server.
        server: ServerId,
    },
    /// The agent is paused by hand.
    AgentPaused {
        /// When that ends by itself.
        until: Timestamp,
    },
    /// The tool's stack cannot be used: it has errors on the branch, or the pinned version cannot be read.
    StackBroken {
        /// The tool.
        tool: ToolName,
    },
    /// The tool stays at its version: the wanted one does not fit what the customer's documents say for it.
    NewVersion {
        /// The tool.
        tool: ToolName,
        /// What does not fit, and where.
        because: String,
    },
    /// The document has errors and the order was never good.
    Documents,
    /// More would go at once than `policy.max_removed` lets go; it stays until that is acknowledged or put back.
    Acknowledgement {
        /// Servers on which something would go.
        servers: usize,
        /// Of so many.
        of: usize,
        /// So many may lose something at once.
        allowed: usize,
    },
    /// Decisions of the order were taken away by hand. They are not made anew.
    DecisionsLost(TakenAway),
    /// A decision has to be committed first.
    Decision {
        /// What is to be decided.
        what: String,
    },
    /// New secrets cannot be encrypted: `.sops.yaml` is wrong.
    SealingRules {
        /// What is wrong with it.
        problem: String,
    },
    /// The newest good backup of an instance is too old.
    BackupOverdue {
        /// The instance.
        instance: InstanceName,
        /// The newest good backup, or since when there should be one.
        since: Timestamp,
        /// Why the last attempt failed, if it did.
        problem: Option<String>,
    },
    /// A backup was restored for trial, and what came out is not what went in.
    DrillFailed {
        /// The instance.
        instance: InstanceName,
        /// What differs.
        problem: String,
    },
    /// The repository of a server's backups was checked, and something is wrong with it or it could not be read.
    BackupCheckFailed {
        /// The server.
        server: ServerId,
        /// When it was checked.
        at: Timestamp,
        /// What is wrong.
        problem: String,
    },
    /// An operation may be started, and is not, because what it names is not clear or not there.
    OperationHeld {
        /// Which.
        operation: OperationId,
        /// Why.
        because: String,
    },
    /// A retry after failures.
    Retry {
        /// When.
        at: Timestamp,
        /// What went wrong last.
        error: String,
    },
    /// All attempts failed; a commit or a retry operation is needed.
    Dead {
        /// What went wrong last.
        error: String,
    },
    /// A site has no certificate of the authority yet, or one that must be renewed now.
    Certificate {
        /// The site.
        host: DomainName,
        /// What the agent says.
        message: String,
    },
    /// The authority issues no more certificates this week.
    CertificateBudget {
        /// The site.
        host: DomainName,
        /// What the budget is for.
        of: String,
        /// Until when.
        until: Timestamp,
    },
    /// An area of the machine is not as it should be.
    HostArea {
        /// The server.
        server: ServerId,
        /// Which.
        area: HostArea,
        /// What the agent says.
        message: String,
    },
    /// The agent does not run the program that it should.
    AgentProgram {
        /// The server.
        server: ServerId,
        /// What the agent says.
        message: String,
    },
    /// This hub may not act: another one is activated, or none.
    Activation {
        /// Why.
        reason: String,
    },
}

impl WaitingOn {
    /// Whether only reports of agents tell that it is over: whoever plans without a hub knows nothing of them.
    pub fn is_about_agents(&self) -> bool {
        matches!(
            self,
            Self::FirstContact { .. }
                | Self::AgentSilent { .. }
                | Self::SliceDelivery { .. }
                | Self::SliceRefused { .. }
                | Self::Convergence { .. }
                | Self::Site { .. }
                | Self::AgentFailure { .. }
                | Self::AgentPaused { .. }
                | Self::RolledBack { .. }
                | Self::RolloutHeld { .. }
                | Self::BackupFirst { .. }
                | Self::Disk { .. }
                | Self::DriftReported { .. }
                | Self::BackupOverdue { .. }
                | Self::DrillFailed { .. }
                | Self::BackupCheckFailed { .. }
                | Self::Certificate { .. }
                | Self::CertificateBudget { .. }
                | Self::HostArea { .. }
                | Self::AgentProgram { .. }
        )
    }
}
