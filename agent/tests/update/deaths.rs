//! The agent dies after each change that it makes on the way to another program, and the next one arrives there, too.

use super::*;
use crate::common::seed;
use rand::prelude::*;

/// How long a program takes to take over, at worst: the one before may have to end first.
const LONGEST: Duration = Duration::from_secs(90);

/// Changes that an agent makes at least until another program has taken over.
const MOST: u32 = 12;

/// What the newest program of an agent should be, and the one before it.
struct Pair {
    before: Vec<u8>,
    now: Vec<u8>,
    /// Digest of the newest one.
    wanted: String,
}

impl Story {
    /// Starts the agent as it is installed, to die after so many changes.
    fn start_to_die(&mut self, changes: Option<u32>) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        let number = changes.map(|changes| changes.to_string());
        let environment = number.as_deref().map(|it| ("TENANTRY_FAULT_AFTER", it));
        self.agent = start_in(&self.world, environment);
    }

    /// Waits until the program of this digest is at work and all is written down. Whether the agent died before.
    async fn died_before(&mut self, wanted: &str) -> bool {
        let begun = std::time::Instant::now();
        while begun.elapsed() < LONGEST {
            if self.agent.try_wait().unwrap().is_some() {
                return true;
            }
            let settled = self.hub.read(|said| {
                let last = said.reports.last();
                last.is_some_and(|last| {
                    let slice = last.slice.as_ref();
                    slice.is_some_and(|slice| slice.generation == self.generation)
                        && last.agent_update.is_none()
                })
            });
            // Its name has the beginning of its digest; what it is exactly is looked at once all is done.
            let runs = std::fs::read_link(format!("/proc/{}/exe", self.agent.id()));
            let runs = runs.map_or(String::new(), |path| path.display().to_string());
            // That it was tried is forgotten once it knows which program it is.
            let tried = || !self.memory()["trying"].is_null();
            if settled && runs.ends_with(&wanted[..12]) && !tried() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "it never runs {wanted}: {:#?}",
            self.hub.read(|said| said.reports.last().cloned())
        );
    }

    /// One update in which the agent dies after so many changes. Whether it did.
    async fn update_and_die(&mut self, pair: &Pair, changes: u32) -> bool {
        self.start_to_die(Some(changes));
        self.ask(Some((OWN, &pair.wanted, false)));
        let died = self.died_before(&pair.wanted).await;
        if died {
            self.start_to_die(None);
            // Its unit starts it again where the one that was tried has not ended yet.
            while self.died_before(&pair.wanted).await {
                self.start_to_die(None);
            }
        }
        self.is_as_after_a_clean_update(pair, &format!("after {changes} changes"));
        died
    }

    /// What is remembered of programs that were tried.
    fn memory(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.world.state("update.json"));
        serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default()
    }

    fn is_as_after_a_clean_update(&self, pair: &Pair, what: &str) {
        let folder = self.world.config.program.parent().unwrap();
        let mut programs: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        programs.sort();
        let mut found: Vec<_> = programs
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        let mut expected = vec![pair.before.clone(), pair.now.clone(), pair.now.clone()];
        expected.sort();
        found.sort();
        assert!(found == expected, "{what}: {programs:?}");
        let installed = std::fs::read_link(&self.world.config.program).unwrap();
        let installed = std::fs::read(folder.join(installed)).unwrap();
        assert!(installed == pair.now, "{what}");
        let parts = common::tree(&self.world.state("program"));
        assert_eq!(
            parts.keys().collect::<Vec<_>>(),
            Vec::<&PathBuf>::new(),
            "{what}"
        );
        let memory = self.memory();
        for key in ["trying", "failed", "rejected"] {
            assert!(memory[key].is_null(), "{what}: {memory:#}");
        }
    }
}

/// Updates, one after the other, in which the agent dies after so many changes each. After how many of them it did.
async fn die(story: &mut Story, after: impl IntoIterator<Item = u32>) -> u32 {
    let mut now = story.first.clone();
    let mut deaths = 0;
    for changes in after {
        let next = story.variant(&format!("{} of them", story.generation));
        let pair = Pair {
            wanted: story.offer(next.clone()),
            before: std::mem::replace(&mut now, next.clone()),
            now: next,
        };
        println!("a death after {changes} changes");
        if !story.update_and_die(&pair, changes).await {
            break;
        }
        deaths += 1;
    }
    deaths
}

/// Some of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_on_the_way_to_another_program_arrives_there() {
    let mut random = StdRng::seed_from_u64(seed());
    let mut story = Story::begin().await;
    let after: [u32; 3] = std::array::from_fn(|_| random.random_range(0..MOST));
    let deaths = die(&mut story, after).await;
    assert_eq!(deaths, 3, "{after:?}");
}

/// Run with `--ignored`: after every single change.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes some minutes"]
async fn an_agent_that_dies_after_each_change_on_the_way_to_another_program_arrives_there() {
    let mut story = Story::begin().await;
    let deaths = die(&mut story, 0..200).await;
    println!("{deaths} deaths");
    assert!((MOST..200).contains(&deaths), "{deaths} deaths");
}
