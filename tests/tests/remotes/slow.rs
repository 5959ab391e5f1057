//! A remote that takes its time with the hub's own pushes: nothing else waits for that, and nothing that is on its way counts as decided.

use super::{SOON, complaint, decided, order};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tenantry_planner::status::FleetStatus;
use tenantry_tests::rig::{Answered, FakeAgent, Hub, HubBox};
use tenantry_wire::ledger::Verdict;

/// From now on the repository answers a push of the hub when the file `go` is there. People are not held up.
fn take_time(repository: &Path, go: &Path) {
    let hook = repository.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let text = format!(
        "#!/bin/sh\nread old new name\nif git log -1 --format=%ae $new | grep -q hub@; then until test -e {}; do sleep 0.05; done; fi\n",
        go.display()
    );
    std::fs::write(&hook, text).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_already_does_not_wait_for_a_slow_remote() {
    let home = HubBox::new("slow").unwrap();
    let fleet = &home.fleet;
    let agents = FakeAgent::crew(fleet, 2).unwrap();
    let (path, text) = order(0, 0, "before");
    fleet.write(&path, &text).unwrap();
    fleet.commit("an order").unwrap();
    let url = format!("file://{}", fleet.repository().display());
    let hub = Hub::start_at(Path::new(&url), Some(&fleet.hub_key()), &home.place, &[])
        .await
        .unwrap();
    decided(&hub, fleet, 1, SOON).await;

    // An order that needs decisions, whose push hangs.
    let go = home.dir().join("go");
    take_time(fleet.repository(), &go);
    fleet.pull().unwrap();
    let (path, text) = order(1, 0, "patience");
    fleet.write(&path, &text).unwrap();
    let head = fleet.commit("one more order").unwrap();
    complaint(&hub, "for the remote").await;
    assert_eq!(fleet.head().unwrap(), head, "nothing has arrived");

    // Meanwhile what the first server says is heard, ...
    agents[0].serve(hub.url(), fleet, 0).await.unwrap();
    let fulfilled = |status: &FleetStatus| status.totals.fulfilled == 0 && heard(status, "c0");
    let status = hub.wait_for(SOON, "a report", fulfilled).await.unwrap();
    // ... though its first fulfilment is one more decision; and the second order waits for its own, and says so.
    let mut second = status
        .orders
        .iter()
        .filter(|order| order.customer.as_str() == "c1");
    let waiting = &second.next().unwrap().waiting;
    assert!(
        waiting
            .iter()
            .any(|reason| reason.to_string().contains("has to decide")),
        "{waiting:?}"
    );

    // ... and what people push reaches it.
    let (path, text) = order(0, 0, "meanwhile");
    fleet.write(&path, &text).unwrap();
    fleet.commit("another title").unwrap();
    let answer = agents[0].next(hub.url(), fleet, 30).await.unwrap();
    let Answered::Slice(slice, Verdict::Accept) = answer else {
        panic!("{answer:?}")
    };
    let page = slice.text("stacks/o0-html/files/html/index.html");
    assert!(page.contains("meanwhile"), "{page}");
    let answer = agents[1].next(hub.url(), fleet, 0).await.unwrap();
    assert!(
        !matches!(&answer, Answered::Slice(slice, _) if !slice.secrets.is_empty() || slice.files.keys().any(|path| path.as_str().starts_with("stacks/"))),
        "a slice of what is not decided: {answer:?}"
    );

    // It goes through at last, on top of what people did.
    std::fs::write(&go, "").unwrap();
    decided(&hub, fleet, 2, SOON).await;
    agents[0].serve(hub.url(), fleet, 0).await.unwrap();
    let done = |status: &FleetStatus| status.totals.fulfilled >= 1;
    hub.wait_for(SOON, "the record", done).await.unwrap();
    assert_eq!(fleet.rewritten_decisions().unwrap(), Vec::<String>::new());
}

fn heard(status: &FleetStatus, customer: &str) -> bool {
    status
        .servers
        .iter()
        .any(|server| server.customer.as_str() == customer && server.last_seen.is_some())
}
