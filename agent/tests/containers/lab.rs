//! A place to work in: an engine, a project of its own, a folder, and the loop of the agent in ten lines.

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateImageOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
    LogsOptions, RemoveContainerOptions, RemoveVolumeOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tenantry_agent::containers::desired::{InstanceInput, Wanted};
use tenantry_agent::containers::spec::{self, Place, Rules};
use tenantry_agent::containers::{
    AllTold, Engine, EngineError, EngineState, Ensured, Facts, Held, InputsKey, Observer, Pace,
    Pass, converge, execute,
};
use tenantry_compose::{ComposeFile, OVERRIDE_FILE};
use tenantry_schema::secret::Secret;

const SOCKET: &str = "/var/run/docker.sock";
const IMAGE: &str = "tenantry-test/busybox:1";
/// The same with a command of its own.
const SLEEPING: &str = "tenantry-test/busybox:2";
const LABEL: &str = "com.docker.compose.project";

pub(crate) struct Lab {
    pub(crate) docker: Docker,
    pub(crate) engine: Engine,
    pub(crate) observer: Observer,
    pub(crate) project: String,
    pub(crate) keeper: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) rules: Rules,
    /// What containers were told of, as the agent keeps it in its ledger.
    pub(crate) told: AllTold,
    folder: tempfile::TempDir,
}

/// Runs a test in a lab and cleans up behind it, whatever comes of it. Without an engine it says so and does nothing, unless
/// `TENANTRY_REQUIRE_PEERS` is set.
pub(crate) fn lab<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Lab) -> F) {
    lab_on(Path::new(SOCKET), test);
}

/// The same on the engine at another socket.
#[allow(dead_code, reason = "not every test program has an engine of its own")]
pub(crate) fn lab_on<F: Future<Output = ()> + Send + 'static>(
    socket: &Path,
    test: impl FnOnce(Lab) -> F,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let docker = match prepare(socket).await {
            Ok(docker) => docker,
            Err(why) => {
                #[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
                let required = std::env::var_os("TENANTRY_REQUIRE_PEERS").is_some();
                assert!(!required, "TENANTRY_REQUIRE_PEERS is set, but {why}");
                println!("skipped: {why}");
                return;
            }
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let project = format!(
            "tt{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let engine = Engine::at(socket);
        let lab = Lab {
            docker: docker.clone(),
            observer: Observer::new(engine.clone()),
            engine,
            keeper: format!("fleet-{project}/server"),
            project: project.clone(),
            variables: [("GREETING", "hello"), ("TOKEN", "hunter2-token")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            rules: Rules::default(),
            told: AllTold::new(),
            folder: tempfile::tempdir().expect("a folder"),
        };
        lab.write("files/page.html", "hello");
        let outcome = tokio::spawn(test(lab)).await;
        clean_up(&docker, &project).await;
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure.into_panic());
        }
    });
}

impl Lab {
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("live")
    }

    pub(crate) fn name(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// What the Compose text asks for; files of secrets are written.
    pub(crate) fn input(&self, text: &str) -> InstanceInput {
        let mut beside = BTreeMap::new();
        texts(&self.folder(), "", &mut beside);
        let over = std::fs::read_to_string(self.folder().join(OVERRIDE_FILE)).ok();
        let file = ComposeFile::new(text, &beside);
        let file = match &over {
            Some(over) => file.with_override(over),
            None => file,
        };
        let project = file
            .load(&|name| self.variables.get(name).cloned())
            .expect("a good Compose file");
        let key = key();
        let digests = digests(&self.folder(), &key);
        let place = Place {
            instance: &self.project,
            keeper: &self.keeper,
            state: Wanted::Running,
            folder: &self.folder(),
            secrets: &self.folder.path().join("secrets"),
            configs: &self.folder.path().join("configs"),
            digests: &digests,
            key: &key,
            rules: &self.rules,
        };
        let instance = spec::instance(&project, &place).expect("it can run here");
        for file in &instance.files {
            std::fs::create_dir_all(file.path.parent().expect("in a folder")).expect("a folder");
            std::fs::write(&file.path, file.content.expose()).expect("written");
        }
        instance.input
    }

    pub(crate) fn plan(input: &InstanceInput, state: &EngineState) -> Pass {
        let (key, pace) = (key(), Pace::default());
        converge(
            input,
            state,
            &Facts {
                now: Timestamp::now(),
                held: Held::Nothing,
                pace: &pace,
                key: &key,
                images: None,
            },
        )
    }

    pub(crate) async fn pass(&mut self, input: &InstanceInput) -> Pass {
        // As the agent does when the engine tells of something.
        self.observer.forget_all();
        let mut state = self.observer.observe().await.expect("the engine answers");
        state.note(&self.told);
        Self::plan(input, &state)
    }

    /// Passes until everything is as it should be; the steps that it took.
    pub(crate) async fn converge(&mut self, input: &InstanceInput) -> Vec<String> {
        self.attempt(input).await.expect("every step works")
    }

    /// The same, up to the first failure.
    pub(crate) async fn attempt(
        &mut self,
        input: &InstanceInput,
    ) -> Result<Vec<String>, EngineError> {
        let begin = Instant::now();
        let mut taken = Vec::new();
        loop {
            let pass = self.pass(input).await;
            if pass.is_converged() {
                return Ok(taken);
            }
            for step in &pass.steps {
                taken.push(step.to_string());
                if execute(&self.engine, step).await? == Ensured::PlanAgain {
                    break;
                }
                self.told.extend(step.tells());
            }
            assert!(
                begin.elapsed() < Duration::from_mins(1),
                "{taken:?} {:?}",
                pass.waiting
            );
            if pass.steps.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    pub(crate) async fn inspect(&self, service: &str) -> Option<ContainerInspectResponse> {
        self.docker
            .inspect_container(&self.name(service), None)
            .await
            .ok()
    }

    /// Without the one that the engine adds by itself.
    pub(crate) async fn aliases(&self, service: &str, network: &str) -> Vec<String> {
        let details = self.inspect(service).await.expect("it is there");
        let id = details.id.unwrap_or_default();
        let networks = details
            .network_settings
            .and_then(|settings| settings.networks)
            .unwrap_or_default();
        let aliases = networks
            .get(network)
            .and_then(|endpoint| endpoint.aliases.clone())
            .unwrap_or_default();
        aliases
            .into_iter()
            .filter(|alias| !id.starts_with(alias.as_str()))
            .collect()
    }

    /// A network and a volume that are there before the project, and go with it.
    pub(crate) async fn make_external(&self) {
        let name = format!("{}-ext", self.project);
        let labels = HashMap::from([(LABEL.to_owned(), name.clone())]);
        let network = NetworkCreateRequest {
            name: name.clone(),
            labels: Some(labels.clone()),
            ..NetworkCreateRequest::default()
        };
        self.docker.create_network(network).await.expect("made");
        let volume = VolumeCreateRequest {
            name: Some(name),
            labels: Some(labels),
            ..VolumeCreateRequest::default()
        };
        self.docker.create_volume(volume).await.expect("made");
    }

    pub(crate) async fn logs(&self, service: &str) -> String {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let lines = self
            .docker
            .logs(&self.name(service), Some(options))
            .map(|line| line.expect("a line").to_string());
        lines.collect::<Vec<_>>().await.concat()
    }
}

fn texts(folder: &Path, prefix: &str, out: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            texts(&entry.path(), &format!("{name}/"), out);
        } else {
            out.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
}

fn key() -> InputsKey {
    InputsKey::new(Secret::new(vec![9; 32]))
}

fn digests(folder: &Path, key: &InputsKey) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            all.extend(digests(&entry, key));
        } else {
            let digest = key.file(&std::fs::read(&entry).expect("a file"));
            all.insert(entry, digest);
        }
    }
    all
}

/// An engine that has the test image, which is made from this machine's own static busybox.
async fn prepare(socket: &Path) -> Result<Docker, String> {
    let socket = socket.to_str().ok_or("a socket with a strange name")?;
    let docker = Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION)
        .map_err(|_| "no container engine runs here")?;
    let docker = docker
        .negotiate_version()
        .await
        .map_err(|_| "no container engine answers here")?;
    // One test makes the image, the others wait: making it again would give its name to another image.
    let lock = std::fs::File::create(std::env::temp_dir().join("tenantry-test-image.lock"))
        .map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    for (image, changes) in [(IMAGE, ""), (SLEEPING, "CMD [\"sleep\", \"100000\"]")] {
        if docker.inspect_image(image).await.is_err() {
            make_image(&docker, image, changes).await?;
        }
    }
    Ok(docker)
}

async fn make_image(docker: &Docker, name: &str, changes: &str) -> Result<(), String> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find_map(|path| std::fs::read(path).ok());
    let busybox = busybox
        .ok_or("there is no busybox to make the test image from (Debian: busybox-static)")?;
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(name.split(':').next().unwrap_or_default().to_owned()),
        tag: Some(name.split(':').next_back().unwrap_or_default().to_owned()),
        changes: Some(changes.to_owned())
            .filter(|it| !it.is_empty())
            .into_iter()
            .collect(),
        ..CreateImageOptions::default()
    };
    let body = bollard::body_full(image(&busybox).map_err(|error| error.to_string())?.into());
    let imported = docker
        .create_image(Some(options), Some(body), None)
        .try_collect::<Vec<_>>()
        .await;
    imported
        .map(|_| ())
        .map_err(|error| format!("the test image cannot be made: {error}"))
}

fn image(busybox: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(busybox.len() as u64);
    archive.append_data(&mut header, "bin/busybox", busybox)?;
    for tool in ["sh", "sleep", "cat", "test", "[", "true", "false"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, format!("bin/{tool}"), "busybox")?;
    }
    archive.into_inner()
}

/// Everything that belongs to projects whose names begin like this one.
pub(crate) async fn clean_up(docker: &Docker, project: &str) {
    let ours = |labels: Option<&String>| {
        labels.is_some_and(|name| name == project || name.starts_with(&format!("{project}-")))
    };
    let all = ListContainersOptions {
        all: true,
        ..ListContainersOptions::default()
    };
    for container in docker.list_containers(Some(all)).await.unwrap_or_default() {
        // Strangers of a test have no label, but a name.
        let named = |name: &String| name.starts_with(&format!("/{project}-"));
        let named = container.names.iter().flatten().any(named);
        if named || ours(container.labels.unwrap_or_default().get(LABEL)) {
            let options = RemoveContainerOptions {
                v: true,
                force: true,
                link: false,
            };
            let _ = docker
                .remove_container(&container.id.unwrap_or_default(), Some(options))
                .await;
        }
    }
    for network in docker
        .list_networks(None::<ListNetworksOptions>)
        .await
        .unwrap_or_default()
    {
        if ours(network.labels.unwrap_or_else(HashMap::new).get(LABEL)) {
            let _ = docker.remove_network(&network.id.unwrap_or_default()).await;
        }
    }
    let volumes = docker
        .list_volumes(None::<ListVolumesOptions>)
        .await
        .ok()
        .and_then(|list| list.volumes)
        .unwrap_or_default();
    for volume in volumes {
        if ours(volume.labels.get(LABEL)) {
            let _ = docker
                .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
                .await;
        }
    }
}
