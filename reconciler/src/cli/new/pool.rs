//! `tenantry new pool`: machines that stand ready before anyone ordered them.

use super::super::Outcome;
use super::ask::Asker;
use super::customer::yaml;
use super::write::{Proposal, finish};
use super::{Common, Desk};
use tenantry_schema::id::{PoolId, ToolName};

/// Arguments of `new pool`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id: lower-case letters, digits and single hyphens.
    #[arg(value_name = "ID")]
    id: PoolId,
    /// How many machines stand ready, at most 1000.
    #[arg(long)]
    spares: Option<u16>,
    /// The provider's name of the machines' size.
    #[arg(long)]
    size: Option<String>,
    /// The provider's name of where they stand.
    #[arg(long)]
    location: Option<String>,
    /// Plans that are served from it, with commas between them. Default: all.
    #[arg(long, value_delimiter = ',')]
    plans: Option<Vec<String>>,
    /// Stacks whose images are fetched beforehand, with commas between them.
    #[arg(long, value_delimiter = ',')]
    warm: Option<Vec<ToolName>>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let desk = Desk::open(&args.common)?;
    let mut asker = Asker::new();
    let read = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|spares| *spares <= 1000)
            .ok_or_else(|| "a number up to 1000".to_owned())
    };
    let spares = match args.spares {
        Some(spares) => Some(spares),
        None => asker.text(
            "--spares",
            "How many stand ready:",
            "machines that nobody has ordered yet",
            read,
        )?,
    };
    asker.done()?;
    let path = format!("fleet/pools/{}.yaml", args.id);
    let text = text(args, spares.unwrap_or_default());
    let mut proposal = Proposal {
        add: vec![path.clone()],
        message: format!("pool {}", args.id),
        ..Proposal::default()
    };
    proposal.files.insert(path, text.into_bytes());
    finish(desk, &args.common, &proposal)
}

fn text(args: &Args, spares: u16) -> String {
    let word = |key: &str, value: Option<&String>, example: &str, about: &str| match value {
        Some(value) => format!("{:<31} # {about}\n", format!("{key}: {}", yaml(value))),
        None => format!("{:<31} # {about}\n", format!("# {key}: {example}")),
    };
    let list = |key: &str, values: Option<Vec<String>>, example: &str, about: &str| match values {
        Some(values) => format!(
            "{:<31} # {about}\n",
            format!("{key}: [{}]", values.join(", "))
        ),
        None => format!("{:<31} # {about}\n", format!("# {key}: [{example}]")),
    };
    let plans = args
        .plans
        .as_ref()
        .map(|plans| plans.iter().map(|plan| yaml(plan)).collect());
    let warm = args
        .warm
        .as_ref()
        .map(|warm| warm.iter().map(ToString::to_string).collect());
    [
        "provider: static                # who runs the machines\n".to_owned(),
        format!(
            "{:<31} # 0 empties the pool as its servers are claimed\n",
            format!("spares: {spares}")
        ),
        word(
            "size",
            args.size.as_ref(),
            "cx22",
            "left out: the provider has one size",
        ),
        word(
            "location",
            args.location.as_ref(),
            "fsn1",
            "left out: the provider chooses",
        ),
        list(
            "plans",
            plans,
            "pro",
            "left out: all plans are served from it",
        ),
        list("warm", warm, "html", "images that are fetched beforehand"),
    ]
    .concat()
}
