//! An agent that is killed at any instant while its slice changes.

use crate::{One, walk};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;
use tenantry_tests::rig::World;

const SEED: u64 = 0x7e4a_0003;
const KILLS: usize = 50;

#[tokio::test]
async fn an_agent_killed_at_random_instants_ends_where_a_clean_run_does() {
    let Some(mut one) = One::start(World::open(&["acme/acme-1"]).await).await else {
        return;
    };
    let mut rng = StdRng::seed_from_u64(SEED);
    let ledger_file = one.state().join("ledger.json");
    let mut generation = 0;
    let (mut in_the_middle, mut most) = (0, 0);
    for kill in 1..=KILLS {
        // Often the same slice again, so that a second and a third start meet what the first left half done.
        if kill % 2 == 0 {
            one.edit(kill);
        }
        one.world.servers[0].kill_agent();
        one.world.servers[0].start().unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..900))).await;
        one.world.servers[0].kill_agent();

        let ledger: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&ledger_file).unwrap())
                .expect("the ledger can be read");
        let accepted = ledger["accepted"]["generation"].as_u64().unwrap();
        assert!(
            accepted >= generation,
            "the ledger went back from {generation} to {accepted}"
        );
        generation = accepted;
        in_the_middle += usize::from(ledger["converged"] != ledger["accepted"]["content"]);
        walk(&one.world.live(0), &mut |path, bytes| {
            let text = String::from_utf8_lossy(bytes);
            let whole = !path.ends_with("index.html")
                || (text.starts_with("<!doctype") && text.ends_with("</html>\n"));
            assert!(
                whole,
                "kill {kill}: {} is half written: {text}",
                path.display()
            );
        });
        most = most.max(one.world.containers().unwrap().len());
    }
    assert!(
        in_the_middle >= KILLS / 5,
        "only {in_the_middle} of {KILLS} kills met an agent at work"
    );
    eprintln!(
        "{in_the_middle} of {KILLS} kills met an agent at work; at most {most} containers at a time"
    );
    one.world.servers[0].start().unwrap();
    one.page(&format!("title-{KILLS}")).await;
    let status = one.agrees().await;
    assert!(
        status.servers[0].refusals.is_empty(),
        "{:?}",
        status.servers[0].refusals
    );
    let survived = one.shape();
    walk(&one.world.live(0), &mut |path, _| {
        assert!(
            path.extension().is_none_or(|ending| ending != "tmp"),
            "{} is left over",
            path.display()
        );
    });

    // A clean run of the same slice: nothing of what was there before but keys and data.
    one.world.servers[0].kill_agent();
    for name in one.world.containers().unwrap().keys() {
        one.world.docker(&["rm", "--force", name]).unwrap();
    }
    for part in ["ledger.json", "slices", "live", "outbox"] {
        let path = one.state().join(part);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    one.world.servers[0].start().unwrap();
    one.page(&format!("title-{KILLS}")).await;
    one.agrees().await;
    assert_eq!(one.shape(), survived);
}
