//! A broken `.sops.yaml` holds up new secrets, says so, and holds up nothing else.

use crate::support::Fleet;

const RULES: &str = ".sops.yaml";
const BROKEN: &str = "creation_rules: [\n";

fn order(fleet: &mut Fleet, name: &str, tools: &str) {
    fleet.write(
        &format!("fleet/customers/acme/orders/{name}.yaml"),
        &format!("plan: pro\ndomain: {name}.example\ntools: [{tools}]\n"),
    );
}

fn waits(fleet: &mut Fleet, order: &str) -> Vec<String> {
    let plan = fleet.plan().plan;
    let orders = plan.customers.values().flat_map(|part| &part.orders);
    orders
        .filter(|found| found.order.as_str() == order)
        .flat_map(|found| found.waiting.iter().map(ToString::to_string))
        .collect()
}

fn has(fleet: &Fleet, path: &str) -> bool {
    let path = format!("fleet/decisions/acme/{path}");
    fleet.files.contains_key(&path)
}

#[test]
fn orders_without_new_secrets_are_decided_and_the_others_say_what_they_wait_for() {
    let mut fleet = Fleet::with_acme();
    fleet.write(RULES, BROKEN);
    order(&mut fleet, "plain", "page");
    order(&mut fleet, "secret", "notes");
    fleet.settle();
    assert!(has(&fleet, "plain/tools/page.yaml"));
    // Version and ports need no rule; the file of secrets does.
    assert!(has(&fleet, "secret/tools/notes.yaml"));
    assert!(!has(&fleet, "secret/tools/notes.secrets.yaml"));
    let said = waits(&mut fleet, "secret");
    assert!(
        said.iter()
            .any(|said| said.contains("until .sops.yaml is mended: line ")),
        "{said:?}"
    );
    let said = waits(&mut fleet, "plain");
    assert!(
        !said.iter().any(|said| said.contains(".sops.yaml")),
        "{said:?}"
    );
    assert!(fleet.findings().contains("T0140"), "{}", fleet.findings());
    // The kept plan gives way as soon as the file is mended.
    fleet.remove(RULES);
    fleet.settle();
    assert!(has(&fleet, "secret/tools/notes.secrets.yaml"));
}

#[test]
fn a_rule_holds_up_its_own_paths_and_files_that_are_there_are_used() {
    let mut fleet = Fleet::running();
    fleet.write(
        RULES,
        "creation_rules:\n  - path_regex: /secret/\n    age: age1nope\n",
    );
    order(&mut fleet, "other", "notes");
    order(&mut fleet, "secret", "notes");
    fleet.settle();
    assert!(has(&fleet, "other/tools/notes.secrets.yaml"));
    assert!(!has(&fleet, "secret/tools/notes.secrets.yaml"));
    assert!(
        fleet.findings().contains("age1nope"),
        "{}",
        fleet.findings()
    );
    let said = waits(&mut fleet, "web");
    assert!(
        !said.iter().any(|said| said.contains(".sops.yaml")),
        "{said:?}"
    );
}

#[test]
fn secrets_of_backups_wait_as_well() {
    let mut fleet = Fleet::running();
    let hub = format!(
        "{}backups:\n  repository: /srv/backups\n",
        fleet.files["fleet/hub.yaml"]
    );
    fleet.write("fleet/hub.yaml", &hub);
    fleet.write(RULES, BROKEN);
    fleet.settle();
    assert!(!has(&fleet, "backups.secrets.yaml"));
    let plan = fleet.plan().plan;
    let servers = plan.customers.values().flat_map(|part| &part.servers);
    let said: Vec<String> = servers
        .flat_map(|server| server.waiting.iter().map(ToString::to_string))
        .collect();
    assert!(
        said.iter().any(|said| said.contains(".sops.yaml")),
        "{said:?}"
    );
    fleet.remove(RULES);
    fleet.settle();
    assert!(has(&fleet, "backups.secrets.yaml"));
}
