//! Whether a word of a question holds for a tool.

use super::find::Found;
use super::{Field, Sign, Term, Version};
use crate::desired::{OrderDesired, ToolDesired};
use crate::explain::word;
use tenantry_schema::document::State;

/// Whether `term` holds for a tool of `order`, of which `this` is known.
pub(super) fn holds(term: &Term, this: &Found, order: &OrderDesired, tool: &ToolDesired) -> bool {
    match term {
        Term::Tool(name, wanted) => {
            let fits = |(sign, wanted): &(Sign, Version)| runs_version(this, *sign, wanted);
            *name == this.tool && wanted.as_ref().is_none_or(fits)
        }
        Term::Field(field, wanted, pattern) => fits(*field, pattern, this, order, tool) == *wanted,
    }
}

/// Whether the version that is to run, or the one that runs, compares like this.
fn runs_version(this: &Found, sign: Sign, wanted: &Version) -> bool {
    let running = this.running.as_ref();
    let runs = running.and_then(|runs| runs.version.as_deref());
    let versions = this.version.as_deref().into_iter().chain(runs);
    versions
        .filter_map(Version::parse)
        .any(|version| sign.holds(version.compare(wanted)))
}

/// Whether a property fits a pattern.
fn fits(
    field: Field,
    pattern: &str,
    this: &Found,
    order: &OrderDesired,
    tool: &ToolDesired,
) -> bool {
    let fits = |text: &str| like(pattern, text);
    match field {
        Field::Customer => fits(this.customer.as_str()),
        Field::Order => fits(this.order.as_str()),
        Field::Server => this
            .server
            .as_ref()
            .is_some_and(|server| fits(server.as_str())),
        Field::Plan => fits(&order.document.plan),
        Field::Domain => fits(order.document.domain.as_str()),
        Field::State => fits(match this.state {
            State::Running => "running",
            State::Stopped => "stopped",
        }),
        Field::Image => {
            let runs = this.running.iter().flat_map(|runs| &runs.images);
            this.images.iter().chain(runs).any(|image| fits(image))
        }
        Field::Health => match this.running.as_ref().map(|runs| runs.phase) {
            None => fits("unknown"),
            Some(None) => fits("absent"),
            Some(Some(phase)) => fits(&word(&phase)),
        },
        Field::Override => fits(if this.customised { "yes" } else { "no" }),
        Field::Stack => tool.stack.as_ref().is_some_and(|stack| {
            let id = stack.tree.to_string();
            id.starts_with(pattern) || fits(&id)
        }),
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else {
        return left.is_empty();
    };
    for part in rest {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns() {
        assert!(like("a*c", "abc") && like("*", "") && like("abc", "abc"));
        assert!(!like("a*c", "ab") && !like("abc", "abcd") && !like("a*a", "a"));
    }
}
