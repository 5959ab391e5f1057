//! What a history costs. Run by hand: `LOST_HISTORY=repo.git cargo test --release -p tenantry --lib lost_speed -- --ignored --nocapture`.

use super::super::History;
use super::*;
use crate::git::Objects;
use std::path::Path;
use std::time::Instant;

#[test]
#[ignore = "measures, and needs a repository"]
#[expect(clippy::disallowed_methods, reason = "says what to measure")]
fn lost_speed() {
    let path = std::env::var("LOST_HISTORY").unwrap();
    let objects = Objects::open(Path::new(&path)).unwrap();
    let commit = Oid::from_str(&git(Path::new(&path), &["rev-parse", "main"])).unwrap();
    let parent = Oid::from_str(&git(Path::new(&path), &["rev-parse", "main~100"])).unwrap();
    let at = |commit| Revision {
        commit,
        tree: objects.root_tree(commit).unwrap(),
        generation: 0,
    };
    let mut asked = missing(What::Server, &[]);
    asked.order.customer = "nobody".try_into().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("lost.cache");
    let mut history = History::kept_in(vec![place.clone()], [1; 32]);
    let time = |what: &str, history: &mut History, commit| {
        let begun = Instant::now();
        let found = history.ask(&objects, at(commit), [&asked]).unwrap();
        eprintln!("{what}: {:?}, {} found", begun.elapsed(), found.len());
    };
    time("cold, 100 commits back", &mut history, parent);
    time("100 commits more", &mut history, commit);
    time("again", &mut history, commit);
    let mut history = History::default();
    time("cold", &mut history, commit);
    let begun = Instant::now();
    let suspects = history.suspects(&objects, at(commit)).unwrap();
    eprintln!("{} suspects: {:?}", suspects.len(), begun.elapsed());
    let mut history = History::kept_in(vec![place], [1; 32]);
    time("from disk", &mut history, commit);
}
