//! Merges: whichever parent comes first, and however people solved them.

use super::*;

impl Told {
    /// Everything that a person fetched, merged or made is on `main` of the clone.
    fn on(&self, branch: &str) {
        self.git(&["checkout", "-q", branch]);
    }

    fn branch(&self, branch: &str, at: &str) {
        self.git(&["checkout", "-q", "-b", branch, at]);
    }

    fn merge(&self, arguments: &[&str]) -> Oid {
        let mut all = vec!["merge", "-q", "--no-ff", "-m", "merge"];
        all.extend(arguments);
        self.git(&all);
        self.head()
    }

    /// A commit with these parents, in this order, and the tree of what is staged.
    fn commit_with(&self, parents: &[&str]) -> Oid {
        let tree = self.git(&["write-tree"]);
        let mut arguments = vec!["commit-tree", tree.as_str(), "-m", "by hand"];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        let commit = self.git(&arguments);
        self.git(&["reset", "-q", "--hard", &commit]);
        Oid::from_str(&commit).unwrap()
    }
}

#[test]
fn a_pull_that_swaps_parents_hides_no_deletion() {
    // Somebody deletes on main; somebody else, who has commits of their own, pulls and pushes: main's line is the second parent now.
    for swapped in [true, false] {
        let mut told = Told::new();
        told.branch("mine", "HEAD");
        told.edit("mine");
        told.on("main");
        told.remove(SERVER);
        let removed = told.person("tidy up");
        let merge = if swapped {
            told.on("mine");
            told.merge(&["main"])
        } else {
            told.merge(&["mine"])
        };
        assert_ne!(merge, removed);
        told.server_lost_to(removed);
        told.edit("later");
        told.server_lost_to(removed);
    }
}

#[test]
fn a_merge_that_takes_one_side_drops_what_the_other_decided() {
    for swapped in [true, false] {
        let mut told = Told::new();
        told.git(&["checkout", "-q", "-b", "mine", "HEAD^"]);
        told.edit("from before it was decided");
        let merge = if swapped {
            told.on("main");
            told.git(&["checkout", "-q", "mine"]);
            told.merge(&["-s", "ours", "main"])
        } else {
            // The same with the hub's line first.
            told.git(&["read-tree", "mine"]);
            told.commit_with(&["main", "mine"])
        };
        told.server_lost_to(merge);
        let parent = if swapped { 2 } else { 1 };
        assert_eq!(told.lost(What::Server, &[])[0].parent, parent);
    }
}

#[test]
fn a_merge_that_lacks_what_both_have_took_it_away_itself() {
    let mut told = Told::new();
    told.branch("mine", "HEAD");
    told.edit("mine");
    told.on("main");
    told.put("other", "theirs");
    told.person("theirs");
    told.git(&["merge", "-q", "--no-ff", "--no-commit", "mine"]);
    told.remove(SERVER);
    told.git(&["commit", "-q", "-m", "an evil merge"]);
    let merge = told.head();
    told.server_lost_to(merge);
}

#[test]
fn a_deletion_on_a_branch_is_told_where_it_happened_and_given_up_there() {
    let mut told = Told::new();
    told.branch("mine", "HEAD");
    told.remove(SERVER);
    let removed = told.person("begin anew");
    told.put(
        GIVEN,
        &format!("one: {{ anew: acme/web, since: {removed}, reason: x }}\n"),
    );
    told.on("main");
    told.git(&["clean", "-qfd"]);
    told.put("other", "theirs");
    told.person("theirs");
    told.merge(&["mine"]);
    told.server_lost_to(removed);
    told.put(
        GIVEN,
        &format!("one: {{ anew: acme/web, since: {removed}, reason: x }}\n"),
    );
    told.person("given up");
    assert_eq!(told.lost(What::Server, &[]), []);
    told.put(SERVER, "server: two\nbecause: anew\n");
    told.hub("anew");
    // A branch from before all that, merged now, takes nothing away.
    told.branch("old", &format!("{removed}^"));
    told.edit("old");
    told.on("main");
    told.merge(&["-X", "ours", "old"]);
    told.remove(SERVER);
    let again = told.person("again");
    told.server_lost_to(again);
}

#[test]
fn a_merge_that_drops_what_was_decided_anew_is_no_old_deletion() {
    // Both lines have it at the base; one deletes it, the other gives it up and decides anew. Solving the conflict by deletion is a loss of its own.
    let mut told = Told::new();
    told.branch("mine", "HEAD");
    told.remove(SERVER);
    let mine = told.person("mine");
    told.on("main");
    told.remove(SERVER);
    let main = told.person("main");
    let entry = |name: &str, since: Oid| {
        format!("{name}: {{ anew: acme/web, since: {since}, reason: x }}\n")
    };
    told.put(GIVEN, &format!("{}{}", entry("a", mine), entry("b", main)));
    told.person("both are given up");
    told.put(SERVER, "server: two\nbecause: anew\n");
    told.hub("anew");
    told.git(&["rm", "-q", SERVER]);
    let merge = told.commit_with(&["main", "mine"]);
    told.server_lost_to(merge);
}

#[test]
fn a_merge_of_three_is_looked_at_on_every_side() {
    for dropped in [true, false] {
        let mut told = Told::new();
        told.git(&["checkout", "-q", "-b", "early", "HEAD^"]);
        told.edit("before it was decided");
        told.branch("late", "main");
        told.put("late", "x");
        told.person("late");
        told.on("main");
        told.put("other", "theirs");
        told.person("theirs");
        if dropped {
            told.git(&["read-tree", "early"]);
        }
        let merge = told.commit_with(&["early", "main", "late"]);
        if dropped {
            told.server_lost_to(merge);
        } else {
            assert_eq!(told.lost(What::Server, &[]), []);
            // Where one of the three deleted it, that is the commit.
            let mut told = Told::new();
            told.branch("a", "main");
            told.edit("a");
            told.branch("b", "main");
            told.remove(SERVER);
            let removed = told.person("b");
            told.on("main");
            told.put("other", "theirs");
            told.person("theirs");
            told.remove(SERVER);
            let merge = told.commit_with(&["main", "a", "b"]);
            assert_ne!(merge, removed);
            told.server_lost_to(removed);
        }
    }
}

#[test]
fn a_squash_took_away_what_its_branch_did() {
    let mut told = Told::new();
    told.branch("mine", "HEAD");
    told.edit("1");
    told.remove(SERVER);
    told.person("2");
    told.on("main");
    told.git(&["merge", "-q", "--squash", "mine"]);
    let squash = told.person("all of mine");
    told.server_lost_to(squash);
}

#[test]
fn histories_that_have_nothing_in_common_are_looked_at_both() {
    let mut told = Told::new();
    told.git(&["checkout", "-q", "--orphan", "alone"]);
    told.git(&["rm", "-rqf", "fleet/decisions"]);
    told.person("a new beginning");
    let merge = told.merge(&["-s", "ours", "--allow-unrelated-histories", "main"]);
    told.server_lost_to(merge);
}
