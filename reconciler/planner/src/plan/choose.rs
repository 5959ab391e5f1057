//! What is still to be decided about a tool, and the tool as it goes into a slice once nothing is.

use super::allocate::add_ports;
use super::customer::Customer;
use crate::decision::Choice;
use crate::desired::{OrderDesired, Pinned, ToolDesired};
use crate::slice_input::InstanceInput;
use crate::waiting::WaitingOn;
use std::collections::BTreeMap;
use tenantry_schema::document::{Pin, SecretSpec, Tool, ToolDecision, WebPorts, on_both_sides};
use tenantry_schema::id::{InstanceName, OrderId, ServerId, ToolName};
use tenantry_schema::name::VariableName;

/// Decisions that a tool still needs. Empty where there are none, or none can be made.
pub(super) fn choose(
    customer: &Customer<'_>,
    server: &ServerId,
    instance: &InstanceName,
    name: &ToolName,
    tool: &ToolDesired,
    waiting: &mut Vec<WaitingOn>,
) -> Vec<Choice> {
    let (Some(stack), Some(templates)) = (&tool.stack, &tool.templates) else {
        waiting.push(WaitingOn::StackBroken { tool: name.clone() });
        return Vec::new();
    };
    if customer.runs(server, instance)
        && let Some(what) = lost(tool)
    {
        waiting.push(WaitingOn::Decision {
            what: format!(
                "{what} of {name}, which runs on {server}, are gone from fleet/decisions; take them back from Git's history: its data goes with them, so they are not made anew"
            ),
        });
        return Vec::new();
    }
    let mut choices = Vec::new();
    let first = first_port(customer, server);
    let ports = add_ports(
        &tool.ports,
        stack.sites.keys(),
        first,
        customer
            .ports
            .borrow_mut()
            .entry(server.clone())
            .or_default(),
    );
    let Some(ports) = ports else {
        waiting.push(WaitingOn::Decision {
            what: format!("ports for {name}: none is free on {server}"),
        });
        return Vec::new();
    };
    if tool.pin
        != Some(Pinned {
            stack: stack.tree,
            nginx: templates.tree,
        })
        || ports != tool.ports
    {
        let pin = Pin {
            tree: stack.tree.to_string(),
            nginx: templates.tree.to_string(),
        };
        choices.push(Choice::Tool(name.clone(), ToolDecision { pin, ports }));
    }
    let missing: BTreeMap<VariableName, SecretSpec> = missing_secrets(tool);
    if !missing.is_empty() {
        choices.push(Choice::Secrets(name.clone(), missing));
    }
    choices
}

/// Which decisions of a tool are not there at all. A stack that asks for one more secret has a file of the others.
fn lost(tool: &ToolDesired) -> Option<&'static str> {
    let asks = tool
        .stack
        .as_ref()
        .is_some_and(|stack| !stack.document.secrets.is_empty());
    if tool.pin.is_none() {
        Some("version and ports")
    } else if asks && tool.secrets.is_none() {
        Some("the generated secrets")
    } else {
        None
    }
}

fn first_port(customer: &Customer<'_>, server: &ServerId) -> u16 {
    customer
        .desired
        .servers
        .get(server)
        .map_or_else(|| WebPorts::default().sites, |server| server.web.sites)
}

fn missing_secrets(tool: &ToolDesired) -> BTreeMap<VariableName, SecretSpec> {
    let Some(stack) = &tool.stack else {
        return BTreeMap::new();
    };
    let have = tool.secrets.as_ref().map(|file| &file.names);
    on_both_sides(&stack.document.secrets, |name| {
        !have.is_some_and(|have| have.contains(name.as_str()))
    })
}

/// The tool as it goes into a slice; none while anything about it is undecided or unknown.
pub(super) fn ready(
    order_id: &OrderId,
    name: &ToolName,
    order: &OrderDesired,
    tool: &ToolDesired,
) -> Option<InstanceInput> {
    let (stack, templates) = (tool.stack.clone()?, tool.templates.clone()?);
    let domain = order.claim.clone()?;
    let pinned = tool.pin
        == Some(Pinned {
            stack: stack.tree,
            nginx: templates.tree,
        });
    let complete = pinned
        && missing_secrets(tool).is_empty()
        && stack.sites.keys().all(|site| tool.ports.contains_key(site));
    complete.then(|| InstanceInput {
        order: order_id.clone(),
        tool: name.clone(),
        state: tool.document.wanted_state(),
        domain,
        // Likewise.
        customer: BTreeMap::new(),
        document: Tool {
            revision: None,
            enabled: None,
            moved_from: None,
            state: tool.document.wanted_state(),
            ..tool.document.clone()
        },
        tree: stack.tree,
        over: stack.over.as_ref().map(|over| over.blob),
        nginx: templates.tree,
        ports: tool.ports.clone(),
        hosts: tool.hosts.clone(),
        redirects: tool.redirects.clone(),
        // Said by the settings of today, when the slice is put together.
        trusted: false,
        secrets: tool.secrets.as_ref().map(|file| file.blob),
        stack,
        templates,
    })
}
