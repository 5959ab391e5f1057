//! The hub and forges: commit statuses, webhooks, branches of strangers.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod contract;
mod strangers;
mod verdicts;
mod webhooks;

use std::time::Duration;
use tenantry_schema::document::ForgeKind;
use tenantry_tests::rig::{FakeForge, HubBox, Stored};

/// For what happens at once; a machine may be busy.
const SOON: Duration = Duration::from_mins(2);
const TOKEN: &str = "t0ken-that-nobody-may-see";
const SECRET: &str = "webhook-secret-of-the-forge";
const REPOSITORY: &str = "acme/fleet";

/// A fleet that is reviewed at `forge`. Its hub does not run yet.
fn reviewed_at(name: &str, kind: ForgeKind, url: &str, customers: usize) -> HubBox {
    let home = HubBox::new(name).unwrap();
    let fleet = &home.fleet;
    fleet.secret("hub", "forge_token", TOKEN).unwrap();
    fleet.secret("hub", "forge_webhook", SECRET).unwrap();
    let hub = fleet.read("fleet/hub.yaml").unwrap();
    let forge = format!(
        "\nforge:\n  kind: {}\n  url: {url}\n  repository: {REPOSITORY}\n  token: {{ secret: forge_token }}\n  webhook: {{ secret: forge_webhook }}\n",
        kind.word()
    );
    fleet.write("fleet/hub.yaml", &(hub + &forge)).unwrap();
    tenantry_tests::rig::FakeAgent::crew(fleet, customers).unwrap();
    fleet.commit("a forge").unwrap();
    home
}

/// The order of a customer.
fn order(title: &str) -> String {
    format!(
        "plan: pro\ndomain: c0.test\ntools: {{ html: {{ parameters: {{ TITLE: \"{title}\" }} }} }}\n"
    )
}

/// Waits for a status of `commit` that `fits`.
async fn status(
    forge: &FakeForge,
    commit: &str,
    what: &str,
    fits: impl Fn(&Stored) -> bool,
) -> Stored {
    let found = tenantry_tests::lab::wait_until(SOON, what, async || {
        forge.stands().remove(commit).filter(|status| fits(status))
    });
    match found.await {
        Ok(status) => status,
        Err(error) => panic!("{error}: {:#?}\n{:?}", forge.posted(), forge.requests()),
    }
}
