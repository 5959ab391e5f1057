//! What a stack cannot have, and what is only written in a way that Compose would misread.

use super::Imported;
use super::draft::Draft;
use super::scalars::quoted;
use super::tree::{Service, Tree};
use tenantry_yaml::{Limits, Problem, ProblemKind, Span};

/// Takes over what the reader of Compose files refuses, but for what was put right before.
pub(super) fn check(draft: &mut Draft<'_>) {
    in_one_line(draft);
    for mut problem in tenantry_compose::check(draft.tree.text, &|_| true) {
        let last = problem
            .path
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let settled = ["container_name", "links", "env_file"].contains(&last.as_str())
            || draft.edits.is_gone(problem.span)
            || is_removed_field(&problem.path)
            || draft.refused.iter().any(|known| known.span == problem.span);
        if settled {
            continue;
        }
        if problem.help.as_deref() == Some("put quotes around it") {
            let text = problem.span.of(draft.tree.text);
            draft.edits.replace(problem.span, quoted(text));
            let note = super::Note {
                at: problem.span.start,
                text: format!(
                    "put quotes around `{text}`: Compose would read it as something else"
                ),
            };
            draft.changes.insert(note);
            continue;
        }
        // Only the one file is read here.
        let elsewhere = ["extends", "include"].contains(&last.as_str());
        if elsewhere || problem.help.is_none() && problem.kind == ProblemKind::Unsupported {
            problem.help = help(&last).map(str::to_owned);
        }
        draft.refused.push(problem);
    }
}

/// What is wrong with the result: mistakes of the file that were rewritten along with what stands around them.
pub(super) fn left_over(text: &str, stack: &Imported) -> Vec<Problem> {
    let compose = stack.files.get("compose.yaml").map(Vec::as_slice);
    let compose = String::from_utf8_lossy(compose.unwrap_or_default());
    let wrong = tenantry_compose::check(&compose, &|_| true);
    if wrong.is_empty() {
        return wrong;
    }
    let mut before = tenantry_compose::check(text, &|_| true);
    before.retain(|old| wrong.iter().any(|new| new.message == old.message));
    if !before.is_empty() {
        return before;
    }
    let in_braces = in_braces(text, &wrong);
    if !in_braces.is_empty() {
        return in_braces;
    }
    let shown = |problem: Problem| {
        let line = problem
            .span
            .of(&compose)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let help = format!(
            "what would be written here is `{line}`: write the file in a simpler way there"
        );
        Problem::new(Span::point(0), problem.kind, problem.message).with_help(help)
    };
    wrong.into_iter().map(shown).collect()
}

/// Services in braces that stand on a line which is to go: it would take all of the service along.
fn in_one_line(draft: &mut Draft<'_>) {
    for service in draft.tree.services() {
        let begin = Span::point(service.key.span.start);
        if draft.tree.is_flow(service.node) && draft.edits.is_gone(begin) {
            let message = format!(
                "`{}` is written in braces, and a line of it has to go",
                service.name
            );
            draft.refuse(service.key, message, WITHOUT_BRACES);
        }
    }
}

/// How to write a service so that it can be edited by lines.
const WITHOUT_BRACES: &str = "write it without braces, one key on a line";

/// Services with something wrong in them that are written in braces, where no line can be added.
fn in_braces(text: &str, wrong: &[Problem]) -> Vec<Problem> {
    let Ok(root) = tenantry_yaml::parse(text, &Limits::compose()) else {
        return Vec::new();
    };
    let tree = Tree::new(text, &root);
    let touched = |service: &Service<'_>| {
        wrong
            .iter()
            .any(|problem| problem.path.split('.').nth(1) == Some(service.name))
    };
    let services = tree.services().into_iter().filter(touched);
    services
        .filter(|service| tree.is_flow(service.node))
        .map(|service| {
            let message = format!(
                "`{}` is written in braces, and lines have to be added to it",
                service.name
            );
            Problem::new(service.key.span, ProblemKind::Unsupported, message)
                .with_help(WITHOUT_BRACES)
        })
        .collect()
}

/// `external` and `name` of networks and volumes are taken away.
fn is_removed_field(path: &str) -> bool {
    let parts: Vec<&str> = path.split('.').collect();
    matches!(
        parts.as_slice(),
        ["networks" | "volumes", _, "external" | "name"]
    )
}

fn help(key: &str) -> Option<&'static str> {
    Some(match key {
        "build" => "build the image once, push it to a registry, and name it under `image:`",
        "replicas" | "scale" => "leave it out; a tool that needs more runs on a larger server",
        "placement" | "mode" | "endpoint_mode" | "update_config" | "rollback_config" => {
            "leave it out: it speaks to a swarm"
        }
        "restart_policy" => "write `restart: unless-stopped` beside `image:`",
        "extends" | "include" => {
            "put the file into the stack's folder afterwards, or write the services out; `docker compose config` shows them in full"
        }
        "mac_address" => "leave it out, and use the names of services",
        _ => return None,
    })
}
