//! Branches that somebody made to do harm: they are judged within bounds, or not at all, and what the hub does is the same.

use super::{REPOSITORY, SOON, TOKEN, order, reviewed_at, status};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tenantry_schema::document::ForgeKind;
use tenantry_tests::rig::{FakeForge, Fleet, Hub, run};

/// Runs `git` in the repository itself, with something on its standard input.
fn git(fleet: &Fleet, arguments: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(fleet.repository()).args(arguments);
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Mallory")
            .env(format!("GIT_{who}_EMAIL"), "m@example.com");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A commit of `tree` on top of the branch, as the branch `name`.
fn branch(fleet: &Fleet, name: &str, tree: &str) -> String {
    let head = fleet.head().unwrap();
    let commit = git(
        fleet,
        &["commit-tree", tree, "-p", &head, "-m", "harm"],
        b"",
    );
    git(
        fleet,
        &["update-ref", &format!("refs/heads/{name}"), &commit],
        b"",
    );
    commit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_branch_costs_bounded_work_and_changes_nothing() {
    let forge = FakeForge::start(ForgeKind::Gitea, REPOSITORY, TOKEN)
        .await
        .unwrap();
    let home = reviewed_at("strangers", ForgeKind::Gitea, forge.url(), 1);
    let fleet = &home.fleet;
    let url = format!("file://{}", fleet.repository().display());
    let hub = Hub::start_at(Path::new(&url), Some(&fleet.hub_key()), &home.place, &[])
        .await
        .unwrap();
    let head = fleet.head().unwrap();
    status(&forge, &head, "the first verdict", |said| {
        said.state == "success"
    })
    .await;

    // A tree that unfolds to ten to the power of ten files.
    let blob = git(fleet, &["hash-object", "-w", "--stdin"], b"x");
    let mut tree = git(
        fleet,
        &["mktree"],
        format!("100644 blob {blob}\tx\n").as_bytes(),
    );
    for _ in 0..10 {
        let entries: Vec<_> = (0..10)
            .map(|number| format!("040000 tree {tree}\td{number}\n"))
            .collect();
        tree = git(fleet, &["mktree"], entries.concat().as_bytes());
    }
    let bomb = branch(fleet, "bomb", &tree);
    // A file that is larger than any document.
    let huge = git(
        fleet,
        &["hash-object", "-w", "--stdin"],
        &vec![b'#'; 3 << 20],
    );
    let root = git(fleet, &["ls-tree", &head], b"");
    let with_huge = format!("{root}\n100644 blob {huge}\thuge.yaml\n");
    let huge = branch(
        fleet,
        "huge",
        &git(fleet, &["mktree"], with_huge.as_bytes()),
    );
    // Everything of the fleet gone, a hub of somebody else activated, another forge named.
    let work = fleet.colleague(home.dir()).unwrap();
    work.git(&["checkout", "-q", "-b", "takeover"]).unwrap();
    work.edit(
        "fleet/hub.yaml",
        &format!("url: {}", forge.url()),
        "url: https://thief.example.com",
    )
    .unwrap();
    work.edit("fleet/activation.yaml", "hub: age1", "hub: age2")
        .unwrap();
    work.git(&["add", "--all"]).unwrap();
    work.git(&["commit", "-q", "-m", "takeover"]).unwrap();
    work.git(&["push", "-q", "origin", "takeover"]).unwrap();
    let takeover = work.git(&["rev-parse", "HEAD"]).unwrap().trim().to_owned();
    // No history in common.
    let orphan = git(fleet, &["commit-tree", &tree, "-m", "orphan"], b"");
    git(fleet, &["update-ref", "refs/heads/orphan", &orphan], b"");
    // More than anybody's change is: random bytes, so that they do not shrink.
    let mut noise = vec![0; 70 << 20];
    rand::fill(&mut noise[..]);
    let arguments = ["-c", "core.compression=0", "hash-object", "-w", "--stdin"];
    let blob = git(fleet, &arguments, &noise);
    let entry = format!("100644 blob {blob}\tnoise\n");
    let noisy = branch(fleet, "noise", &git(fleet, &["mktree"], entry.as_bytes()));

    let said = status(&forge, &bomb, "a verdict on the bomb", |_| true).await;
    assert_eq!(
        (said.state.as_str(), said.description.as_str()),
        ("error", "not judged: it changes more than 20000 files")
    );
    let said = status(&forge, &huge, "a verdict on a huge file", |_| true).await;
    assert_eq!(
        said.description,
        "not judged: `huge.yaml` has 3145728 bytes, more than 1048576"
    );
    let said = status(&forge, &takeover, "a verdict on a takeover", |_| true).await;
    assert_eq!(said.state, "failure", "{said:?}");
    let said = status(&forge, &noisy, "a verdict on noise", |_| true).await;
    // On a busy machine its minute is over first.
    let bounds = ["brought more than 64 MiB", "did not end within 60 s"];
    assert!(
        bounds.iter().any(|bound| said.description.contains(bound)),
        "{said:?}"
    );
    assert!(!forge.stands().contains_key(&orphan));

    // The hub goes on as if nothing were there, and nothing of it is in the repository that it decides by.
    fleet.pull().unwrap();
    fleet
        .write("fleet/customers/c0/orders/website.yaml", &order("hello"))
        .unwrap();
    fleet.commit("an order").unwrap();
    let decided = |status: &tenantry_planner::status::FleetStatus| {
        status.orders.len() == 1
            && status
                .servers
                .iter()
                .all(|server| server.published.is_some())
    };
    hub.wait_for(SOON, "decisions", decided).await.unwrap();
    let mirror = home.place.data.join("fleet.git");
    for commit in [&bomb, &huge, &takeover, &noisy] {
        let there = Command::new("git")
            .arg("-C")
            .arg(&mirror)
            .args(["cat-file", "-e", commit])
            .output()
            .unwrap();
        assert!(
            !there.status.success(),
            "{commit} came into the hub's own repository"
        );
    }
    // A broken repository of offers is made anew.
    let offers = home.place.data.join("offers.git");
    std::fs::write(offers.join("HEAD"), "broken").unwrap();
    std::fs::write(offers.join("config"), "[broken").unwrap();
    work.git(&["checkout", "-q", "-b", "late", "origin/main"])
        .unwrap();
    work.write("notes.md", "a note\n").unwrap();
    work.git(&["add", "--all"]).unwrap();
    work.git(&["commit", "-q", "-m", "a note"]).unwrap();
    work.git(&["push", "-q", "origin", "late"]).unwrap();
    let late = work.git(&["rev-parse", "HEAD"]).unwrap().trim().to_owned();
    let said = status(&forge, &late, "a verdict on a late branch", |_| true).await;
    // What the hub is still to decide for others may be named behind it.
    let words = "nothing changes on any server";
    assert!(
        said.state == "success" && said.description.starts_with(words),
        "{said:?}"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    run(Command::new("git")
        .arg("-C")
        .arg(&offers)
        .args(["fsck", "--connectivity-only"]))
    .unwrap();
}
