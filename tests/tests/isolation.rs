//! A tenant's slice holds that tenant and nothing else (law 9): a property over generated fleets, served by a real hub to fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::time::Duration;
use tenantry_sops::{EncryptOptions, Map, Recipient, Rule, Timestamp, Value, encrypt};
use tenantry_tests::rig::read::{ciphertexts, decrypt};
use tenantry_tests::rig::{FakeAgent, Fleet, HubBox};

const SEED: u64 = 0x7e4a_0002;
const FLEETS: usize = 5;
const LATE: Duration = Duration::from_secs(30);
/// A stack whose variables people set.
const MAILER: &str = "services:\n  mail:\n    image: nginx:1.30\n    environment:\n      COLOUR: ${COLOUR:-}\n      SMTP_PASSWORD: ${SMTP_PASSWORD:-}\n";

/// A customer, and every text that belongs to it alone.
struct Tenant {
    id: String,
    agents: Vec<FakeAgent>,
    canaries: BTreeSet<String>,
    orders: usize,
}

fn word(rng: &mut StdRng) -> String {
    (0..14)
        .map(|_| char::from(rng.random_range(b'a'..=b'z')))
        .collect()
}

fn encrypted(fleet: &Fleet, values: &[(String, String)]) -> String {
    let hub: serde_yaml::Value =
        serde_yaml::from_str(&fleet.read("fleet/hub.yaml").unwrap()).unwrap();
    let recipient = |who: &str| {
        hub["keys"][who]["age"]
            .as_str()
            .unwrap()
            .parse::<Recipient>()
            .unwrap()
    };
    let mut map = Map::new();
    for (name, value) in values {
        map.insert(name.as_str(), Value::text(value.clone()));
    }
    let options = EncryptOptions {
        recipients: vec![recipient("hub"), recipient("recovery")],
        rule: Rule::all(),
        mac_only_encrypted: true,
        last_modified: Timestamp::parse_rfc3339("2026-11-21T00:00:00Z").unwrap(),
    };
    encrypt(&map, &options, &mut rand::rng()).unwrap()
}

/// Writes a customer with one or two servers and up to three orders into the clone.
fn tenant(fleet: &Fleet, rng: &mut StdRng) -> Tenant {
    let id = word(rng);
    let mut canaries = BTreeSet::from([id.clone()]);
    let mut canary = |rng: &mut StdRng| {
        let text = word(rng);
        canaries.insert(text.clone());
        text
    };
    let folder = format!("fleet/customers/{id}");
    let (brand, secret_name, secret) = (canary(rng), word(rng), canary(rng));
    fleet
        .write(
            &format!("{folder}/customer.yaml"),
            &format!("language: en\nbrand: {{ name: {brand} }}\n"),
        )
        .unwrap();
    let (unused, also) = (canary(rng), word(rng));
    let text = encrypted(fleet, &[(secret_name.clone(), secret), (also, unused)]);
    fleet
        .write(&format!("{folder}/secrets.yaml"), &text)
        .unwrap();
    let mut agents = Vec::new();
    let mut addresses = Vec::new();
    for n in 1..=rng.random_range(1..=2) {
        let agent = FakeAgent::new(&format!("{id}/{id}-{n}")).unwrap();
        let address = format!(
            "2001:db8::{:x}:{:x}",
            rng.random_range(0x1000..0xffff_u32),
            rng.random_range(0x1000..0xffff_u32)
        );
        fleet
            .write(
                &agent.path(),
                &agent.document("").replace(&agent.address(), &address),
            )
            .unwrap();
        addresses.push(address);
        agents.push(agent);
    }
    let orders = rng.random_range(1..=3);
    for n in 0..orders {
        let (order, domain, title, colour, header) = (
            canary(rng),
            canary(rng),
            canary(rng),
            canary(rng),
            canary(rng),
        );
        let server = rng.random_range(1..=agents.len());
        let mut tools = format!(
            "  html:\n    parameters: {{ TITLE: {title} }}\n    headers: {{ X-Canary: {header} }}\n"
        );
        if n == 0 || rng.random_bool(0.5) {
            let more = format!(
                "  guestbook:\n    parameters: {{ TITLE: {colour} }}\n  mailer:\n    env: {{ COLOUR: {colour}, SMTP_PASSWORD: {{ secret: {secret_name} }} }}\n"
            );
            tools.push_str(&more);
        }
        let text =
            format!("plan: pro\ndomain: {domain}.test\nserver: {id}-{server}\ntools:\n{tools}");
        fleet
            .write(&format!("{folder}/orders/{order}.yaml"), &text)
            .unwrap();
    }
    canaries.extend(addresses);
    canaries.extend(agents.iter().map(|agent| agent.recipient().to_owned()));
    canaries.extend(ciphertexts(&text));
    Tenant {
        id,
        agents,
        canaries,
        orders,
    }
}

/// Adds what the hub drew for the tenant.
fn add_decided(fleet: &Fleet, tenant: &mut Tenant) {
    let hub = fleet.hub_identities().unwrap();
    for (path, text) in fleet.decisions().unwrap() {
        if path.starts_with(&format!("fleet/decisions/{}/", tenant.id))
            && path.ends_with(".secrets.yaml")
        {
            tenant
                .canaries
                .extend(decrypt(&text, &hub).unwrap().into_values());
            tenant.canaries.extend(ciphertexts(&text));
        }
    }
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn no_slice_holds_anything_of_another_customer() {
    let mut home = HubBox::new("isolation").unwrap();
    home.fleet
        .write("stacks/mailer/compose.yaml", MAILER)
        .unwrap();
    home.fleet
        .write("stacks/mailer/stack.yaml", "title: Mailer\n")
        .unwrap();
    home.start().await.unwrap();
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut slices, mut of_its_own) = (0, 0);
    for round in 0..FLEETS {
        home.fleet.pull().unwrap();
        // Customers of the round before leave, so that what the hub remembers of them is in play as well.
        let customers = home.fleet.work().join("fleet/customers");
        if customers.exists() {
            std::fs::remove_dir_all(&customers).unwrap();
        }
        let mut tenants: Vec<Tenant> = (0..rng.random_range(3..=5))
            .map(|_| tenant(&home.fleet, &mut rng))
            .collect();
        home.fleet.commit(&format!("fleet {round}")).unwrap();
        home.decided(tenants.iter().map(|tenant| tenant.orders).sum(), LATE)
            .await
            .unwrap();
        for tenant in &mut tenants {
            add_decided(&home.fleet, tenant);
        }
        for (index, tenant) in tenants.iter().enumerate() {
            for agent in &tenant.agents {
                agent.serve(&home.url(), &home.fleet, 0).await.unwrap();
                let slice = agent
                    .accepted()
                    .unwrap_or_else(|| panic!("{} has no slice", agent.server()));
                slices += 1;
                let mut parts: Vec<(String, Vec<u8>)> = slice
                    .files
                    .iter()
                    .map(|(path, bytes)| (path.to_string(), bytes.clone()))
                    .collect();
                parts.push((
                    "slice.yaml".to_owned(),
                    serde_yaml::to_string(&slice.manifest).unwrap().into_bytes(),
                ));
                parts.push((
                    "secrets in clear".to_owned(),
                    format!("{:?}", slice.secrets).into_bytes(),
                ));
                for (other, stranger) in tenants
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index)
                {
                    for (path, bytes) in &parts {
                        for canary in &stranger.canaries {
                            assert!(
                                !holds(bytes, canary) && !path.contains(canary),
                                "{path} of {} holds {canary} of customer {other}",
                                agent.server()
                            );
                        }
                    }
                }
                // The search does find what is there.
                of_its_own += tenant
                    .canaries
                    .iter()
                    .filter(|canary| parts.iter().any(|(_, bytes)| holds(bytes, canary)))
                    .count();
                // And nobody but this agent can read its secrets.
                for path in slice
                    .files
                    .keys()
                    .filter(|path| path.as_str().ends_with("secrets.yaml"))
                {
                    let text = slice.text(path.as_str());
                    assert_eq!(text.matches("recipient: age1").count(), 1, "{path}");
                    assert!(text.contains(agent.recipient()));
                    assert!(
                        decrypt(&text, &home.fleet.hub_identities().unwrap()).is_err(),
                        "the hub's key opens {path}"
                    );
                }
            }
        }
    }
    assert!(
        slices >= 15 && of_its_own >= slices * 4,
        "{slices} slices with {of_its_own} canaries of their own"
    );
}
