//! What people change behind the agent's back, its ledger included.

use crate::{One, SETUP, SOON, walk};
use std::path::Path;
use tenantry_tests::lab::wait_until;
use tenantry_tests::rig::World;

/// What somebody does to a server.
type Change = Box<dyn Fn(&World)>;

#[tokio::test]
async fn what_people_change_by_hand_is_put_back() {
    let Some(mut one) = One::start(World::open(&["acme/acme-1"]).await).await else {
        return;
    };
    one.page("title-0").await;
    one.agrees().await;
    let before = one.shape();
    let dir = one.world.servers[0].dir().to_owned();
    let site = dir.join("nginx/conf/tenantry/sites");
    let site = std::fs::read_dir(&site)
        .unwrap()
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().contains("acme.test"))
        .unwrap()
        .path();
    let page = one
        .world
        .live(0)
        .join(format!("{}-pair/files/html/index.html", one.order));
    let page = if page.exists() {
        page
    } else {
        find(&one.world.live(0), "index.html")
    };
    let (web, side) = (one.container("web"), one.container("side"));
    let steps: Vec<(&str, Change)> = vec![
        (
            "a removed container",
            Box::new({
                let web = web.clone();
                move |world| drop(world.docker(&["rm", "--force", &web]).unwrap())
            }),
        ),
        (
            "both containers removed",
            Box::new(move |world| drop(world.docker(&["rm", "--force", &web, &side]).unwrap())),
        ),
        (
            "a stopped container",
            Box::new({
                let side = one.container("side");
                move |world| drop(world.docker(&["stop", "--timeout", "0", &side]).unwrap())
            }),
        ),
        (
            "an edited site",
            Box::new({
                let site = site.clone();
                move |_| std::fs::write(&site, "# by hand\n").unwrap()
            }),
        ),
        (
            "a deleted site",
            Box::new({
                let site = site.clone();
                move |_| std::fs::remove_file(&site).unwrap()
            }),
        ),
        (
            "a broken site",
            Box::new({
                let site = site.clone();
                move |_| std::fs::write(&site, "server { broken\n").unwrap()
            }),
        ),
        (
            "an edited page",
            Box::new({
                let page = page.clone();
                move |_| std::fs::write(&page, "defaced").unwrap()
            }),
        ),
        (
            "a deleted page",
            Box::new({
                let page = page.clone();
                move |_| std::fs::remove_file(&page).unwrap()
            }),
        ),
        (
            "a link in its place",
            Box::new({
                let page = page.clone();
                move |_| {
                    std::fs::remove_file(&page).unwrap();
                    std::os::unix::fs::symlink("/etc/hostname", &page).unwrap();
                }
            }),
        ),
    ];
    for (what, change) in &steps {
        change(&one.world);
        let at = std::time::Instant::now();
        let mended = wait_until(SOON, what, async || (one.shape() == before).then_some(()));
        if mended.await.is_err() {
            let now = one.shape();
            let differs: Vec<_> = before
                .iter()
                .filter(|(key, value)| now.get(*key) != Some(value))
                .map(|(key, _)| key)
                .collect();
            panic!("{what}: not put back: {differs:?}");
        }
        eprintln!("{what}: put back after {:?}", at.elapsed());
        one.page("title-0").await;
    }
    assert!(!std::fs::symlink_metadata(&page).unwrap().is_symlink());
    assert!(
        !std::fs::read_to_string("/etc/hostname")
            .unwrap()
            .contains("title-0"),
        "it wrote through a link"
    );

    // Its ledger deleted: no restart, no refusal, the same state.
    one.agrees().await;
    let running = one.world.running().unwrap();
    one.world.servers[0].kill_agent();
    std::fs::remove_file(one.state().join("ledger.json")).unwrap();
    one.world.servers[0].start().unwrap();
    let ledger = one.state().join("ledger.json");
    let back = wait_until(SETUP, "a new ledger", async || {
        let ledger: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&ledger).ok()?).ok()?;
        (ledger["converged"].is_string() && ledger["converged"] == ledger["accepted"]["content"])
            .then_some(())
    });
    back.await.unwrap();
    let status = one.agrees().await;
    assert!(status.servers[0].refusals.is_empty());
    assert_eq!(
        one.world.running().unwrap(),
        running,
        "losing the ledger restarted something"
    );
    assert_eq!(one.shape(), before);
}

fn find(folder: &Path, name: &str) -> std::path::PathBuf {
    let mut found = None;
    walk(folder, &mut |path, _| {
        if path.ends_with(name) {
            found = Some(path.to_owned());
        }
    });
    found.unwrap()
}
