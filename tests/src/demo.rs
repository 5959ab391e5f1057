//! The demo: a story in steps, each of which proves what it says with the real programs.

mod example;
mod story;
mod tell;

use crate::lab::{Config, Lab, LabError, Port, PortRange};
use crate::rig::{Fleet, Place, Ports, Server};
use std::path::{Path, PathBuf};
use story::Story;
use tell::Teller;

/// How the demo runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// End by itself and clean up.
    pub once: bool,
    /// Folder for everything; a default below this repository.
    pub data: Option<PathBuf>,
    /// A folder of `examples` to be set up instead of the story.
    pub example: Option<String>,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("\nthe demo failed at: {step}\n  {problem}\n  logs are in {logs}")]
pub struct Failure {
    step: String,
    problem: String,
    logs: String,
}

/// Id of the demo's fleet: everything that it makes on the container engine is labelled with it.
const FLEET: &str = "quickstart-demo";

/// Runs the demo.
pub async fn run(options: Options) -> Result<(), Failure> {
    let config = Config::from_environment();
    let data = options
        .data
        .clone()
        .unwrap_or_else(|| config.repository.join(".tenantry/demo"));
    let mut teller = Teller::new();
    let result = tell_it(&mut teller, config, &data, &options).await;
    result.map_err(|error| Failure {
        step: teller.step().to_owned(),
        problem: crate::lab::with_causes(&error),
        logs: data.display().to_string(),
    })
}

async fn tell_it(
    teller: &mut Teller,
    config: Config,
    data: &Path,
    options: &Options,
) -> Result<(), LabError> {
    let once = options.once;
    teller.begin("container engine and images (built from Debian packages on the spot)");
    let lab = Lab::try_open(config).await?;
    clear(&lab, data).await?;
    teller.done("ready");

    let (what, names): (&str, &[&str]) = match options.example {
        Some(_) => ("a fleet with its keys, a hub, a server", &["acme/acme-1"]),
        None => (
            "a fleet with its keys, a hub, two servers",
            &["acme/acme-1", "globex/globex-1"],
        ),
    };
    teller.begin(what);
    let hub_port = reserve()?;
    let place = Place {
        data: data.join("hub"),
        port: hub_port.number(),
        log: data.join("hub.log"),
    };
    let url = format!("http://127.0.0.1:{}", place.port);
    let fleet = Fleet::init(data, &url, FLEET)?;
    let mut servers = Vec::new();
    let mut held = vec![hub_port];
    let mut ranges = Vec::new();
    for name in names {
        let (http, https) = (reserve()?, reserve()?);
        let sites = PortRange::reserve(16)?;
        let ports = Ports {
            http: http.number(),
            https: https.number(),
            sites: sites.first(),
        };
        let short = name.split('/').next().unwrap_or(name);
        let secrets = secrets_folder(data, short);
        servers.push(Server::enrol(
            &data.join(short),
            &fleet,
            &url,
            name,
            ports,
            &secrets,
        )?);
        held.extend([http, https]);
        ranges.push(sites);
    }
    teller.done(&format!("in {}", data.display()));

    if let Some(name) = &options.example {
        let server = servers.remove(0);
        let example = example::tell(teller, &lab, &fleet, &place, server, name).await?;
        teller.say(&format!("status page: {}", example.hub.url()));
        if once {
            drop((example.server, example.hub));
            clear_containers(&lab).await?;
            teller.say("everything worked; all that the demo started was stopped and removed");
        } else {
            teller.say("the hub and the server go on running; Ctrl-C ends them");
            let _ = tokio::signal::ctrl_c().await;
            drop((example.server, example.hub));
            teller.say("stopped; containers stay until the next demo");
        }
        return Ok(());
    }
    let mut story = Story::new(lab, fleet, place, servers);
    story.tell(teller).await?;
    story.table(teller);
    if once {
        drop(story.stop());
        let lab = Lab::try_open(Config::from_environment()).await?;
        clear_containers(&lab).await?;
        teller.say("everything worked; all that the demo started was stopped and removed");
    } else {
        teller.say("the hub, the servers and the status page go on running; Ctrl-C ends them");
        let _ = tokio::signal::ctrl_c().await;
        drop(story.stop());
        teller.say("stopped; containers stay until the next demo");
    }
    Ok(())
}

fn reserve() -> Result<Port, LabError> {
    Port::reserve()
}

/// Secret files of the demo's agents: in memory, as on a real server.
fn secrets_folder(data: &Path, server: &str) -> PathBuf {
    let shared_memory = Path::new("/dev/shm");
    let base = if shared_memory.is_dir() {
        shared_memory
    } else {
        data
    };
    base.join("tenantry-demo").join(server)
}

/// Says that a folder is a demo's, which the next one may remove.
const MARK: &str = ".tenantry-demo";

/// Removes what an earlier demo left.
async fn clear(lab: &Lab, data: &Path) -> Result<(), LabError> {
    let empty = std::fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !data.join(MARK).exists() && !data.join("hub.log").exists() {
        let reason = std::io::Error::other("it holds something, and no demo made it");
        return Err(LabError::io(format!("will not remove {}", data.display()))(
            reason,
        ));
    }
    clear_containers(lab).await?;
    for folder in [data.to_owned(), PathBuf::from("/dev/shm/tenantry-demo")] {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LabError::io(format!("cannot remove {}", folder.display()))(
                    error,
                ));
            }
            _ => {}
        }
    }
    std::fs::create_dir_all(data)
        .and_then(|()| std::fs::write(data.join(MARK), ""))
        .map_err(LabError::io(format!("cannot make {}", data.display())))
}

async fn clear_containers(lab: &Lab) -> Result<(), LabError> {
    lab.engine().remove_marked(FLEET).await
}
