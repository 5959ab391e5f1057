//! Tests of the repository of slices, with real Git.

use super::*;

fn server() -> ServerKey {
    ServerKey {
        customer: "acme".try_into().unwrap(),
        server: "acme-1".try_into().unwrap(),
    }
}

fn sealed(generation: u64) -> Sealed {
    let files = [
        ("slice.yaml", format!("generation: {generation}\n")),
        ("stacks/a/compose.yaml", "services: {}\n".to_owned()),
    ];
    Sealed {
        server: server(),
        generation,
        content: format!("c{generation}"),
        commit: "f".repeat(40),
        inputs: format!("i{generation}"),
        files: files
            .into_iter()
            .map(|(path, text)| (path.try_into().unwrap(), text.into_bytes()))
            .collect(),
    }
}

#[test]
fn what_is_published_is_found_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    let store = SliceStore::open(&path).unwrap();
    assert!(store.bundle(&server()).unwrap().is_none());
    store
        .publish(vec![sealed(1)], Timestamp::UNIX_EPOCH)
        .unwrap();
    store
        .publish(vec![sealed(2)], Timestamp::UNIX_EPOCH)
        .unwrap();
    drop(store);
    let store = SliceStore::open(&path).unwrap();
    let index = store.index().unwrap();
    assert_eq!(index.len(), 1);
    assert_eq!(
        (index[0].1.generation, index[0].1.inputs.as_str()),
        (2, "i2")
    );
    let (current, bundle) = store.bundle(&server()).unwrap().unwrap();
    assert_eq!(current.content, "c2");
    let files =
        tenantry_wire::bundle::unpack(&bundle, &tenantry_wire::bundle::Limits::default()).unwrap();
    assert_eq!(files, sealed(2).files);
}

#[test]
fn history_is_cut_to_the_last_generations_and_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    let store = SliceStore::open(&path).unwrap();
    for generation in 1..=100 {
        store
            .publish(vec![sealed(generation)], Timestamp::UNIX_EPOCH)
            .unwrap();
    }
    let repository = git2::Repository::open_bare(&path).unwrap();
    let mut walk = repository.revwalk().unwrap();
    walk.push_ref("refs/servers/acme/acme-1").unwrap();
    let length = walk.count();
    assert!((KEPT..=2 * KEPT).contains(&length), "{length}");
    assert_eq!(
        store.files(&server()).unwrap().unwrap().1,
        sealed(100).files
    );
}

#[test]
fn a_broken_repository_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    std::fs::write(&path, "not a repository").unwrap();
    let store = SliceStore::open(&path).unwrap();
    store
        .publish(vec![sealed(7)], Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(store.index().unwrap()[0].1.generation, 7);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

fn sealed_for(name: &str, generation: u64) -> Sealed {
    Sealed {
        server: ServerKey {
            customer: "acme".try_into().unwrap(),
            server: name.try_into().unwrap(),
        },
        ..sealed(generation)
    }
}

#[test]
fn servers_do_not_mix_and_git_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    let store = SliceStore::open(&path).unwrap();
    store
        .publish(
            vec![sealed_for("a", 1), sealed_for("b", 1)],
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
    store
        .publish(vec![sealed_for("b", 2)], Timestamp::UNIX_EPOCH)
        .unwrap();
    let index: Vec<_> = store
        .index()
        .unwrap()
        .into_iter()
        .map(|(k, c)| (k.to_string(), c.generation))
        .collect();
    assert_eq!(index, [("acme/a".to_owned(), 1), ("acme/b".to_owned(), 2)]);
    let git = |arguments: &[&str]| {
        let out = std::process::Command::new("git")
            .arg("--git-dir")
            .arg(&path)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(git(&["fsck", "--strict", "--full", "--no-dangling"]), "");
    assert_eq!(
        git(&["log", "--format=%s", "refs/servers/acme/b"]),
        "generation 2\ngeneration 1\n"
    );
    assert!(
        git(&["log", "-p", "-1", "refs/servers/acme/b"]).contains("-generation: 1\n+generation: 2")
    );
}

#[test]
fn a_pack_cut_short_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    SliceStore::open(&path)
        .unwrap()
        .publish(vec![sealed(1)], Timestamp::UNIX_EPOCH)
        .unwrap();
    let packs: Vec<_> = std::fs::read_dir(path.join("objects/pack"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(packs.len(), 2, "nothing is held any more: {packs:?}");
    let pack = packs
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "pack"))
        .unwrap();
    let bytes = std::fs::read(&pack).unwrap();
    std::fs::write(&pack, &bytes[..bytes.len() - 7]).unwrap();
    let store = SliceStore::open(&path).unwrap();
    assert!(store.index().unwrap().is_empty());
    store
        .publish(vec![sealed(1)], Timestamp::UNIX_EPOCH)
        .unwrap();
    assert_eq!(store.files(&server()).unwrap().unwrap().1, sealed(1).files);
}

#[test]
fn packs_are_gathered_while_publishing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    let store = SliceStore::open(&path).unwrap();
    for generation in 1..=300 {
        store
            .publish(
                vec![sealed_for(&format!("s{}", generation % 3), generation)],
                Timestamp::UNIX_EPOCH,
            )
            .unwrap();
    }
    while store.repository.is_tidying() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let packs = std::fs::read_dir(path.join("objects/pack"))
        .unwrap()
        .count();
    assert!(packs < 300, "{packs} files");
    let reopened = SliceStore::open(&path).unwrap();
    for (n, generation) in [(0, 300), (1, 298), (2, 299)] {
        let key = sealed_for(&format!("s{n}"), 1).server;
        for store in [&store, &reopened] {
            assert_eq!(
                store.files(&key).unwrap().unwrap().1,
                sealed(generation).files
            );
        }
    }
    let out = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(&path)
        .args(["fsck", "--full"])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
#[ignore = "a measurement: 10,000 servers"]
fn ten_thousand_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slices.git");
    let store = SliceStore::open(&path).unwrap();
    let slice = |n: usize, generation: u64| {
        let mut slice = sealed_for(&format!("s{n}"), generation);
        for stack in 0..10 {
            for file in ["compose.yaml", ".env", "secrets.yaml"] {
                let text = format!("{n} {stack} {file} {generation}\n").repeat(30);
                slice.files.insert(
                    format!("stacks/t{stack}/{file}")
                        .as_str()
                        .try_into()
                        .unwrap(),
                    text.into_bytes(),
                );
            }
        }
        slice
    };
    let all: Vec<_> = (0..10_000).map(|n| slice(n, 1)).collect();
    let clock = std::time::Instant::now();
    for chunk in all.chunks(512) {
        store
            .publish(chunk.to_vec(), Timestamp::UNIX_EPOCH)
            .unwrap();
    }
    eprintln!(
        "published 10,000 servers with 32 files each: {:?}",
        clock.elapsed()
    );
    let clock = std::time::Instant::now();
    store
        .publish(vec![slice(77, 2)], Timestamp::UNIX_EPOCH)
        .unwrap();
    eprintln!("published one more: {:?}", clock.elapsed());
    let clock = std::time::Instant::now();
    let again = SliceStore::open(&path).unwrap();
    eprintln!(
        "opened with {} servers: {:?}",
        again.index().unwrap().len(),
        clock.elapsed()
    );
    let clock = std::time::Instant::now();
    again.bundle(&slice(5, 1).server).unwrap().unwrap();
    eprintln!("a bundle: {:?}", clock.elapsed());
}
