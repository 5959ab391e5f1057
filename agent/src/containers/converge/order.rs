//! The order in which services are looked at.

use crate::containers::desired::InstanceInput;
use std::collections::BTreeSet;

/// Services after those that they depend on. A circle, which Compose does not allow, is broken at an arbitrary but fixed place.
pub(super) fn by_dependency(input: &InstanceInput) -> Vec<&str> {
    fn visit<'a>(
        input: &'a InstanceInput,
        name: &'a str,
        seen: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a str>,
    ) {
        let Some((name, service)) = input.services.get_key_value(name) else {
            return;
        };
        if seen.insert(name) {
            for other in service.depends_on.keys() {
                visit(input, other, seen, order);
            }
            order.push(name);
        }
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for name in input.services.keys() {
        visit(input, name, &mut seen, &mut order);
    }
    order
}
