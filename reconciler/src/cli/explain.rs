//! `tenantry explain`: how far an order, server or operation is, and why not further, in sentences; or what the code of a diagnostic means.

use super::Outcome;
use super::output::{json, say};
use super::status::{HubUrl, fetch};
use anyhow::bail;
use serde::Serialize;
use tenantry_planner::codes::{self, Page};
use tenantry_planner::explain::about;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A customer, `customer/order`, `customer/server`, `customer/operation`, or the code of a diagnostic: T0107.
    name: String,
    /// For programs: what the status says of it, or the page of a code.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    hub: HubUrl,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if let Some(number) = code(&args.name) {
        return match codes::page(number) {
            Some(page) if args.json => shown(&page),
            Some(page) => {
                say(page.text());
                Ok(Outcome::Clean)
            }
            None => bail!(
                "there is no code `{}`; docs/reference/diagnostics.md lists them all",
                args.name
            ),
        };
    }
    let status = fetch(&args.hub)?;
    let Some(about) = about(&status, &args.name) else {
        bail!(
            "nothing is called `{}`; `tenantry status` lists orders and servers",
            args.name
        );
    };
    if args.json {
        json(&about)?;
    } else {
        say(about.to_string());
    }
    Ok(Outcome::Clean)
}

/// The number of a code as people write it: `T0107`, `t107`. No customer is called so by chance: `customer/order` has a slash, and a customer of
/// that name can be looked at by its orders.
fn code(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(['T', 't'])?;
    let good = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| good)
}

#[derive(Serialize)]
struct Explained<'p> {
    code: tenantry_schema::diagnostic::Code,
    title: &'p str,
    meaning: &'p str,
    wrong: Vec<File<'p>>,
    right: Vec<File<'p>>,
}

#[derive(Serialize)]
struct File<'p> {
    path: &'p str,
    text: &'p str,
}

fn shown(page: &Page) -> anyhow::Result<Outcome> {
    let files = |examples: &[codes::Example]| {
        let file = |example: &codes::Example| File {
            path: example.path,
            text: example.text,
        };
        examples.iter().map(file).collect()
    };
    json(&Explained {
        code: page.code,
        title: page.title,
        meaning: page.meaning,
        wrong: files(&page.wrong),
        right: files(&page.right),
    })?;
    Ok(Outcome::Clean)
}
