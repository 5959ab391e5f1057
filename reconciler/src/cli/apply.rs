//! `tenantry apply --once`: one pass of the hub without serving anybody.

use super::Outcome;
use super::output::{count, diagnostics, json, say};
use super::serve::HubOptions;
use crate::hub::{Done, apply_once};
use anyhow::bail;
use tenantry_planner::status::Mode;

/// Arguments of `apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
--json: {decisions, slices, diagnostics}: how many decisions were committed and slices published, and what is wrong with the fleet.")]
pub(super) struct Args {
    #[command(flatten)]
    hub: HubOptions,
    /// Do what is due now and end. Without it, use `tenantry serve`.
    #[arg(long, required = true)]
    once: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    super::serve::log_to_stderr();
    let options = args.hub.options(false)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (done, status) = runtime.block_on(apply_once(&options))?;
    if !args.json {
        diagnostics(status.diagnostics.iter());
    }
    if let Mode::Observing { reason } = &status.mode {
        bail!("nothing was done, this hub may not act: {reason}");
    }
    if let Some(problem) = &status.source_problem {
        bail!("{problem}");
    }
    if args.json {
        json(&serde_json::json!({
            "decisions": done.decisions,
            "slices": done.slices,
            "diagnostics": status.diagnostics,
        }))?;
        return Ok(if done == Done::default() {
            Outcome::Clean
        } else {
            Outcome::Changes
        });
    }
    if done == Done::default() {
        say("nothing to do");
        return Ok(Outcome::Clean);
    }
    say(format!(
        "done: {} committed, {} published",
        count(done.decisions, "decision"),
        count(done.slices, "slice")
    ));
    Ok(Outcome::Changes)
}
