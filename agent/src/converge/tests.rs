//! A model of a server: what each step does to it. Decisions are tested on it by example and by law.

mod examples;
mod hands_off;
mod held;
mod images;
mod laws;
mod put_back;
mod rollout_laws;
mod rollouts;
mod standstill;
mod web;

use super::*;
use crate::certificates::CertificateFacts;
use crate::certificates::memory::Memory;
use crate::containers::desired::Wanted;
use crate::containers::spec::{self, Place};
use crate::containers::tests::model::Model;
use crate::containers::{InstanceInput, state::State as Running};
use crate::desired::{Instance, LiveFile, Site};
use crate::files::digest;
use crate::rollout::{Backups, PuttingBack, Version, Versions, effective, rolled_back};
use crate::secrets::SecretFile;
use crate::step::SmokeStep;
use crate::web_server::{Target, WebState};
use jiff::SignedDuration;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::document::{Drift, State, WebPorts};
use tenantry_schema::id::OperationId;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    FALLBACK_SITE, HostSpec, InstanceSpec, SiteSpec, SliceRef, SmokeResult, UpgradeRule,
};

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
        rules: &spec::Rules::default(),
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

const PLAIN: Wish = Wish {
    running: true,
    file: Some(1),
    secret: Some(1),
    site: Some(1),
    smoke: true,
};

fn desired(wishes: &[(&str, Wish)]) -> Desired {
    let mut desired = Desired {
        backups: None,
        reference: SliceRef {
            generation: 1,
            content: digest(format!("{wishes:?}").as_bytes()),
            commit: String::new(),
        },
        keeper: KEEPER.into(),
        host: HostSpec {
            server: crate::config::parse_server("acme/acme-1").unwrap(),
            manage: Manage::Full,
            window: None,
            registries: BTreeMap::new(),
            web: WebPorts::default(),
            certificates: None,
            host: None,
            users: BTreeMap::new(),
            agent: None,
            instances: BTreeMap::new(),
            error_rules: BTreeMap::new(),
        },
        instances: BTreeMap::new(),
        sites: BTreeMap::new(),
        fallback: None,
        secrets: BTreeMap::new(),
        logins: BTreeMap::new(),
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
        state: if wish.running {
            State::Running
        } else {
            State::Stopped
        },
        smoke: wish.smoke.then(|| "GET /".to_owned().try_into().unwrap()),
        sites: wish
            .site
            .map(|_| {
                (
                    "site".try_into().unwrap(),
                    SiteSpec {
                        host: site.clone(),
                        redirect_from: Vec::new(),
                        port: 20_000,
                    },
                )
            })
            .into_iter()
            .collect(),
        has_data: false,
        upgrade: UpgradeRule::default(),
        drift: Drift::Repair,
        trusted: false,
        memory: None,
        relax: BTreeMap::new(),
        reload: BTreeMap::new(),
    };
    let containers = container_input(
        project,
        if wish.running {
            Wanted::Running
        } else {
            Wanted::Stopped
        },
    );
    let files = wish.file.map(|content| {
        let data: Arc<[u8]> = Arc::from([content].as_slice());
        (
            path(&format!("{project}/files/a")),
            LiveFile {
                digest: digest(&data),
                data,
            },
        )
    });
    if let Some(content) = wish.secret {
        let file = SecretFile {
            value: Secret::new(content.to_string()),
            access: crate::files::Access::mode(0o600),
        };
        desired.secrets.insert(path(&format!("{project}/DB")), file);
    }
    if let Some(version) = wish.site {
        let text = format!("version {version}");
        desired.sites.insert(
            site,
            Site {
                instance: name(project),
                also: Vec::new(),
                port: 20_000,
                digest: digest(text.as_bytes()),
                text,
            },
        );
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
    memory: Arc<Memory>,
    ledger: Ledger,
    settled: BTreeMap<InstanceName, Instance>,
    history: History,
    now: Timestamp,
    /// Slices that are kept, by content.
    slices: BTreeMap<String, Desired>,
    /// Digests of instances whose smoke check fails.
    broken: BTreeSet<String>,
    backups: Backups,
    putting_back: BTreeMap<OperationId, PuttingBack>,
    standstills: BTreeMap<InstanceName, crate::rollout::Standstill>,
    paused: Option<Timestamp>,
    kept_images: BTreeSet<String>,
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
            memory: Arc::default(),
            ledger: ledger.unwrap(),
            settled: BTreeMap::new(),
            history: History::default(),
            now: now(),
            slices: BTreeMap::new(),
            broken: BTreeSet::new(),
            backups: Backups::new(),
            putting_back: BTreeMap::new(),
            standstills: BTreeMap::new(),
            paused: None,
            kept_images: BTreeSet::new(),
        }
    }

    /// Last good versions of what `wanted` asks for otherwise.
    fn versions(&self, wanted: &Desired) -> Versions {
        let other = wanted.instances.iter().filter_map(|(name, instance)| {
            let good = self.ledger.rollouts.get(name)?.good.as_ref()?;
            let slice = self.slices.get(&good.content)?;
            let version = Version::of(slice, name)?;
            (good.digest != instance.digest).then(|| (name.clone(), version))
        });
        other.collect()
    }

    /// What is in force when `wanted` is asked for.
    fn in_force(&self, wanted: &Desired) -> Desired {
        let versions = self.versions(wanted);
        let back = rolled_back(wanted, &self.ledger.rollouts, &versions);
        effective(wanted, &back, &versions)
    }

    fn seen(&self, desired: &Desired) -> HostState {
        let right = |(path, value): (&RelativePath, &String)| {
            let wanted = desired
                .secrets
                .get(path)
                .is_some_and(|file| file.value.expose() == value);
            (path.clone(), wanted)
        };
        HostState {
            engine: Ok(self.engine.state.clone()),
            files: Ok(self
                .files
                .iter()
                .map(|(path, digest)| (path.clone(), Some(digest.clone())))
                .collect()),
            secrets: Ok(self.secrets.iter().map(right).collect()),
            web: Ok(self.web.clone()),
            fetching: BTreeMap::new(),
            too_large: BTreeMap::new(),
            backups: self.backups.clone(),
            putting_back: self.putting_back.clone(),
            standstills: self.standstills.clone(),
            paused: self.paused,
            certificates: self.memory.clone(),
            host: None,
        }
    }

    fn plan(&self, wanted: &Desired) -> Plan {
        self.plan_with(wanted, &self.seen(&self.in_force(wanted)))
    }

    fn plan_with(&self, wanted: &Desired, state: &HostState) -> Plan {
        let (key, now) = (key(), self.now);
        converge(&Input {
            desired: &self.in_force(wanted),
            wanted,
            versions: &self.versions(wanted),
            state,
            ledger: &self.ledger,
            settled: &self.settled,
            kept_images: &self.kept_images,
            history: &self.history,
            key: &key,
            now,
        })
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteSecret { path, file } => drop(
                self.secrets
                    .insert(path.clone(), file.value.expose().clone()),
            ),
            Step::RemoveSecret { path } => drop(self.secrets.remove(path)),
            Step::OwnFiles { paths } => self.ledger.files.extend(paths.iter().cloned()),
            Step::WriteFile { path, data, .. } => {
                assert!(
                    self.ledger.files.contains(path),
                    "{path} is ours before it is written"
                );
                self.files.insert(path.clone(), digest(data));
            }
            Step::RemoveFile { path } => {
                assert!(
                    self.ledger.files.remove(path),
                    "only what is ours is removed"
                );
                self.files.remove(path);
            }
            Step::Container(step) => self.engine.apply(step).unwrap(),
            Step::Smoke(SmokeStep { instance, of, .. }) => {
                let record = crate::ledger::SmokeRecord {
                    of: of.clone(),
                    result: SmokeResult::Passed,
                };
                self.ledger.smoke.insert(instance.clone(), record);
            }
            Step::RemoveImage { image } => {
                self.ledger.pulled.remove(image);
                self.engine.state.images.remove(image);
            }
            Step::Rollout(step) => {
                let rollout = self.ledger.rollouts.entry(step.instance.clone());
                crate::execute::note(rollout.or_default(), step, None);
                if matches!(
                    step.mark,
                    crate::step::Mark::Rejected(_) | crate::step::Mark::Restored
                ) {
                    self.history.pace.forget(step.instance.as_str());
                }
            }
            Step::Certificate { host, also } => {
                let until = self
                    .now
                    .checked_add(SignedDuration::from_hours(24 * 90))
                    .unwrap();
                let facts = CertificateFacts {
                    from: self.now,
                    until,
                    self_signed: true,
                    names: std::iter::once(host).chain(also).cloned().collect(),
                    issuer: "ourselves".into(),
                    id: None,
                };
                self.web.stale = true;
                self.web.certificates.insert(host.clone(), facts);
            }
            Step::Publish { sites, .. } => {
                assert!(
                    sites
                        .keys()
                        .filter(|host| host.as_str() != FALLBACK_SITE)
                        .all(|host| self.web.certificates.contains_key(host)),
                    "nginx wants certificates first"
                );
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
                self.ledger
                    .published
                    .retain(|host, _| sites.contains_key(host));
                self.web.strays = false;
                (self.web.running, self.web.stale, self.web.unread) = (true, false, false);
            }
            Step::ReloadWebServer => {
                (self.web.running, self.web.stale, self.web.unread) = (true, false, false);
            }
            Step::Issue(_) | Step::Advice(_) | Step::RotateLogs(_) | Step::Host(_) => {
                panic!("{step} is not for this model")
            }
        }
    }

    /// Takes all steps and lets time pass, until there is nothing more to do.
    fn settle(&mut self, desired: &Desired) -> Plan {
        self.slices
            .insert(desired.reference.content.clone(), desired.clone());
        for _ in 0..30 {
            let plan = self.plan(desired);
            if plan.steps.is_empty() && plan.converged {
                self.ledger.converged = Some(desired.reference.content.clone());
                self.settled.clone_from(&desired.instances);
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
