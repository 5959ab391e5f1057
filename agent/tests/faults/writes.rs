//! A disk that fails, is full or cannot be written to, and a process with too many files open: single calls of the kernel come back with an
//! error, which a tracer sees to. Nothing is half written, it is told what failed, and the server ends as it would have.

use crate::common::{seed, skip_without};
use crate::lab::lab;
use crate::rig::Rig;
use crate::shape::{Shape, ids};
use rand::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ENGINE: &str = "/var/run/docker.sock";

/// Calls of the kernel that files are changed with, by what they do. Not every machine has all of them.
const CALLS: [(&str, &str); 10] = [
    ("write", "write"),
    ("sync", "fsync"),
    ("rename", "?rename,?renameat,?renameat2"),
    ("make", "?open,openat"),
    ("read", "?open,openat"),
    // The last look at what the web server is to serve.
    ("site", "?open,openat"),
    ("folder", "?mkdir,mkdirat"),
    ("link", "?symlink,symlinkat"),
    ("mode", "fchmod"),
    ("remove", "unlinkat"),
];

/// What the kernel says, how people read it, and of which calls it says so.
struct Trouble {
    error: &'static str,
    text: &'static str,
    of: &'static [&'static str],
}

const BROKEN: Trouble = Trouble {
    error: "EIO",
    text: "Input/output error",
    of: &[
        "write", "sync", "rename", "make", "read", "site", "folder", "link", "mode", "remove",
    ],
};
const FULL: Trouble = Trouble {
    error: "ENOSPC",
    text: "No space left on device",
    of: &["write", "sync", "rename", "make", "folder", "link"],
};
const READ_ONLY: Trouble = Trouble {
    error: "EROFS",
    text: "Read-only file system",
    of: &["rename", "make", "folder", "link", "mode", "remove"],
};
const TOO_MANY: Trouble = Trouble {
    error: "EMFILE",
    text: "Too many open files",
    of: &["make", "read"],
};

/// How long it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// For one call.
    Once,
    /// From that call on, until the agent ends.
    Good,
}

struct Setting {
    rig: Rig,
    clean: Vec<Shape>,
    /// Calls of each kind that the agent makes on its files in a roll-out, as numbers among the calls of that name.
    calls: BTreeMap<&'static str, Vec<usize>>,
}

/// What runs under the tracer, but not what that starts: the web server is not what is tried out.
fn traced<'a>(to: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let tracer = ["strace", "-f", "-b", "execve", "-qq", "-o", to];
    tracer.iter().chain(rest).copied().collect()
}

impl Setting {
    async fn new(mut rig: Rig) -> Self {
        let clean = rig.clean().await;
        let log = rig.world.folder.path().join("trace");
        let all: Vec<_> = CALLS.iter().map(|(_, names)| *names).collect();
        let trace = format!("trace={}", all.join(","));
        let log_name = log.display().to_string();
        let before = traced(&log_name, &["-y", "-e", &trace]);
        let mut agent = rig.start(&before, &[]);
        let step = rig.publish_next();
        rig.until_done(&mut agent, step.generation).await;
        agent.kill();
        let text = std::fs::read_to_string(&log).unwrap();
        let calls = CALLS.map(|(kind, names)| (kind, numbers(&text, kind, names, &rig)));
        let calls = BTreeMap::from(calls);
        let count = |(kind, all): (&&'static str, &Vec<usize>)| (*kind, all.len());
        println!("calls: {:?}", calls.iter().map(count).collect::<Vec<_>>());
        Self { rig, clean, calls }
    }

    /// A roll-out in which this call fails.
    async fn fail(&mut self, kind: &'static str, number: usize, long: For, trouble: &Trouble) {
        let error = trouble.error;
        let names = CALLS.iter().find(|(known, _)| *known == kind).unwrap().1;
        let plus = if long == For::Good { "+" } else { "" };
        let trace = format!("trace={names}");
        let inject = format!("inject={names}:error={error}:when={number}{plus}");
        let before = traced("/dev/null", &["-e", &trace, "-e", &inject]);
        let rig = &mut self.rig;
        let said = rig.log().len();
        let calm = format!("/{}-calm-side-1", rig.lab.project);
        let before_it = ids(&rig.lab).await[&calm].clone();
        let step = rig.publish_next();
        let mut agent = rig.start(&before, &[]);
        let done = match long {
            For::Once => !rig.until_dead_or_done(&mut agent, step.generation).await,
            For::Good => {
                let begun = Instant::now();
                while !agent.is_dead() && begun.elapsed() < Duration::from_secs(2) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                false
            }
        };
        whole(rig);
        if !done {
            agent.kill();
            agent = rig.start(&[], &[]);
            rig.until_done(&mut agent, step.generation).await;
        }
        // What is being written right now is finished in an instant.
        rig.until("nothing half written", || unfinished(rig).is_empty())
            .await;
        agent.kill();
        let log = rig.log()[said..].to_owned();
        let what = format!("{error}, {kind} {number}{plus}:\n{log}");
        rig.is_as(&self.clean, step, &what).await;
        whole(rig);
        if error == TOO_MANY.error {
            // What could not be read was not taken for another file.
            assert_eq!(ids(&rig.lab).await[&calm], before_it, "{what}");
        }
        if kind == "sync" && error == BROKEN.error {
            let reports = rig
                .hub
                .read(|said| serde_json::to_string(&said.reports))
                .unwrap();
            assert!(
                log.contains(trouble.text) || reports.contains(trouble.text),
                "{what}"
            );
        }
    }

    /// Each call that this can happen to, once; and of every seventh on each that follows it. `TENANTRY_CALLS` names the kinds of calls
    /// that are to be tried, such as `read,link`, instead of all; `read:40` begins with the fortieth of them.
    #[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
    async fn fail_each(&mut self, trouble: &Trouble) {
        let some = std::env::var("TENANTRY_CALLS").ok();
        for kind in trouble.of {
            let Some(first) = first_of(some.as_deref(), kind) else {
                continue;
            };
            let numbers = self.calls[kind].clone();
            let begun = Instant::now();
            for (at, number) in numbers.iter().enumerate().skip(first) {
                println!(
                    "{}, {kind} {number}: TENANTRY_CALLS={kind}:{at}",
                    trouble.error
                );
                self.fail(kind, *number, For::Once, trouble).await;
                if at % 7 == 0 {
                    self.fail(kind, *number, For::Good, trouble).await;
                }
            }
            let (many, took) = (numbers.len().saturating_sub(first), begun.elapsed());
            println!("{} of {kind}: {many} calls in {took:?}", trouble.error);
        }
    }
}

/// With which call of a kind to begin, counted from 0, where some kinds are asked for; `None` if this one is not.
fn first_of(some: Option<&str>, kind: &str) -> Option<usize> {
    let Some(some) = some else { return Some(0) };
    some.split(',').find_map(|one| {
        let (name, first) = one.split_once(':').unwrap_or((one, "0"));
        (name == kind).then(|| first.parse().expect("a number behind the colon"))
    })
}

#[test]
fn kinds_of_calls_are_asked_for_by_name_and_number() {
    assert_eq!(first_of(None, "read"), Some(0));
    assert_eq!(first_of(Some("read,link:40"), "read"), Some(0));
    assert_eq!(first_of(Some("read,link:40"), "link"), Some(40));
    assert_eq!(first_of(Some("read,link:40"), "mode"), None);
}

/// Which of the calls with these names, by the first thread, are of this kind and about files of the world that it lives in. Of calls that
/// read the same file over and over, which the agent does whenever it looks, the first two and the last one.
fn numbers(text: &str, kind: &str, names: &str, rig: &Rig) -> Vec<usize> {
    let own = rig.world.folder.path().display().to_string();
    let memory = rig.world.memory.path().display().to_string();
    let first = text.split(' ').next().unwrap_or_default();
    let names: Vec<_> = names
        .split(',')
        .map(|name| format!("{}(", name.trim_start_matches('?')))
        .collect();
    let all = text.lines().filter_map(|line| {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        (thread == first && names.iter().any(|name| call.starts_with(name))).then_some(call)
    });
    let ours = all.enumerate().filter(|(_, call)| {
        let makes = call.contains("O_CREAT") || call.contains("O_WRONLY");
        let kept = match kind {
            "make" => makes,
            "read" => !makes,
            "site" => !makes && call.contains("web.acme.example.conf"),
            _ => true,
        };
        kept && (call.contains(&own) || call.contains(&memory)) && !call.contains("agent.log")
    });
    let ours = ours.map(|(at, call)| (at + 1, place(call)));
    if kind == "site" {
        return ours.last().map(|(number, _)| number).into_iter().collect();
    }
    if kind != "read" {
        return ours.map(|(number, _)| number).collect();
    }
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, place) in ours {
        places.entry(place).or_default().push(number);
    }
    let few = |all: Vec<usize>| {
        let last = all.last().copied();
        all.into_iter().take(2).chain(last)
    };
    let all: BTreeSet<_> = places.into_values().flat_map(few).collect();
    all.into_iter().collect()
}

/// A call without its result and without what is drawn or counted anew each time: digests and numbers.
fn place(call: &str) -> String {
    let call = call.rsplit_once(" = ").map_or(call, |(call, _)| call);
    let words = call.split_inclusive(|it: char| !it.is_ascii_alphanumeric());
    let drawn = |word: &str| {
        let word = word.trim_end_matches(|it: char| !it.is_ascii_alphanumeric());
        let hex = word.len() >= 8 && word.bytes().all(|it| it.is_ascii_hexdigit());
        hex || (!word.is_empty() && word.bytes().all(|it| it.is_ascii_digit()))
    };
    words.filter(|word| !drawn(word)).collect()
}

#[test]
fn calls_at_the_same_place_are_told_from_others() {
    let at = |digest: &str, number: u32| {
        place(&format!(
            "openat({number}</tmp/x/slices>, \"{digest}.tar\", O_RDONLY) = {number}</y>"
        ))
    };
    assert_eq!(at("0123abcd", 7), at("ffff0000ffff", 12));
    assert_ne!(at("0123abcd", 7), at("ledger", 7));
}

/// Whatever is there can be read to its end.
fn whole(rig: &Rig) {
    for (path, bytes) in crate::common::tree(&rig.world.config.state) {
        if path.extension().is_some_and(|it| it == "json") {
            let read = serde_json::from_slice::<serde_json::Value>(&bytes);
            assert!(read.is_ok(), "{}: {read:?}", path.display());
        }
    }
}

/// Files of writers that did not come to an end.
fn unfinished(rig: &Rig) -> Vec<PathBuf> {
    let config = &rig.world.config;
    let all = [&config.state, &config.secrets].map(|folder| crate::common::tree(folder));
    let files = all.into_iter().flat_map(BTreeMap::into_keys);
    files
        .filter(|path| path.extension().is_some_and(|it| it == "tmp"))
        .collect()
}

#[test]
fn a_call_that_fails_is_told_and_made_again() {
    if skip_without("strace") {
        return;
    }
    let seed = seed();
    lab(move |lab| async move {
        let mut it = Setting::new(Rig::new(lab, Path::new(ENGINE)).await).await;
        let mut random = StdRng::seed_from_u64(seed);
        for (kind, _) in CALLS {
            let number = *it.calls[kind].choose(&mut random).unwrap();
            it.fail(kind, number, For::Once, &BROKEN).await;
        }
        for (kind, long, trouble) in [
            ("sync", For::Good, &BROKEN),
            ("rename", For::Good, &READ_ONLY),
            ("write", For::Once, &FULL),
            ("read", For::Once, &TOO_MANY),
        ] {
            let number = *it.calls[kind].choose(&mut random).unwrap();
            it.fail(kind, number, long, trouble).await;
        }
    });
}

fn each(trouble: &'static Trouble) {
    if skip_without("strace") {
        return;
    }
    lab(move |lab| async move {
        let mut it = Setting::new(Rig::new(lab, Path::new(ENGINE)).await).await;
        it.fail_each(trouble).await;
    });
}

/// Run with `--ignored`, like those that follow: every single call.
#[test]
#[ignore = "takes many minutes"]
fn each_call_that_fails_is_told_and_made_again() {
    each(&BROKEN);
}

#[test]
#[ignore = "takes many minutes"]
fn each_call_on_a_full_disk_is_made_again() {
    each(&FULL);
}

#[test]
#[ignore = "takes many minutes"]
fn each_call_on_a_disk_that_is_read_only_is_made_again() {
    each(&READ_ONLY);
}

#[test]
#[ignore = "takes many minutes"]
fn each_call_for_which_too_many_files_are_open_is_made_again() {
    each(&TOO_MANY);
}
