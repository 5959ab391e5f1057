//! A stack with the override file of one order on top: proven again as a whole, each mistake told where it stands in that file.

use super::samples::with_samples;
use super::{CompiledStack, builtin_names, services, targets};
use crate::codes;
use crate::documents::Override;
use crate::input::{Finder, diagnose};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tenantry_compose::{NetworkMode, PROFILES, Problem, ProblemKind, Project, undone};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_yaml::LineIndex;

/// `stack` with `over` on top of its Compose file. `set` are the variables that the order sets itself.
///
/// # Errors
/// What is wrong with the two together.
pub fn customise(
    stack: &CompiledStack,
    over: &Arc<Override>,
    set: &BTreeSet<&str>,
) -> Result<CompiledStack, Vec<Diagnostic>> {
    let customised = CompiledStack {
        tool: stack.tool.clone(),
        tree: stack.tree,
        document: stack.document.clone(),
        sites: stack.sites.clone(),
        compose: stack.compose.clone(),
        files: stack.files.clone(),
        templates: stack.templates.clone(),
        over: Some(over.clone()),
        has_data: stack.has_data,
        variables: BTreeSet::new(),
        demands: OnceLock::new(),
    };
    let builtins: BTreeSet<String> = builtin_names(stack.sites.keys()).into_iter().collect();
    let known = |name: &str| {
        builtins.contains(name)
            || set.contains(name)
            || stack.document.parameters.contains_key(name)
            || stack.document.secrets.contains_key(name)
    };
    let checker = Checker {
        stack: &customised,
        over,
        finder: Finder::new(&|_| Some(over.text.clone()), &over.path),
    };
    let file = customised.compose_file();
    let (outline, problems) = file.outline(&known);
    if !problems.is_empty() {
        return Err(problems
            .iter()
            .map(|problem| checker.tell(problem))
            .collect());
    }
    let project = with_samples(&file, &stack.document, &stack.sites, &known);
    let exact = project.is_some();
    let mut found = Vec::new();
    let mut has_data = stack.has_data;
    if let Some(project) = project.or(outline) {
        checker.taken_away(&project, exact, &mut found);
        checker.sites(&project, known(PROFILES), &mut found);
        checker.protections(&project, &mut found);
        has_data = !project.volumes.is_empty();
    }
    if !found.is_empty() {
        return Err(found);
    }
    let variables = file.variables();
    Ok(CompiledStack {
        has_data,
        variables,
        ..customised
    })
}

struct Checker<'a> {
    stack: &'a CompiledStack,
    over: &'a Override,
    finder: Finder,
}

impl Checker<'_> {
    /// A problem of reading the two together.
    fn tell(&self, problem: &Problem) -> Diagnostic {
        let code = match problem.kind {
            ProblemKind::UnsetVariable => codes::UNSET_VARIABLE,
            _ => codes::COMPOSE,
        };
        let note = format!("read on top of stacks/{}/compose.yaml", self.stack.tool);
        if let Some(problem) = self.stack.compose_file().in_override(problem) {
            return diagnose(&self.over.path, &self.over.text, code, &problem).note(note);
        }
        // The stack is good by itself, so it is the two together.
        let line = LineIndex::new(&self.stack.compose)
            .position(problem.span.start)
            .line;
        let message = format!("compose.yaml:{line}: {}", problem.message);
        Diagnostic::error(code, self.whole(), message).note(note)
    }

    /// The first line.
    fn whole(&self) -> Place {
        let end = self.over.text.find('\n').unwrap_or(self.over.text.len());
        Place::of(&self.over.path, &self.over.text, 0, end)
    }

    fn at(&self, keys: &[&str]) -> Place {
        let place = self.finder.place(keys, true);
        if place.line == 0 { self.whole() } else { place }
    }

    /// What `stack.yaml` names has to stay: an override file may take services, ports and volumes away (`!reset`, `!override`).
    fn taken_away(&self, project: &Project, exact: bool, found: &mut Vec<Diagnostic>) {
        let document = &self.stack.document;
        let missing = targets::check(document, &self.stack.sites, project, exact);
        let missing = missing
            .into_iter()
            .chain(services::named(document, project));
        for missing in missing {
            let tool = &self.stack.tool;
            let message = format!("{} with this on top", missing.message);
            let note = format!(
                "`{}` of stacks/{tool}/stack.yaml needs it: keep it, or make a stack of your own",
                missing.keys.join(".")
            );
            found.push(Diagnostic::error(missing.code, self.whole(), message).note(note));
        }
    }

    /// A site must keep its way to the service behind it.
    fn sites(&self, project: &Project, profiles: bool, found: &mut Vec<Diagnostic>) {
        for (name, site) in &self.stack.sites {
            let Some(service) = project.services.get(site.service.as_str()) else {
                continue;
            };
            let (key, why) = if !service.profiles.is_empty() && !profiles {
                (
                    "profiles",
                    "would run with a profile alone, which nothing names",
                )
            } else if service.network_mode == NetworkMode::None {
                ("network_mode", "would be on no network")
            } else {
                continue;
            };
            let place = self.at(&["services", &site.service, key]);
            let message = format!(
                "the site `{name}` needs the service `{}`, which {why}",
                site.service
            );
            found.push(Diagnostic::error(codes::SITE_TARGET, place, message));
        }
    }

    /// Only the stack itself says why a service does without a protection.
    fn protections(&self, project: &Project, found: &mut Vec<Diagnostic>) {
        for (service, key) in undone(project) {
            let relax = self.stack.document.relax.get(service.as_str());
            let reasons = relax.iter().flat_map(|relax| relax.reasons());
            if reasons
                .into_iter()
                .any(|(protection, _)| protection.key() == key)
            {
                continue;
            }
            let place = self.at(&["services", service.as_str()]);
            let message = format!("this takes the protection `{key}` from `{service}`");
            found.push(Diagnostic::error(codes::UNPROTECTED, place, message).note(format!(
                "only the stack can do without it, with a reason: `relax:` of stacks/{}/stack.yaml",
                self.stack.tool
            )));
        }
    }
}
