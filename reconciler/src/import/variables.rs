//! Variables of the file: secrets by their new names, the hub's own, and the rest as parameters that an order may set.

use super::draft::Draft;
use super::environment::Entry;
use super::names;
use super::ports::Site;
use super::secrets::Secrets;
use std::collections::BTreeMap;
use std::ops::Range;
use tenantry_compose::template::{Rule, Template};
use tenantry_planner::render::builtin_names;
use tenantry_yaml::Node;

/// A parameter of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parameter {
    /// None: every order must say.
    pub(super) default: Option<String>,
}

/// One variable in one value.
struct Spot {
    range: Range<usize>,
    name: String,
    rule: Rule,
}

/// Gives every variable that is left a source.
pub(super) fn settle<'a>(
    draft: &mut Draft<'a>,
    entries: &[Entry<'a>],
    secrets: &Secrets,
    sites: &[Site],
) -> BTreeMap<String, Parameter> {
    let builtin = builtin_names(sites.iter().map(|site| &site.name));
    let mut settler = Settler {
        secrets,
        builtin,
        parameters: BTreeMap::new(),
    };
    for (path, node) in draft.tree.values() {
        // Names of variables, not values that hold any.
        let is_name = path.first() == Some(&"secrets");
        if is_name || draft.edits.is_gone(node.span) {
            continue;
        }
        for spot in spots(node.as_str().unwrap_or_default()) {
            if !draft.scalars.has(node.span, &spot.range)
                && let Some(with) = settler.settle(draft, node, &spot)
            {
                draft.scalars.change(node, spot.range, with);
            }
        }
    }
    for entry in entries {
        match &entry.value {
            None => {
                let spot = Spot {
                    range: 0..0,
                    name: entry.name.clone(),
                    rule: Rule::Plain,
                };
                let with = settler.settle(draft, entry.node, &spot);
                let with = with.unwrap_or_else(|| format!("${{{}}}", entry.name));
                entry.assign(draft, &with);
                draft.changed(
                    entry.node,
                    format!("`{}` came from the shell; it is `{with}` now", entry.name),
                );
            }
            Some(value) if entry.is_from_file() => {
                for spot in spots(value) {
                    if !entry.has(draft, &spot.range)
                        && let Some(with) = settler.settle(draft, entry.node, &spot)
                    {
                        entry.change(draft, spot.range, &with);
                    }
                }
            }
            Some(_) => {}
        }
    }
    settler.parameters
}

/// Variables of a value that are not within others.
fn spots(text: &str) -> Vec<Spot> {
    let Ok(template) = Template::parse(text) else {
        return Vec::new();
    };
    let outer = template
        .variables()
        .into_iter()
        .filter(|(_, nested)| !nested);
    outer
        .map(|(variable, _)| Spot {
            range: variable.source.clone(),
            name: variable.name.clone(),
            rule: variable.rule.clone(),
        })
        .collect()
}

struct Settler<'s> {
    secrets: &'s Secrets,
    builtin: Vec<String>,
    parameters: BTreeMap<String, Parameter>,
}

impl Settler<'_> {
    /// What is written in place of a variable.
    fn settle(&mut self, draft: &mut Draft<'_>, node: &Node, spot: &Spot) -> Option<String> {
        if let Some(secret) = self.secrets.reference(&spot.name) {
            return Some(secret);
        }
        let name = names::variable(&spot.name);
        if self.builtin.contains(&name) {
            draft.changed(
                node,
                format!("`${{{name}}}` is what the hub sets: see the documentation of stacks"),
            );
            return Some(format!("${{{name}}}"));
        }
        if matches!(spot.rule, Rule::Alternative { .. }) {
            return None;
        }
        let default = draft.value_of(&spot.name, &spot.rule);
        if default.is_none() && !self.parameters.contains_key(&name) {
            draft.warn(node, format!("`{name}` has no default: every order must give it under `parameters`, or give it one in stack.yaml"));
        }
        let parameter = self.parameters.entry(name.clone()).or_default();
        parameter.default = parameter.default.take().or(default);
        if parameter.default.is_some() {
            let gone = format!("`{name}` has no default: every order");
            draft
                .warnings
                .retain(|warning| !warning.text.starts_with(&gone));
        }
        Some(format!("${{{name}}}"))
    }
}
