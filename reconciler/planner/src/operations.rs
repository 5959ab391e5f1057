//! Operations: which of them may be started, and who approved those that lose data.

mod approval;
mod diagnose;
mod progress;
mod property;
mod restore;
mod standing;

use crate::documents::HeadDocuments;
use crate::waiting::WaitingOn;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tenantry_schema::document::Operation;
use tenantry_schema::id::{CustomerId, OperationId};

pub use approval::{MOST_DAYS, NAMESPACE, judge, soon_enough, to_sign};
pub use diagnose::diagnose;
pub use progress::{Downtime, Measured, Progress, Target};
pub use property::{Machines, Property, Tools, machine, machine_of};
pub use restore::{Restore, over, restore, spec};
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
    /// What it is done to, where that is a tool and it is clear which.
    #[serde(default)]
    pub target: Option<Target>,
    /// How long that will stand still.
    #[serde(default)]
    pub downtime: Option<Downtime>,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
    /// Why it is not started although it may be.
    #[serde(default)]
    pub waiting: Vec<WaitingOn>,
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
            target: None,
            downtime: None,
            progress: Progress::NotStarted,
            waiting: Vec::new(),
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
        let data = data.as_str().unwrap_or_default();
        match &operation.only {
            Some(only) => format!("{data} as they are now, of `{only}` alone"),
            None => format!("{data} as they are now"),
        }
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
