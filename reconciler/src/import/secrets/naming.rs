//! What secrets are called: as the author called their variables, by their role for a database, else as the first variable that holds them.

use super::super::names;
use super::Group;
use std::collections::BTreeSet;

/// A name for each group, each another one.
pub(super) fn choose(groups: &[Group<'_, '_>]) -> Vec<String> {
    let mut taken: BTreeSet<String> = ["DOMAIN".to_owned()].into();
    let mut chosen: Vec<Option<String>> = vec![None; groups.len()];
    // Authors' names first, so that nobody else gets them.
    for (group, name) in groups.iter().zip(&mut chosen) {
        let written = group.uses.iter().find_map(|one| one.variable.as_deref());
        if let Some(variable) = written {
            let wanted = names::variable(variable);
            *name = Some(free(&mut taken, &wanted, group));
        }
    }
    for (group, name) in groups.iter().zip(&mut chosen) {
        if name.is_none() {
            let mut roles: Vec<&str> = group.uses.iter().filter_map(|one| one.role).collect();
            roles.sort_unstable();
            let first = group.uses.iter().min_by_key(|one| one.start());
            let wanted = match (roles.first(), first) {
                (Some(role), _) => (*role).to_owned(),
                (None, Some(first)) => names::variable(&first.hint),
                (None, None) => "SECRET".to_owned(),
            };
            *name = Some(free(&mut taken, &wanted, group));
        }
    }
    chosen.into_iter().flatten().collect()
}

/// `wanted`, or with the service before it, or with a number behind it.
fn free(taken: &mut BTreeSet<String>, wanted: &str, group: &Group<'_, '_>) -> String {
    let service = group.uses.first().map_or("", |one| one.service);
    let longer = format!("{}_{wanted}", names::variable(service));
    let is_free = |name: &String| !taken.contains(name) && !is_builtin(name);
    let numbered = (2..).map(|number| format!("{longer}_{number}"));
    let name = [wanted.to_owned(), longer.clone()]
        .into_iter()
        .chain(numbered)
        .find(is_free)
        .unwrap_or(longer);
    taken.insert(name.clone());
    name
}

fn is_builtin(name: &str) -> bool {
    name == "DOMAIN" || name.starts_with("SITE_")
}
