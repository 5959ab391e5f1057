//! What is decided, by example and by law, on a model of the server.

use super::*;
use crate::certificates::CertificateFacts;
use crate::containers::desired::Wanted;
use crate::containers::tests::model::Model;
use crate::containers::spec::{self, Place};
use crate::containers::{EngineState, InstanceInput, state::State as Running};
use crate::desired::{Instance, LiveFile, Site};
use crate::files::digest;
use crate::secrets::SecretFile;
use crate::step::SmokeStep;
use crate::web_server::{Target, WebState};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::document::{State, WebPorts};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{HostSpec, InstanceSpec, SiteSpec, SliceRef, SmokeResult};

const KEEPER: &str = "f1";

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn path(text: &str) -> RelativePath {
    text.try_into().unwrap()
}

fn host(name: &str) -> DomainName {
    name.try_into().unwrap()
}

fn key() -> InputsKey {
    InputsKey::new(Secret::new(vec![7; 32]))
}

/// A web server that needs a healthy database with a volume.
fn container_input(project: &str, state: Wanted) -> InstanceInput {
    let text = "
services:
  web: { image: 'busybox:1', restart: always, depends_on: { db: { condition: service_healthy } } }
  db: { image: 'busybox:2', restart: always, volumes: ['data:/data'], healthcheck: { test: [CMD, 'true'] } }
volumes: { data: {} }
";
    let loaded = tenantry_compose::Project::load(text, &|_| None).unwrap();
    let place = Place {
        instance: project,
        keeper: KEEPER,
        state,
        folder: std::path::Path::new("/srv"),
        secrets: std::path::Path::new("/run/s"),
        configs: std::path::Path::new("/run/c"),
        digests: &BTreeMap::new(),
        key: &key(),
    };
    spec::instance(&loaded, &place).unwrap().input
}

fn name(text: &str) -> InstanceName {
    InstanceName::try_from(text.to_owned()).unwrap()
}

/// A wish for one instance, as far as the tests vary it.
#[derive(Debug, Clone)]
struct Wish {
    running: bool,
    file: Option<u8>,
    secret: Option<u8>,
    site: Option<u8>,
    smoke: bool,
}

const PLAIN: Wish = Wish { running: true, file: Some(1), secret: Some(1), site: Some(1), smoke: true };

fn desired(wishes: &[(&str, Wish)]) -> Desired {
    let mut desired = Desired {
        reference: SliceRef { generation: 1, content: digest(format!("{wishes:?}").as_bytes()), commit: String::new() },
        keeper: KEEPER.into(),
        host: HostSpec {
            server: crate::config::parse_server("acme/acme-1").unwrap(),
            manage: Manage::Full,
            window: None,
            web: WebPorts::default(),
            instances: BTreeMap::new(),
        },
        instances: BTreeMap::new(),
        sites: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    for (project, wish) in wishes {
        add(&mut desired, project, wish);
    }
    desired
}

fn add(desired: &mut Desired, project: &str, wish: &Wish) {
    let site = host(&format!("{project}.example"));
    let spec = InstanceSpec {
        order: "web".try_into().unwrap(),
        tool: "html".try_into().unwrap(),
        state: if wish.running { State::Running } else { State::Stopped },
        smoke: wish.smoke.then(|| "GET /".to_owned().try_into().unwrap()),
        sites: wish.site.map(|_| ("site".try_into().unwrap(), SiteSpec { host: site.clone(), port: 20_000 })).into_iter().collect(),
        has_data: false,
    };
    let containers = container_input(project, if wish.running { Wanted::Running } else { Wanted::Stopped });
    let files = wish.file.map(|content| {
        let data: Arc<[u8]> = Arc::from([content].as_slice());
        (path(&format!("{project}/files/a")), LiveFile { digest: digest(&data), data })
    });
    if let Some(content) = wish.secret {
        let file = SecretFile { value: Secret::new(content.to_string()), access: crate::files::Access::mode(0o600) };
        desired.secrets.insert(path(&format!("{project}/DB")), file);
    }
    if let Some(version) = wish.site {
        let text = format!("version {version}");
        desired.sites.insert(site, Site { instance: name(project), port: 20_000, digest: digest(text.as_bytes()), text });
    }
    desired.host.instances.insert(name(project), spec.clone());
    let instance = Instance {
        spec,
        digest: digest(format!("{wish:?}").as_bytes()),
        files: files.into_iter().collect(),
        containers: Ok(containers),
    };
    desired.instances.insert(name(project), instance);
}

/// A server without one.
#[derive(Debug, Clone)]
struct Server {
    engine: Model,
    files: BTreeMap<RelativePath, String>,
    secrets: BTreeMap<RelativePath, String>,
    web: WebState,
    ledger: Ledger,
    history: History,
    now: Timestamp,
}

impl Server {
    fn new() -> Self {
        let ledger = serde_json::from_str(
            r#"{"format":1,"id":"x","sequence":0,"accepted":null,"converged":null,"files":[],"published":{},"smoke":{}}"#,
        );
        Self {
            engine: Model::default(),
            files: BTreeMap::new(),
            secrets: BTreeMap::new(),
            web: WebState::default(),
            ledger: ledger.unwrap(),
            history: History::default(),
            now: now(),
        }
    }

    fn seen(&self, desired: &Desired) -> HostState {
        let right = |(path, value): (&RelativePath, &String)| {
            let wanted = desired.secrets.get(path).is_some_and(|file| file.value.expose() == value);
            (path.clone(), wanted)
        };
        HostState {
            engine: Ok(self.engine.state.clone()),
            files: Ok(self.files.iter().map(|(path, digest)| (path.clone(), Some(digest.clone()))).collect()),
            secrets: Ok(self.secrets.iter().map(right).collect()),
            web: Ok(self.web.clone()),
        }
    }

    fn plan(&self, desired: &Desired) -> Plan {
        self.plan_with(desired, &self.seen(desired))
    }

    fn plan_with(&self, desired: &Desired, state: &HostState) -> Plan {
        let (key, now) = (key(), self.now);
        converge(&Input { desired, state, ledger: &self.ledger, history: &self.history, key: &key, now })
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteSecret { path, file } => drop(self.secrets.insert(path.clone(), file.value.expose().clone())),
            Step::RemoveSecret { path } => drop(self.secrets.remove(path)),
            Step::OwnFiles { paths } => self.ledger.files.extend(paths.iter().cloned()),
            Step::WriteFile { path, data, .. } => {
                assert!(self.ledger.files.contains(path), "{path} is ours before it is written");
                self.files.insert(path.clone(), digest(data));
            }
            Step::RemoveFile { path } => {
                assert!(self.ledger.files.remove(path), "only what is ours is removed");
                self.files.remove(path);
            }
            Step::Container(step) => self.engine.apply(step).unwrap(),
            Step::Smoke(SmokeStep { instance, of, .. }) => {
                let record = crate::ledger::SmokeRecord { of: of.clone(), result: SmokeResult::Passed };
                self.ledger.smoke.insert(instance.clone(), record);
            }
            Step::Certificate { host } => {
                let until = self.now.checked_add(SignedDuration::from_hours(24 * 90)).unwrap();
                let facts = CertificateFacts { from: self.now, until, self_signed: true };
                self.web.certificates.insert(host.clone(), facts);
            }
            Step::Publish { sites, .. } => {
                assert!(sites.keys().all(|host| self.web.certificates.contains_key(host)), "nginx wants certificates first");
                let live = std::mem::take(&mut self.web.sites);
                for (host, target) in sites {
                    let digest = match target {
                        Target::Text(text) => digest(text.as_bytes()),
                        Target::Keep => live[host].clone(),
                    };
                    self.web.sites.insert(host.clone(), digest.clone());
                    if matches!(target, Target::Text(_)) {
                        self.ledger.published.insert(host.clone(), digest);
                    }
                }
                self.ledger.published.retain(|host, _| sites.contains_key(host));
                self.web.strays = false;
                self.web.running = true;
            }
            Step::ReloadWebServer => self.web.running = true,
        }
    }

    /// Takes all steps and lets time pass, until there is nothing more to do.
    fn settle(&mut self, desired: &Desired) -> Plan {
        for _ in 0..30 {
            let plan = self.plan(desired);
            if plan.steps.is_empty() && plan.converged {
                self.ledger.converged = Some(desired.reference.content.clone());
                return plan;
            }
            for step in plan.steps.values().flatten() {
                self.apply(step);
            }
            self.engine.settle(&[], &["db", "web"]);
            self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap();
        }
        panic!("never ends: {:?}", self.plan(desired));
    }
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.all_steps().map(|(_, step)| step.to_string()).collect()
}

#[test]
fn a_new_server_gets_everything_and_then_there_is_nothing_to_do() {
    let (mut server, desired) = (Server::new(), desired(&[("one", PLAIN), ("two", Wish { smoke: false, ..PLAIN })]));
    let first = server.plan(&desired);
    assert!(!first.steps.contains_key(&Lane::Web), "no site before its instance is healthy");
    assert_eq!(first.verdicts[&name("one")].phase, InstancePhase::Progressing);
    assert!(first.sites[&host("one.example")].message.as_ref().unwrap().contains("healthy"));
    let last = server.settle(&desired);
    assert!(last.verdicts.values().all(|verdict| verdict.phase == InstancePhase::Healthy));
    assert!(last.sites.values().all(|site| site.live));
    assert_eq!(server.ledger.smoke.len(), 1);
}

#[test]
fn drift_is_repaired_and_called_so() {
    let (mut server, desired) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&desired);
    server.files.insert(path("one/files/a"), "other".into());
    server.secrets.clear();
    server.web.sites.clear();
    server.engine.by_service("web").state = Running::Exited;
    let plan = server.plan(&desired);
    assert_eq!(plan.verdicts[&name("one")].phase, InstancePhase::Degraded);
    let repairs = plan.all_steps().filter(|(_, step)| step.is_repair()).count();
    assert!(repairs >= 3, "{:?}", texts(&plan));
    // The site was published before: it need not wait for the container.
    assert!(matches!(plan.steps[&Lane::Web].last(), Some(Step::Publish { repair: true, .. })));
    server.settle(&desired);
}

#[test]
fn a_changed_site_keeps_the_old_one_until_the_instance_is_healthy() {
    let mut server = Server::new();
    server.settle(&desired(&[("one", PLAIN)]));
    let next = desired(&[("one", Wish { site: Some(2), ..PLAIN })]);
    server.engine.by_service("web").state = Running::Exited;
    let plan = server.plan(&next);
    assert!(!plan.steps.contains_key(&Lane::Web), "{:?}", texts(&plan));
    server.settle(&next);
    assert_eq!(server.web.sites[&host("one.example")], digest(b"version 2"));
}

#[test]
fn stopping_and_leaving_out_keep_volumes_and_take_sites_down() {
    let mut server = Server::new();
    server.settle(&desired(&[("one", PLAIN), ("two", PLAIN)]));
    let volumes = server.engine.state.volumes.clone();
    let plan = server.settle(&desired(&[("one", Wish { running: false, ..PLAIN }), ("two", PLAIN)]));
    assert_eq!(plan.verdicts[&name("one")].phase, InstancePhase::Stopped);
    assert_eq!(server.web.sites.len(), 1);
    server.settle(&desired(&[("two", PLAIN)]));
    let projects: BTreeSet<_> = server.engine.state.containers.iter().filter_map(|one| one.owner.project.clone()).collect();
    assert_eq!(projects, ["two".to_owned()].into());
    assert!(server.files.keys().all(|path| path.as_str().starts_with("two/")));
    assert!(server.secrets.keys().all(|path| path.as_str().starts_with("two/")));
    assert_eq!(server.engine.state.volumes, volumes);
}

#[test]
fn files_that_containers_wrote_are_never_removed() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    server.files.insert(path("one/files/upload"), "theirs".into());
    server.settle(&wish);
    server.settle(&desired(&[]));
    assert!(server.files.contains_key("one/files/upload"));
    assert_eq!(server.files.len(), 1);
}

#[test]
fn what_cannot_be_seen_plans_nothing() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let blind = HostState { engine: Err("away".into()), web: Err("away".into()), ..server.seen(&wish) };
    let plan = server.plan_with(&wish, &blind);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(!plan.converged);
    assert_eq!(plan.verdicts[&name("one")].message.as_deref(), Some("away"));
    // Also nothing of an instance that is gone from the slice.
    let empty = desired(&[]);
    let blind = HostState { engine: Err("away".into()), ..server.seen(&empty) };
    assert!(server.plan_with(&empty, &blind).steps.keys().all(|lane| *lane == Lane::Web));
    let blind = HostState { files: Err("away".into()), ..server.seen(&wish) };
    assert_eq!(texts(&server.plan_with(&wish, &blind)), Vec::<String>::new());
}

#[test]
fn an_observed_server_is_told_what_would_be_done() {
    let (server, mut wish) = (Server::new(), desired(&[("one", PLAIN)]));
    wish.host.manage = Manage::Observe;
    let plan = server.plan(&wish);
    assert!(plan.steps.is_empty() && !plan.would.is_empty() && !plan.converged);
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!(verdict.waiting, Some(AgentWait::ObserveOnly));
    assert!(verdict.message.as_ref().unwrap().starts_with("would write"));
}

#[test]
fn disruptive_changes_wait_for_the_window_and_repairs_do_not() {
    let mut server = Server::new();
    let mut wish = desired(&[("one", PLAIN)]);
    server.settle(&wish);
    wish.host.window = Some("Sun 02:00-05:00".to_owned().try_into().unwrap());
    let shut = server.now;
    let instance = wish.instances.get_mut(&name("one")).unwrap();
    let containers = instance.containers.as_mut().unwrap();
    containers.services.get_mut("web").unwrap().container.user = Some("7".into());
    let plan = server.plan(&wish);
    let opens = "2026-11-22T02:00:00Z".parse().unwrap();
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert_eq!(plan.verdicts[&name("one")].waiting, Some(AgentWait::Window { opens }));
    assert_eq!(plan.next, Some(opens));
    server.now = opens;
    assert!(!server.plan(&wish).steps.is_empty());
    // What does not run is not disrupted.
    server.now = shut;
    server.engine.by_service("web").state = Running::Exited;
    assert!(!server.plan(&wish).steps.is_empty());
}

#[test]
fn a_failed_instance_waits_and_others_go_on() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN), ("two", PLAIN)]));
    let lane = Lane::Instance(name("one"));
    let of = wish.instances[&name("one")].digest.clone();
    for _ in 0..3 {
        server.history.failed(lane.clone(), &of, "no such image".into(), server.now);
    }
    let plan = server.plan(&wish);
    assert!(!plan.steps.contains_key(&lane) && plan.steps.contains_key(&Lane::Instance(name("two"))));
    let verdict = &plan.verdicts[&name("one")];
    assert_eq!((verdict.phase, verdict.message.as_deref()), (InstancePhase::Failed, Some("no such image")));
    let at = server.now.checked_add(SignedDuration::from_secs(30)).unwrap();
    assert_eq!((verdict.waiting.clone(), plan.next), (Some(AgentWait::Retry { at, attempts: 3 }), Some(at)));
    server.now = at;
    assert!(server.plan(&wish).steps.contains_key(&lane));
    // Something else is wanted: at once.
    server.now = now();
    assert!(server.plan(&desired(&[("one", Wish { file: Some(9), ..PLAIN })])).steps.contains_key(&lane));
}

#[test]
fn a_failed_smoke_check_is_tried_again() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let record = server.ledger.smoke.get_mut(&name("one")).unwrap();
    record.result = SmokeResult::Failed { reason: "GET / answers 500".into() };
    let plan = server.plan(&wish);
    assert!(matches!(plan.steps[&Lane::Instance(name("one"))].as_slice(), [Step::Smoke(_)]));
    assert_eq!(plan.verdicts[&name("one")].message.as_deref(), Some("GET / answers 500"));
    assert!(!plan.converged);
}

#[test]
fn a_refused_site_is_left_alone_for_a_while() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&wish);
    let next = desired(&[("one", Wish { site: Some(2), ..PLAIN })]);
    let complaints = [(host("one.example"), "unknown directive".to_owned())].into();
    let bad = digest(b"version 2");
    server.history.published([(&host("one.example"), bad.as_str())], &complaints, server.now);
    let plan = server.plan(&next);
    assert!(!plan.steps.contains_key(&Lane::Web), "{:?}", texts(&plan));
    assert_eq!(plan.sites[&host("one.example")].message.as_deref(), Some("unknown directive"));
    assert_eq!(server.web.sites.len(), 1);
}

#[test]
fn certificates_are_renewed_with_a_reload() {
    let (mut server, wish) = (Server::new(), desired(&[("one", PLAIN)]));
    let plan = server.settle(&wish);
    server.now = plan.next.unwrap();
    let plan = server.plan(&wish);
    assert!(matches!(plan.steps[&Lane::Web].as_slice(), [Step::Certificate { .. }, Step::ReloadWebServer]));
    server.settle(&wish);
}

fn wish() -> impl Strategy<Value = Wish> {
    let version = || proptest::option::weighted(0.8, 1u8..4);
    (any::<bool>(), version(), version(), version(), any::<bool>())
        .prop_map(|(running, file, secret, site, smoke)| Wish { running, file, secret, site, smoke })
}

/// Something that happens to a server behind the agent's back.
#[derive(Debug, Clone)]
enum Mishap {
    Kill,
    Remove,
    EditFile,
    LoseFiles,
    LoseSecrets,
    EditSite,
    StraySite,
    StopWeb,
    LoseCertificates,
    ForgetLedger,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    use Mishap::*;
    prop::sample::select(vec![
        Kill, Remove, EditFile, LoseFiles, LoseSecrets, EditSite, StraySite, StopWeb, LoseCertificates, ForgetLedger,
    ])
}

impl Server {
    fn suffer(&mut self, mishap: &Mishap) {
        match mishap {
            Mishap::Kill => self.engine.state.containers.iter_mut().for_each(|one| one.state = Running::Exited),
            Mishap::Remove => drop(self.engine.state.containers.pop()),
            Mishap::EditFile => self.files.values_mut().for_each(|digest| digest.push('x')),
            Mishap::LoseFiles => self.files.clear(),
            Mishap::LoseSecrets => self.secrets.clear(),
            Mishap::EditSite => self.web.sites.values_mut().for_each(|digest| digest.push('x')),
            Mishap::StraySite => self.web.strays = true,
            Mishap::StopWeb => self.web.running = false,
            Mishap::LoseCertificates => self.web.certificates.clear(),
            Mishap::ForgetLedger => self.ledger = Server::new().ledger,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_and_whatever_happens_it_ends_as_wanted_with_nothing_to_do(
        wishes in proptest::collection::vec((wish(), wish(), any::<bool>()), 1..4),
        mishaps in proptest::collection::vec(mishap(), 0..6),
    ) {
        let mut server = Server::new();
        for (one, two, both) in wishes {
            let mut all = vec![("one", one)];
            if both {
                all.push(("two", two));
            }
            let wanted = desired(&all);
            server.settle(&wanted);
            for mishap in &mishaps {
                server.suffer(mishap);
            }
            let volumes = server.engine.state.volumes.clone();
            let plan = server.settle(&wanted);
            prop_assert!(volumes.is_subset(&server.engine.state.volumes));
            prop_assert!(plan.steps.is_empty() && plan.converged);
            prop_assert_eq!(texts(&server.plan(&wanted)), Vec::<String>::new());
            let live: Vec<_> = server.web.sites.keys().cloned().collect();
            let wished = all.iter().filter(|(_, wish)| wish.running && wish.site.is_some());
            prop_assert_eq!(live, wished.map(|(project, _)| host(&format!("{project}.example"))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn planning_twice_is_the_same(one in wish(), mishaps in proptest::collection::vec(mishap(), 0..4)) {
        let (mut server, wanted) = (Server::new(), desired(&[("one", one)]));
        server.settle(&wanted);
        for mishap in &mishaps {
            server.suffer(mishap);
        }
        prop_assert_eq!(texts(&server.plan(&wanted)), texts(&server.plan(&wanted)));
    }
}

#[test]
fn the_model_starts_empty() {
    assert_eq!(Server::new().engine.state, EngineState::default());
}
