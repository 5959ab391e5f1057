//! `tenantry explain`: how far an order or server is, and why not further, in sentences.

use super::Outcome;
use super::output::say;
use super::status::{HubUrl, fetch};
use anyhow::bail;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A customer, `customer/order` or `customer/server`.
    name: String,
    #[command(flatten)]
    hub: HubUrl,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let status = fetch(&args.hub)?;
    match tenantry_planner::explain::explain(&status, &args.name) {
        Some(text) => {
            say(text);
            Ok(Outcome::Clean)
        }
        None => bail!(
            "nothing is called `{}`; `tenantry status` lists orders and servers",
            args.name
        ),
    }
}
