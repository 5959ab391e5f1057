//! `tenantry status`: the state of the fleet, asked of a running hub.

use super::Outcome;
use super::output::{json, say};
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::time::Duration;
use tenantry_planner::explain::{short, word};
use tenantry_planner::operations::Progress;
use tenantry_planner::status::{FleetStatus, Health, Mode};
use tenantry_schema::id::FleetId;

/// Where the hub is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct HubUrl {
    /// Address of the hub.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        env = "TENANTRY_HUB"
    )]
    pub(super) hub: String,
}

/// A hub that is asked beside the fleet, where one is named.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AskHub {
    /// Ask the hub at this address what really runs.
    #[arg(long, value_name = "URL")]
    pub(super) hub: Option<String>,
    /// With --hub: go on without it where it does not answer, and say so.
    #[arg(long, requires = "hub")]
    hub_optional: bool,
}

impl AskHub {
    /// What it says of the fleet `id`. None where none is named, or where it does not answer and need not.
    pub(super) fn ask(&self, id: &FleetId) -> anyhow::Result<Option<FleetStatus>> {
        let status = self.ask_of_any()?;
        if let Some(status) = &status {
            self.is_of(status, id)?;
        }
        Ok(status)
    }

    /// The same where it is not known yet of which fleet it has to be. What it says is worth nothing before [`AskHub::is_of`] has looked at it.
    pub(super) fn ask_of_any(&self) -> anyhow::Result<Option<FleetStatus>> {
        let Some(url) = &self.hub else {
            return Ok(None);
        };
        let url = HubUrl { hub: url.clone() };
        let status = match fetch(&url) {
            Ok(status) => status,
            Err(error) if self.hub_optional => {
                let cause = error.root_cause().to_string();
                eprintln!("note: {error}: {cause}; nothing is known of what really runs");
                return Ok(None);
            }
            Err(error) => {
                let cause = error.root_cause().to_string();
                bail!(
                    "{error} ({cause}): name another address with --hub, or add --hub-optional to go on without it"
                );
            }
        };
        Ok(Some(status))
    }

    /// An error where it is another fleet's hub that said this.
    pub(super) fn is_of(&self, status: &FleetStatus, id: &FleetId) -> anyhow::Result<()> {
        if status.fleet_id != id.as_str() {
            bail!(
                "the hub at {} serves the fleet `{}`, this is `{id}`",
                self.hub.as_deref().unwrap_or_default(),
                status.fleet_id
            );
        }
        Ok(())
    }
}

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    hub: HubUrl,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Asks the hub.
pub(super) fn fetch(hub: &HubUrl) -> anyhow::Result<FleetStatus> {
    let url = format!("{}/api/v1/status", hub.hub.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = client(hub, Duration::from_secs(15))?;
        let answer = client.get(&url).send().await;
        let answer = answer.with_context(|| no_answer(hub))?;
        let answer = answer
            .error_for_status()
            .with_context(|| format!("the hub at {} refuses", hub.hub))?;
        answer
            .json()
            .await
            .context("the hub's answer is not a status; is it another release?")
    })
}

/// What asks a hub, and waits so long for the whole answer. No proxy leads to this machine.
pub(super) fn client(hub: &HubUrl, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder().timeout(timeout);
    if reqwest::Url::parse(&hub.hub).is_ok_and(|url| crate::forge::is_loopback(&url)) {
        client = client.no_proxy();
    }
    client.build()
}

/// What is said where no hub answers.
pub(super) fn no_answer(hub: &HubUrl) -> String {
    format!(
        "no hub answers at {}: is `tenantry serve` running there? Another address is named by --hub or TENANTRY_HUB (`url:` of fleet/hub.yaml may say it)",
        hub.hub
    )
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let status = fetch(&args.hub)?;
    if args.json {
        json(&status)?;
    } else {
        say(text(&status));
    }
    let well = status
        .diagnostics
        .iter()
        .all(|diagnostic| !diagnostic.is_error())
        && status
            .servers
            .iter()
            .all(|server| server.health == Health::Healthy);
    Ok(if well {
        Outcome::Clean
    } else {
        Outcome::Changes
    })
}

fn text(status: &FleetStatus) -> String {
    let mut out = String::new();
    let mode = match &status.mode {
        Mode::Active => "active".to_owned(),
        Mode::Observing { reason } => format!("observing: {reason}"),
    };
    let _ = writeln!(
        out,
        "fleet {} · hub {} · {mode}",
        status.fleet_id, status.release
    );
    if let Some(commit) = &status.commit {
        let _ = writeln!(
            out,
            "commit {} (generation {}): {} — {}",
            short(&commit.id),
            commit.generation,
            commit.summary,
            commit.author
        );
    }
    if let Some(problem) = &status.source_problem {
        let _ = writeln!(out, "! {problem}");
    }
    if let Some(problem) = &status.forge_problem {
        let _ = writeln!(out, "! verdicts do not reach the forge: {problem}");
    }
    for failure in status.upkeep.iter().flat_map(|upkeep| &upkeep.failures) {
        let _ = writeln!(out, "! backups are not looked after: {failure}");
    }
    let _ = writeln!(out, "\norders");
    for order in &status.orders {
        let tools: Vec<String> = order
            .tools
            .iter()
            .map(|tool| format!("{} {}", tool.tool, word(&tool.health)))
            .collect();
        let name = format!("{}/{}", order.customer, order.order);
        let _ = writeln!(
            out,
            "  {name:<28} {:<18} {:<12} {}",
            word(&order.phase),
            word(&order.health),
            tools.join(", ")
        );
        for reason in &order.waiting {
            let _ = writeln!(out, "      waits: {reason}");
        }
    }
    let _ = writeln!(out, "\nservers");
    for server in &status.servers {
        let name = format!("{}/{}", server.customer, server.server);
        let sync = if server.in_sync {
            "in sync"
        } else {
            "not in sync"
        };
        let _ = writeln!(
            out,
            "  {name:<28} {:<18} {sync:<12} {}",
            word(&server.health),
            server.address
        );
        for reason in &server.waiting {
            let _ = writeln!(out, "      waits: {reason}");
        }
    }
    operations(&mut out, status);
    for diagnostic in status.diagnostics.iter() {
        let _ = write!(out, "\n{}", diagnostic.render());
    }
    out
}

/// One-time acts, and why they are not further.
fn operations(out: &mut String, status: &FleetStatus) {
    if !status.operations.is_empty() {
        let _ = writeln!(out, "\noperations");
    }
    for operation in &status.operations {
        let far = match &operation.progress {
            Progress::NotStarted => operation.standing.to_string(),
            progress => progress.to_string(),
        };
        let _ = writeln!(
            out,
            "  {}/{}: {}: {far}",
            operation.customer, operation.operation, operation.act
        );
        for reason in &operation.waiting {
            let _ = writeln!(out, "      waits: {reason}");
        }
    }
}
