//! How a customer stands, brought down to their orders: everything behind this point knows orders and tools alone.

use super::CustomerDocuments;
use std::sync::Arc;
use tenantry_schema::document::{Automation, Standing, State};

/// Pauses every order of a customer who is pending, and stops every tool of one who is suspended. What they hold stays theirs.
pub(super) fn apply(documents: &mut CustomerDocuments) {
    let standing = documents.customer.status;
    if standing == Standing::Active {
        return;
    }
    for order in documents.orders.values_mut() {
        let order = Arc::make_mut(order);
        order.automation = Automation::Paused;
        if standing == Standing::Suspended {
            for tool in order.tools.values_mut() {
                tool.state = State::Stopped;
            }
        }
    }
}
