//! A full disk, on a small file system of its own: nothing half written, a slice is taken in all the same, and everything goes on when
//! there is room.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use common::World;
use common::small::Small;
use std::process::Command;
use tenantry_agent::agent::Agent;

fn generation(agent: &Agent<tenantry_agent::web_server::NginxServer>) -> u64 {
    agent.have().map_or(0, |slice| slice.generation)
}

#[test]
fn a_slice_is_taken_in_although_the_disk_is_full() {
    let world = World::new();
    let keys = world.config.keys_folder();
    // The keys that were made are moved along.
    let saved = world.folder.path().join("saved-keys");
    std::fs::rename(&keys, &saved).unwrap();
    let Some(small) = Small::mount(&world.config.state, 64) else {
        common::skip_for_want_of("a place to mount something at");
        return;
    };
    let copied = Command::new("cp").arg("-a").arg(&saved).arg(&keys).status();
    assert!(copied.unwrap().success());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let now = jiff::Timestamp::now();
        let mut agent = Agent::open(world.config.clone(), true).unwrap();
        let large = "x".repeat(300_000);
        let slice = |generation: u64, text: &str| {
            let text = format!("{generation} {text}");
            world.bundle(
                generation,
                world.html(&[("stacks/web-html/files/a", &text)]),
            )
        };
        agent.keep_ballast();
        assert!(world.state("ballast").exists());
        assert!(agent.offer(&slice(1, &large), true, now));

        // Full: the room that was kept is given up for the next slice.
        small.fill();
        assert!(
            agent.offer(&slice(2, &large), true, now),
            "{:?}",
            agent.news
        );
        assert!(!world.state("ballast").exists());
        assert_eq!(generation(&agent), 2);
        assert!(agent.have().is_some());

        // Full again, and nothing to give up: the slice waits, and what was accepted stays whole.
        small.fill();
        let third = slice(3, &large);
        assert!(!agent.offer(&third, true, now));
        assert_eq!(generation(&agent), 2);
        let events = &agent.news.events;
        assert!(
            events
                .iter()
                .any(|event| event.message.contains("cannot be kept"))
        );
        drop(agent);
        let mut agent = Agent::open(world.config.clone(), true).unwrap();
        assert_eq!(generation(&agent), 2);
        let ledger = std::fs::read(world.state("ledger.json")).unwrap();
        let _: serde_json::Value = serde_json::from_slice(&ledger).unwrap();

        // There is room: everything goes on, and room is kept again.
        small.make_room();
        assert!(agent.offer(&third, true, now));
        assert_eq!(generation(&agent), 3);
        agent.keep_ballast();
        assert!(world.state("ballast").exists());
    });
    drop(small);
    std::fs::create_dir_all(&world.config.state).unwrap();
}
