//! `tenantry new server`: a machine that is there already; and the command that makes it known to the hub.

use super::super::Outcome;
use super::ask::Asker;
use super::order::Target;
use super::write::{Proposal, finish};
use super::{Common, Desk};
use std::net::IpAddr;
use tenantry_schema::window::Window;

/// Arguments of `new server`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The customer, and the server's id within it.
    #[arg(value_name = "CUSTOMER/ID")]
    target: Target,
    /// Its public address.
    #[arg(long, value_parser = address_of)]
    address: Option<IpAddr>,
    /// When disruptive steps may be taken, in UTC, such as `Sun 02:00-05:00`. Default: at any time.
    #[arg(long)]
    window: Option<String>,
    #[command(flatten)]
    common: Common,
}

fn address_of(text: &str) -> Result<IpAddr, String> {
    let address = text.parse();
    address.map_err(|_| {
        format!("`{text}` is not an IP address: write one like `192.0.2.17` or `2001:db8::17`")
    })
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(window) = &args.window {
        Window::try_from(window.clone()).map_err(|error| anyhow::anyhow!("--window: {error}"))?;
    }
    let desk = Desk::open(&args.common)?;
    let Target { customer, id } = &args.target;
    desk.customer(customer)?;
    let mut asker = Asker::new();
    let address = match args.address {
        Some(address) => Some(address),
        None => asker.text("--address", "Public address:", "IPv4 or IPv6", address_of)?,
    };
    asker.done()?;
    let Some(address) = address else {
        anyhow::bail!("a server needs an address");
    };
    let window = match &args.window {
        Some(window) => format!(
            "{:<31} # disruptive steps wait for it; UTC\n",
            format!("window: {window}")
        ),
        None => "# window: Sun 02:00-05:00       # disruptive steps wait for it; UTC\n".to_owned(),
    };
    let text = format!(
        "provider: static                # a machine that is there already
address: {address}
{window}# manage: observe               # the agent only reports what it would do
# agent: paste what `tenantry-agent enrol` prints on this server
"
    );
    let path = format!("fleet/customers/{customer}/servers/{id}.yaml");
    let hub = &desk.desired()?.head.hub;
    let (url, fleet, keys) = (&hub.url, &hub.fleet_id, &hub.keys);
    let enrol = format!(
        "tenantry-agent enrol --hub-url {url} --fleet-id {fleet} --server {customer}/{id} \\\n      --hub-key \"{}\" --hub-age {} \\\n      --recovery-key \"{}\" --recovery-age {}",
        keys.hub.sign, keys.hub.age, keys.recovery.sign, keys.recovery.age
    );
    let mut proposal = Proposal {
        add: vec![path.clone()],
        message: format!("server {customer}/{id}"),
        next: vec![
            format!("on the server, as root; add the line that it prints to {path}:"),
            enrol,
        ],
        ..Proposal::default()
    };
    proposal.files.insert(path, text.into_bytes());
    finish(desk, &args.common, &proposal)
}
