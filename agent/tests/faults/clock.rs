//! The clock of the server is set, forwards and backwards, while the agent is at work: nothing waits for a moment that is over or never
//! comes, nothing is given up because of it, and the server ends as it would have.

use crate::common::{Files, files, host, skip_without};
use crate::lab::lab;
use crate::rig::{COLOURS, Rig};
use crate::room::killed_and_back;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry_schema::wire::{InstancePhase, Report};

const ENGINE: &str = "/var/run/docker.sock";

/// A clock that programs read instead of the machine's, by way of libfaketime. Time that goes by is left as it is.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// None where there is no libfaketime.
    fn new(folder: &Path) -> Option<Self> {
        if skip_without("faketime") {
            return None;
        }
        let all = std::fs::read_dir("/usr/lib").unwrap().flatten();
        let mut places = all.map(|it| it.path().join("faketime/libfaketimeMT.so.1"));
        let clock = Self {
            library: places.find(|path| path.exists()).unwrap(),
            file: folder.join("clock"),
        };
        clock.set("+0");
        Some(clock)
    }

    /// How far it is off, as libfaketime understands it.
    fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn environment(&self) -> [(&str, &str); 5] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]
    }
}

/// How far off the clock is that a report was dated by, in hours.
fn hours_off(report: &Report) -> i64 {
    let off = report.taken_at.duration_since(Timestamp::now());
    (off + SignedDuration::from_mins(30)).as_hours()
}

#[test]
fn a_clock_that_is_set_holds_nothing_up() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let clean = rig.clean().await;
        let Some(clock) = Clock::new(rig.world.folder.path()) else {
            return;
        };
        let mut agent = rig.at_work_with(&clock.environment()).await;
        for (offset, hours) in [
            ("+400d", 9600),
            ("-400d", -9600),
            ("+3h", 3),
            ("-90", 0),
            ("+0", 0),
        ] {
            clock.set(offset);
            killed_and_back(&rig).await;
            let page = rig.calm_page();
            std::fs::write(&page, "edited").unwrap();
            rig.until("healed", || {
                std::fs::read_to_string(&page).is_ok_and(|text| text == "calm")
            })
            .await;
            let step = rig.publish_next();
            rig.until_done(&mut agent, step.generation).await;
            rig.is_as(&clean, step, offset).await;
            let told = |report: &Report| {
                let mut all = report.instances.values();
                let off = (hours_off(report) - hours).abs();
                off <= 1
                    && report.stale_since.is_none()
                    && all.all(|one| one.phase == InstancePhase::Healthy)
            };
            rig.hub.until("told in that time", told).await;
        }
        // An agent that starts with what another one noted at other times.
        agent.kill();
        clock.set("-400d");
        let mut agent = rig.at_work_with(&clock.environment()).await;
        let step = rig.publish_next();
        rig.until_done(&mut agent, step.generation).await;
        rig.is_as(&clean, step, "started long ago").await;
    });
}

/// A version that says itself when it is healthy, and that has half a minute for it.
fn slice(rig: &Rig, colour: &str) -> Files {
    let project = &rig.lab.project;
    let host = host(
        "",
        [(project.as_str(), "upgrade: {timeout: 30}, sites: {}")],
    );
    let compose = format!(
        "services:\n  web:\n    image: tenantry-test/busybox:1\n    init: true\n    stop_grace_period: 1s\n    command: [sleep, '100000']\n    environment: {{ COLOUR: '{colour}' }}\n    healthcheck: {{ test: [CMD, test, -e, /ready], interval: 500ms, retries: 1000 }}\n"
    );
    let stack = |name: &str| format!("stacks/{project}/{name}");
    files(&[
        ("host.yaml", &host),
        (&stack("compose.yaml"), &compose),
        (&stack(".env"), ""),
    ])
}

/// Waits until the service runs in this version; its process.
async fn runs(rig: &Rig, colour: &str) -> i64 {
    let begun = Instant::now();
    let wanted = format!("COLOUR={colour}");
    loop {
        if let Some(details) = rig.lab.inspect("web").await
            && let Some(state) = details.state
            && state.running == Some(true)
            && details.config.unwrap().env.unwrap().contains(&wanted)
        {
            return state.pid.unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", rig.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn be_healthy(process: i64) {
    std::fs::write(format!("/proc/{process}/root/ready"), "").unwrap();
}

#[test]
fn a_version_that_is_tried_out_is_not_given_up_for_a_clock_that_is_set() {
    lab(|lab| async move {
        let mut rig = Rig::new(lab, Path::new(ENGINE)).await;
        let Some(clock) = Clock::new(rig.world.folder.path()) else {
            return;
        };
        let mut agent = rig.start(&[], &clock.environment());
        let generation = rig.publish(slice(&rig, COLOURS[0]));
        be_healthy(runs(&rig, COLOURS[0]).await);
        rig.until_done(&mut agent, generation).await;

        let generation = rig.publish(slice(&rig, COLOURS[1]));
        let process = runs(&rig, COLOURS[1]).await;
        for offset in ["+400d", "-400d", "+0"] {
            clock.set(offset);
            // Something to look for.
            rig.lab
                .docker
                .pause_container(&rig.lab.name("web"))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(runs(&rig, COLOURS[1]).await, process, "{offset}");
            assert!(!rig.agrees(generation));
        }
        be_healthy(process);
        rig.until_done(&mut agent, generation).await;
        assert_eq!(runs(&rig, COLOURS[1]).await, process);
        let text = std::fs::read(rig.world.state("ledger.json")).unwrap();
        let ledger: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let rollout = &ledger["rollouts"][&rig.lab.project];
        assert!(
            rollout.is_object() && rollout["rejected"].is_null(),
            "{rollout}"
        );
    });
}
