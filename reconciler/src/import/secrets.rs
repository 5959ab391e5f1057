//! Passwords, keys and tokens that the file holds become secrets of the stack: found by the names of variables, in addresses and in commands; equal
//! values become one secret, because services share them to reach each other.

mod find;
mod naming;
mod patterns;

use super::draft::Draft;
use super::environment::Entry;
use super::names;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tenantry_yaml::Node;

/// A secret of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) name: String,
    /// Characters, where not the usual 32.
    pub(super) length: Option<u16>,
    pub(super) hex: bool,
    pub(super) never_rotates: bool,
    /// An order must bring it: nobody can generate what somebody else gives.
    pub(super) given: bool,
    /// Where it is used: `service: VARIABLE`.
    pub(super) uses: BTreeSet<String>,
}

/// The secrets of the stack.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) list: Vec<Secret>,
    /// Variables of the Compose file that are secrets, by the name they had.
    pub(super) variables: BTreeMap<String, String>,
}

impl Secret {
    /// How a Compose file refers to it. What an order may leave out has an empty default.
    pub(super) fn reference(&self) -> String {
        let default = if self.given { ":-" } else { "" };
        format!("${{{}{default}}}", self.name)
    }
}

impl Secrets {
    /// How a variable that is a secret is referred to.
    pub(super) fn reference(&self, variable: &str) -> Option<String> {
        let name = self.variables.get(variable)?;
        self.list
            .iter()
            .find(|secret| secret.name == *name)
            .map(Secret::reference)
    }
}

/// Where a secret stands.
enum Target<'a, 'e> {
    Entry(&'e Entry<'a>),
    Scalar(&'a Node),
    /// The name of the variable itself: a top-level secret.
    Name(&'a Node),
}

/// One place with a secret.
struct Use<'a, 'e> {
    target: Target<'a, 'e>,
    /// Bytes of the value; a variable is settled elsewhere.
    range: Option<Range<usize>>,
    /// The variable, if it is one.
    variable: Option<String>,
    /// The value, where it is known.
    value: Option<String>,
    /// What to call it after.
    hint: String,
    /// The variable that holds it, for people.
    shown: String,
    /// Somebody outside gives it.
    given: bool,
    /// A name for its role, such as `DB_PASSWORD`.
    role: Option<&'static str>,
    service: &'a str,
}

/// Places with the same secret.
#[derive(Default)]
struct Group<'a, 'e> {
    values: BTreeSet<String>,
    variables: BTreeSet<String>,
    uses: Vec<Use<'a, 'e>>,
}

impl<'a, 'e> Group<'a, 'e> {
    fn fits(&self, one: &Use<'_, '_>) -> bool {
        one.value
            .as_ref()
            .is_some_and(|value| self.values.contains(value))
            || one
                .variable
                .as_ref()
                .is_some_and(|variable| self.variables.contains(variable))
    }

    fn take(&mut self, one: Use<'a, 'e>) {
        self.values.extend(one.value.clone());
        self.variables.extend(one.variable.clone());
        self.uses.push(one);
    }
}

/// Finds secrets and puts `${NAME}` in their places.
pub(super) fn find<'a>(draft: &mut Draft<'a>, entries: &[Entry<'a>]) -> Secrets {
    let mut groups: Vec<Group<'a, '_>> = Vec::new();
    for one in find::all(draft, entries) {
        let (fitting, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.fits(&one));
        groups = others;
        let mut merged = Group::default();
        for group in fitting {
            merged.values.extend(group.values);
            merged.variables.extend(group.variables);
            merged.uses.extend(group.uses);
        }
        merged.take(one);
        groups.push(merged);
    }
    groups.sort_by_key(|group| group.uses.iter().map(Use::start).min());
    let names = naming::choose(&groups);
    let mut secrets = Secrets::default();
    for (group, name) in groups.iter().zip(names) {
        let secret = describe(group, name.clone());
        put(draft, group, &secret);
        for variable in &group.variables {
            secrets.variables.insert(variable.clone(), name.clone());
        }
        secrets.list.push(secret);
    }
    find::elsewhere(draft, entries, &groups, &secrets);
    secrets.list.sort_by(|a, b| a.name.cmp(&b.name));
    secrets
}

impl<'a> Use<'a, '_> {
    fn node(&self) -> &'a Node {
        match self.target {
            Target::Entry(entry) => entry.node,
            Target::Scalar(node) | Target::Name(node) => node,
        }
    }

    fn start(&self) -> usize {
        self.node().span.start
    }
}

fn put<'a>(draft: &mut Draft<'a>, group: &Group<'a, '_>, secret: &Secret) {
    let (name, with) = (secret.name.as_str(), secret.reference());
    for one in &group.uses {
        if let Target::Name(node) = one.target {
            draft.edits.replace(node.span, name);
        }
        if let Some(range) = one.range.clone() {
            match one.target {
                Target::Entry(entry) => entry.change(draft, range, &with),
                Target::Scalar(node) => draft.scalars.change(node, range, with.clone()),
                Target::Name(_) => {}
            }
            let how = if secret.given {
                "which an order brings"
            } else {
                "generated for each order"
            };
            draft.changed(
                one.node(),
                format!("{} is the secret `{name}` now, {how}", one.shown),
            );
        } else if let Some(variable) = &one.variable
            && variable != name
        {
            draft.changed(
                one.node(),
                format!("`${{{variable}}}` is the secret `{name}`, because their values are equal"),
            );
        }
        if one
            .value
            .as_deref()
            .is_some_and(|value| value.starts_with("base64:"))
        {
            draft.warn(
                one.node(),
                format!(
                    "{} began with `base64:`; a generated one does not: see what the tool takes",
                    one.shown
                ),
            );
        }
    }
    if secret.given
        && let Some(first) = group.uses.iter().min_by_key(|one| one.start())
    {
        let key = name.to_ascii_lowercase();
        draft.warn(first.node(), format!("nobody can generate `{name}`: an order gives it by `env: {{ {name}: {{ secret: {key} }} }}`, with `{key}` in the customer's secrets.yaml"));
    }
    let services: BTreeSet<&str> = group.uses.iter().map(|one| one.service).collect();
    if services.len() > 1
        && group.variables.is_empty()
        && let Some(first) = group.uses.iter().min_by_key(|one| one.start())
    {
        let services: Vec<&str> = services.into_iter().collect();
        draft.changed(
            first.node(),
            format!(
                "`{name}` is one secret of {}: the values were equal",
                services.join(" and ")
            ),
        );
    }
}

fn describe(group: &Group<'_, '_>, name: String) -> Secret {
    let never_rotates =
        group.uses.iter().any(|one| names::never_rotates(&one.hint)) || names::never_rotates(&name);
    // What is shared as a password has no form to keep; keys often have one.
    let value = group
        .values
        .iter()
        .next()
        .filter(|_| never_rotates)
        .map(String::as_str)
        .unwrap_or_default();
    let random = value.len() >= 16 && value.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_hex = random
        && value
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let length = (random && value.len() <= 512).then_some(value.len() as u16);
    let uses = group.uses.iter().map(|one| match one.service {
        "" => one.shown.clone(),
        service => format!(
            "{service}: {}",
            one.shown
                .trim_start_matches("the value of ")
                .trim_start_matches("the password in ")
                .replace('`', "")
        ),
    });
    let services: BTreeSet<&str> = group.uses.iter().map(|one| one.service).collect();
    Secret {
        uses: uses.collect(),
        name,
        given: services.len() == 1 && group.uses.iter().all(|one| one.given),
        length: length.filter(|length| *length != 32),
        hex: is_hex,
        never_rotates,
    }
}
