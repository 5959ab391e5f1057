//! Questions about what runs, where the order has a word in it: images and versions that are parameters, variables, secrets.

use crate::support::Fleet;
use tenantry_planner::query::{Found, Query, find};

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";

/// A fleet with a second order, of which each has the stack `cloud` with these lines: the stack's version and registry are values.
fn fleet(first: &str, second: &str) -> Fleet {
    let mut fleet = Fleet::running();
    fleet.write(
        "stacks/cloud/stack.yaml",
        "title: Cloud\nsites:\n  cloud: { service: app, port: 80 }\n  office: { service: office, port: 90, host: office }\nparameters:\n  VERSION: { default: \"34.0.1\" }\n  REGISTRY: { default: docker.io/library }\n",
    );
    fleet.write(
        "stacks/cloud/compose.yaml",
        "services:\n  app:\n    image: ${REGISTRY}/cloud:${VERSION}\n    ports: [\"127.0.0.1:${SITE_CLOUD_PORT}:80\"]\n  office:\n    image: office:${OFFICE:-7.1}\n    ports: [\"127.0.0.1:${SITE_OFFICE_PORT}:90\"]\n",
    );
    let order = fleet.files[ORDER].replace("[page, notes]", &format!("{{ cloud: {{ {first} }} }}"));
    let other = order
        .replace(&format!("{{ {first} }}"), &format!("{{ {second} }}"))
        .replace("acme.example", "more.example");
    assert_ne!(order, other, "{order}");
    fleet.write(ORDER, &order);
    fleet.write("fleet/customers/acme/orders/more.yaml", &other);
    fleet
}

fn ask(fleet: &mut Fleet, question: &str) -> Vec<Found> {
    assert_eq!(fleet.findings(), "");
    let query = Query::try_from(question).unwrap();
    find(&fleet.compile(), &query, None)
}

/// Order and version of what is found.
fn told(fleet: &mut Fleet, question: &str) -> Vec<String> {
    ask(fleet, question)
        .into_iter()
        .map(|found| {
            let version = found.version.as_deref().unwrap_or("?");
            format!("{} {version}", found.order)
        })
        .collect()
}

#[test]
fn a_version_that_is_a_parameter_is_that_of_the_order() {
    let mut fleet = fleet("", "parameters: { VERSION: \"33.0.2\" }");
    assert_eq!(told(&mut fleet, "cloud"), ["more 33.0.2", "web 34.0.1"]);
    assert_eq!(told(&mut fleet, "cloud<34"), ["more 33.0.2"]);
    assert_eq!(told(&mut fleet, "cloud=34"), ["web 34.0.1"]);
    assert_eq!(
        told(&mut fleet, "image=*:1"),
        [""; 0],
        "no value is made up"
    );
}

#[test]
fn an_image_that_is_chosen_by_a_parameter_is_found_where_it_comes_from() {
    let mut fleet = fleet("", "parameters: { REGISTRY: ghcr.io/acme }");
    assert_eq!(told(&mut fleet, "image=ghcr.io/*"), ["more 34.0.1"]);
    assert_eq!(told(&mut fleet, "image!=ghcr.io/*"), ["web 34.0.1"]);
}

#[test]
fn variables_of_an_order_count_and_so_do_the_defaults_of_the_compose_file() {
    let mut fleet = fleet("", "env: { OFFICE: \"8.0\" }");
    let images = |found: &Found| found.images.iter().cloned().collect::<Vec<_>>();
    let found: Vec<_> = ask(&mut fleet, "cloud").iter().map(images).collect();
    let app = "docker.io/library/cloud:34.0.1";
    assert_eq!(found, [[app, "office:8.0"], [app, "office:7.1"]]);
    assert_eq!(told(&mut fleet, "image=office:8*"), ["more 34.0.1"]);
}

#[test]
fn an_override_with_a_variable_has_the_value_of_its_order() {
    let mut fleet = fleet("", "env: { PATCH: \"9\" }");
    for order in ["web", "more"] {
        fleet.write(
            &format!("fleet/customers/acme/overrides/{order}.cloud.yaml"),
            "services: { app: { image: \"acme/cloud:35.${PATCH:-0}\" } }\n",
        );
    }
    assert_eq!(told(&mut fleet, "cloud>34"), ["more 35.9", "web 35.0"]);
    // Of two orders with the same values one that has no such file is told from the other.
    fleet.remove("fleet/customers/acme/overrides/more.cloud.yaml");
    fleet.edit(
        "fleet/customers/acme/orders/more.yaml",
        "env: { PATCH: \"9\" }",
        "",
    );
    assert_eq!(told(&mut fleet, "cloud"), ["more 34.0.1", "web 35.0"]);
}

#[test]
fn what_a_secret_decides_is_not_told_and_not_made_up() {
    let mut fleet = fleet("", "env: { OFFICE: \"8.0\" }");
    fleet.edit(
        "stacks/cloud/stack.yaml",
        "parameters:",
        "secrets: { TAG: {} }\nparameters:",
    );
    fleet.edit("stacks/cloud/compose.yaml", ":-7.1}", ":-7}-${TAG}");
    let found = ask(&mut fleet, "order=more image=office:*");
    assert!(found[0].images.contains("office:8.0-***"), "{found:?}");
    assert_eq!(told(&mut fleet, "image=office:1"), [""; 0]);
}

#[test]
fn services_that_a_profile_leaves_out_are_not_what_runs() {
    let mut fleet = fleet("", "env: { COMPOSE_PROFILES: extra }");
    let compose = fleet.files["stacks/cloud/compose.yaml"].clone();
    fleet.write(
        "stacks/cloud/compose.yaml",
        &format!("{compose}  extra:\n    image: extra:2\n    profiles: [extra]\n"),
    );
    assert_eq!(told(&mut fleet, "image=extra:2"), ["more 34.0.1"]);
}

#[test]
fn the_policy_reads_a_stack_with_two_sites_and_a_variable_image() {
    let mut fleet = fleet("", "parameters: { REGISTRY: ghcr.io/acme }");
    let hub = fleet.files["fleet/hub.yaml"].clone();
    fleet.write(
        "fleet/hub.yaml",
        &format!("{hub}policy: {{ registries: [docker.io] }}\n"),
    );
    let said = fleet.findings();
    assert!(
        said.contains("the policy does not allow the image `ghcr.io/acme/cloud:34.0.1`"),
        "{said}"
    );
    assert!(!said.contains("cannot be told"), "{said}");
}
