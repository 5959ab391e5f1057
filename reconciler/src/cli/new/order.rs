//! `tenantry new order`: a plan, a domain, tools with the parameters that they need.

use super::super::Outcome;
use super::ask::Asker;
use super::customer::yaml;
use super::write::{Proposal, finish};
use super::{Common, Desk};
use anyhow::bail;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use tenantry_planner::catalogue::CompiledStack;
use tenantry_planner::desired::CustomerDesired;
use tenantry_schema::id::{CustomerId, OrderId, ServerId, ToolName};
use tenantry_schema::name::{DomainName, NameError, VariableName};

/// `customer/id`.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) customer: CustomerId,
    pub(super) id: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((customer, id)) = text.split_once('/') else {
            return Err(format!("`{text}` is not CUSTOMER/ID, such as acme/website"));
        };
        let customer = CustomerId::try_from(customer).map_err(|error| error.to_string())?;
        OrderId::try_from(id).map_err(|error| error.to_string())?;
        Ok(Self {
            customer,
            id: id.to_owned(),
        })
    }
}

/// A value for a parameter of a tool: `TOOL.NAME=VALUE`.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    tool: ToolName,
    name: VariableName,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (place, value) = text.split_once('=')?;
            let (tool, name) = place.split_once('.')?;
            Some(Self {
                tool: tool.try_into().ok()?,
                name: name.try_into().ok()?,
                value: value.to_owned(),
            })
        };
        read().ok_or_else(|| format!("`{text}` is not TOOL.NAME=VALUE, such as html.TITLE=Welcome"))
    }
}

/// What is ordered.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// A plan of fleet/hub.yaml.
    #[arg(long)]
    plan: Option<String>,
    /// Tools answer at <tool>.<domain>.
    #[arg(long, value_parser = domain)]
    domain: Option<DomainName>,
    /// Tools of the catalogue, with commas between them.
    #[arg(long, value_delimiter = ',', value_parser = tool)]
    tools: Option<Vec<ToolName>>,
    /// A server of the customer. Default: the hub chooses, and commits a decision.
    #[arg(long)]
    server: Option<ServerId>,
    /// A value for a parameter of a tool. May be given several times.
    #[arg(long = "parameter", value_name = "TOOL.NAME=VALUE")]
    parameters: Vec<Setting>,
}

fn domain(text: &str) -> Result<DomainName, NameError> {
    DomainName::try_from(text)
}

/// One of a list, as people write lists: with a space after the comma.
fn tool(text: &str) -> Result<ToolName, String> {
    ToolName::try_from(text.trim()).map_err(|error| error.to_string())
}

impl Wanted {
    /// Whether any of it was given.
    pub(super) fn is_given(&self) -> bool {
        self.plan.is_some()
            || self.domain.is_some()
            || self.tools.is_some()
            || self.server.is_some()
            || !self.parameters.is_empty()
    }
}

/// Arguments of `new order`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The customer, and the order's id within it.
    #[arg(value_name = "CUSTOMER/ID")]
    target: Target,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let desk = Desk::open(&args.common)?;
    let Target { customer, id } = &args.target;
    let known = desk.customer(customer)?;
    let mut asker = Asker::new();
    let text = compose(&desk, known, &args.wanted, &mut asker)?;
    asker.done()?;
    let path = format!("fleet/customers/{customer}/orders/{id}.yaml");
    let mut proposal = Proposal {
        add: vec![path.clone()],
        message: format!("order {customer}/{id}"),
        next: vec![format!(
            "tenantry plan{}     what the hub will do with it",
            args.common.as_place()
        )],
        ..Proposal::default()
    };
    if known.is_some_and(|customer| customer.servers.is_empty()) {
        proposal.notes.push(format!("{customer} has no server yet: the order waits until `tenantry new server {customer}/{customer}-1{}` and its agent are there", args.common.as_option()));
    }
    proposal
        .files
        .insert(path, text.unwrap_or_default().into_bytes());
    finish(desk, &args.common, &proposal)
}

/// The text of an order. None where something is missing that could not be asked for.
pub(super) fn compose(
    desk: &Desk,
    customer: Option<&CustomerDesired>,
    wanted: &Wanted,
    asker: &mut Asker,
) -> anyhow::Result<Option<String>> {
    let plans = &desk.desired()?.head.hub.plans;
    let names: Vec<String> = plans.keys().cloned().collect();
    let plan = match &wanted.plan {
        Some(plan) if plans.contains_key(plan) => Some(plan.clone()),
        Some(plan) => bail!(
            "unknown plan `{plan}`; fleet/hub.yaml has: {}",
            names.join(", ")
        ),
        None if names.is_empty() => bail!("fleet/hub.yaml has no `plans:`; an order needs one"),
        None if names.len() == 1 => names.first().cloned(),
        None => asker.one("--plan", "Plan:", &names)?,
    };
    let domain = match &wanted.domain {
        Some(domain) => Some(domain.clone()),
        None => {
            let read = |text: &str| DomainName::try_from(text).map_err(|error| error.to_string());
            asker.text(
                "--domain",
                "Domain:",
                "tools answer at <tool>.<domain>",
                read,
            )?
        }
    };
    let allowed = plan
        .as_ref()
        .and_then(|plan| plans.get(plan))
        .and_then(|plan| plan.tools.as_ref());
    let catalogue = &desk.before.catalogue.branch;
    let offered: Vec<ToolName> = catalogue
        .keys()
        .filter(|tool| allowed.is_none_or(|allowed| allowed.contains(tool)))
        .cloned()
        .collect();
    let tools = match &wanted.tools {
        Some(tools) => Some(tools.clone()),
        None => asker.some("--tools", "Tools:", &offered)?,
    };
    if let Some((server, customer)) = wanted.server.as_ref().zip(customer)
        && !customer.servers.contains_key(server)
    {
        let known: Vec<&str> = customer.servers.keys().map(ServerId::as_str).collect();
        bail!(
            "{} has no server `{server}`; it has: {}",
            customer.id,
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        );
    }
    let mut chosen = Vec::new();
    for tool in tools.iter().flatten() {
        let stack = catalogue.get(tool).and_then(|stack| stack.compiled.clone());
        let parameters = parameters(tool, stack.as_deref(), wanted, asker)?;
        chosen.push((tool.clone(), stack, parameters));
    }
    for setting in &wanted.parameters {
        if !chosen.iter().any(|(tool, ..)| *tool == setting.tool) {
            bail!(
                "--parameter {}.{}: the order has no tool `{}`",
                setting.tool,
                setting.name,
                setting.tool
            );
        }
    }
    Ok(plan
        .zip(domain)
        .map(|(plan, domain)| text(&plan, &domain, wanted.server.as_ref(), &chosen)))
}

type Parameters = BTreeMap<VariableName, String>;

/// Values that were given, and answers for those without a default.
fn parameters(
    tool: &ToolName,
    stack: Option<&CompiledStack>,
    wanted: &Wanted,
    asker: &mut Asker,
) -> anyhow::Result<Parameters> {
    let given = wanted
        .parameters
        .iter()
        .filter(|setting| setting.tool == *tool);
    let mut values: Parameters = given
        .map(|setting| (setting.name.clone(), setting.value.clone()))
        .collect();
    let known = stack.map(|stack| &stack.document.parameters);
    for (name, parameter) in known.into_iter().flatten() {
        if parameter.default.is_some() || values.contains_key(name) {
            continue;
        }
        let flag = format!("--parameter {tool}.{name}=...");
        let help = parameter
            .description
            .clone()
            .unwrap_or_else(|| format!("a parameter of {tool} without a default"));
        if let Some(value) = asker.text(&flag, &format!("{tool}, {name}:"), &help, |text| {
            Ok(text.to_owned())
        })? {
            values.insert(name.clone(), value);
        }
    }
    Ok(values)
}

fn text(
    plan: &str,
    domain: &DomainName,
    server: Option<&ServerId>,
    tools: &[(ToolName, Option<Arc<CompiledStack>>, Parameters)],
) -> String {
    let mut out = format!(
        "plan: {}\n{:<31} # tools answer at <tool>.{domain}\n",
        yaml(plan),
        format!("domain: {domain}")
    );
    match server {
        Some(server) => drop(writeln!(out, "server: {server}")),
        None => out.push_str(
            "# server: ID                    # left out: the hub chooses and commits a decision\n",
        ),
    }
    out.push_str("# automation: paused            # nothing new is decided until this line goes\n");
    if tools.is_empty() {
        out.push_str("# tools:                        # what runs; `tenantry check` names the catalogue where a name is wrong\n#   html:\n");
        return out;
    }
    out.push_str("tools:\n");
    for (tool, stack, parameters) in tools {
        let _ = writeln!(out, "  {tool}:");
        if !parameters.is_empty() {
            out.push_str("    parameters:\n");
            for (name, value) in parameters {
                let _ = writeln!(out, "      {name}: {}", yaml(value));
            }
        }
        let more: Vec<_> = stack
            .iter()
            .flat_map(|stack| &stack.document.parameters)
            .filter(|(name, _)| !parameters.contains_key(*name))
            .collect();
        if !more.is_empty() && parameters.is_empty() {
            out.push_str("    # parameters:\n");
        }
        for (name, parameter) in more {
            let default = yaml(parameter.default.as_deref().unwrap_or_default());
            let about = parameter
                .description
                .as_deref()
                .unwrap_or_default()
                .replace('\n', " ");
            let comment = if about.is_empty() {
                String::new()
            } else {
                format!("   # {about}")
            };
            let _ = writeln!(out, "    #   {name}: {default}{comment}");
        }
    }
    out
}
