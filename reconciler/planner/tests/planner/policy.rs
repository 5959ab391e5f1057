//! The policy is kept by what the hub compiles, not by `check` alone: what it does not allow gets into no slice, and what ran goes on.

use crate::support::Fleet;
use crate::support::show::everything;

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const HUB: &str = "fleet/hub.yaml";

fn policy(fleet: &mut Fleet, text: &str) {
    let hub = fleet.files[HUB].clone();
    fleet.write(HUB, &format!("{hub}policy: {text}\n"));
}

/// A stack whose image and folder an order may choose.
fn free(fleet: &mut Fleet) {
    fleet.write(
        "stacks/free/stack.yaml",
        "title: Free\nparameters:\n  IMAGE: { default: nginx }\n  PLACE: { default: ./files }\n",
    );
    fleet.write(
        "stacks/free/compose.yaml",
        "services:\n  web:\n    image: ${IMAGE}:1\n    volumes: [\"${PLACE}:/data\"]\n",
    );
    fleet.write("stacks/free/files/a", "a");
}

fn with_parameters(parameters: &str) -> Fleet {
    let mut fleet = Fleet::running();
    free(&mut fleet);
    policy(&mut fleet, "{ registries: [docker.io] }");
    fleet.edit(
        ORDER,
        "[page, notes]",
        &format!("{{ page: , notes: , free: {{ parameters: {{ {parameters} }} }} }}"),
    );
    fleet
}

#[test]
fn values_of_an_order_are_judged_as_they_are() {
    let mut good = with_parameters("IMAGE: acme/tool");
    assert_eq!(good.findings(), "");
    good.settle();
    assert!(everything(&good.plan().plan).contains("free"));
    for (parameters, wrong) in [
        (
            "IMAGE: ghcr.io/acme/tool",
            "the policy does not allow the image `ghcr.io/acme/tool:1`, which `web` of free would run",
        ),
        (
            "PLACE: /etc",
            "the policy does not trust free with `/etc` of the server (`web`)",
        ),
        (
            "PLACE: /var/run/docker.sock",
            "the policy does not trust free with the socket of Docker",
        ),
    ] {
        let mut fleet = with_parameters(parameters);
        let said = fleet.findings();
        assert!(
            said.contains("error[T0133]") && said.contains(wrong),
            "{said}"
        );
        assert!(said.contains("orders/web.yaml:3:"), "{said}");
        // The customer stays as they were: nothing of it gets into a slice.
        let pass = fleet.plan();
        assert!(!everything(&pass.plan).contains("free"));
        assert!(everything(&pass.plan).contains("page"));
    }
}

#[test]
fn a_trusted_stack_may_reach_beyond_but_not_to_other_registries() {
    let mut fleet = with_parameters("PLACE: /srv");
    fleet.edit(
        HUB,
        "registries: [docker.io]",
        "registries: [docker.io], trusted_stacks: [free]",
    );
    assert_eq!(fleet.findings(), "");
    let mut fleet = with_parameters("IMAGE: quay.io/x");
    fleet.edit(
        HUB,
        "registries: [docker.io]",
        "registries: [docker.io], trusted_stacks: [free]",
    );
    assert!(fleet.findings().contains("error[T0133]"));
}

#[test]
fn where_logs_and_files_come_from_is_judged_with_the_values_of_an_order() {
    let with = |parameters: &str| {
        let mut fleet = Fleet::running();
        fleet.write(
            "stacks/free/stack.yaml",
            "title: Free\nparameters:\n  DRIVER: { default: local }\n  KEY: { default: key }\n",
        );
        fleet.write(
            "stacks/free/compose.yaml",
            "services:\n  web:\n    image: nginx:1\n    logging: { driver: \"${DRIVER}\" }\n    volumes: [\"./files:/data\"]\n    secrets: [key]\nsecrets:\n  key: { file: \"./${KEY}\" }\n",
        );
        fleet.write("stacks/free/files/a", "a");
        fleet.write("stacks/free/key", "a");
        fleet.edit(
            ORDER,
            "[page, notes]",
            &format!("{{ page: , notes: , free: {{ parameters: {{ {parameters} }} }} }}"),
        );
        fleet.findings()
    };
    assert_eq!(with("KEY: key"), "");
    for (parameters, wrong) in [
        (
            "DRIVER: fluentd",
            "the policy does not trust free with the log driver `fluentd`, which the server itself would connect with (`web`)",
        ),
        (
            "KEY: files/a",
            "the policy does not trust free with `./files/a`, which lies in a folder that `web` may change",
        ),
    ] {
        let said = with(parameters);
        assert!(
            said.contains("error[T0133]") && said.contains(wrong),
            "{said}"
        );
    }
}

#[test]
fn an_image_that_is_a_secret_cannot_be_allowed() {
    let mut fleet = Fleet::running();
    free(&mut fleet);
    fleet.write(
        "stacks/free/stack.yaml",
        "title: Free\nsecrets: { IMAGE: {} }\nparameters: { PLACE: { default: ./files } }\n",
    );
    policy(&mut fleet, "{ registries: [docker.io] }");
    fleet.edit(ORDER, "[page, notes]", "[page, notes, free]");
    let said = fleet.findings();
    assert!(said.contains("error[T0133]"), "{said}");
}

#[test]
fn a_new_version_that_is_not_allowed_leaves_those_who_follow_at_theirs() {
    let mut fleet = Fleet::running();
    policy(&mut fleet, "{ registries: [docker.io] }");
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { revision: main }, notes: }",
    );
    fleet.settle();
    let slices = |plan: &tenantry_planner::Plan| {
        let parts = plan.customers.values();
        let all = parts.flat_map(|part| part.desired_slices.iter());
        all.map(|slice| slice.digest()).collect::<Vec<_>>()
    };
    let before = slices(&fleet.plan().plan);
    fleet.edit(
        "stacks/page/compose.yaml",
        "nginx:1.30",
        "ghcr.io/evil/nginx:1.30",
    );
    let said = fleet.findings();
    assert!(said.contains("page stays at its version"), "{said}");
    let plan = fleet.plan().plan;
    let waits = everything(&plan);
    assert!(
        waits.contains("waits: page stays at its version"),
        "{waits}"
    );
    assert_eq!(slices(&plan), before);
    assert!(plan.is_empty());
}
