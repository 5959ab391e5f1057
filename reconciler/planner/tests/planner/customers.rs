//! What is said of one customer's documents together, and what customers have to do with each other's plans.

use crate::support::{Fleet, files};
use insta::assert_snapshot;
use tenantry_planner::plan::{CustomerPlan, plan_customer};

const ORDER: &str = "fleet/customers/acme/orders/website.yaml";
const OTHER: &str = "fleet/customers/acme/orders/shop.yaml";

/// What is said about a running fleet of acme after these files were written into it, by code and place.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let mut fleet = Fleet::running();
    for (path, text) in files {
        fleet.write(path, text);
    }
    fleet.findings();
    let line = |found: &tenantry_schema::Diagnostic| {
        let file = found.place.file.rsplit_once("acme/").unwrap().1;
        format!("{} {file}: {}", found.code, found.message)
    };
    fleet.diagnostics.iter().map(line).collect()
}

#[test]
fn mistakes_of_writing_and_of_reference_come_together() {
    let found = said(&[
        (ORDER, "plan: pro\ndomian: acme.example\n"),
        (
            OTHER,
            "plan: por\ndomain: shop.example\nserver: acme-7\ntools: [pgae]\n",
        ),
        ("fleet/customers/acme/secrets.yaml", "smtp: hunter2\n"),
    ]);
    assert_eq!(
        found,
        [
            "T0102 orders/website.yaml: unknown key `domian`",
            "T0118 secrets.yaml: not a SOPS-encrypted file: not a SOPS file: no top-level `sops` mapping",
            "T0108 orders/shop.yaml: unknown server `acme-7`",
            "T0109 orders/shop.yaml: unknown plan `por`",
            "T0107 orders/shop.yaml: unknown tool `pgae`",
        ]
    );
}

#[test]
fn what_is_there_and_has_errors_is_not_missing() {
    let found = said(&[
        (
            ORDER,
            "plan: pro\ndomain: site.example\nserver: acme-2\ntools:\n  page:\n    env: { PASSWORD: { secret: smtp } }\n",
        ),
        ("fleet/customers/acme/servers/acme-2.yaml", "provider: [\n"),
        ("fleet/customers/acme/secrets.yaml", "smtp: hunter2\n"),
    ]);
    assert_eq!(
        found,
        [
            "T0118 secrets.yaml: not a SOPS-encrypted file: not a SOPS file: no top-level `sops` mapping",
            "T0101 servers/acme-2.yaml: a value is missing here",
        ]
    );
}

#[test]
fn a_server_whose_document_has_errors_is_still_suggested() {
    let mut fleet = Fleet::with_acme();
    fleet.write("fleet/customers/acme/servers/berlin.yaml", "provider: 7\n");
    fleet.write(ORDER, "plan: pro\ndomain: site.example\nserver: berlni\n");
    assert!(fleet.findings().contains("did you mean `berlin`?"));
}

#[test]
fn values_are_not_checked_against_a_version_that_is_not_known() {
    // The newest version of the stack has no such parameter; the one that was decided may have it.
    let order =
        "plan: pro\ndomain: acme.example\ntools:\n  notes:\n  page: { parameters: { OLD: x } }\n";
    let decision = "fleet/decisions/acme/web/tools/page.yaml";
    for wrong in ["pin: 7\n", "pin: { tree: x, nginx: y }\n"] {
        let found = said(&[
            ("fleet/customers/acme/orders/web.yaml", order),
            (decision, wrong),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("web/tools/page.yaml"), "{found:?}");
    }
}

#[test]
fn one_document_with_errors_keeps_the_whole_customer_as_they_were() {
    let mut fleet = Fleet::running();
    let before = format!("{:?}", fleet.compile().customers["acme"].orders);
    fleet.write("fleet/customers/acme/servers/acme-2.yaml", "provider: [\n");
    fleet.edit(
        "fleet/customers/acme/orders/web.yaml",
        "acme.example",
        "new.example",
    );
    let after = format!("{:?}", fleet.compile().customers["acme"].orders);
    assert_eq!(before, after);
    assert!(!fleet.diagnostics.is_empty());
}

#[test]
fn nobody_orders_a_public_suffix() {
    for suffix in ["co.uk", "github.io", "com.au"] {
        let text = format!("plan: pro\ndomain: {suffix}\ntools: [page]\n");
        let found = said(&[(ORDER, &text)]);
        assert_eq!(
            found,
            [format!(
                "T0132 orders/website.yaml: `{suffix}` is a public suffix, under which anybody can have a name"
            )]
        );
        let below = text.replace(suffix, &format!("acme.{suffix}"));
        assert!(said(&[(ORDER, &below)]).is_empty());
    }
    let mut fleet = Fleet::with_acme();
    fleet.write(ORDER, "plan: pro\ndomain: co.uk\n");
    assert_snapshot!("t0132_public_suffix", fleet.findings());
}

#[test]
fn what_was_claimed_before_it_became_a_public_suffix_stays() {
    let order = (ORDER, "plan: pro\ndomain: github.io\n");
    let claim = "fleet/decisions/acme/website/domain.yaml";
    assert!(said(&[order, (claim, "domain: github.io\n")]).is_empty());
    let unreadable = said(&[order, (claim, "domian: github.io\n")]);
    assert!(
        unreadable.iter().all(|found| found.contains("domain.yaml")),
        "{unreadable:?}"
    );
    assert_eq!(said(&[order, (claim, "domain: acme.github.io\n")]).len(), 1);
}

#[test]
fn planned_together_or_one_by_one_customers_are_planned_the_same() {
    let mut fleet = Fleet::new();
    for number in 0..60_u8 {
        let customer = format!("fleet/customers/c{number}");
        fleet.write(
            &format!("{customer}/servers/s.yaml"),
            &files::server('a', ""),
        );
        let text = format!("plan: pro\ndomain: c{number}.example\ntools: [page, notes]\n");
        fleet.write(&format!("{customer}/orders/o.yaml"), &text);
    }
    for _ in 0..3 {
        let pass = fleet.plan();
        let alone =
            |id| plan_customer(&pass.desired, &pass.desired.customers[id], fleet.observed());
        let show = |plan: &CustomerPlan| format!("{plan:?}");
        assert_eq!(pass.plan.customers.len(), 60);
        assert!(
            pass.plan
                .customers
                .iter()
                .all(|(id, plan)| show(plan) == show(&alone(id)))
        );
        fleet.act(&pass.plan);
    }
}
