//! Histories with real commits, and what they say about a decision that is missing now.

use super::{At, History};
use crate::git::Author;
use crate::git::tests::{World, at, author, delete, put};
use crate::git::{Change, Fleet, Layout, Oid, Outcome};
use crate::hub::HUB_EMAIL;
use std::collections::BTreeSet;
use tenantry_planner::decision::What;
use tenantry_planner::lost::{Lost, Missing};
use tenantry_planner::plan::WHOLE_ORDER;
use tenantry_schema::id::OrderKey;

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const SERVER: &str = "fleet/decisions/acme/web/server.yaml";
const TOOL: &str = "fleet/decisions/acme/web/tools/html.yaml";
const RECORD: &str = "fleet/decisions/acme/web/fulfilled.yaml";

struct Told {
    fleet: Fleet,
    history: History,
    _world: World,
}

fn order(tools: &str) -> Change {
    put(
        ORDER,
        &format!("plan: pro\ndomain: acme.example\ntools: {tools}\n"),
    )
}

fn missing(what: What, parts: &[&str]) -> Missing {
    Missing {
        order: OrderKey {
            customer: "acme".try_into().unwrap(),
            order: "web".try_into().unwrap(),
        },
        what,
        parts: parts
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>(),
        suspicious: false,
    }
}

impl Told {
    fn new() -> Self {
        let world = World::new(Layout::Bare);
        Self {
            fleet: world.fleet("data"),
            history: History::default(),
            _world: world,
        }
    }

    fn by(&self, author: &Author, changes: &[Change]) -> Oid {
        let base = self.fleet.head().unwrap().unwrap();
        match self
            .fleet
            .commit(base, changes, author, "x", at(2))
            .unwrap()
        {
            Outcome::Committed(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&self, changes: &[Change]) -> Oid {
        self.by(&author(), changes)
    }

    /// What is lost of `what`; a fresh memory says the same as the one that was there all along.
    fn lost(&mut self, what: What, parts: &[&str]) -> Vec<Lost> {
        let head = self.fleet.head().unwrap().unwrap();
        let missing = missing(what, parts);
        let ask = |history: &mut History| {
            let found = history
                .ask(self.fleet.objects(), head, At::Commit, [&missing])
                .unwrap();
            found.into_iter().map(|(_, lost)| lost).collect::<Vec<_>>()
        };
        let fresh = ask(&mut History::default());
        assert_eq!(ask(&mut self.history), fresh);
        assert_eq!(ask(&mut self.history), fresh, "asked again");
        fresh
    }
}

#[test]
fn what_a_person_took_away_is_found_with_the_commit() {
    let mut told = Told::new();
    told.commit(&[order("[html]")]);
    assert_eq!(told.lost(What::Server, &[]), []);
    told.commit(&[put(SERVER, "server: one\nbecause: x\n")]);
    told.commit(&[put("readme", "1")]);
    let removed = told.commit(&[delete(SERVER)]);
    for round in 0..3 {
        let lost = told.lost(What::Server, &[]);
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].path, SERVER);
        assert_eq!(
            lost[0].commit.as_deref(),
            Some(removed.to_string().as_str())
        );
        // Whatever is committed afterwards, an edit of the order included.
        told.commit(&[put("readme", &format!("again {round}"))]);
        let text = format!("plan: pro\ndomain: acme.example\ntools: [html]\n# {round}\n");
        told.commit(&[put(ORDER, &text)]);
    }
    told.commit(&[put(SERVER, "server: one\nbecause: x\n")]);
    let again = told.commit(&[delete(SERVER)]);
    let lost = told.lost(What::Server, &[]);
    assert_eq!(lost[0].commit.as_deref(), Some(again.to_string().as_str()));
}

#[test]
fn an_order_that_was_removed_and_comes_back_is_new() {
    let mut told = Told::new();
    told.commit(&[
        order("[html]"),
        put(SERVER, "server: one\n"),
        put(TOOL, "pin: {}\n"),
    ]);
    told.commit(&[delete(ORDER), delete(SERVER)]);
    told.commit(&[order("[html]")]);
    assert_eq!(told.lost(What::Server, &[]), []);
    // In two steps as well, and by way of the whole customer.
    told.commit(&[delete(ORDER)]);
    told.commit(&[delete(TOOL)]);
    told.commit(&[order("[html]")]);
    assert_eq!(told.lost(What::Tool("html".try_into().unwrap()), &[]), []);
}

#[test]
fn a_tool_that_was_taken_out_and_comes_back_is_new_and_one_that_stayed_is_not() {
    let mut told = Told::new();
    let html = || What::Tool("html".try_into().unwrap());
    told.commit(&[
        order("[html, guestbook]"),
        put(TOOL, "pin: {}\n"),
        put(SERVER, "server: one\n"),
    ]);
    told.commit(&[order("[guestbook]"), delete(TOOL)]);
    told.commit(&[order("[html, guestbook]"), delete(SERVER)]);
    assert_eq!(told.lost(html(), &[]), []);
    assert_eq!(told.lost(What::Server, &[]).len(), 1);
}

#[test]
fn an_order_is_known_by_its_first_name() {
    let mut told = Told::new();
    let renamed = "fleet/customers/acme/orders/site.yaml";
    told.commit(&[order("[html]"), put(SERVER, "server: one\n")]);
    let text = "plan: pro\ndomain: acme.example\ntools: [html]\nmoved_from: web\n";
    told.commit(&[delete(ORDER), put(renamed, text)]);
    told.commit(&[delete(SERVER)]);
    told.commit(&[put("readme", "1")]);
    assert_eq!(told.lost(What::Server, &[]).len(), 1);
}

#[test]
fn what_the_hub_took_away_is_not_lost() {
    let mut told = Told::new();
    told.commit(&[order("[html]"), put(SERVER, "server: one\n")]);
    told.by(&Author::new("hub", HUB_EMAIL), &[delete(SERVER)]);
    assert_eq!(told.lost(What::Server, &[]), []);
}

#[test]
fn parts_of_a_file_are_found() {
    let mut told = Told::new();
    let tree = "1".repeat(40);
    let tool = |ports: &str| {
        put(
            TOOL,
            &format!("pin: {{ tree: \"{tree}\", nginx: \"{tree}\" }}\nports: {ports}\n"),
        )
    };
    let html = || What::Tool("html".try_into().unwrap());
    told.commit(&[order("[html]"), tool("{ web: 20000 }")]);
    told.commit(&[tool("{}")]);
    assert_eq!(told.lost(html(), &["web"]).len(), 1);
    assert_eq!(told.lost(html(), &["other"]), []);

    let time = "2026-11-20T10:00:00Z";
    told.commit(&[put(
        RECORD,
        &format!("order: {time}\ntools: {{ html: {time} }}\n"),
    )]);
    told.commit(&[put(RECORD, &format!("tools: {{ html: {time} }}\n"))]);
    assert_eq!(told.lost(What::Fulfilled, &[WHOLE_ORDER]).len(), 1);
    assert_eq!(told.lost(What::Fulfilled, &["guestbook"]), []);
    told.commit(&[delete(RECORD)]);
    assert_eq!(told.lost(What::Fulfilled, &[]).len(), 1);
}

#[test]
fn a_deletion_that_is_not_committed_names_no_commit() {
    let told = Told::new();
    let head = told.commit(&[order("[html]"), put(SERVER, "server: one\n")]);
    let missing = missing(What::Server, &[]);
    let found = History::default()
        .ask(told.fleet.objects(), head, At::Uncommitted, [&missing])
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.commit, None);
}
