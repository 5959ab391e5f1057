//! A disk that fails: single calls of the kernel come back with an error, which a tracer sees to. Nothing is half written, it is told
//! what failed, and the server ends as it would have.

use crate::common::skip_without;
use crate::lab::lab;
use crate::rig::Rig;
use crate::shape::{Shape, ids};
use rand::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ENGINE: &str = "/var/run/docker.sock";

/// What the kernel says of a disk that fails.
const BROKEN: &str = "EIO";
/// And of a process that has too many files open.
const TOO_MANY: &str = "EMFILE";

/// Calls of the kernel that files are changed with, by what they do. Not every machine has all of them.
const CALLS: [(&str, &str); 7] = [
    ("write", "write"),
    ("sync", "fsync"),
    ("rename", "?rename,?renameat,?renameat2"),
    ("open", "?open,openat"),
    ("folder", "?mkdir,mkdirat"),
    ("mode", "fchmod"),
    ("remove", "unlinkat"),
];

/// How long the disk fails.
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
    /// How often the agent makes each kind of call on its files in a roll-out, as numbers of these calls.
    calls: BTreeMap<&'static str, Vec<usize>>,
}

impl Setting {
    async fn new(mut rig: Rig) -> Self {
        let clean = rig.clean().await;
        let log = rig.world.folder.path().join("trace");
        let all: Vec<_> = CALLS.iter().map(|(_, names)| *names).collect();
        let trace = format!("trace={}", all.join(","));
        let log_name = log.display().to_string();
        let before = ["strace", "-f", "-y", "-qq", "-o", &log_name, "-e", &trace];
        let mut agent = rig.start(&before, &[]);
        let step = rig.publish_next();
        rig.until_done(&mut agent, step.generation).await;
        agent.kill();
        let calls = CALLS.map(|(kind, names)| (kind, numbers(&log, names, &rig)));
        let calls = BTreeMap::from(calls);
        println!(
            "calls: {:?}",
            calls
                .iter()
                .map(|(kind, all)| (kind, all.len()))
                .collect::<Vec<_>>()
        );
        Self { rig, clean, calls }
    }

    /// A roll-out in which this call fails.
    async fn fail(&mut self, kind: &'static str, number: usize, long: For, error: &str) {
        let names = CALLS.iter().find(|(known, _)| *known == kind).unwrap().1;
        let plus = if long == For::Good { "+" } else { "" };
        let trace = format!("trace={names}");
        let inject = format!("inject={names}:error={error}:when={number}{plus}");
        let before = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &trace,
            "-e",
            &inject,
        ];
        let rig = &mut self.rig;
        let said = rig.log().len();
        let calm = format!("/{}-calm-side-1", rig.lab.project);
        let before_it = ids(&rig.lab).await[&calm].clone();
        let step = rig.publish_next();
        let mut agent = rig.start(&before, &[]);
        let done = match long {
            For::Once => !rig.until_dead_or_done(&mut agent, step.generation).await,
            For::Good => {
                tokio::time::sleep(Duration::from_secs(2)).await;
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
        assert_eq!(rig.shape().await, self.clean[step.which], "{what}");
        whole(rig);
        if error == TOO_MANY {
            // What could not be read was not taken for another file.
            assert_eq!(ids(&rig.lab).await[&calm], before_it, "{what}");
        }
        if kind == "sync" {
            let reports = rig
                .hub
                .read(|said| serde_json::to_string(&said.reports))
                .unwrap();
            assert!(
                log.contains("Input/output error") || reports.contains("Input/output error"),
                "{what}"
            );
        }
    }
}

/// Which of these calls of the first thread are about files of the world that it lives in.
fn numbers(log: &Path, names: &str, rig: &Rig) -> Vec<usize> {
    let text = std::fs::read_to_string(log).unwrap();
    let own = rig.world.folder.path().display().to_string();
    let memory = rig.world.memory.path().display().to_string();
    let first = text.split(' ').next().unwrap_or_default();
    let names: Vec<_> = names
        .split(',')
        .map(|name| format!("{}(", name.trim_start_matches('?')))
        .collect();
    let all = text.lines().filter(|line| {
        line.split_once(' ').is_some_and(|(thread, call)| {
            let call = call.trim_start();
            thread == first && names.iter().any(|name| call.starts_with(name))
        })
    });
    let ours = all.enumerate().filter(|(_, line)| {
        (line.contains(&own) || line.contains(&memory)) && !line.contains("agent.log")
    });
    ours.map(|(at, _)| at + 1).collect()
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
    lab(|lab| async move {
        let mut it = Setting::new(Rig::new(lab, Path::new(ENGINE)).await).await;
        let mut random = StdRng::seed_from_u64(5);
        for (kind, _) in CALLS {
            let numbers = it.calls[kind].clone();
            if let Some(number) = numbers.choose(&mut random) {
                it.fail(kind, *number, For::Once, BROKEN).await;
            }
        }
        for kind in ["sync", "rename"] {
            let number = *it.calls[kind].choose(&mut random).unwrap();
            it.fail(kind, number, For::Good, BROKEN).await;
        }
        let number = *it.calls["open"].choose(&mut random).unwrap();
        it.fail("open", number, For::Once, TOO_MANY).await;
    });
}

/// Run with `--ignored`: every single call, for once and for good.
#[test]
#[ignore = "takes many minutes"]
fn each_call_that_fails_is_told_and_made_again() {
    if skip_without("strace") {
        return;
    }
    lab(|lab| async move {
        let mut it = Setting::new(Rig::new(lab, Path::new(ENGINE)).await).await;
        for (kind, _) in CALLS {
            for number in it.calls[kind].clone() {
                it.fail(kind, number, For::Once, BROKEN).await;
                if number % 7 == 0 {
                    it.fail(kind, number, For::Good, BROKEN).await;
                }
                if kind == "open" {
                    it.fail(kind, number, For::Once, TOO_MANY).await;
                }
            }
        }
    });
}
