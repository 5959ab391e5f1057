//! Objects that Git cannot read just now: they are no mistakes that people made (law 7). Nothing is judged as if they were, and nothing wrong is remembered.

use super::*;
use crate::load::tests::told;
use git2::{ObjectType, TreeWalkMode, TreeWalkResult};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Files of objects that are in one of these commits.
fn blobs(graph: &Graph, commits: &[Oid]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for commit in commits {
        let tree = graph.repo.find_tree(graph.root(*commit)).unwrap();
        tree.walk(TreeWalkMode::PreOrder, |_, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                let id = entry.id().to_string();
                let (folder, name) = id.split_at(2);
                found.insert(graph.repo.path().join("objects").join(folder).join(name));
            }
            TreeWalkResult::Ok
        })
        .unwrap();
    }
    found
}

#[test]
fn what_git_cannot_read_is_no_mistake() {
    for limit in ["1", "25%"] {
        let graph = Graph::new();
        let server = |(number, name): (usize, &&str)| {
            let text = format!("provider: static\naddress: 192.0.2.{number}\n");
            put(&format!("fleet/customers/{name}/servers/one.yaml"), &text)
        };
        let mut changes: Vec<Change> = FOUR.iter().enumerate().map(server).collect();
        changes.push(graph.limit(limit));
        let main = graph.commit(&[graph.four()], &changes);
        // Acknowledged for something else, and with the limit lifted.
        let two: Vec<Change> = ["acme", "globex"].into_iter().flat_map(leaves).collect();
        let text = entry("two-leave", &graph.fresh(graph.commit(&[main], &two)));
        let agreed = graph.commit(&[main], &[put("fleet/acknowledged.yaml", &text)]);
        let mut changes = three_leave();
        changes.push(graph.limit("100%"));
        let held = graph.commit(&[agreed], &changes);
        let whole = told(&graph.fresh(held));
        assert_eq!(graph.in_force(held), FOUR);

        let mut refused = 0;
        for (number, file) in blobs(&graph, &[main, agreed]).iter().enumerate() {
            let keep = Some(Keep {
                places: vec![graph.dir.path().join(format!("held-{number}.cache"))],
                program: [1; 32],
                after: 1,
            });
            let new = || {
                let objects = Objects::open(graph.repo.path()).unwrap();
                Loader::new(objects).remembering(keep.clone())
            };
            let aside = graph.dir.path().join("aside");
            std::fs::rename(file, &aside).unwrap();
            let mut loader = new();
            match loader.load(graph.at(held)) {
                Ok(loaded) => assert_eq!(told(&loaded), whole, "{}", file.display()),
                Err(_) => refused += 1,
            }
            std::fs::rename(&aside, file).unwrap();
            for mut loader in [loader, new()] {
                let loaded = loader.load(graph.at(held)).unwrap();
                assert_eq!(told(&loaded), whole, "{}", file.display());
            }
        }
        assert!(refused > 3, "{refused}");
    }
}
