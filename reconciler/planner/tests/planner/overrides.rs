//! Override files: on top of one tool of one order, proven together with the version that it runs, and a reason to stay where a new one does not fit.

use crate::support::show::{everything, state};
use crate::support::{Fleet, files};
use std::collections::BTreeMap;
use std::convert::Infallible;
use tenantry_planner::change::compare;
use tenantry_planner::query::{Query, find};

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const PAGE: &str = "fleet/customers/acme/overrides/web.page.yaml";
const LIMIT: &str =
    "services:\n  web:\n    mem_limit: 128m\n    environment: { EXTRA: \"${TITLE}\" }\n";

/// What the slice of a server holds, by path.
fn rendered(fleet: &mut Fleet, server: &str) -> BTreeMap<String, String> {
    let rendered = fleet.render(server);
    let text = |data: Vec<u8>| String::from_utf8(data).unwrap();
    let files = rendered.files.into_iter();
    files
        .map(|(path, data)| (path.to_string(), text(data)))
        .collect()
}

#[test]
fn it_lies_on_top_of_one_tool_and_is_marked() {
    let mut fleet = Fleet::running();
    let before = fleet.plan().plan;
    let old = rendered(&mut fleet, "acme/acme-1");
    fleet.write(PAGE, LIMIT);
    assert_eq!(fleet.findings(), "");
    let pass = fleet.plan();
    let said = state(&pass.plan);
    let page = said.lines().find(|line| line.starts_with("    page:"));
    assert!(page.unwrap().contains(", customised"), "{said}");
    assert!(
        !said
            .lines()
            .any(|line| line.starts_with("    notes:") && line.contains("customised"))
    );
    // The digest of what the slice is made from says it, and nothing is to be decided.
    let digest = |plan: &tenantry_planner::Plan| plan.customers["acme"].desired_slices[0].digest();
    assert_ne!(digest(&before), digest(&pass.plan));
    assert_eq!(pass.plan.decisions().count(), 0);
    // The page of a change says what becomes of the container, and that it is nobody else's.
    let marks = |_| Ok::<_, Infallible>(BTreeMap::new());
    let Ok(changes) = compare(&before, &pass.plan, &marks);
    let change = changes[0].instances.values().next().unwrap();
    assert_eq!((changes.len(), changes[0].instances.len()), (1, 1));
    assert!(change.customised && change.interrupts());
    // The slice has it beside the stack's own file, which stays as it is.
    let new = rendered(&mut fleet, "acme/acme-1");
    assert_eq!(new["stacks/web-page/compose.override.yaml"], LIMIT);
    let mut without = new.clone();
    without.remove("stacks/web-page/compose.override.yaml");
    assert_eq!(without, old);
    // One letter of it is another slice; without the file it is what it was.
    fleet.edit(PAGE, "128m", "129m");
    assert_ne!(digest(&fleet.plan().plan), digest(&pass.plan));
    fleet.remove(PAGE);
    assert_eq!(digest(&fleet.plan().plan), digest(&before));
}

#[test]
fn a_question_finds_it() {
    let mut fleet = Fleet::running();
    fleet.write(PAGE, "services: { web: { image: nginx:1.99 } }\n");
    let desired = fleet.compile();
    let tools = |question: &str| -> Vec<String> {
        let query = Query::try_from(question).unwrap();
        let found = find(&desired, &query, None).into_iter();
        found
            .map(|found| format!("{} {}", found.tool, found.version.unwrap()))
            .collect()
    };
    assert_eq!(tools("override=yes"), ["page 1.99"]);
    assert_eq!(tools("override=no"), ["notes 1"]);
    assert_eq!(tools("page>1.30"), ["page 1.99"]);
}

#[test]
fn mistakes_stand_at_their_line_and_freeze_this_customer_alone() {
    for (path, text, wrong) in [
        (
            PAGE,
            "services:\n  web:\n    mem_limt: 1g\n",
            "web.page.yaml:3:5",
        ),
        (
            PAGE,
            "services:\n  web:\n    image: \"${NOWHERE}\"\n",
            "error[T0202]",
        ),
        (PAGE, "services: [\n", "error[T0201]"),
        (
            PAGE,
            "services:\n  other:\n    command: [a]\n",
            "the service has no `image`",
        ),
        (
            PAGE,
            "services:\n  web:\n    network_mode: none\n",
            "the site `site` needs the service `web`, which would be on no network",
        ),
        (
            PAGE,
            "services:\n  web:\n    profiles: [more]\n",
            "web.page.yaml:3:5",
        ),
        (
            PAGE,
            "services:\n  web:\n    security_opt: [\"no-new-privileges:false\"]\n",
            "error[T0213]",
        ),
        (
            PAGE,
            "services:\n  web:\n    env_file: more.env\n",
            "there is no file `more.env`",
        ),
        (
            PAGE,
            "services:\n  web:\n    privileged: true\n",
            "error[T0133]",
        ),
        (
            PAGE,
            "services:\n  web:\n    volumes: [\"/:/host\"]\n",
            "the policy does not trust page with `/` of the server",
        ),
        (
            PAGE,
            "services: {}\nnetworks:\n  default: { name: other_default, external: true }\n",
            "web.page.yaml:3:3",
        ),
        (
            PAGE,
            "services:\n  web:\n    image: ghcr.io/evil/x\n",
            "the policy does not allow the image `ghcr.io/evil/x`",
        ),
        (
            "fleet/customers/acme/overrides/web.pgae.yaml",
            LIMIT,
            "did you mean `page`?",
        ),
        (
            "fleet/customers/acme/overrides/wbe.page.yaml",
            LIMIT,
            "did you mean `web`?",
        ),
        (
            "fleet/customers/acme/overrides/page.yaml",
            LIMIT,
            "error[T0105]",
        ),
    ] {
        let mut fleet = Fleet::running();
        let hub = fleet.files["fleet/hub.yaml"].clone();
        fleet.write(
            "fleet/hub.yaml",
            &format!("{hub}policy: {{ registries: [docker.io] }}\n"),
        );
        fleet.write("fleet/customers/zed/customer.yaml", "language: de\n");
        fleet.write(
            "fleet/customers/zed/servers/z.yaml",
            &files::server('z', ""),
        );
        fleet.write(
            "fleet/customers/zed/orders/o.yaml",
            "plan: pro\ndomain: zed.example\ntools: [page]\n",
        );
        fleet.settle();
        let mut other = Fleet::running();
        other.write("fleet/hub.yaml", &fleet.files["fleet/hub.yaml"].clone());
        fleet.write(path, text);
        let said = fleet.findings();
        assert!(said.contains(wrong), "{path} {text}: {said}");
        assert!(
            said.contains("/overrides/") && said.contains("error["),
            "{said}"
        );
        // What ran goes on without it; the other customer is not held up.
        let pass = fleet.plan();
        let said = everything(&pass.plan);
        assert!(!said.contains("customised: true"), "{said}");
        assert_eq!(pass.plan.customers.len(), 2);
        fleet.edit(
            "fleet/customers/zed/orders/o.yaml",
            "[page]",
            "[page, notes]",
        );
        fleet.settle();
        assert!(
            fleet
                .files
                .contains_key("fleet/decisions/zed/o/tools/notes.yaml")
        );
    }
}

#[test]
fn the_policy_trusts_the_stack_with_it_as_it_does_without() {
    let mut fleet = Fleet::running();
    let hub = fleet.files["fleet/hub.yaml"].clone();
    fleet.write(PAGE, "services:\n  web:\n    cap_add: [SYS_ADMIN]\n");
    assert!(fleet.findings().contains("error[T0133]"));
    fleet.write(
        "fleet/hub.yaml",
        &format!("{hub}policy: {{ trusted_stacks: [page] }}\n"),
    );
    assert_eq!(fleet.findings(), "");
    assert!(
        fleet.plan().plan.customers["acme"].desired_slices[0]
            .instances
            .values()
            .any(|it| it.trusted && it.over.is_some())
    );
}

#[test]
fn a_version_that_it_does_not_fit_is_waited_for() {
    let mut fleet = Fleet::running();
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { revision: main }, notes: }",
    );
    fleet.write(
        PAGE,
        "services:\n  web:\n    depends_on: [cache]\n  cache:\n    image: redis:7\n",
    );
    fleet.settle();
    let decision = "fleet/decisions/acme/web/tools/page.yaml";
    let pin = fleet.files[decision].clone();
    // The branch calls something else `cache`, and makes of it what the override cannot change.
    fleet.edit(
        "stacks/page/compose.yaml",
        "services:\n",
        "services:\n  cache:\n    build: .\n",
    );
    // A stack that is broken by itself moves nobody.
    fleet.settle();
    assert_eq!(fleet.files[decision], pin);
    fleet.edit(
        "stacks/page/compose.yaml",
        "    build: .\n",
        "    image: memcached:1\n    volumes: [\"x:/x\"]\n",
    );
    fleet.edit(
        "stacks/page/compose.yaml",
        "services:\n",
        "volumes: { x: {} }\nservices:\n",
    );
    fleet.write(PAGE, "services:\n  web:\n    depends_on: [cache]\n  cache:\n    image: redis:7\n    volumes: [\"y:/y\"]\nvolumes: { y: {} }\n");
    fleet.settle();
    assert_ne!(fleet.files[decision], pin, "where it fits, the pin moves");
    // A version without the volume that the override mounts does not fit it.
    fleet.write(PAGE, "services:\n  cache:\n    volumes: [\"x:/again\"]\n");
    fleet.settle();
    assert_eq!(fleet.findings(), "");
    let pin = fleet.files[decision].clone();
    fleet.edit("stacks/page/compose.yaml", "    volumes: [\"x:/x\"]\n", "");
    fleet.edit("stacks/page/compose.yaml", "volumes: { x: {} }\n", "");
    fleet.settle();
    assert_eq!(fleet.files[decision], pin, "the tool keeps its pin");
    let said = fleet.findings();
    assert!(
        said.contains("warning[T0201]") && said.contains("page stays at its version"),
        "{said}"
    );
    let waits = state(&fleet.plan().plan);
    assert!(
        waits.contains("waits: page stays at its version, because the wanted one does not fit: fleet/customers/acme/overrides/web.page.yaml:3: "),
        "{waits}"
    );
    // It runs as it did, with the override on top.
    assert!(waits.contains("customised"), "{waits}");
    // Mended, it moves.
    fleet.write(PAGE, "services:\n  cache:\n    mem_limit: 64m\n");
    fleet.settle();
    assert_ne!(fleet.files[decision], pin);
    assert_eq!(fleet.findings(), "");
}

#[test]
fn it_goes_with_an_order_and_a_tool_that_are_renamed() {
    let mut fleet = Fleet::running();
    fleet.write(PAGE, LIMIT);
    fleet.settle();
    let order = fleet.files[ORDER].clone();
    fleet.remove(ORDER);
    fleet.write(
        "fleet/customers/acme/orders/site.yaml",
        &format!("{order}moved_from: web\n"),
    );
    assert_eq!(fleet.findings(), "");
    assert!(state(&fleet.plan().plan).contains("customised"));
    // Under the new name it is the same.
    fleet.remove(PAGE);
    fleet.write("fleet/customers/acme/overrides/site.page.yaml", LIMIT);
    assert_eq!(fleet.findings(), "");
    assert!(state(&fleet.plan().plan).contains("customised"));
    // Both are one too many.
    fleet.write(PAGE, LIMIT);
    let said = fleet.findings();
    assert!(
        said.contains("error[T0145]") && said.contains("has another override file already"),
        "{said}"
    );
}

#[test]
fn what_the_order_sets_can_be_used_in_it() {
    let mut fleet = Fleet::running();
    fleet.write(PAGE, "services:\n  web:\n    environment: { LEVEL: \"${LEVEL}\", LANG: \"${CUSTOMER_LANGUAGE}\" }\n");
    assert!(fleet.findings().contains("LEVEL"));
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { env: { LEVEL: debug } }, notes: }",
    );
    assert_eq!(fleet.findings(), "");
    fleet.settle();
    let files = rendered(&mut fleet, "acme/acme-1");
    let env = &files["stacks/web-page/.env"];
    assert!(
        env.contains("LEVEL=") && env.contains("CUSTOMER_LANGUAGE="),
        "{env}"
    );
    assert!(
        !env.contains("BRAND_NAME"),
        "what nothing uses is not there: {env}"
    );
}

#[test]
fn what_a_customer_says_of_themselves_reaches_their_stacks() {
    let mut fleet = Fleet::running();
    let before = fleet.plan().plan.customers["acme"].desired_slices[0].digest();
    fleet.write(
        "fleet/customers/acme/customer.yaml",
        "language: pt-BR\nbrand: { name: Acme & Co, colour: \"#0a7d62\" }\n",
    );
    let after = fleet.plan().plan.customers["acme"].desired_slices[0].digest();
    assert_eq!(before, after, "no stack asks for it");
    fleet.edit(
        ORDER,
        "[page, notes]",
        "{ page: { revision: main }, notes: }",
    );
    fleet.edit(
        "stacks/page/files/html/index.html.j2",
        "<h1>",
        "<html lang=\"{{ CUSTOMER_LANGUAGE }}\"><b style=\"color: {{ BRAND_COLOUR }}\">{{ BRAND_NAME }}</b><h1>",
    );
    fleet.settle();
    let files = rendered(&mut fleet, "acme/acme-1");
    let page = &files["stacks/web-page/files/html/index.html"];
    assert!(
        page.contains("lang=\"pt-BR\"")
            && page.contains("Acme &amp; Co")
            && page.contains("color: #0a7d62"),
        "{page}"
    );
    fleet.write("fleet/customers/acme/customer.yaml", "{}\n");
    fleet.settle();
    let files = rendered(&mut fleet, "acme/acme-1");
    let page = &files["stacks/web-page/files/html/index.html"];
    assert!(
        page.contains("lang=\"en\"") && page.contains("<b style=\"color: \"></b>"),
        "{page}"
    );
}
