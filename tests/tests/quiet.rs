//! An agent on a server on which all is well writes nothing: not to the engine (counted by what stands between them), not to the disk
//! (counted by `strace`), however often it looks. That strangers alone make it look no more often is tested in `agent/tests/strangers.rs`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::{World, page_until};

const SETUP: Duration = Duration::from_mins(3);
/// Several times as long as it takes the agent to look by itself, and to read what is used.
const WATCHED: Duration = Duration::from_secs(15);

/// Stands between agent and engine, and notes what is asked for.
#[derive(Clone, Default)]
struct Doorman(Arc<Mutex<Vec<String>>>);

impl Doorman {
    fn stand(&self, socket: &Path, engine: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        let (doorman, engine) = (self.clone(), engine.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&engine)) else {
                    continue;
                };
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass(back.0, back.1, |_| {}));
                let doorman = doorman.clone();
                std::thread::spawn(move || pass(client, server, |bytes| doorman.note(bytes)));
            }
        });
    }

    /// A request begins with its line; the agent sends no body that looks like one.
    fn note(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let requests = text.lines().filter(|line| line.ends_with(" HTTP/1.1"));
        self.0.lock().unwrap().extend(requests.map(str::to_owned));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, note: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
    {
        note(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Paths that a process made, changed or removed, from the output of `strace -y`.
fn written(trace: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for line in trace.lines() {
        let Some(call) = line.split_once('(').map(|(before, _)| before) else {
            continue;
        };
        let name = call.rsplit([' ', ']']).next().unwrap_or_default();
        let failed = line.contains(" = -1 ");
        if failed
            || (name.starts_with("open")
                && !["O_WRONLY", "O_RDWR", "O_CREAT"]
                    .iter()
                    .any(|flag| line.contains(flag)))
        {
            continue;
        }
        // `openat(5</folder>, "name", …) = 7</folder/name>`; names of others are relative to the folder before them.
        if let Some(path) = line
            .rsplit_once(" = ")
            .and_then(|(_, result)| Some(result.split_once('<')?.1.split_once('>')?.0))
        {
            found.insert(path.into());
            continue;
        }
        let folder = line
            .split_once('<')
            .and_then(|(_, rest)| Some(rest.split_once('>')?.0))
            .unwrap_or_default();
        for name in line.split('"').skip(1).step_by(2) {
            found.insert(Path::new(folder).join(name));
        }
    }
    found
}

/// Any file that the agent keeps as it is.
fn a_live_file(folder: &Path) -> PathBuf {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            return path;
        }
        if path.is_dir() && std::fs::read_dir(&path).unwrap().next().is_some() {
            return a_live_file(&path);
        }
    }
    panic!("{} is empty", folder.display());
}

#[test]
fn traces_are_understood() {
    let trace = r#"[pid 7] openat(5</state/outbox>, ".1.json.3.tmp", O_WRONLY|O_CREAT|O_EXCL, 0600) = 9</state/outbox/.1.json.3.tmp>
[pid 7] openat(AT_FDCWD</>, "/proc/stat", O_RDONLY|O_CLOEXEC) = 9</proc/stat>
[pid 7] renameat2(5</state/outbox>, ".1.json.3.tmp", 5</state/outbox>, "1.json", 0) = 0
unlinkat(5</state/live>, "gone", 0) = -1 ENOENT (No such file or directory)
mkdir("/state/new", 0700) = 0
"#;
    let found: Vec<_> = written(trace)
        .into_iter()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "/state/new",
            "/state/outbox/.1.json.3.tmp",
            "/state/outbox/1.json"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_which_all_is_well_is_not_written_to() {
    let Some(mut world) = World::open(&["acme/acme-1"]).await else {
        return;
    };
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        assert!(!world.lab.config().peers_required, "strace is missing");
        return;
    }
    let doorman = Doorman::default();
    let socket = world.home.dir().join("engine.sock");
    doorman.stand(&socket, Path::new("/var/run/docker.sock"));
    let config = world.servers[0].dir().join("agent.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let kept: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("docker:"))
        .collect();
    std::fs::write(
        &config,
        format!("{}\ndocker: {}\n", kept.join("\n"), socket.display()),
    )
    .unwrap();

    world.servers[0].intervals("patrol: 4, sample: 2").unwrap();

    let order = world.lab.name("site");
    let fleet = &world.home.fleet;
    fleet
        .write(
            "fleet/customers/acme/servers/acme-1.yaml",
            &world.servers[0].document(""),
        )
        .unwrap();
    let document = "plan: pro\ndomain: acme.test\ntools:\n  html: { parameters: { TITLE: hello } }\n  guestbook: {}\n";
    fleet
        .write(
            &format!("fleet/customers/acme/orders/{order}.yaml"),
            document,
        )
        .unwrap();
    fleet.commit("an order").unwrap();
    world.servers[0].start().unwrap();
    page_until(&world.servers[0], "acme.test", "hello", SETUP)
        .await
        .unwrap();
    let mut calm = 0;
    let quiet = world
        .home
        .hub()
        .wait_for(SETUP, "a quiet server", |status| {
            let good =
                status.totals.fulfilled == 1 && status.servers.iter().all(|server| server.in_sync);
            calm = if good { calm + 1 } else { 0 };
            calm > 20
        });
    quiet.await.unwrap();
    let made = doorman.take();
    assert!(
        made.iter()
            .any(|line| line.starts_with("POST ") && line.contains("/containers/create")),
        "{made:?}"
    );

    let trace = world.home.dir().join("trace");
    let process = world.servers[0].agent().unwrap().id();
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "4096", "-e"])
        .arg("trace=open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,chown,fchown,fchownat,truncate,ftruncate")
        .args(["-p", &process.to_string(), "-o"])
        .arg(&trace)
        .spawn()
        .unwrap();
    // Things happen on the engine that are none of its business, and files of its own are touched, and are as they were: it looks each time.
    let page = a_live_file(&world.servers[0].dir().join("state/live"));
    let busy = std::time::Instant::now();
    let mut looks = 0;
    while busy.elapsed() < WATCHED {
        let touched = std::fs::File::options().append(true).open(&page).unwrap();
        touched.set_modified(std::time::SystemTime::now()).unwrap();
        let stranger = world.lab.name("stranger");
        world
            .docker(&[
                "run",
                "--rm",
                "--name",
                &stranger,
                "--label",
                &format!("quiet={stranger}"),
                "nginx:1.30",
                "true",
            ])
            .unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        looks += 1;
    }
    let told = Command::new("kill")
        .args(["-INT", &strace.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    strace.wait().unwrap();
    let asked = doorman.take();
    let lists = asked
        .iter()
        .filter(|line| line.contains("/containers/json"))
        .count();
    assert!(lists >= looks, "it looked {lists} times");
    // The strangers alone would make six events each.
    assert!(lists <= 2 * looks + 6, "it looked {lists} times");
    let writes: Vec<_> = asked
        .iter()
        .filter(|line| !line.starts_with("GET ") && !line.starts_with("HEAD "))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");

    let text = wait_until(SETUP, "the trace", async || {
        std::fs::read_to_string(&trace).ok()
    })
    .await
    .unwrap();
    assert!(text.contains("/proc/"), "nothing was traced");
    let state = world.servers[0].dir().join("state");
    // A report a minute is kept until it is delivered, with its number and with how far logs were read.
    let bookkeeping = |path: &PathBuf| {
        path.starts_with(state.join("outbox"))
            || path.starts_with(state.join("logs"))
            || path
                .strip_prefix(&state)
                .is_ok_and(|rest| rest.to_string_lossy().contains("ledger"))
    };
    let others: Vec<_> = written(&text)
        .into_iter()
        .filter(|path| {
            !bookkeeping(path) && !path.starts_with("/dev") && !path.starts_with("/proc")
        })
        .filter(|path| {
            !path.to_string_lossy().starts_with("socket:") && !path.ends_with("agent.log")
        })
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}
