//! `trust: signed` against commits made by the real `git` and `ssh-keygen`: who may change what, merges by people and by forges, people who leave.

#![allow(clippy::unwrap_used, reason = "test helpers outside of test functions")]

use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry::git::{Objects, Oid};
use tenantry::trust::{Judge, Judged, Refusal};
use tenantry_wire::{SigningKey, sshsig};

/// A fleet in a folder, with people who sign.
struct Fleet {
    folder: tempfile::TempDir,
    hub: SigningKey,
}

impl Fleet {
    /// One owner, one manager; `trust: signed` from the first commit on, which is the root.
    fn new() -> Self {
        let fleet = Self {
            folder: tempfile::tempdir().unwrap(),
            hub: SigningKey::generate(&mut rand::rng()),
        };
        fleet.git(&["init", "-q", "-b", "main"]);
        for person in ["olga", "mia", "sam"] {
            let file = fleet.key(person);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", person, "-f"])
                .arg(file)
                .status()
                .unwrap();
            assert!(made.success());
        }
        fleet.write("fleet/hub.yaml", &fleet.settings());
        fleet.write(
            "fleet/staff.yaml",
            &fleet.staff(&[("olga", "owner"), ("mia", "manager")]),
        );
        fleet.write("fleet/customers/acme/customer.yaml", "language: en\n");
        fleet.commit(None, "root");
        fleet
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self, person: &str) -> PathBuf {
        self.path(&format!(".git/{person}"))
    }

    fn public(&self, person: &str) -> String {
        let text = std::fs::read_to_string(self.key(person).with_extension("pub")).unwrap();
        let mut words = text.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    }

    fn settings(&self) -> String {
        let sign = self.hub.public();
        let age = format!("age1{}", "q".repeat(58));
        let keys = format!("{{ sign: {sign}, age: {age} }}");
        format!(
            "fleet_id: test\nurl: http://127.0.0.1:1\nkeys: {{ hub: {keys}, recovery: {keys} }}\ntrust: signed\n"
        )
    }

    fn staff(&self, people: &[(&str, &str)]) -> String {
        let each = people.iter().map(|(name, role)| {
            let key = self.public(name);
            format!(
                "{name}: {{ email: {name}@example.com, role: {role}, signing_keys: [{key}] }}\n"
            )
        });
        each.collect()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@example.com",
                "-c",
                "gpg.format=ssh",
            ])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything, signed by a person or by nobody.
    fn commit(&self, by: Option<&str>, message: &str) -> Oid {
        self.git(&["add", "-A"]);
        let key = by.map(|person| format!("user.signingkey={}", self.key(person).display()));
        let mut arguments = Vec::new();
        if let Some(key) = &key {
            arguments.extend(["-c", key, "commit", "-S"]);
        } else {
            arguments.push("commit");
        }
        arguments.extend(["-q", "-m", message]);
        self.git(&arguments);
        self.head()
    }

    /// Changes a file and commits that.
    fn change(&self, by: Option<&str>, path: &str, text: &str) -> Oid {
        self.write(path, text);
        self.commit(by, path)
    }

    fn head(&self) -> Oid {
        Oid::from_str(&self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    /// A commit as the hub makes it.
    fn hub_commit(&self, path: &str, text: &str) -> Oid {
        self.write(path, text);
        self.git(&["add", "-A"]);
        let tree = self.git(&["write-tree"]);
        let parent = self.head();
        let content = format!(
            "tree {tree}\nparent {parent}\nauthor h <h@x> 1 +0000\ncommitter h <h@x> 1 +0000\n\ndecide\n"
        );
        let pem = sshsig::sign(&self.hub, "git", content.as_bytes());
        let lines: Vec<&str> = pem.trim_end().lines().collect();
        let header = format!("\ngpgsig {}\n\n", lines.join("\n "));
        self.raw(content.replacen("\n\n", &header, 1).as_bytes())
    }

    /// Writes a commit object and moves the branch there.
    fn raw(&self, content: &[u8]) -> Oid {
        let file = self.path(".git/raw");
        std::fs::write(&file, content).unwrap();
        let id = self.git(&["hash-object", "-t", "commit", "-w", ".git/raw"]);
        self.git(&["reset", "-q", "--hard", &id]);
        Oid::from_str(&id).unwrap()
    }

    fn judge(&self, from: Oid) -> Judged {
        let objects = Objects::open(Path::new(&self.path(".git"))).unwrap();
        Judge::new(&objects).judge(from, self.head()).unwrap()
    }

    /// What merging the branch `branch` would bring into `main` that is not followed, and what is not followed once it is merged.
    fn brings(&self, branch: &str) -> (Option<(Oid, Refusal)>, Option<Refusal>) {
        self.git(&["checkout", "-q", "main"]);
        let base = self.head();
        let tip = Oid::from_str(&self.git(&["rev-parse", branch])).unwrap();
        let objects = Objects::open(Path::new(&self.path(".git"))).unwrap();
        let brought = objects.only_in(&[tip], base).unwrap();
        let before = Judge::new(&objects).brings(&brought, base).unwrap();
        self.git(&["merge", "-q", "--no-ff", "-m", "merge", branch]);
        let after = self.judge(base).refused.map(|(_, refusal)| refusal);
        self.git(&["reset", "-q", "--hard", &base.to_string()]);
        (before, after)
    }

    #[track_caller]
    fn good(&self, from: Oid) {
        let judged = self.judge(from);
        assert_eq!((judged.refused, judged.good), (None, self.head()));
    }

    /// Why the newest commit is refused; everything before is good.
    #[track_caller]
    fn refused(&self, from: Oid, commit: Oid) -> Refusal {
        let judged = self.judge(from);
        let (at, refusal) = judged.refused.expect("a refusal");
        assert_eq!(at, commit);
        refusal
    }
}

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";

#[test]
fn people_change_what_their_role_lets_them() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.change(Some("mia"), ORDER, "a");
    fleet.change(
        Some("olga"),
        "fleet/hub.yaml",
        &(fleet.settings() + "# settled\n"),
    );
    fleet.change(Some("olga"), "stacks/html/stack.yaml", "title: x\n");
    fleet.good(root);

    let good = fleet.head();
    let beyond = fleet.change(Some("mia"), "stacks/html/stack.yaml", "title: y\n");
    assert_eq!(
        fleet.refused(root, beyond).to_string(),
        "mia (a manager) may not change `stacks/html/stack.yaml`: that takes an admin"
    );
    assert_eq!(
        fleet.judge(root).good,
        good,
        "everything before is followed"
    );
    // Whatever comes on top is held up, too.
    fleet.change(Some("olga"), ORDER, "b");
    assert_eq!(fleet.judge(root).good, good);
}

#[test]
fn a_policy_moves_the_limits_but_not_those_of_owners() {
    let fleet = Fleet::new();
    let root = fleet.head();
    let policy = "policy:\n  paths: { \"stacks/**\": manager, \"fleet/**\": manager }\n";
    fleet.change(Some("olga"), "fleet/hub.yaml", &(fleet.settings() + policy));
    fleet.change(Some("mia"), "stacks/html/stack.yaml", "title: y\n");
    fleet.good(root);
    let staff = fleet.staff(&[("olga", "owner"), ("mia", "owner")]);
    let beyond = fleet.change(Some("mia"), "fleet/staff.yaml", &staff);
    assert!(
        fleet
            .refused(root, beyond)
            .to_string()
            .contains("that takes an owner")
    );
}

#[test]
fn without_a_good_signature_nothing_is_followed() {
    let fleet = Fleet::new();
    let root = fleet.head();
    let unsigned = fleet.change(None, ORDER, "a");
    assert_eq!(fleet.refused(root, unsigned), Refusal::Unsigned);

    fleet.git(&["reset", "-q", "--hard", &root.to_string()]);
    let stranger = fleet.change(Some("sam"), ORDER, "a");
    assert!(matches!(
        fleet.refused(root, stranger),
        Refusal::Signature(_)
    ));

    // A signature that was made for another content.
    fleet.git(&["reset", "-q", "--hard", &root.to_string()]);
    fleet.change(Some("mia"), ORDER, "a");
    let raw = fleet.git(&["cat-file", "commit", "HEAD"]) + "\n";
    fleet.git(&["reset", "-q", "--hard", &root.to_string()]);
    let moved = fleet.raw(raw.replace("committer x", "committer y").as_bytes());
    assert!(matches!(fleet.refused(root, moved), Refusal::Signature(_)));
}

#[test]
fn the_hub_writes_decisions_and_nothing_else() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.hub_commit(
        "fleet/decisions/acme/web/domain.yaml",
        "domain: a.example\n",
    );
    fleet.good(root);
    let outside = fleet.hub_commit(ORDER, "free: true\n");
    assert_eq!(
        fleet.refused(root, outside),
        Refusal::HubOutside(ORDER.to_owned())
    );
    fleet.git(&["reset", "-q", "--hard", "HEAD^"]);
    let decision = fleet.change(
        Some("mia"),
        "fleet/decisions/acme/web/domain.yaml",
        "domain: b.example\n",
    );
    assert!(matches!(
        fleet.refused(root, decision),
        Refusal::NotAllowed { .. }
    ));
}

#[test]
fn where_the_forge_reviews_the_hubs_key_still_writes_decisions_alone() {
    let fleet = Fleet::new();
    fleet.change(
        None,
        "fleet/hub.yaml",
        &fleet.settings().replace("signed", "forge"),
    );
    let root = fleet.head();
    let judge = |to: Oid| {
        let objects = Objects::open(Path::new(&fleet.path(".git"))).unwrap();
        Judge::new(&objects).judge_the_hub(root, to).unwrap()
    };
    let good = |to: Oid| assert_eq!((judge(to).refused, judge(to).good), (None, to));
    // People need no signature, and one of theirs changes nothing.
    fleet.change(None, ORDER, "plan: basic\n");
    fleet.change(Some("mia"), "fleet/hub.yaml", &fleet.settings());
    fleet.change(
        None,
        "fleet/hub.yaml",
        &fleet.settings().replace("signed", "forge"),
    );
    let decided = fleet.hub_commit(
        "fleet/decisions/acme/web/domain.yaml",
        "domain: a.example\n",
    );
    good(decided);
    // Whoever got hold of the hub's key gives nothing away with it, and nothing on top counts either.
    let stolen = fleet.hub_commit(ORDER, "free: true\n");
    fleet.change(None, "notes.md", "on top\n");
    let judged = judge(fleet.head());
    let refusal = Refusal::HubOutside(ORDER.to_owned());
    assert_eq!(
        (judged.good, judged.refused),
        (decided, Some((stolen, refusal.clone())))
    );
    // Nor by way of a merge, whichever side comes first.
    for onto in [decided, root] {
        fleet.git(&["checkout", "-q", "-B", "side", &onto.to_string()]);
        fleet.change(None, "notes.md", "beside\n");
        fleet.git(&["merge", "-q", "-m", "merge", &stolen.to_string()]);
        assert_eq!(judge(fleet.head()).refused, Some((stolen, refusal.clone())));
    }
}

#[test]
fn a_forge_merges_what_people_signed() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.git(&["checkout", "-qb", "branch"]);
    fleet.change(Some("mia"), ORDER, "a");
    fleet.git(&["checkout", "-q", "main"]);
    fleet.change(Some("olga"), "README.md", "hello");
    fleet.git(&["merge", "-q", "--no-ff", "-m", "merge", "branch"]);
    fleet.good(root);

    // Signed by the forge's own OpenPGP key: counts for nothing, harms nothing.
    let raw = fleet.git(&["cat-file", "commit", "HEAD"]) + "\n";
    let gpg = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n wsBc\n -----END PGP SIGNATURE-----\n\n";
    fleet.raw(raw.replacen("\n\n", &format!("\n{gpg}"), 1).as_bytes());
    fleet.good(root);

    // The branch is squashed: nobody signed the result.
    fleet.git(&["checkout", "-q", "branch"]);
    fleet.change(Some("mia"), ORDER, "b");
    fleet.git(&["checkout", "-q", "main"]);
    let before = fleet.head();
    fleet.git(&["merge", "-q", "--squash", "branch"]);
    let squash = fleet.commit(None, "squash");
    assert_eq!(fleet.refused(root, squash), Refusal::Unsigned);

    // A merge that brings more than its parents do.
    fleet.git(&["reset", "-q", "--hard", &before.to_string()]);
    fleet.git(&["merge", "-q", "--no-ff", "--no-commit", "branch"]);
    fleet.write("stacks/html/stack.yaml", "evil\n");
    let evil = fleet.commit(None, "merge");
    assert_eq!(fleet.refused(root, evil), Refusal::Unsigned);
    fleet.git(&["reset", "-q", "--hard", &before.to_string()]);
    fleet.git(&["merge", "-q", "--no-ff", "--no-commit", "branch"]);
    fleet.write("stacks/html/stack.yaml", "fine\n");
    fleet.commit(Some("olga"), "merge");
    fleet.good(root);
}

/// The refusal of a merge names the commit that the branch would bring in; where the hub's line is in it, what is refused is that.
#[test]
fn what_a_branch_would_bring_is_judged_as_its_merge_is() {
    let fleet = Fleet::new();
    let root = fleet.head();
    let branch = |name: &str| fleet.git(&["checkout", "-q", "-b", name, &root.to_string()]);
    branch("signed");
    fleet.change(Some("mia"), ORDER, "a");
    branch("unsigned");
    fleet.change(Some("mia"), ORDER, "b");
    let unsigned = fleet.change(None, ORDER, "c");
    fleet.change(Some("olga"), ORDER, "d");
    branch("beyond");
    let beyond = fleet.change(Some("mia"), "stacks/html/stack.yaml", "title: x\n");
    branch("lets-itself-in");
    let staff = fleet.staff(&[("olga", "owner"), ("mia", "manager"), ("sam", "owner")]);
    fleet.change(Some("olga"), "fleet/staff.yaml", &staff);
    let sams = fleet.change(Some("sam"), ORDER, "e");
    branch("hubs");
    let hubs = fleet.hub_commit("fleet/decisions/acme/web/domain.yaml", "domain: x.test\n");
    // The branch that it is merged into goes on, and one of them takes that in.
    fleet.git(&["checkout", "-q", "main"]);
    fleet.change(Some("olga"), "README.md", "hello");
    branch("up-to-date");
    fleet.change(Some("mia"), ORDER, "f");
    fleet.git(&["merge", "-q", "--no-ff", "-m", "take in", "main"]);
    branch("more-than-merged");
    fleet.change(Some("mia"), ORDER, "g");
    fleet.git(&["merge", "-q", "--no-ff", "--no-commit", "main"]);
    fleet.write("stacks/html/stack.yaml", "evil\n");
    let evil = fleet.commit(None, "take in");

    for name in ["signed", "up-to-date"] {
        assert_eq!(fleet.brings(name), (None, None), "{name}");
    }
    let refused = [
        ("unsigned", unsigned),
        ("beyond", beyond),
        ("lets-itself-in", sams),
        ("hubs", hubs),
        ("more-than-merged", evil),
    ];
    for (name, commit) in refused {
        let (before, after) = fleet.brings(name);
        let (at, refusal) = before.expect("a refusal");
        assert_eq!((at, Some(&refusal)), (commit, after.as_ref()), "{name}");
    }
    assert_eq!(
        fleet.brings("unsigned").0,
        Some((unsigned, Refusal::Unsigned))
    );
    // Squashed at home and signed by somebody who may, it is another commit, and good.
    branch("squashed");
    fleet.git(&["merge", "-q", "--squash", "unsigned"]);
    fleet.commit(Some("mia"), "all of it");
    assert_eq!(fleet.brings("squashed"), (None, None));
}

#[test]
fn where_the_forge_reviews_a_branch_needs_no_signature_and_the_hubs_key_is_watched() {
    let fleet = Fleet::new();
    let forge = fleet.settings().replace("signed", "forge");
    fleet.change(None, "fleet/hub.yaml", &forge);
    let base = fleet.head();
    fleet.change(None, ORDER, "a");
    fleet.change(None, "fleet/hub.yaml", &fleet.settings());
    let objects = Objects::open(Path::new(&fleet.path(".git"))).unwrap();
    let brings = |tip: Oid| {
        let brought = objects.only_in(&[tip], base).unwrap();
        Judge::new(&objects).brings(&brought, base).unwrap()
    };
    assert_eq!(brings(fleet.head()), None);
    let stolen = fleet.hub_commit(ORDER, "free: true\n");
    let refusal = Refusal::HubOutside(ORDER.to_owned());
    assert_eq!(brings(fleet.head()), Some((stolen, refusal)));
}

#[test]
fn a_conflict_is_put_right_by_somebody_who_may() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.git(&["checkout", "-qb", "branch"]);
    fleet.change(
        Some("mia"),
        "fleet/customers/acme/customer.yaml",
        "language: de\n",
    );
    fleet.git(&["checkout", "-q", "main"]);
    fleet.change(
        Some("olga"),
        "fleet/customers/acme/customer.yaml",
        "language: fr\n",
    );
    let before = fleet.head();
    let merge = |by: Option<&str>| {
        fleet.git(&["reset", "-q", "--hard", &before.to_string()]);
        let merged = Command::new("git")
            .args([
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@x",
                "merge",
                "-q",
                "--no-commit",
                "branch",
            ])
            .current_dir(fleet.folder.path())
            .output()
            .unwrap();
        assert!(!merged.status.success(), "there is a conflict");
        fleet.write("fleet/customers/acme/customer.yaml", "language: it\n");
        fleet.commit(by, "merge")
    };
    let nobody = merge(None);
    assert_eq!(fleet.refused(root, nobody), Refusal::Unsigned);
    merge(Some("mia"));
    fleet.good(root);
}

#[test]
fn who_left_brings_nothing_in_but_what_they_did_stays() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.change(Some("mia"), ORDER, "a");
    let theirs = fleet.head();
    fleet.change(
        Some("olga"),
        "fleet/staff.yaml",
        &fleet.staff(&[("olga", "owner")]),
    );
    fleet.good(root);

    let late = fleet.change(Some("mia"), ORDER, "b");
    assert!(matches!(fleet.refused(root, late), Refusal::Signature(_)));
    fleet.git(&["reset", "-q", "--hard", "HEAD^"]);

    // A branch from when they were still there.
    fleet.git(&["checkout", "-qb", "old", &theirs.to_string()]);
    fleet.change(Some("mia"), ORDER, "c");
    fleet.git(&["checkout", "-q", "main"]);
    fleet.git(&["merge", "-q", "--no-ff", "-m", "merge", "old"]);
    let merged = fleet.head();
    assert!(matches!(fleet.refused(root, merged), Refusal::Signature(_)));
}

#[test]
fn nobody_lets_themselves_in() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.git(&["checkout", "-qb", "branch"]);
    let staff = fleet.staff(&[("olga", "owner"), ("mia", "manager"), ("sam", "owner")]);
    fleet.change(Some("sam"), "fleet/staff.yaml", &staff);
    fleet.change(Some("sam"), "fleet/hub.yaml", "x");
    fleet.git(&["checkout", "-q", "main"]);
    fleet.change(Some("olga"), "README.md", "hello");
    fleet.git(&["merge", "-q", "--no-ff", "-m", "merge", "branch"]);
    let merged = fleet.head();
    assert!(matches!(fleet.refused(root, merged), Refusal::Signature(_)));

    // The branch takes the place of the fleet's own line.
    fleet.git(&["reset", "-q", "--hard", "HEAD^"]);
    let main = fleet.head();
    fleet.git(&["checkout", "-q", "branch"]);
    fleet.git(&["merge", "-q", "--no-ff", "-m", "merge", "main"]);
    assert_eq!(
        fleet.judge(main).refused.unwrap().1,
        Refusal::OtherLine(main)
    );
}

#[test]
fn settings_with_errors_are_mended_by_who_could_before() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.change(Some("olga"), "fleet/hub.yaml", "palns: {}\n");
    let not_theirs = fleet.change(Some("mia"), "fleet/hub.yaml", &fleet.settings());
    assert!(matches!(
        fleet.refused(root, not_theirs),
        Refusal::NotAllowed { .. }
    ));
    fleet.git(&["reset", "-q", "--hard", "HEAD^"]);
    fleet.change(Some("olga"), "fleet/hub.yaml", &fleet.settings());
    fleet.good(root);
}

#[test]
fn signatures_count_from_the_commit_that_asks_for_them() {
    let fleet = Fleet::new();
    let forge = fleet.settings().replace("trust: signed", "trust: forge");
    fleet.change(Some("olga"), "fleet/hub.yaml", &forge);
    let root = fleet.head();
    fleet.change(None, ORDER, "a");
    fleet.good(root);
    fleet.change(None, "fleet/hub.yaml", &fleet.settings());
    fleet.good(root);
    let unsigned = fleet.change(None, ORDER, "b");
    assert_eq!(fleet.refused(root, unsigned), Refusal::Unsigned);
    // Nor is it switched off by anybody.
    fleet.git(&["reset", "-q", "--hard", "HEAD^"]);
    let off = fleet.change(Some("mia"), "fleet/hub.yaml", &forge);
    assert!(matches!(
        fleet.refused(root, off),
        Refusal::NotAllowed { .. }
    ));
}

#[test]
fn a_branch_that_was_rewound_leads_nowhere() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.change(Some("mia"), ORDER, "a");
    let accepted = fleet.head();
    fleet.git(&["reset", "-q", "--hard", &root.to_string()]);
    fleet.change(Some("mia"), ORDER, "b");
    let judged = fleet.judge(accepted);
    assert_eq!(judged.good, accepted);
    assert_eq!(judged.refused.unwrap().1, Refusal::OtherLine(accepted));
}

/// `git pull` on a branch of one's own, pushed: its first parent is not the branch that the hub follows.
#[test]
fn a_merge_with_its_parents_swapped_is_not_followed() {
    let fleet = Fleet::new();
    let root = fleet.head();
    fleet.git(&["checkout", "-qb", "branch"]);
    fleet.change(Some("mia"), ORDER, "a");
    fleet.git(&["checkout", "-q", "main"]);
    // Mia leaves, and the hub decides something.
    fleet.change(
        Some("olga"),
        "fleet/staff.yaml",
        &fleet.staff(&[("olga", "owner")]),
    );
    let decision = fleet.hub_commit(
        "fleet/decisions/acme/web/server.yaml",
        "server: one\nbecause: x\n",
    );
    fleet.good(root);
    fleet.git(&["checkout", "-q", "branch"]);
    fleet.git(&["merge", "-q", "--no-ff", "-m", "swapped", "main"]);
    let swapped = fleet.head();
    // By a hub that accepted the newest of main, and by one that knows of the root alone.
    for from in [decision, root] {
        let judged = fleet.judge(from);
        assert!(
            matches!(judged.refused, Some((_, Refusal::OtherLine(at))) if at == decision),
            "{judged:?}"
        );
        assert_ne!(judged.good, swapped);
    }
    // The other way round Mia brings nothing in either.
    fleet.git(&["checkout", "-q", "main"]);
    fleet.git(&["merge", "-q", "--no-ff", "-m", "merge", "branch~1"]);
    assert!(fleet.judge(root).refused.is_some());
}
