//! What operations of a customer may name: machines, and whose tools run there.

use super::Standing;
use crate::desired::CustomerDesired;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenantry_schema::document::{Operation, Server, ServerTool};
use tenantry_schema::id::{OrderId, ServerId};
use tenantry_wire::VerifyingKey;

/// What makes a server the machine that it is: who runs it, its address, and the fingerprint of its agent's key.
pub fn machine(server: &Server) -> String {
    let provider = serde_json::to_value(server.provider).unwrap_or_default();
    let key = server.agent.as_ref().map(|agent| &agent.sign);
    let key = key.and_then(|key| VerifyingKey::try_from(key).ok());
    format!(
        "{} {} {}",
        provider.as_str().unwrap_or_default(),
        server.address,
        key.as_ref()
            .map_or("without an agent", VerifyingKey::fingerprint)
    )
}

/// The machines of one customer.
pub type Machines = BTreeMap<ServerId, Arc<Server>>;

/// The machine on which an operation loses data.
pub fn machine_of(operation: &Operation, machines: &Machines) -> Option<String> {
    let server = machines.get(operation.machine_of()?);
    server.map(|server| machine(server))
}

/// Which orders of one customer have which tool on which server.
pub type Tools = BTreeMap<ServerTool, Vec<OrderId>>;

/// What operations of a customer may name.
#[derive(Debug, Clone, Default)]
pub struct Property<'c> {
    pub(super) machines: Cow<'c, Machines>,
    pub(super) tools: Tools,
}

impl<'c> Property<'c> {
    /// What a customer has. An order has its tools where it was placed, and may have them anywhere until then.
    pub fn of(customer: &'c CustomerDesired) -> Self {
        let mut tools = Tools::new();
        for (id, order) in &customer.orders {
            let all = customer.servers.keys();
            let here = |server: &&ServerId| order.server.as_ref().is_none_or(|at| at == *server);
            for server in all.filter(here) {
                for tool in order.tools.keys() {
                    let (server, tool) = (server.clone(), tool.clone());
                    let orders = tools.entry(ServerTool { server, tool });
                    orders.or_default().push(id.clone());
                }
            }
        }
        let machines = Cow::Borrowed(&customer.servers);
        Self { machines, tools }
    }

    fn orders_with(&self, tool: &ServerTool) -> &[OrderId] {
        self.tools.get(tool).map_or(&[], Vec::as_slice)
    }

    /// An operation with everything that is signed beside what people wrote: the machine, and whose tool it is where that is no question.
    pub fn complete(&self, operation: &Operation) -> Operation {
        let written = operation.order.as_ref();
        let order = match operation.tool_of().map(|tool| self.orders_with(tool)) {
            Some(orders) if written.is_some_and(|written| orders.contains(written)) => written,
            Some([only]) => Some(only),
            _ => written,
        };
        Operation {
            order: order.cloned(),
            machine: machine_of(operation, &self.machines),
            ..operation.clone()
        }
    }

    /// Why nobody can say whose data is meant.
    pub(super) fn unclear(&self, operation: &Operation) -> Option<Standing> {
        let orders = self.orders_with(operation.tool_of()?);
        (operation.order.is_none() && orders.len() > 1).then(|| Standing::Ambiguous {
            orders: orders.to_vec(),
        })
    }

    /// Why an approval does not count although it is an owner's: the machine is another one, or the tool another order's. What an order has left behind is
    /// still its own, until another has the tool there.
    pub(super) fn differs(&self, operation: &Operation) -> Option<Standing> {
        operation.machine_of()?;
        let was = operation.machine.clone();
        let now = machine_of(operation, &self.machines);
        if now.is_none() || was != now {
            return Some(Standing::OtherMachine { was, now });
        }
        let now = self.orders_with(operation.tool_of()?);
        let same = |was: &OrderId| now.contains(was);
        let other = !now.is_empty() && !operation.order.as_ref().is_some_and(same);
        other.then(|| Standing::OtherOrder {
            was: operation.order.clone(),
            now: now.to_vec(),
        })
    }
}
