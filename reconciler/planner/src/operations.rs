//! Operations: which of them may be started, and who approved those that lose data.

mod approval;
mod diagnose;
mod property;
mod standing;

use crate::documents::HeadDocuments;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tenantry_schema::document::Operation;
use tenantry_schema::id::{CustomerId, OperationId};

pub use approval::{MOST_DAYS, NAMESPACE, judge, soon_enough, to_sign};
pub use diagnose::diagnose;
pub use property::{Machines, Property, Tools, machine, machine_of};
pub use standing::Standing;

/// One operation as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// Whose.
    pub customer: CustomerId,
    /// Its id.
    pub operation: OperationId,
    /// What it does: `wipe acme-1/umami`.
    pub act: String,
    /// What is lost by it, one by one.
    pub destroys: Vec<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it may be started.
    pub expires: Option<Date>,
    /// Whether it may be started.
    pub standing: Standing,
}

impl OperationStatus {
    /// Looks at one.
    pub fn new(
        head: &HeadDocuments,
        (customer, property): (&CustomerId, &Property<'_>),
        id: &OperationId,
        operation: &Operation,
        today: Date,
    ) -> Self {
        Self {
            customer: customer.clone(),
            operation: id.clone(),
            act: act(operation),
            destroys: destroys(operation),
            reason: operation.reason.clone(),
            expires: operation.expires,
            standing: judge(head, (customer, property), id, operation, today),
        }
    }

    /// Where its file stands.
    pub fn path(&self) -> String {
        path(&self.customer, &self.operation)
    }
}

/// Where an operation's file stands.
pub fn path(customer: &CustomerId, id: &OperationId) -> String {
    format!("fleet/customers/{customer}/operations/{id}.yaml")
}

/// What an operation does: the key and what it names.
pub fn act(operation: &Operation) -> String {
    let (act, target) = operation.act();
    format!("{act} {target}")
}

/// What is lost by it, in the words of the document.
pub fn destroys(operation: &Operation) -> Vec<String> {
    let overwrites = operation.overwrites.iter().map(|data| {
        let data = serde_json::to_value(data).unwrap_or_default();
        format!("{} as they are now", data.as_str().unwrap_or_default())
    });
    operation
        .destroys
        .iter()
        .cloned()
        .chain(overwrites)
        .collect()
}

#[cfg(test)]
mod tests;
