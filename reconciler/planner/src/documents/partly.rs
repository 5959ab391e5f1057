//! What can be read of an order that has mistakes of form, so that its mistakes of meaning are said at the same time. Nothing is planned with it.

use crate::codes;
use crate::input::SourceFile;
use std::sync::Arc;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::Order;
use tenantry_yaml::{Limits, Node, Problem, ProblemKind, Span};

/// An order without what was reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Partly {
    /// What is left. Stand-ins take the places of what is missing.
    pub(crate) order: Arc<Order>,
    /// Where something was reported, by line and column: what is found at the same place is a consequence.
    reported: Vec<At>,
    /// Keys above those: what lacks below them may be what was reported.
    above: Vec<At>,
}

type At = (u32, u32);

/// What is certain of a key, whatever stands below it.
const CERTAIN: [u16; 3] = [
    codes::UNKNOWN_TOOL,
    codes::TOOL_NOT_IN_PLAN,
    codes::UNKNOWN_PARAMETER,
];

impl Partly {
    /// Reads an order that is known to have mistakes. None where nothing can be made of it.
    pub(super) fn read(file: &SourceFile) -> Option<Self> {
        let text = file.text.as_deref().ok()?;
        let (root, mut problems) = tenantry_yaml::parse_partial(text, &Limits::default());
        let root = root?;
        let (order, more) = tenantry_yaml::decode_partly(&root);
        problems.extend(more);
        let mut partly = Self {
            order: Arc::new(order?),
            reported: Vec::new(),
            above: Vec::new(),
        };
        let at = |span: Span| {
            let place = Place::of(&file.path, text, span.start, span.end);
            (place.line, place.column)
        };
        for problem in &problems {
            partly.doubt(&root, problem, &at);
        }
        Some(partly)
    }

    /// Whether `finding` is about what was read as it stands in the text.
    pub(crate) fn is_certain(&self, finding: &Diagnostic) -> bool {
        let at = (finding.place.line, finding.place.column);
        let is_above = self.above.contains(&at) && !CERTAIN.contains(&finding.code.0);
        finding.place.line > 0 && !self.reported.contains(&at) && !is_above
    }

    fn doubt(&mut self, node: &Node, problem: &Problem, at: &dyn Fn(Span) -> At) {
        let missing = matches!(problem.kind, ProblemKind::MissingField { .. });
        for (key, value) in node.as_mapping().unwrap_or_default() {
            // A key that is missing is reported at the first one that is there.
            let named = !missing && holds(key.span, problem.span);
            let inside = holds(value.span, problem.span);
            if !named && !inside {
                continue;
            }
            let leaf = named || value.as_mapping().is_none() && value.as_sequence().is_none();
            let places = if leaf {
                &mut self.reported
            } else {
                &mut self.above
            };
            places.extend([at(key.span), at(value.span)]);
            self.doubt(value, problem, at);
        }
        for item in node.as_sequence().unwrap_or_default() {
            if holds(item.span, problem.span) {
                self.reported.push(at(item.span));
                self.doubt(item, problem, at);
            }
        }
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectId;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Partly> {
        Partly::read(&SourceFile {
            path: "fleet/customers/acme/orders/web.yaml".into(),
            id: ObjectId([0; 20]),
            text: Ok(text.into()),
        })
    }

    fn finding(text: &str, what: &str, code: u16) -> Diagnostic {
        let start = text.find(what).unwrap();
        let place = Place::of("x", text, start, start + what.len());
        Diagnostic::error(code, place, "a finding")
    }

    #[test]
    fn what_stands_there_is_certain_and_what_follows_from_a_mistake_is_not() {
        let text = "plan: prro\ndomain: acme..example\ntools:\n  html:\n    stat: stopped\n    parameters: { TITEL: x }\n";
        let partly = read(text).unwrap();
        let certain = |what, code| partly.is_certain(&finding(text, what, code));
        assert_eq!(partly.order.plan, "prro");
        assert!(certain("prro", codes::UNKNOWN_PLAN));
        assert!(!certain("acme..example", codes::BAD_SITE_HOST));
        assert!(certain("TITEL", codes::UNKNOWN_PARAMETER));
        assert!(certain("html", codes::UNKNOWN_TOOL));
        assert!(!certain("html", codes::MISSING_PARAMETER));
        assert!(!partly.is_certain(&Diagnostic::error(
            codes::UNKNOWN_PLAN,
            Place::file("x"),
            ""
        )));
    }

    #[test]
    fn of_a_text_without_form_nothing_is_read() {
        assert!(read("plan: [").is_none());
        assert!(read("- plan\n").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "([a-z]{1,6}: ?[a-z.0-9\\[\\]{}:, ]{0,12}\n){0,6}") {
            if let Some(partly) = read(&text) {
                prop_assert!(!partly.is_certain(&Diagnostic::error(codes::UNKNOWN_PLAN, Place::file("x"), "")));
            }
        }
    }
}
