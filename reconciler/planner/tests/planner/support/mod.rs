//! A fleet in memory: files as texts, compiled and planned as the hub does it, with decisions written back as files. No assertions but the
//! checker's live here.

pub(crate) mod compile;
pub(crate) mod files;
pub(crate) mod show;

use compile::Compiler;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tenantry_planner::check::check;
use tenantry_planner::decision::{Choice, Decision};
use tenantry_planner::inventory::{Attempt, Published, ServerObservation, slice_key};
use tenantry_planner::lost::LostDecisions;
use tenantry_planner::plan::{PlanCache, plan};
use tenantry_planner::render::{Plaintext, Rendered, render};
use tenantry_planner::slice_input::SliceInput;
use tenantry_planner::{Desired, Inventory, ObjectId, Observed, Plan};
use tenantry_schema::document::{SecretSpec, State};
use tenantry_schema::id::ServerKey;
use tenantry_schema::name::VariableName;
use tenantry_schema::wire::{
    HostFacts, InstancePhase, InstanceReport, Refusal, RefusalKind, Report, SiteReport, SliceRef,
    SmokeResult,
};
use tenantry_schema::{Diagnostic, Secret};
use tenantry_sops::{
    Change, EncryptOptions, ExposeSecret, Identities, Map, Path, Recipient, Rule, SopsFile, Value,
    encrypt,
};

/// A fleet with everything that a hub knows about it.
pub(crate) struct Fleet {
    pub(crate) files: BTreeMap<String, String>,
    compiler: Compiler,
    keys: Keys,
    pub(crate) inventory: Inventory,
    pub(crate) attempts: HashMap<String, Attempt>,
    pub(crate) attempts_revision: u64,
    pub(crate) cache: PlanCache,
    pub(crate) now: Timestamp,
    pub(crate) generation: u64,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) lost: LostDecisions,
    drawn: u32,
}

/// The key that files of secrets are encrypted to.
struct Keys {
    identities: Identities,
    recipient: Recipient,
}

/// A commit's worth of everything: what is desired, and the plan.
pub(crate) struct Pass {
    pub(crate) desired: Desired,
    pub(crate) plan: Plan,
}

impl Fleet {
    /// `hub.yaml`, templates and the stacks `page` (a site) and `notes` (a database, a volume, a generated secret); no customers.
    pub(crate) fn new() -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string().parse().unwrap();
        let mut fleet = Self {
            files: BTreeMap::new(),
            compiler: Compiler::default(),
            keys: Keys {
                identities: identity.into(),
                recipient,
            },
            inventory: Inventory::default(),
            attempts: HashMap::new(),
            attempts_revision: 0,
            cache: PlanCache::default(),
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            generation: 7,
            diagnostics: Vec::new(),
            lost: LostDecisions::default(),
            drawn: 0,
        };
        for (path, text) in files::base() {
            fleet.write(path, &text);
        }
        fleet
    }

    /// One customer `acme` with the server `acme-1`, whose agent is enrolled.
    pub(crate) fn with_acme() -> Self {
        let mut fleet = Self::new();
        fleet.write("fleet/customers/acme/customer.yaml", "language: en\n");
        fleet.write(
            "fleet/customers/acme/servers/acme-1.yaml",
            &files::server('a', ""),
        );
        fleet
    }

    /// That customer with an order of both stacks, as far as decisions and slices go.
    pub(crate) fn running() -> Self {
        let mut fleet = Self::with_acme();
        fleet.write(
            "fleet/customers/acme/orders/web.yaml",
            "plan: pro\ndomain: acme.example\ntools: [page, notes]\n",
        );
        fleet.settle();
        fleet.report_all_well("acme/acme-1");
        fleet.settle();
        fleet
    }

    pub(crate) fn write(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    pub(crate) fn remove(&mut self, prefix: &str) {
        self.files.retain(|path, _| !path.starts_with(prefix));
    }

    pub(crate) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = self.files.get_mut(path).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        *text = text.replace(from, to);
    }

    pub(crate) fn pass_time(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap();
    }

    /// Writes a file of secrets.
    pub(crate) fn write_secrets(&mut self, path: &str, values: &[(&str, &str)]) {
        let map = values
            .iter()
            .fold(Map::new(), |map, (name, value)| map.with(*name, *value));
        let text = encrypt(&map, &self.encryption(), &mut rand::rng()).unwrap();
        self.write(path, &text);
    }

    fn encryption(&self) -> EncryptOptions {
        EncryptOptions {
            recipients: vec![self.keys.recipient.clone()],
            rule: Rule::all(),
            mac_only_encrypted: true,
            last_modified: tenantry_sops::Timestamp::from_unix(self.now.as_second()).unwrap(),
        }
    }

    pub(crate) fn observed(&self) -> Observed<'_> {
        Observed {
            inventory: &self.inventory,
            attempts: &self.attempts,
            attempts_revision: self.attempts_revision,
            now: self.now,
        }
    }

    pub(crate) fn compile(&mut self) -> Desired {
        let (desired, diagnostics) = self.compiler.compile(&self.files);
        self.diagnostics = diagnostics;
        let desired = desired.unwrap_or_else(|| panic!("{}", show::diagnostics(&self.diagnostics)));
        Desired {
            generation: self.generation,
            lost: self.lost.clone(),
            ..desired
        }
    }

    /// What is wrong with the files, without planning.
    pub(crate) fn findings(&mut self) -> String {
        self.diagnostics = self.compiler.compile(&self.files).1;
        show::diagnostics(&self.diagnostics)
    }

    /// Compiles and plans. The plan passes the checker, and is the one that planning afresh gives.
    pub(crate) fn plan(&mut self) -> Pass {
        let desired = self.compile();
        let mut cache = std::mem::take(&mut self.cache);
        let cached = plan(&desired, self.observed(), &mut cache);
        let fresh = plan(&desired, self.observed(), &mut PlanCache::default());
        self.cache = cache;
        assert_eq!(
            show::everything(&cached),
            show::everything(&fresh),
            "the cached plan differs"
        );
        assert_eq!(cached.next_wake(), fresh.next_wake());
        assert_eq!(
            check(&cached, &desired, &self.inventory),
            Vec::<String>::new()
        );
        Pass {
            desired,
            plan: cached,
        }
    }

    /// Does what a plan says: decisions become files, slices are published.
    pub(crate) fn act(&mut self, plan: &Plan) {
        for decision in plan.decisions() {
            self.commit(decision);
        }
        for task in plan.slices() {
            let published = Published {
                inputs: task.inputs.clone(),
                generation: 7,
                content: format!("content of {}", &task.inputs[..8]),
                at: self.now,
            };
            self.inventory
                .published
                .insert(task.server.clone(), published);
        }
    }

    pub(crate) fn commit(&mut self, decision: &Decision) {
        let path = decision.path();
        let text = match (&decision.choice, decision.content()) {
            (Choice::Secrets(_, names) | Choice::BackupSecrets(names), _) => {
                self.draw(&path, names)
            }
            (_, Some(text)) => text,
            (_, None) => unreachable!("only secrets have no content"),
        };
        self.write(&path, &text);
    }

    fn draw(&mut self, path: &str, names: &BTreeMap<VariableName, SecretSpec>) -> String {
        let mut values = Vec::new();
        for name in names.keys() {
            self.drawn += 1;
            values.push((
                name.to_string(),
                format!(
                    "generated-for-{}-{}",
                    path.split('/').nth(2).unwrap(),
                    self.drawn
                ),
            ));
        }
        let Some(text) = self.files.get(path) else {
            let map = values.iter().fold(Map::new(), |map, (name, value)| {
                map.with(name.as_str(), value.as_str())
            });
            return encrypt(&map, &self.encryption(), &mut rand::rng()).unwrap();
        };
        let set = |(name, value): &(String, String)| Change::Set {
            path: Path::from(name.as_str()),
            value: Value::text(value.clone()),
        };
        let changes: Vec<_> = values.iter().map(set).collect();
        let at = self.encryption().last_modified;
        SopsFile::parse(text)
            .unwrap()
            .edit(&self.keys.identities, &changes, at, &mut rand::rng())
            .unwrap()
    }

    /// Plans and acts until nothing is to be done; the plan of each round. It must end soon.
    pub(crate) fn settle(&mut self) -> Vec<Plan> {
        let mut rounds = Vec::new();
        loop {
            let plan = self.plan().plan;
            if plan.is_empty() {
                return rounds;
            }
            self.act(&plan);
            rounds.push(plan);
            assert!(
                rounds.len() <= 4,
                "planning does not end: {}",
                show::actions(rounds.last().unwrap())
            );
        }
    }

    /// The newest slice of a server, rendered with its real secrets.
    pub(crate) fn render(&mut self, server: &str) -> Rendered {
        let pass = self.plan();
        let inputs = pass
            .plan
            .customers
            .values()
            .flat_map(|part| &part.desired_slices);
        let input = inputs
            .into_iter()
            .find(|input| input.server.to_string() == server)
            .expect("a slice")
            .clone();
        render(&input, &self.plaintext(&input)).unwrap()
    }

    pub(crate) fn plaintext(&self, input: &SliceInput) -> Plaintext {
        let open = |blob: ObjectId| -> BTreeMap<String, Secret> {
            let text = self
                .files
                .values()
                .find(|text| files::id(text) == blob)
                .expect("a file of that id");
            let values = SopsFile::parse(text)
                .unwrap()
                .decrypt(&self.keys.identities)
                .unwrap()
                .to_flat_map()
                .unwrap();
            values
                .into_iter()
                .map(|(name, value)| (name, Secret::new(value.expose_secret().to_owned())))
                .collect()
        };
        Plaintext {
            customer: input.customer_secrets.map(open).unwrap_or_default(),
            generated: input
                .instances
                .iter()
                .filter_map(|(name, instance)| Some((name.clone(), open(instance.secrets?))))
                .collect(),
            backups: input
                .backups
                .as_ref()
                .map(|backups| open(backups.secrets))
                .unwrap_or_default(),
        }
    }

    /// A report in which the newest slice is accepted and everything in it runs.
    pub(crate) fn report_all_well(&mut self, server: &str) {
        let report = self.well(server);
        self.report(server, report);
    }

    pub(crate) fn well(&mut self, server: &str) -> Report {
        let pass = self.plan();
        let key = server_key(server);
        let published = self.inventory.published.get(&key);
        let slice = published.map(|published| SliceRef {
            generation: published.generation,
            content: published.content.clone(),
            commit: "c".repeat(40),
        });
        let mut report = Report {
            sequence: 1,
            taken_at: self.now,
            release: "0.1.0".into(),
            converged: slice.as_ref().map(|slice| slice.content.clone()),
            slice,
            stale_since: None,
            instances: BTreeMap::new(),
            sites: BTreeMap::new(),
            unmanaged: Vec::new(),
            refusals: Vec::new(),
            backups: None,
            areas: BTreeMap::new(),
            agent_update: None,
            since: None,
            matches: Vec::new(),
            usage: Vec::new(),
            events: Vec::new(),
            host: HostFacts {
                memory: 4 << 30,
                engine: None,
                engine_reachable: true,
                web_server_running: true,
                paused_until: None,
            },
        };
        let inputs = pass
            .plan
            .customers
            .values()
            .flat_map(|part| &part.desired_slices);
        for (name, instance) in inputs
            .filter(|input| input.server == key)
            .flat_map(|input| &input.instances)
        {
            let phase = if instance.state == State::Running {
                InstancePhase::Healthy
            } else {
                InstancePhase::Stopped
            };
            let smoke = if instance.stack.document.smoke.is_some() {
                SmokeResult::Passed
            } else {
                SmokeResult::NotRun
            };
            let state = InstanceReport {
                tool: instance.tool.clone(),
                phase,
                waiting: None,
                message: None,
                rollout: None,
                smoke,
                containers: Vec::new(),
            };
            report.instances.insert(name.clone(), state);
            let live = SiteReport {
                live: true,
                self_signed: true,
                ..SiteReport::default()
            };
            report.sites.extend(
                instance
                    .hosts
                    .values()
                    .map(|host| (host.clone(), live.clone())),
            );
        }
        report
    }

    pub(crate) fn report(&mut self, server: &str, report: Report) {
        let key = server_key(server);
        let before = self.inventory.servers.get(&key);
        let observation = ServerObservation {
            revision: before.map_or(0, |before| before.revision) + 1,
            report: Arc::new(report),
            received_at: self.now,
            refusals: before
                .map(|before| before.refusals.clone())
                .unwrap_or_default(),
            events: Vec::new(),
            matches: Vec::new(),
        };
        self.inventory.servers.insert(key, observation);
    }

    pub(crate) fn refuse(&mut self, server: &str, kind: RefusalKind, detail: &str) {
        let refusal = Refusal {
            at: self.now,
            kind,
            detail: detail.to_owned(),
        };
        let seen = self.inventory.servers.get_mut(&server_key(server)).unwrap();
        seen.refusals.push(refusal);
        seen.revision += 1;
    }

    /// An attempt at publishing the slice that is due failed.
    pub(crate) fn fail(&mut self, plan: &Plan, count: u32, next: Option<Timestamp>) {
        let task = plan.slices().next().expect("a slice that is due");
        let attempt = Attempt {
            count,
            error: "disk full".into(),
            next,
        };
        self.attempts
            .insert(slice_key(&task.server, &task.inputs), attempt);
        self.attempts_revision += 1;
    }
}

pub(crate) fn server_key(text: &str) -> ServerKey {
    let (customer, server) = text.split_once('/').unwrap();
    ServerKey {
        customer: customer.try_into().unwrap(),
        server: server.try_into().unwrap(),
    }
}
