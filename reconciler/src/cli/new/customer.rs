//! `tenantry new customer`: plain settings; personal data goes into a file of its own, encrypted.

use super::super::Outcome;
use super::ask::Asker;
use super::order::{self, Wanted};
use super::write::{Proposal, finish};
use super::{Common, Desk};
use tenantry_schema::id::{CustomerId, OrderId};

/// Arguments of `new customer`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id: lower-case letters, digits and single hyphens. It never changes, and is part of names on servers.
    #[arg(value_name = "ID")]
    id: Option<CustomerId>,
    /// Language of mails and pages, such as `de` or `en-GB`.
    #[arg(long, value_name = "TAG", default_value = "en")]
    language: String,
    /// Name that the customer's pages and mails show instead of ours.
    #[arg(long, value_name = "NAME")]
    brand: Option<String>,
    /// With a first order.
    #[arg(long)]
    with_order: bool,
    /// The id of that order.
    #[arg(
        long,
        value_name = "ID",
        default_value = "website",
        requires = "with_order"
    )]
    order: OrderId,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if !args.with_order && args.wanted.is_given() {
        anyhow::bail!(
            "--plan, --domain, --tools, --server and --parameter belong to an order: add --with-order"
        );
    }
    let desk = Desk::open(&args.common)?;
    let mut asker = Asker::new();
    let read = |text: &str| CustomerId::try_from(text).map_err(|error| error.to_string());
    let help = "lower-case letters, digits and single hyphens; it never changes";
    let id = match &args.id {
        Some(id) => Some(id.clone()),
        None => asker.text("ID", "Id of the customer:", help, read)?,
    };
    let order = if args.with_order {
        order::compose(&desk, None, &args.wanted, &mut asker)?
    } else {
        None
    };
    asker.done()?;
    let Some(id) = id else {
        anyhow::bail!("a customer needs an id");
    };
    let folder = format!("fleet/customers/{id}");
    let mut proposal = Proposal {
        message: format!("customer {id}"),
        add: vec![folder.clone()],
        next: vec![format!(
            "tenantry new server {id}/{id}-1 --address ADDRESS{}     a machine for the orders",
            args.common.as_option()
        )],
        ..Proposal::default()
    };
    if desk.root.join(&folder).exists() {
        anyhow::bail!(
            "the customer `{id}` is there already (`{folder}`): edit it, or choose another id"
        );
    }
    proposal.files.insert(
        format!("{folder}/customer.yaml"),
        text(args, &id).into_bytes(),
    );
    if let Some(order) = order {
        proposal.files.insert(
            format!("{folder}/orders/{}.yaml", args.order),
            order.into_bytes(),
        );
        proposal.message = format!("customer {id} with order {}", args.order);
    } else {
        proposal.next.push(format!(
            "tenantry new order {id}/website{}                       what they buy",
            args.common.as_option()
        ));
    }
    finish(desk, &args.common, &proposal)
}

fn text(args: &Args, id: &CustomerId) -> String {
    let brand = match &args.brand {
        Some(name) => format!(
            "brand: {{ name: {} }}     # also colour: \"#0a7d62\", sender: \"Team <hello@{id}.example>\"\n",
            yaml(name)
        ),
        None => format!(
            "# brand: {{ name: {id}, colour: \"#0a7d62\", sender: \"Team <hello@{id}.example>\" }}\n"
        ),
    };
    format!(
        "# Plain settings. Personal data goes into person.yaml: tenantry secrets edit {id}/person
language: {}                    # of mails and pages
{brand}# notify: [incidents, certificates]
# notes: for staff
",
        yaml(&args.language)
    )
}

/// A text as YAML: JSON is.
pub(super) fn yaml(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = ["no", "on", "off", "yes", "true", "false", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if plain && !word {
        text.to_owned()
    } else {
        serde_json::to_string(text).unwrap_or_default()
    }
}
