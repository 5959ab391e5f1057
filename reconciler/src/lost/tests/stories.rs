//! One line of history: what people take away, give up and put back, whatever the order says meanwhile.

use super::*;
use tenantry_planner::plan::WHOLE_ORDER;

fn html() -> What {
    What::Tool("html".try_into().unwrap())
}

#[test]
fn what_a_person_took_away_is_found_with_the_commit() {
    let mut told = Told::new();
    assert_eq!(told.lost(What::Server, &[]), [], "it was never taken away");
    told.edit("1");
    told.remove(SERVER);
    let removed = told.person("tidy up");
    for round in 0..3 {
        told.server_lost_to(removed);
        told.edit(&format!("again {round}"));
    }
    told.put(SERVER, "server: one\nbecause: x\n");
    told.person("it is back");
    told.remove(SERVER);
    let again = told.person("and gone again");
    told.server_lost_to(again);
}

#[test]
fn nothing_that_the_order_said_meanwhile_explains_it() {
    type Story = (&'static str, fn(&Told));
    let stories: [Story; 5] = [
        ("the folder is a file", |told| {
            told.git(&["rm", "-rq", "fleet/customers/acme"]);
            told.put("fleet/customers/acme", "oops");
        }),
        ("another tool", |told| {
            told.put(ORDER, "plan: pro\ndomain: acme.example\ntools: [htlm]\n");
        }),
        ("no YAML", |told| told.put(ORDER, "plan: {")),
        ("the order is gone", |told| told.remove(ORDER)),
        ("renamed without a word", |told| {
            told.git(&["mv", ORDER, "fleet/customers/acme/orders/site.yaml"]);
        }),
    ];
    for (story, break_it) in stories {
        // Taken away in the commit after, or in the one that restores the order.
        for together in [true, false] {
            let mut told = Told::new();
            let good = told.head().to_string();
            break_it(&told);
            told.person(story);
            told.edit("time goes by");
            told.git(&["rm", "-rq", "fleet/customers"]);
            told.git(&["checkout", "-q", &good, "--", "fleet/customers"]);
            if !together {
                told.person("mended");
            }
            told.remove(SERVER);
            told.remove(TOOL);
            let removed = told.person("and decisions deleted");
            told.server_lost_to(removed);
            assert_eq!(told.lost(html(), &[]).len(), 1, "{story}");
        }
    }
}

#[test]
fn an_order_and_a_tool_are_known_by_their_first_names() {
    let mut told = Told::new();
    told.put(SECRETS, &sealed(&["A"], "AA=="));
    told.hub("secrets");
    told.git(&["rm", "-q", ORDER]);
    told.put(
        "fleet/customers/acme/orders/site.yaml",
        "plan: pro\ndomain: acme.example\nmoved_from: web\ntools:\n  page: { moved_from: html }\n",
    );
    told.person("renamed");
    told.remove(SECRETS);
    told.remove(SERVER);
    let removed = told.person("whose are these");
    told.edit("1");
    told.server_lost_to(removed);
    let secrets = What::Secrets("html".try_into().unwrap());
    assert_eq!(told.lost(secrets, &[]).len(), 1);
}

#[test]
fn only_the_hub_is_believed_about_its_own_commits() {
    // A commit of the hub that a person amends, or picks, is a person's.
    let mut told = Told::new();
    told.put("fleet/decisions/acme/web/other.yaml", "x: 1\n");
    told.hub("decide more");
    told.remove(SERVER);
    told.git(&["commit", "-q", "--amend", "--no-edit"]);
    let amended = told.head();
    assert_eq!(told.git(&["show", "-s", "--format=%ae", "HEAD"]), HUB_EMAIL);
    told.server_lost_to(amended);

    let mut told = Told::new();
    let decided = told.head().to_string();
    told.edit("1");
    told.git(&["revert", "--no-edit", &decided]);
    let reverted = told.head();
    told.server_lost_to(reverted);
    // The revert is reverted, and that is picked away again.
    told.git(&["revert", "--no-edit", &reverted.to_string()]);
    told.git(&["cherry-pick", &reverted.to_string()]);
    let picked = told.head();
    told.server_lost_to(picked);
}

#[test]
fn what_people_gave_up_is_made_anew_until_they_take_it_away_again() {
    let mut told = Told::new();
    told.remove(SERVER);
    let removed = told.person("begin anew");
    let entry = |name: &str, order: &str, since: Oid| {
        format!("{name}: {{ anew: {order}, since: {since}, reason: a trial }}\n")
    };
    // Of somebody else, or with mistakes: nothing.
    told.put(GIVEN, &entry("one", "acme/other", removed));
    told.person("another order");
    told.server_lost_to(removed);
    told.put(GIVEN, &entry("one", "acme", removed));
    told.person("its backups");
    told.server_lost_to(removed);
    told.put(GIVEN, "one: {");
    told.person("no YAML");
    told.server_lost_to(removed);
    told.put(GIVEN, &entry("one", "acme/web", Oid::ZERO_SHA1));
    told.person("no commit");
    told.server_lost_to(removed);
    let before = told.git(&["rev-parse", &format!("{removed}^")]);
    told.put(
        GIVEN,
        &entry("one", "acme/web", Oid::from_str(&before).unwrap()),
    );
    told.person("an earlier commit");
    told.server_lost_to(removed);
    let first = entry("one", "acme/web", removed);
    told.put(GIVEN, &first);
    told.person("given up");
    assert_eq!(told.lost(What::Server, &[]), []);
    told.put(SERVER, "server: two\nbecause: anew\n");
    told.hub("decide anew");
    told.edit("1");
    told.remove(SERVER);
    let again = told.person("and again");
    told.server_lost_to(again);
    // A later commit than the one that did it covers it as well, as everything before.
    let later = told.edit("2");
    told.put(
        GIVEN,
        &format!("{first}{}", entry("two", "acme/web", later)),
    );
    told.person("given up again");
    assert_eq!(told.lost(What::Server, &[]), []);
}

#[test]
fn secrets_of_backups_are_given_up_by_customer() {
    let mut told = Told::new();
    let path = "fleet/decisions/acme/backups.secrets.yaml";
    told.put(path, &sealed(&["PASSWORD"], "AA=="));
    told.hub("secrets");
    told.remove(path);
    let removed = told.person("gone");
    assert_eq!(told.lost(What::BackupSecrets, &[]).len(), 1);
    told.put(
        GIVEN,
        &format!("one: {{ anew: acme/web, since: {removed}, reason: x }}\n"),
    );
    told.person("of an order");
    assert_eq!(told.lost(What::BackupSecrets, &[]).len(), 1);
    told.put(
        GIVEN,
        &format!("one: {{ anew: acme, since: {removed}, reason: x }}\n"),
    );
    told.person("of the customer");
    assert_eq!(told.lost(What::BackupSecrets, &[]), []);
}

#[test]
fn parts_of_a_file_are_found() {
    let mut told = Told::new();
    told.put(TOOL, &tool("{}"));
    told.person("no port");
    assert_eq!(told.lost(html(), &["web"]).len(), 1);
    assert_eq!(told.lost(html(), &["other"]), []);
    assert_eq!(told.lost(html(), &[]), [], "the file is there");
    // Also where it went as a whole and came back with less.
    let mut told = Told::new();
    told.remove(TOOL);
    told.person("gone");
    told.put(TOOL, &tool("{ api: 20001 }"));
    told.person("something like it");
    assert_eq!(told.lost(html(), &["web"]).len(), 1);
    // Or could not be read in between.
    let mut told = Told::new();
    told.put(TOOL, "pin: {");
    told.person("no YAML");
    told.put(TOOL, &tool("{}"));
    told.person("mended");
    assert_eq!(told.lost(html(), &["web"]).len(), 1);

    let time = "2026-11-20T10:00:00Z";
    let mut told = Told::new();
    told.put(
        RECORD,
        &format!("order: {time}\ntools: {{ html: {time} }}\n"),
    );
    told.hub("fulfilled");
    told.put(RECORD, &format!("tools: {{ html: {time} }}\n"));
    told.person("not the order");
    assert_eq!(told.lost(What::Fulfilled, &[WHOLE_ORDER]).len(), 1);
    assert_eq!(told.lost(What::Fulfilled, &["guestbook"]), []);
    told.remove(RECORD);
    told.person("not at all");
    assert_eq!(told.lost(What::Fulfilled, &[]).len(), 1);
}

#[test]
fn an_order_may_be_called_as_the_folder_of_tools_is() {
    let (record, time) = (
        "fleet/decisions/acme/tools/fulfilled.yaml",
        "2026-11-20T10:00:00Z",
    );
    let mut told = Told::new();
    told.put(record, &format!("order: {time}\n"));
    told.put(&TOOL.replace("/web/", "/tools/"), &tool("{ web: 20000 }"));
    told.hub("fulfilled");
    told.put(record, "{}\n");
    let removed = told.person("not the order");
    let lost = told.lost_of("tools", What::Fulfilled, &[WHOLE_ORDER]);
    assert_eq!(lost[0].commit, Some(removed.to_string()));
    assert_eq!(lost[0].good_at, None, "what went last is readable");
    told.put(&TOOL.replace("/web/", "/tools/"), &tool("{}"));
    told.person("no port");
    assert_eq!(told.lost_of("tools", html(), &["web"]).len(), 1);
}

#[test]
fn a_rotated_secret_and_a_moved_pin_are_no_loss() {
    let secrets = || What::Secrets("html".try_into().unwrap());
    let mut told = Told::new();
    told.put(SECRETS, &sealed(&["A", "B"], "AA=="));
    told.hub("secrets");
    told.put(SECRETS, &sealed(&["A", "B"], "BA=="));
    told.put(TOOL, &tool("{ web: 20000 }").replace('1', "2"));
    told.person("rotate");
    assert_eq!(told.lost(secrets(), &["C"]), [], "never there");
    let at = Revision {
        commit: told.head(),
        tree: told.fleet.objects().root_tree(told.head()).unwrap(),
        generation: 0,
    };
    let suspects = told.history.suspects(told.fleet.objects(), at).unwrap();
    assert_eq!(suspects, BTreeSet::new());
    told.put(SECRETS, &sealed(&["A"], "BA=="));
    let removed = told.person("one less");
    let lost = told.lost(secrets(), &["B"]);
    assert_eq!(lost[0].commit, Some(removed.to_string()));
}

#[test]
fn the_domain_of_a_lost_claim_is_told() {
    let mut told = Told::new();
    told.remove(DOMAIN);
    told.person("free");
    let lost = told.lost(What::Domain, &[]);
    assert_eq!(lost[0].domain.as_ref().unwrap().as_str(), "acme.example");
}

#[test]
fn everything_that_goes_at_once_is_found() {
    for replaced in [false, true] {
        let mut told = Told::new();
        told.git(&["rm", "-rq", "fleet/decisions"]);
        if replaced {
            told.put("fleet/decisions", "a file");
        }
        let removed = told.person("who needs that");
        told.server_lost_to(removed);
        assert_eq!(told.lost(html(), &[]).len(), 1);
    }
    // A folder in the place of the file.
    let mut told = Told::new();
    told.remove(SERVER);
    told.put(&format!("{SERVER}/x.yaml"), "server: one\n");
    let removed = told.person("a folder");
    told.server_lost_to(removed);
}

#[test]
fn a_branch_that_was_rewound_says_what_it_holds_now() {
    let mut told = Told::new();
    told.remove(SERVER);
    let removed = told.person("gone");
    told.server_lost_to(removed);
    told.git(&["reset", "-q", "--hard", "HEAD^"]);
    told.edit("elsewhere");
    assert_eq!(told.lost(What::Server, &[]), []);
    // Rebased so that the hub's commit is not there at all: nothing that is reachable ever had it.
    told.git(&["reset", "-q", "--hard", "HEAD~2"]);
    told.edit("without decisions");
    assert_eq!(told.lost(What::Server, &[]), []);
}

#[test]
fn what_is_not_committed_names_no_commit_and_cannot_be_given_up() {
    let mut told = Told::new();
    let head = told.head();
    told.put(
        GIVEN,
        &format!("one: {{ anew: acme/web, since: {head}, reason: x }}\n"),
    );
    let commit = told.person("too early");
    told.remove(SERVER);
    let tree = Oid::from_str(&told.git(&["write-tree"])).unwrap();
    let objects = crate::git::Objects::open(&told.clone.join(".git")).unwrap();
    let at = Revision {
        commit,
        tree,
        generation: 0,
    };
    let missing = missing(What::Server, &[]);
    let found = History::default().ask(&objects, at, [&missing]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.commit, None);
}

#[test]
fn an_index_on_disk_is_used_and_a_damaged_one_made_anew() {
    let mut told = Told::new();
    told.remove(SERVER);
    let removed = told.person("gone");
    for round in 0..60 {
        told.edit(&round.to_string());
    }
    told.server_lost_to(removed);
    let at = Revision {
        commit: told.head(),
        tree: told.fleet.objects().root_tree(told.head()).unwrap(),
        generation: 0,
    };
    let objects = told.fleet.objects().clone();
    let missing = missing(What::Server, &[]);
    let place = told
        .folder
        .path()
        .join("cache")
        .join(super::super::keep::NAME);
    let ask = || {
        let mut history = History::kept_in(vec![place.clone()], [1; 32]);
        let found = history.ask(&objects, at, [&missing]).unwrap();
        (found.len(), history.unsaved)
    };
    assert_eq!(ask(), (1, 0), "written");
    let written = std::fs::read(&place).unwrap();
    let mut history = History::kept_in(vec![place.clone()], [1; 32]);
    history.follow(&objects, at.commit).unwrap();
    assert_eq!(history.unsaved, 0, "nothing was walked");
    assert_eq!(ask(), (1, 0));
    std::fs::write(&place, &written[..written.len() - 1]).unwrap();
    assert_eq!(ask(), (1, 0), "made anew");
    assert_eq!(std::fs::read(&place).unwrap(), written);
}

#[test]
fn the_record_of_an_operation_is_missed() {
    const STARTED: &str = "fleet/decisions/acme/operations.d/restore-x7k2.yaml";
    let operation = || What::Operation("restore-x7k2".try_into().unwrap());
    let mut told = Told::new();
    assert_eq!(told.lost(operation(), &[]), [], "it was never started");
    told.put(STARTED, "started: 2026-11-20T10:00:00Z\n");
    told.person("started");
    told.remove(STARTED);
    told.person("tidy up");
    told.edit("1");
    let lost = told.lost(operation(), &[]);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].path, STARTED);
}
