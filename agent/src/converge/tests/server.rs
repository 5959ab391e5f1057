//! A server as a model: what each step does to it.

use super::*;

/// A server without one.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) engine: Model,
    pub(super) files: BTreeMap<RelativePath, String>,
    pub(super) secrets: BTreeMap<RelativePath, String>,
    pub(super) web: WebState,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Ledger,
    pub(super) settled: Versions,
    pub(super) history: History,
    pub(super) now: Timestamp,
    /// Slices that are kept, by content.
    pub(super) slices: BTreeMap<String, Desired>,
    /// Digests of instances whose smoke check fails.
    pub(super) broken: BTreeSet<String>,
    pub(super) backups: Backups,
    pub(super) putting_back: BTreeMap<OperationId, PuttingBack>,
    pub(super) standstills: BTreeMap<InstanceName, crate::rollout::Standstill>,
    pub(super) paused: Option<Timestamp>,
    pub(super) kept_images: BTreeSet<String>,
}

impl Server {
    pub(super) fn new() -> Self {
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
            settled: Versions::new(),
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
    pub(super) fn versions(&self, wanted: &Desired) -> Versions {
        let other = wanted.instances.iter().filter_map(|(name, instance)| {
            let good = self.ledger.rollouts.get(name)?.good.as_ref()?;
            let slice = self.slices.get(&good.content)?;
            let version = Version::of(slice, name)?;
            (good.digest != instance.digest).then(|| (name.clone(), version))
        });
        other.collect()
    }

    /// What is in force when `wanted` is asked for.
    pub(super) fn in_force(&self, wanted: &Desired) -> Desired {
        let versions = self.versions(wanted);
        let back = rolled_back(wanted, &self.ledger.rollouts, &versions);
        effective(wanted, &back, &versions)
    }

    pub(super) fn seen(&self, desired: &Desired) -> HostState {
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

    pub(super) fn plan(&self, wanted: &Desired) -> Plan {
        self.plan_with(wanted, &self.seen(&self.in_force(wanted)))
    }

    pub(super) fn plan_with(&self, wanted: &Desired, state: &HostState) -> Plan {
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

    pub(super) fn apply(&mut self, step: &Step) {
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
    pub(super) fn settle(&mut self, desired: &Desired) -> Plan {
        self.slices
            .insert(desired.reference.content.clone(), desired.clone());
        for _ in 0..30 {
            let plan = self.plan(desired);
            if plan.steps.is_empty() && plan.converged {
                self.ledger.converged = Some(desired.reference.content.clone());
                self.settled = Version::all(desired);
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
