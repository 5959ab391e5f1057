//! Tests of the module as a whole, with real repositories. Helpers shared by them are here.

mod commits;
mod compare;
mod durability;
mod edited;
mod following;
mod people;
mod reading;
mod scratch;
mod watching;

use super::{Author, Change, Fleet, Layout, Location, Oid, Outcome, init_repository};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A fleet repository with two files, and a place for data directories.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) first: Oid,
}

impl World {
    pub(crate) fn new(layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            put("fleet/hub.yaml", "fleet_id: test\n"),
            put("fleet/customers/acme/customer.yaml", "language: de\n"),
        ];
        let first = init_repository(
            &dir.path().join("repo"),
            "main",
            layout,
            &files,
            &author(),
            "Begin",
            at(1),
        )
        .unwrap();
        let world = Self { dir, first };
        if layout == Layout::WorkTree {
            // Somebody who wants pushes to go into a folder; by default Git refuses them.
            world.git(&["config", "receive.denyCurrentBranch", "updateInstead"]);
        }
        world
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A hub's handle with a data directory of its own.
    pub(crate) fn fleet(&self, data: &str) -> Fleet {
        let location = Location::parse(self.repo().to_str().unwrap()).unwrap();
        Fleet::open(location, "main", &self.data(data)).unwrap()
    }

    /// A person's `git` in the repository.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.repo(), arguments)
    }
}

pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .args([
            "-c",
            "user.name=Person",
            "-c",
            "user.email=person@test.example",
        ])
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

pub(crate) fn put(path: &str, content: &str) -> Change {
    Change {
        path: path.try_into().unwrap(),
        content: Some(content.as_bytes().to_vec()),
    }
}

pub(crate) fn delete(path: &str) -> Change {
    Change {
        path: path.try_into().unwrap(),
        content: None,
    }
}

pub(crate) fn author() -> Author {
    Author::new("Tenantry", "hub@test.example")
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

/// Commits on the branch's head, which nobody else moves.
pub(crate) fn commit(fleet: &Fleet, changes: &[Change], message: &str) -> Oid {
    let base = fleet.head().unwrap().unwrap();
    match fleet
        .commit(base, changes, &author(), message, at(2))
        .unwrap()
    {
        Outcome::Committed(oid) => oid,
        other => panic!("{other:?}"),
    }
}
