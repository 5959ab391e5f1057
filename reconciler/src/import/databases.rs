//! Health checks for known databases, and services that wait for them.

use super::draft::Draft;
use super::images::{self, Database};
use super::ports::{after_image, indent_of};
use super::tree::Service;
use std::fmt::Write as _;
use tenantry_yaml::Node;

/// Proposes what keeps a stack from starting before its database answers.
pub(super) fn look_after(draft: &mut Draft<'_>) {
    let services = draft.tree.services();
    let mut healthy: Vec<&str> = Vec::new();
    for service in &services {
        let database = images::database(&draft.image(service.node));
        if has_check(service.node) {
            if database.is_some() {
                healthy.push(service.name);
            }
            continue;
        }
        let Some(test) = database.and_then(check) else {
            continue;
        };
        if service.node.get("healthcheck").is_some() {
            continue;
        }
        if draft.tree.is_flow(service.node) {
            let within = tenantry_yaml::Span::point(service.node.span.start + 1);
            let text = format!(
                "healthcheck: {{ test: {test}, interval: 5s, timeout: 5s, retries: 30 }}, "
            );
            draft.edits.replace(within, text);
        } else {
            let indent = indent_of(draft, *service);
            let text = format!(
                "{indent}healthcheck:\n{indent}  test: {test}\n{indent}  interval: 5s\n{indent}  timeout: 5s\n{indent}  retries: 30\n"
            );
            let place = after_image(draft, *service);
            draft.edits.insert(place, text);
        }
        let title = database.map_or("", Database::title);
        draft.changed(
            service.key,
            format!("proposed a health check for {title} in `{}`", service.name),
        );
        healthy.push(service.name);
    }
    for service in services {
        wait(draft, service, &healthy);
    }
}

fn has_check(service: &Node) -> bool {
    let check = service.get("healthcheck");
    check.is_some_and(|check| check.get("test").is_some() && check.get("disable").is_none())
}

fn check(database: Database) -> Option<&'static str> {
    Some(match database {
        // In the container, the variables are the engine's: `$$` keeps Compose from looking for them.
        Database::Postgres => {
            r#"["CMD-SHELL", "pg_isready --quiet --host=127.0.0.1 --username=$${POSTGRES_USER:-postgres}"]"#
        }
        Database::Mysql => {
            r#"["CMD-SHELL", "mysqladmin ping --silent --host=127.0.0.1 --user=root --password=$$MYSQL_ROOT_PASSWORD"]"#
        }
        Database::Mariadb => r#"["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]"#,
        Database::Mongo => r#"["CMD", "mongosh", "--quiet", "--eval", "db.adminCommand('ping')"]"#,
        Database::Redis => r#"["CMD-SHELL", "redis-cli ping | grep -E 'PONG|NOAUTH'"]"#,
        Database::Other => return None,
    })
}

/// A short `depends_on` of services with health checks waits until they are healthy.
fn wait(draft: &mut Draft<'_>, service: Service<'_>, healthy: &[&str]) {
    let Some((key, list)) = service.node.entry("depends_on") else {
        return;
    };
    let Some(items) = list.as_sequence() else {
        return;
    };
    let mut names: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Node::as_str) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if !names.iter().any(|name| healthy.contains(name)) || draft.edits.is_gone(list.span) {
        return;
    }
    // An alias, or comments between the items: left as it is.
    let source = list.span.of(draft.tree.text);
    if source.contains('#') || source.starts_with('*') {
        return;
    }
    let indent = draft.tree.indent(key.span.start);
    let mut lines = String::new();
    for name in &names {
        let condition = if healthy.contains(name) {
            "service_healthy"
        } else {
            "service_started"
        };
        let _ = writeln!(
            lines,
            "{indent}  {name}:\n{indent}    condition: {condition}"
        );
    }
    if draft.tree.is_flow(list) {
        let from = tenantry_yaml::Span::new(key.span.end, list.span.end);
        draft
            .edits
            .replace(from, format!(":\n{}", lines.trim_end()));
    } else {
        let from = draft.tree.lines(list.span);
        draft.edits.cut(from.clone());
        draft.edits.insert(from.end, lines);
    }
    draft.changed(
        key,
        format!(
            "`{}` waits until {} healthy",
            service.name,
            and(&names, healthy)
        ),
    );
}

fn and(names: &[&str], healthy: &[&str]) -> String {
    let names: Vec<String> = names
        .iter()
        .filter(|name| healthy.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}
