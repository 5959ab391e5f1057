//! What an agent refuses, over the real wire: a real hub, a real agent, and a man in the middle who has stolen the hub's key.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};
use tenantry_schema::id::ServerKey;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{RefusalKind, SliceRef};
use tenantry_tests::lab::{Port, wait_until};
use tenantry_tests::rig::fake_agent::server_key;
use tenantry_tests::rig::{Answered, FakeAgent, Forgery, Middleman, Received, World, page_until};
use tenantry_wire::bundle::{self, Limits};
use tenantry_wire::slice::{Draft, seal};
use tenantry_wire::{SigningKey, ledger::Verdict};

const SOON: Duration = Duration::from_secs(30);
const SETUP: Duration = Duration::from_mins(2);
const OUTSIDER: &str = "/tmp/tenantry-was-here";

type Files = BTreeMap<RelativePath, Vec<u8>>;

fn files_of(bundle: &[u8]) -> Files {
    bundle::unpack(bundle, &Limits::default()).unwrap()
}

fn path(text: &str) -> RelativePath {
    RelativePath::try_from(text).unwrap()
}

/// What the attacks are made from.
struct Thief {
    hub: Arc<SigningKey>,
    server: ServerKey,
    fleet: String,
    /// The slice before the newest, the newest, and that of another server of the same customer.
    older: Vec<u8>,
    newest: Vec<u8>,
    others: Received,
}

impl Thief {
    /// The newest slice with something changed, sealed again with `key`.
    fn sealed(&self, key: &SigningKey, change: impl FnOnce(&mut Draft)) -> Vec<u8> {
        let mut files = files_of(&self.newest);
        let manifest: tenantry_schema::wire::Manifest = serde_yaml::from_slice(&files.remove("slice.yaml").unwrap()).unwrap();
        files.remove("slice.yaml.sig");
        let mut draft = Draft {
            fleet_id: manifest.fleet_id,
            server: manifest.server,
            generation: manifest.generation + 1,
            commit: manifest.commit,
            issued: manifest.issued,
            content: "f".repeat(64),
            files,
        };
        change(&mut draft);
        bundle::pack(&seal(draft, key).unwrap())
    }

    /// The newest slice, a file of it changed after it was sealed.
    fn tampered(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut files = files_of(&self.sealed(&self.hub, |_| ()));
        change(files.get_mut(file).unwrap());
        bundle::pack(&files)
    }

    /// A bundle with one more entry that our own packer would never make.
    fn with_entry(&self, kind: tar::EntryType, name: &str, link: &str) -> Vec<u8> {
        let plain = files_of(&self.sealed(&self.hub, |_| ()));
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut put = |kind: tar::EntryType, name: &str, link: &str, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(data.len() as u64);
            header.set_mode(0o600);
            // Written as bytes: the library refuses such names.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            tar.append(&header, data).unwrap();
        };
        for (path, data) in &plain {
            put(tar::EntryType::Regular, path.as_str(), "", data);
        }
        put(kind, name, link, if kind == tar::EntryType::Regular { b"gotcha" } else { b"" });
        tar.into_inner().unwrap().finish().unwrap()
    }

    /// Everything that is tried: what, the forged answer, and the kind that the agent must name.
    fn attacks(&self, middleman: &Middleman) -> Vec<(&'static str, Forgery, RefusalKind)> {
        let stranger = Arc::new(SigningKey::generate(&mut rand::rng()));
        let answer = |bundle: Vec<u8>, key: &Arc<SigningKey>, server: &ServerKey| Forgery::Signed {
            bundle,
            slice: (u64::MAX, "f".repeat(64)),
            key: key.clone(),
            server: server.clone(),
        };
        let signed = |bundle: Vec<u8>| answer(bundle, &self.hub, &self.server);
        let same = |draft: &mut Draft| draft.generation -= 1;
        let recorded = middleman.slices();
        let first = recorded.first().unwrap().clone();
        let secrets = self.others.files.iter().find(|(path, _)| path.as_str().ends_with("/secrets.yaml")).map(|(_, data)| data.clone()).unwrap();
        let instance = files_of(&self.newest).keys().find_map(|path| path.as_str().strip_suffix("/compose.yaml").map(str::to_owned)).unwrap();
        let foreign_secret = |draft: &mut Draft| drop(draft.files.insert(path(&format!("{instance}/secrets.yaml")), secrets));
        let climbing = tar::EntryType::Regular;
        let link = tar::EntryType::Symlink;
        vec![
            ("an older slice", signed(self.older.clone()), RefusalKind::OldGeneration),
            ("the slice of another server", signed(self.others.bytes.clone()), RefusalKind::WrongServer),
            ("an answer for another server", answer(self.newest.clone(), &self.hub, &self.others.manifest.server), RefusalKind::WrongServer),
            ("a tampered file", signed(self.tampered("host.yaml", |data| data.push(b'\n'))), RefusalKind::TamperedFile),
            ("a tampered head", signed(self.tampered("slice.yaml", |data| data.push(b'\n'))), RefusalKind::BadSignature),
            ("a slice of a wrong signer", signed(self.sealed(&stranger, |_| ())), RefusalKind::WrongSigner),
            ("an answer of a wrong signer", answer(self.sealed(&self.hub, |_| ()), &stranger, &self.server), RefusalKind::WrongSigner),
            ("the same generation with other content", signed(self.sealed(&self.hub, same)), RefusalKind::SameGenerationOtherContent),
            ("an answer to another nonce", Forgery::Replayed(first), RefusalKind::NotFresh),
            ("a slice of another fleet", signed(self.sealed(&self.hub, |d| d.fleet_id = format!("{}x", self.fleet).try_into().unwrap())), RefusalKind::WrongFleet),
            ("secrets for another server", signed(self.sealed(&self.hub, foreign_secret)), RefusalKind::Undecryptable),
            ("a path that climbs", signed(self.with_entry(climbing, "stacks/../../../../../../tmp/tenantry-was-here", "")), RefusalKind::UnsafePath),
            ("an absolute path", signed(self.with_entry(climbing, OUTSIDER, "")), RefusalKind::UnsafePath),
            ("a symbolic link", signed(self.with_entry(link, "stacks/link", "/etc")), RefusalKind::UnsafePath),
            ("no archive", signed(b"nonsense".to_vec()), RefusalKind::Malformed),
        ]
    }
}

/// Everything on the server that an accepted slice could have changed.
fn traces(world: &World) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &std::path::Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.insert(entry.path().display().to_string(), std::fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    let mut found = BTreeMap::new();
    let dir = world.servers[0].dir();
    for folder in [world.live(0), world.memory(0), dir.join("state/slices"), dir.join("nginx/conf")] {
        walk(&folder, &mut found);
    }
    found.insert("accepted".to_owned(), format!("{:?}", accepted(world)).into_bytes());
    found.insert("running".to_owned(), format!("{:?}", world.running().unwrap()).into_bytes());
    found
}

fn accepted(world: &World) -> Option<SliceRef> {
    let ledger = std::fs::read(world.servers[0].dir().join("state/ledger.json")).unwrap();
    let ledger: serde_json::Value = serde_json::from_slice(&ledger).unwrap();
    serde_json::from_value(ledger["accepted"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_slices_and_answers_are_refused_reported_by_kind_and_change_nothing() {
    let port = Port::reserve().unwrap();
    let Some(mut world) = World::open_behind(&["acme/acme-1"], port.number()).await else { return };
    let middleman = Middleman::start(port.number(), &world.home.url()).await.unwrap();
    let other = FakeAgent::new("acme/acme-2").unwrap();
    let order = world.lab.name("site");
    let fleet = &world.home.fleet;
    let document = format!("fleet/customers/acme/orders/{order}.yaml");
    fleet.write("fleet/customers/acme/servers/acme-1.yaml", &world.servers[0].document("")).unwrap();
    fleet.write(&other.path(), &other.document("")).unwrap();
    fleet.write(&document, "plan: pro\ndomain: acme.test\nserver: acme-1\ntools:\n  html:\n    parameters: { TITLE: one }\n").unwrap();
    fleet.write("fleet/customers/acme/orders/other.yaml", "plan: pro\ndomain: other.test\nserver: acme-2\ntools: [guestbook]\n").unwrap();
    fleet.commit("two orders").unwrap();
    world.servers[0].start().unwrap();
    let fulfilled = |status: &FleetStatus| status.orders.iter().any(|o| o.order.as_str() == order && o.phase == Phase::Fulfilled);
    world.home.hub().wait_for(SETUP, "fulfilment", fulfilled).await.unwrap();
    let older = middleman.slices().last().unwrap().body.to_vec();
    fleet.pull().unwrap();
    fleet.edit(&document, "TITLE: one", "TITLE: two").unwrap();
    fleet.commit("another title").unwrap();
    page_until(&world.servers[0], "acme.test", "two", SOON).await.unwrap();
    let newest = middleman.slices().last().unwrap().body.to_vec();
    assert_ne!(older, newest);
    let Answered::Slice(others, Verdict::Accept) = other.next(&world.home.url(), fleet, 10).await.unwrap() else { panic!("acme-2 has no slice") };
    let in_sync = |status: &FleetStatus| status.servers.iter().any(|server| server.server.as_str() == "acme-1" && server.in_sync);
    world.home.hub().wait_for(SOON, "agreement", in_sync).await.unwrap();

    let thief = Thief {
        hub: Arc::new(fleet.hub_signing_key().unwrap()),
        server: server_key("acme/acme-1").unwrap(),
        fleet: fleet.id().to_owned(),
        older,
        newest,
        others: *others,
    };
    let before = traces(&world);
    let mut refused = 0;
    for (what, forgery, kind) in thief.attacks(&middleman) {
        middleman.forge(forgery);
        let seen = wait_until(SOON, what, async || {
            let status = world.home.hub().status().await.ok()?;
            let server = status.servers.iter().find(|server| server.server.as_str() == "acme-1")?;
            // The status keeps the last twenty.
            (server.refusals.len() > refused).then(|| server.refusals.clone())
        });
        let seen = seen.await.unwrap();
        let kinds: Vec<_> = seen[refused..].iter().map(|refusal| refusal.kind).collect();
        assert_eq!(kinds, [kind], "{what}: {:?}", seen.last());
        assert_eq!(traces(&world), before, "{what}: something changed");
        refused = seen.len();
    }
    assert!(refused >= 15 && !std::path::Path::new(OUTSIDER).exists());
    // None of it keeps the agent from the next good slice.
    fleet.pull().unwrap();
    fleet.edit(&document, "TITLE: two", "TITLE: three").unwrap();
    fleet.commit("a third title").unwrap();
    page_until(&world.servers[0], "acme.test", "three", Duration::from_secs(70)).await.unwrap();

    let name = format!("{order}-html-web-1");
    let calm = wait_until(SOON, "the end of the roll-out", async || {
        let running = world.running().ok()?;
        running.keys().eq([&name]).then_some(running)
    });
    let running = calm.await.unwrap();
    // Without its ledger the agent takes what a fresh answer brings; a slice that it has never seen is still not taken from a stale answer.
    world.servers[0].kill_agent();
    std::fs::remove_file(world.servers[0].dir().join("state/ledger.json")).unwrap();
    let stale = middleman.slices().first().unwrap().clone();
    middleman.forge(Forgery::Replayed(stale));
    world.servers[0].start().unwrap();
    let state = world.servers[0].dir().join("state");
    let back = wait_until(SETUP, "a new ledger with the newest slice", async || {
        let ledger: serde_json::Value = serde_json::from_slice(&std::fs::read(state.join("ledger.json")).ok()?).ok()?;
        let content = ledger["accepted"]["content"].as_str()?.to_owned();
        (ledger["converged"].as_str() == Some(content.as_str())).then_some(ledger["accepted"]["generation"].as_u64()?)
    });
    let generation = back.await.unwrap();
    let status = world.home.hub().wait_for(SOON, "agreement again", in_sync).await.unwrap();
    let server = status.servers.iter().find(|server| server.server.as_str() == "acme-1").unwrap();
    assert_eq!(server.published, Some(generation));
    assert_eq!(world.running().unwrap(), running, "losing the ledger restarted something");
    assert_eq!(middleman.pending(), 0, "the stale answer was given");
}
