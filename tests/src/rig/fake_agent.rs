//! A fake agent: speaks the protocol with keys of its own and claims that everything runs. For tests of the hub that need no container engine.

use super::read::{decrypt, server_key};
use super::{Fleet, trouble};
use crate::lab::{LabError, with_causes};
use age::secrecy::ExposeSecret as _;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tenantry_schema::id::{FleetId, InstanceName, ServerKey};
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    HostSpec, InstancePhase, InstanceReport, Manifest, Receipt, Report, ReportBatch, SiteReport,
    SliceRef, SmokeResult,
};
use tenantry_sops::Identities;
use tenantry_wire::bundle::{self, Limits};
use tenantry_wire::http::{ExpectAnswer, Nonce, Request, sign_request, verify_answer};
use tenantry_wire::ledger::{Accepted, Verdict, judge};
use tenantry_wire::slice::{Expect, open};
use tenantry_wire::{SigningKey, VerifyingKey};

/// A fake agent. What it has accepted is judged by the same rule as a real agent's.
pub struct FakeAgent {
    server: ServerKey,
    sign: SigningKey,
    identities: Identities,
    recipient: String,
    client: reqwest::Client,
    ledger: String,
    sequence: AtomicU64,
    accepted: Mutex<Option<Received>>,
    /// Set while the hub has not heard of what was accepted last.
    owes: AtomicBool,
}

/// A slice as it was received, opened.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its head.
    pub manifest: Manifest,
    /// `host.yaml`.
    pub host: HostSpec,
    /// All other files, encrypted secrets included.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
    /// Secrets of each instance, in clear.
    pub secrets: BTreeMap<InstanceName, BTreeMap<String, String>>,
    /// The bundle.
    pub bytes: Vec<u8>,
}

impl Received {
    /// A file of it as text.
    pub fn text(&self, path: &str) -> String {
        self.files
            .get(path)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default()
    }

    /// Its name.
    pub fn reference(&self) -> SliceRef {
        let Manifest {
            generation,
            content,
            commit,
            ..
        } = &self.manifest;
        SliceRef {
            generation: *generation,
            content: content.clone(),
            commit: commit.clone(),
        }
    }
}

/// What a hub answered.
#[derive(Debug)]
pub enum Answered {
    /// A believed answer: nothing new.
    Unchanged,
    /// A believed answer with a slice, and what the ledger says of it.
    Slice(Box<Received>, Verdict),
    /// Not served.
    Refused(u16),
}

impl FakeAgent {
    /// Keys for the server `customer/server`.
    pub fn new(server: &str) -> Result<Self, LabError> {
        let server = server_key(server)?;
        let age = age::x25519::Identity::generate();
        let recipient = age.to_public().to_string();
        let identities = Identities::parse(age.to_string().expose_secret())
            .map_err(|error| trouble("age", error))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build();
        Ok(Self {
            ledger: format!("{:032x}", rand::random::<u128>()),
            server,
            sign: SigningKey::generate(&mut rand::rng()),
            identities,
            recipient,
            client: client.map_err(|error| trouble("http client", error))?,
            sequence: AtomicU64::new(0),
            accepted: Mutex::new(None),
            owes: AtomicBool::new(false),
        })
    }

    /// Customers `c0`, `c1`, … with one server and its fake agent each, their documents written into the clone of `fleet`.
    pub fn crew(fleet: &Fleet, customers: usize) -> Result<Vec<Self>, LabError> {
        (0..customers)
            .map(|n| {
                let agent = Self::new(&format!("c{n}/c{n}-1"))?;
                fleet.write(
                    &format!("fleet/customers/c{n}/customer.yaml"),
                    "language: en\n",
                )?;
                fleet.write(&agent.path(), &agent.document(""))?;
                Ok(agent)
            })
            .collect()
    }

    /// The server that it speaks for.
    pub fn server(&self) -> &ServerKey {
        &self.server
    }

    /// Path of the server's document in the fleet.
    pub fn path(&self) -> String {
        format!(
            "fleet/customers/{}/servers/{}.yaml",
            self.server.customer, self.server.server
        )
    }

    /// The server's address: its own, in a range for documentation (RFC 3849). Nobody calls there.
    pub fn address(&self) -> String {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&self.server.to_string(), &mut hasher);
        let hash = std::hash::Hasher::finish(&hasher);
        format!("2001:db8::{:x}:{:x}", hash >> 48, (hash >> 32) & 0xffff)
    }

    /// The server's document. `more`: further lines.
    pub fn document(&self, more: &str) -> String {
        format!(
            "provider: static\naddress: \"{}\"\nagent: {{ sign: \"{}\", age: {} }}\n{more}",
            self.address(),
            self.sign.public(),
            self.recipient
        )
    }

    /// The age key that slices are encrypted to.
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The slice that it accepted last.
    pub fn accepted(&self) -> Option<Received> {
        self.lock().clone()
    }

    /// Forgets what it accepted, as if its ledger were gone.
    pub fn forget(&self) {
        *self.lock() = None;
    }

    /// Asks for a slice other than the accepted one; the hub may wait for `wait` seconds.
    pub async fn next(&self, url: &str, fleet: &Fleet, wait: u64) -> Result<Answered, LabError> {
        let content = self
            .lock()
            .as_ref()
            .map_or_else(|| "none".to_owned(), |slice| slice.manifest.content.clone());
        let path = format!("/agent/v1/next?generation=0&content={content}&wait={wait}");
        let (status, body) = self.ask(url, fleet, "GET", &path, None).await?;
        match status {
            200 => {}
            204 => return Ok(Answered::Unchanged),
            other => return Ok(Answered::Refused(other)),
        }
        let received = self.open(fleet, body)?;
        let mut accepted = self.lock();
        let before = accepted.as_ref().map(|slice| Accepted {
            generation: slice.manifest.generation,
            content: slice.manifest.content.clone(),
        });
        let verdict = judge(before.as_ref(), &received.manifest, true);
        if !matches!(verdict, Verdict::Refuse(_)) {
            *accepted = Some(received.clone());
            self.owes.store(true, Ordering::SeqCst);
        }
        Ok(Answered::Slice(Box::new(received), verdict))
    }

    /// Opens a bundle as the real agent does.
    pub fn open(&self, fleet: &Fleet, bytes: Vec<u8>) -> Result<Received, LabError> {
        let refused = |error: tenantry_wire::Refused| trouble("slice", error);
        let files = bundle::unpack(&bytes, &Limits::default()).map_err(refused)?;
        let fleet_id = FleetId::try_from(fleet.id()).map_err(|error| trouble("fleet id", error))?;
        let trusted = [fleet.hub_verifying_key()?];
        let opened = open(
            files,
            &Expect {
                fleet_id: &fleet_id,
                server: &self.server,
                trusted: &trusted,
            },
        )
        .map_err(refused)?;
        let host = opened
            .files
            .get("host.yaml")
            .map(Vec::as_slice)
            .unwrap_or_default();
        let host: HostSpec =
            serde_yaml::from_slice(host).map_err(|error| trouble("host.yaml", error))?;
        let mut secrets = BTreeMap::new();
        for instance in host.instances.keys() {
            let path = format!("stacks/{instance}/secrets.yaml");
            let Some(text) = opened.files.get(path.as_str()) else {
                continue;
            };
            secrets.insert(
                instance.clone(),
                decrypt(&String::from_utf8_lossy(text), &self.identities)?,
            );
        }
        Ok(Received {
            manifest: opened.manifest,
            host,
            files: opened.files,
            secrets,
            bytes,
        })
    }

    /// A report that says that everything of the accepted slice runs.
    pub fn all_is_well(&self) -> Report {
        let accepted = self.lock().clone();
        let (mut instances, mut sites) = (BTreeMap::new(), BTreeMap::new());
        for (name, spec) in accepted.iter().flat_map(|slice| &slice.host.instances) {
            let phase = if spec.state == tenantry_schema::document::State::Running {
                InstancePhase::Healthy
            } else {
                InstancePhase::Stopped
            };
            let report = InstanceReport {
                tool: spec.tool.clone(),
                phase,
                waiting: None,
                message: None,
                rollout: None,
                smoke: SmokeResult::Passed,
                containers: Vec::new(),
            };
            instances.insert(name.clone(), report);
            for site in spec.sites.values() {
                let live = SiteReport {
                    live: true,
                    self_signed: true,
                    ..SiteReport::default()
                };
                sites.insert(site.host.clone(), live);
            }
        }
        Report {
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst) + 1,
            taken_at: Timestamp::now(),
            release: "0.0.0-fake".to_owned(),
            converged: accepted
                .as_ref()
                .map(|slice| slice.manifest.content.clone()),
            slice: accepted.as_ref().map(Received::reference),
            stale_since: None,
            instances,
            sites,
            unmanaged: Vec::new(),
            refusals: Vec::new(),
            backups: None,
            areas: BTreeMap::new(),
            agent_update: None,
            since: None,
            matches: Vec::new(),
            usage: Vec::new(),
            events: Vec::new(),
            host: tenantry_schema::wire::HostFacts::default(),
        }
    }

    /// Delivers reports. Gives the number up to which the hub has them.
    pub async fn deliver(
        &self,
        url: &str,
        fleet: &Fleet,
        reports: Vec<Report>,
    ) -> Result<u64, LabError> {
        let batch = ReportBatch {
            ledger: self.ledger.clone(),
            reports,
        };
        let body = serde_json::to_vec(&batch).map_err(|error| trouble("report", error))?;
        let (status, body) = self
            .ask(url, fleet, "POST", "/agent/v1/reports", Some(body))
            .await?;
        if status != 200 {
            return Err(trouble(
                "reports",
                format!("status {status}: {}", String::from_utf8_lossy(&body)),
            ));
        }
        let receipt: Receipt =
            serde_json::from_slice(&body).map_err(|error| trouble("receipt", error))?;
        Ok(receipt.accepted)
    }

    /// Asks, takes what comes, and reports that it runs, until nothing new comes within `wait` seconds.
    pub async fn serve(&self, url: &str, fleet: &Fleet, wait: u64) -> Result<(), LabError> {
        loop {
            // A report that did not arrive is owed, as a real agent's outbox owes it.
            if self.owes.load(Ordering::SeqCst) {
                self.deliver(url, fleet, vec![self.all_is_well()]).await?;
                self.owes.store(false, Ordering::SeqCst);
            }
            match self.next(url, fleet, wait).await? {
                Answered::Slice(_, Verdict::Refuse(kind)) => {
                    return Err(trouble(
                        "slice",
                        format!("refused by the ledger of {}: {kind:?}", self.server),
                    ));
                }
                Answered::Slice(..) => {}
                Answered::Unchanged | Answered::Refused(_) => return Ok(()),
            }
        }
    }

    async fn ask(
        &self,
        url: &str,
        fleet: &Fleet,
        method: &str,
        target: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Vec<u8>), LabError> {
        let nonce = Nonce::generate(&mut rand::rng());
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let signed = Request {
            method,
            path,
            query,
            body: body.as_deref(),
        };
        let headers = sign_request(&signed, &nonce, Timestamp::now().as_second(), &self.sign)
            .map_err(|error| trouble("request", error))?;
        let address = format!("{url}{target}");
        let mut request = if body.is_some() {
            self.client.post(address)
        } else {
            self.client.get(address)
        };
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let failed = |error: reqwest::Error| trouble("hub", with_causes(&error));
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.map_err(failed)?.to_vec();
        if matches!(status, 200 | 204) {
            let pairs: Vec<_> = headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
                .collect();
            let trusted: [VerifyingKey; 1] = [fleet.hub_verifying_key()?];
            let expect = ExpectAnswer {
                server: &self.server,
                nonce: &nonce,
                trusted: &trusted,
            };
            verify_answer(status, &pairs, &body, &expect)
                .map_err(|error| trouble("answer", error))?;
        }
        Ok((status, body))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Received>> {
        self.accepted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
