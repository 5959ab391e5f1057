//! Questions about the fleet and, where a hub was asked, about what really runs: `nextcloud<34`, `plan=pro state=stopped`, `image=ghcr.io/*`. All words of a question must hold.

mod find;
mod holds;
mod parse;
mod version;

pub use find::{Found, Running, SECRET, find};
pub use parse::QueryError;
pub use version::Version;

use tenantry_schema::id::ToolName;
use version::Sign;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<Term>);

/// A word of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// A tool, and how its version compares.
    Tool(ToolName, Option<(Sign, Version)>),
    /// A property and the pattern that it has to fit, or not.
    Field(Field, bool, String),
}

/// A property that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Customer,
    Order,
    Server,
    Plan,
    Domain,
    State,
    Image,
    Stack,
    Health,
    Override,
}

impl Query {
    /// The tools that it names.
    pub fn tools(&self) -> impl Iterator<Item = &ToolName> {
        self.0.iter().filter_map(|term| match term {
            Term::Tool(tool, _) => Some(tool),
            Term::Field(..) => None,
        })
    }

    /// The word that only a hub can answer, if there is one.
    pub fn needs_a_hub(&self) -> Option<&'static str> {
        let asks = |term: &Term| matches!(term, Term::Field(Field::Health, ..));
        self.0.iter().any(asks).then_some("health")
    }
}
