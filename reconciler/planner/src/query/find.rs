//! What a question finds: tools, with what is to run and, as far as a hub says so, what really runs.

use super::Query;
use super::holds::holds;
use crate::catalogue::CompiledStack;
use crate::desired::{CustomerDesired, Desired, OrderDesired, ToolDesired};
use crate::status::{FleetStatus, ServerStatus};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use tenantry_compose::ImageRef;
use tenantry_compose::template::OPAQUE;
use tenantry_schema::document::{State, Tool};
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, ServerId, ToolName};
use tenantry_schema::wire::InstancePhase;

/// What stands in an image for a part of it that is a secret.
pub const SECRET: &str = "***";

/// Where a question holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whose.
    pub customer: CustomerId,
    /// Which order.
    pub order: OrderId,
    /// Where it runs. None: not decided yet.
    pub server: Option<ServerId>,
    /// The tool.
    pub tool: ToolName,
    /// The tag of its image, with the values of its order: of the service behind its site, else of its first. None: it has none, or a secret decides.
    pub version: Option<String>,
    /// The images of all services that are to run. What comes from a secret is [`SECRET`].
    pub images: BTreeSet<String>,
    /// Whether an override file lies on top of its stack.
    pub customised: bool,
    /// Whether it is to run.
    pub state: State,
    /// What really runs, where a hub was asked and the server's agent has reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// What runs of a tool, as its agent last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// What the agent says of it. None: it is not there.
    pub phase: Option<InstancePhase>,
    /// The tag of its image, of the service that [`Found::version`] is about.
    pub version: Option<String>,
    /// All its images.
    pub images: BTreeSet<String>,
    /// When the agent last said so.
    pub seen: Timestamp,
}

/// What a hub says of servers, by customer and id.
type Seen<'a> = HashMap<(&'a CustomerId, &'a ServerId), &'a ServerStatus>;

/// Every tool of the fleet for which the question holds. With what a hub says, a version or image holds as well where it is what really runs.
pub fn find(desired: &Desired, query: &Query, hub: Option<&FleetStatus>) -> Vec<Found> {
    let servers = hub.into_iter().flat_map(|status| &status.servers);
    let seen: Seen<'_> = servers
        .map(|server| ((&server.customer, &server.server), &**server))
        .collect();
    // Many run the same stack, whose Compose file is read once for all whose values can make no difference.
    let mut images = HashMap::new();
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        for (id, order) in &customer.orders {
            for (name, tool) in &order.tools {
                let images = tool.stack.as_ref().map(|stack| {
                    let over = stack.over.as_ref().map(|over| over.blob);
                    let values = stack.images_vary().then(|| stack.values(&tool.document));
                    images
                        .entry((stack.tree, over, values))
                        .or_insert_with(|| images_of(stack, &tool.document))
                        .as_slice()
                });
                let mut this =
                    describe(customer, id, order, name, tool, images.unwrap_or_default());
                this.running = running(&seen, &this, images.unwrap_or_default());
                if query.0.iter().all(|term| holds(term, &this, order, tool)) {
                    found.push(this);
                }
            }
        }
    }
    found
}

fn describe(
    customer: &CustomerDesired,
    id: &OrderId,
    order: &OrderDesired,
    name: &ToolName,
    tool: &ToolDesired,
    images: &[String],
) -> Found {
    let main = images.first().and_then(|image| ImageRef::parse(image).ok());
    Found {
        customer: customer.id.clone(),
        order: id.clone(),
        server: order.server.clone(),
        tool: name.clone(),
        version: main.and_then(|image| image.tag().map(ToOwned::to_owned)),
        images: images.iter().cloned().collect(),
        state: tool.document.wanted_state(),
        customised: tool.is_customised(),
        running: None,
    }
}

/// What runs of `this`. None: nothing is known.
fn running(seen: &Seen<'_>, this: &Found, images: &[String]) -> Option<Running> {
    let server = seen.get(&(&this.customer, this.server.as_ref()?))?;
    let at = server.last_seen?;
    let name = InstanceName::new(&this.order, &this.tool);
    let instance = server.instances.iter().find(|each| each.name == name);
    let containers = instance.map_or(&[][..], |instance| &instance.containers);
    let repository = |image: &str| {
        let image = ImageRef::parse(image).ok()?;
        Some(image.repository().to_owned())
    };
    let main = images.first().and_then(|image| repository(image));
    let behind = containers
        .iter()
        .find(|container| main.is_some() && repository(&container.image) == main)
        .or(containers.first())
        .and_then(|container| ImageRef::parse(&container.image).ok());
    Some(Running {
        phase: instance.map(|instance| instance.phase),
        version: behind.and_then(|image| image.tag().map(ToOwned::to_owned)),
        images: containers
            .iter()
            .map(|container| container.image.clone())
            .collect(),
        seen: at,
    })
}

/// Images of a stack with the values of an order, that of the service behind its site first. Empty where it cannot be told.
fn images_of(stack: &CompiledStack, document: &Tool) -> Vec<String> {
    let Some(project) = stack.with_values(document) else {
        return Vec::new();
    };
    let behind = stack.sites.values().next().map(|site| site.service.clone());
    let mut services: Vec<_> = project.services.iter().collect();
    services.sort_by_key(|(name, _)| behind.as_deref() != Some(name.as_str()));
    let images = services.into_iter().map(|(_, service)| &service.image);
    images
        .map(|image| image.as_str().replace(OPAQUE, SECRET))
        .collect()
}
