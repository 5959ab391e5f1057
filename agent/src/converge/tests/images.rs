//! Images: what names stand for, room to fetch, and what is removed.

use super::rollouts::{FIRST, Release, release};
use super::*;
use crate::containers::Progress;

fn removed(plan: &Plan) -> Vec<String> {
    let steps = plan.all_steps().filter_map(|(_, step)| match step {
        Step::RemoveImage { image } => Some(image.clone()),
        _ => None,
    });
    steps.collect()
}

#[test]
fn a_name_that_moves_on_changes_nothing_until_another_version_is_wanted() {
    let (mut server, first) = (Server::new(), release(FIRST));
    server.run(&first, 60);
    let before = server.engine.state.containers.clone();
    // Somebody fetched the name again: it stands for something else.
    let other = format!("sha256:{:064}", 7);
    let images = &mut server.engine.state.images;
    let old = images.insert("busybox:11".into(), other.clone()).unwrap();
    images.insert(old.clone(), old.clone());
    images.insert(other.clone(), other.clone());
    let plan = server.run(&first, 60);
    assert!(plan.converged, "{:?}", texts(&plan));
    assert_eq!(server.engine.state.containers, before);
    // Another version of the slice takes what the name stands for then.
    let second = release(Release { number: 2, ..FIRST });
    server.run(&second, 60);
    assert_eq!(server.engine.by_service("web").image_id, other);
}

#[test]
fn nothing_is_fetched_where_there_is_no_room() {
    let (mut server, first) = (Server::new(), release(FIRST));
    server.engine.state.free = Some(100 << 20);
    let plan = server.run(&first, 60);
    let waiting = plan.verdicts[&name("one")].waiting.clone();
    let (free, needed) = (100 << 20, 1 << 30);
    assert_eq!(waiting, Some(AgentWait::Disk { free, needed }));
    assert!(server.engine.state.images.is_empty());
    server.engine.state.free = Some(2 << 30);
    assert!(server.run(&first, 60).converged);
}

#[test]
fn an_image_that_was_too_large_is_tried_again_when_it_fits() {
    let (mut server, first) = (Server::new(), release(FIRST));
    let needed = 9 << 30;
    for (free, fetches) in [(8 << 30, false), (9 << 30, true)] {
        server.engine.state.free = Some(free);
        let state = HostState {
            too_large: [("busybox:11".to_owned(), needed)].into(),
            ..server.seen(&first)
        };
        let mut engine = state.engine.clone().unwrap();
        engine.images.insert("busybox:2".into(), "sha256:2".into());
        let state = HostState {
            engine: Ok(engine),
            ..state
        };
        let plan = server.plan_with(&first, &state);
        let begun = texts(&plan)
            .iter()
            .any(|step| step.contains("fetch image busybox:11"));
        assert_eq!(begun, fetches, "{:?}", texts(&plan));
        let waiting = plan.verdicts[&name("one")].waiting.clone();
        assert_eq!(waiting == Some(AgentWait::Disk { free, needed }), !fetches);
    }
}

#[test]
fn how_far_it_is_is_told() {
    let (server, first) = (Server::new(), release(FIRST));
    let progress = Progress { done: 5, total: 9 };
    let state = HostState {
        fetching: [("busybox:2".to_owned(), progress)].into(),
        ..server.seen(&first)
    };
    let plan = server.plan_with(&first, &state);
    let waiting = plan.verdicts[&name("one")].waiting.clone();
    let image = "busybox:2".to_owned();
    let (done, total) = (5, 9);
    assert_eq!(waiting, Some(AgentWait::Image { image, done, total }));
}

#[test]
fn only_what_we_fetched_and_nothing_needs_is_removed() {
    let (mut server, first) = (Server::new(), release(FIRST));
    server.run(&first, 60);
    let images = &mut server.engine.state.images;
    for name in ["old:1", "kept:1", "theirs:1", "used:1"] {
        images.insert(name.into(), format!("sha256:{name}"));
    }
    let mut stranger = server.engine.by_service("web").clone();
    stranger.image_id = "sha256:used:1".into();
    stranger.owner = crate::containers::state::Owner::default();
    (stranger.id, stranger.name) = ("stranger".into(), "stranger".into());
    server.engine.state.containers.push(stranger);
    server.ledger.pulled = ["old:1", "kept:1", "used:1", "busybox:11", "busybox:2"]
        .map(str::to_owned)
        .into();
    server.kept_images = ["kept:1".to_owned()].into();
    let plan = server.plan(&first);
    assert_eq!(removed(&plan), ["old:1"]);
    assert!(plan.converged, "it is not part of what is wanted");
    // While a version is on its way nothing is removed, and what can be gone back to stays.
    let second = release(Release {
        number: 2,
        image: 2,
        ..FIRST
    });
    assert_eq!(removed(&server.plan(&second)), Vec::<String>::new());
    server.run(&second, 4);
    server.ledger.pulled.insert("busybox:11".into());
    server.run(&second, 10);
    assert!(server.engine.state.images.contains_key("kept:1"));
    assert!(server.engine.state.images.contains_key("theirs:1"));
    assert!(server.engine.state.images.contains_key("used:1"));
}
