//! Restores as the planner sees them: started once, told to the agent that was meant, and ended by what it reports.

use crate::support::{Fleet, files, server_key};
use jiff::Timestamp;
use proptest::prelude::*;
use tenantry_planner::Plan;
use tenantry_planner::decision::{Choice, What};
use tenantry_planner::lost::Lost;
use tenantry_planner::operations::{NAMESPACE, OperationStatus, Progress, machine, to_sign};
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{Operation, OperationOutcome, OperationRecord, Server};
use tenantry_schema::id::OrderKey;
use tenantry_schema::wire::{
    AgentWait, BackupsReport, InstanceBackups, InstancePhase, InstanceReport, RestoreBegun,
    RestoreResult, RolloutReport, RolloutState,
};
use tenantry_wire::{SigningKey, sshsig};

const ID: &str = "2026-11-21-restore-notes-x7k2";
const DOCUMENT: &str = "fleet/customers/acme/operations/2026-11-21-restore-notes-x7k2.yaml";
const RECORD: &str = "fleet/decisions/acme/operations.d/2026-11-21-restore-notes-x7k2.yaml";
const NOTES: &str = "restore: acme-1/notes\nfrom: latest\noverwrites: [database, files]\n";
const END: &str = "reason: ticket 812\nexpires: 2026-11-25\n";

struct World {
    fleet: Fleet,
    olga: SigningKey,
}

impl World {
    /// A fleet that makes backups, with an owner.
    fn new() -> Self {
        let olga = SigningKey::generate(&mut rand::rng());
        let mut fleet = Fleet::running();
        let hub = format!(
            "{}backups:\n  repository: rest:https://backup.example/\n",
            fleet.files["fleet/hub.yaml"]
        );
        fleet.write("fleet/hub.yaml", &hub);
        let staff = format!(
            "olga: {{ email: o@example.com, role: owner, signing_keys: [{}] }}\n",
            olga.public()
        );
        fleet.write("fleet/staff.yaml", &staff);
        let mut world = Self { fleet, olga };
        world.fleet.settle();
        world.say(|_| {});
        world.fleet.settle();
        world
    }

    /// Writes an operation, as its owner approved it.
    fn approved(&mut self, text: &str) {
        self.approved_for("web", text);
    }

    fn approved_for(&mut self, order: &str, text: &str) {
        let server: Server = serde_yaml::from_str(&files::server('a', "")).unwrap();
        let machine = machine(&server);
        let text = format!("{text}{END}order: {order}\nmachine: {machine}\n");
        let operation: Operation = serde_yaml::from_str(&text).unwrap();
        let fleet = "test-fleet".to_owned().try_into().unwrap();
        let (customer, id) = ("acme".try_into().unwrap(), ID.try_into().unwrap());
        let signed = to_sign(&fleet, &customer, &id, &operation);
        let approval = sshsig::sign(&self.olga, NAMESPACE, signed.as_bytes());
        let approval = approval.lines().map(|line| format!("  {line}\n"));
        let approval: String = approval.collect();
        self.fleet
            .write(DOCUMENT, &format!("{text}approval: |\n{approval}"));
    }

    /// The agent reports that all is well, and more.
    fn say(&mut self, more: impl FnOnce(&mut BackupsReport)) {
        self.say_of_notes(|_| {}, more);
    }

    /// The agent reports how the tool is.
    fn say_of_notes(
        &mut self,
        how: impl FnOnce(&mut InstanceReport),
        more: impl FnOnce(&mut BackupsReport),
    ) {
        let mut report = self.fleet.well("acme/acme-1");
        report
            .instances
            .entry("web-notes".to_owned().try_into().unwrap())
            .and_modify(how);
        let name = "web-notes".to_owned().try_into().unwrap();
        let mut backups = BackupsReport {
            instances: [(name, InstanceBackups::default())].into(),
            ..BackupsReport::default()
        };
        more(&mut backups);
        report.backups = Some(backups);
        self.fleet.report("acme/acme-1", report);
    }

    fn status(&mut self) -> OperationStatus {
        let plan = self.fleet.plan().plan;
        let all = plan.customers.values().flat_map(|part| &part.operations);
        all.into_iter().next().unwrap().as_ref().clone()
    }

    fn waiting(&mut self) -> Vec<String> {
        let waiting = self.status().waiting;
        waiting.iter().map(ToString::to_string).collect()
    }

    /// What people are told about its file today.
    fn findings(&mut self) -> Vec<String> {
        let desired = self.fleet.compile();
        let files = self.fleet.files.clone();
        let text_of = move |path: &str| files.get(path).map(|text| text.as_str().into());
        let found = tenantry_planner::today::diagnose(&desired, self.fleet.now, &text_of);
        let said = |one: &Diagnostic| format!("{one:?}");
        found.iter().map(said).collect()
    }

    /// What the slice asks the agent to put back.
    fn told(&mut self) -> Option<String> {
        let rendered = self.fleet.render("acme/acme-1");
        let content = rendered.files.get(&*format!("operations/{ID}.yaml"))?;
        Some(String::from_utf8(content.clone()).unwrap())
    }
}

fn ended(problem: Option<&str>) -> RestoreResult {
    RestoreResult {
        at: Timestamp::from_second(1_763_720_000).unwrap(),
        snapshot: "1234abcd".into(),
        before: Some("89abcdef".into()),
        evidence: vec!["database notes of db: put back, 7 rows agree".into()],
        downtime: 4,
        problem: problem.map(str::to_owned),
    }
}

fn records(plan: &Plan) -> Vec<OperationRecord> {
    let records = plan
        .decisions()
        .filter_map(|decision| match &decision.choice {
            Choice::Operation(_, record) => Some(record.clone()),
            _ => None,
        });
    records.collect()
}

#[test]
fn the_start_is_committed_before_the_agent_is_told_and_the_end_when_it_told() {
    let mut world = World::new();
    world.approved(NOTES);
    // First the record, and nothing for the agent yet.
    let first = world.fleet.plan().plan;
    let started = records(&first);
    assert_eq!(started.len(), 1);
    assert_eq!(
        (started[0].done.is_none(), first.slices().count()),
        (true, 0)
    );
    assert_eq!(world.told(), None);
    world.fleet.act(&first);
    // Then the slice.
    let second = world.fleet.plan().plan;
    assert_eq!((records(&second).len(), second.slices().count()), (0, 1));
    world.fleet.act(&second);
    let told = world.told().unwrap();
    assert_eq!(
        told,
        "instance: web-notes\nserver: acme-1\nof: web-notes\noverwrites:\n- database\n- files\nuntil: 2026-11-26T00:00:00Z\n"
    );
    assert!(matches!(world.status().progress, Progress::Told { .. }));
    world.say(|backups| {
        backups
            .begun
            .insert(ID.try_into().unwrap(), RestoreBegun::Running);
    });
    assert!(world.fleet.settle().is_empty());
    assert!(matches!(world.status().progress, Progress::Running { .. }));
    // What came of it is committed; the slice is what it was before.
    world.say(|backups| {
        backups.restores.insert(ID.try_into().unwrap(), ended(None));
    });
    let rounds = world.fleet.settle();
    let done = records(&rounds[0]);
    let outcome = done[0].done.as_ref().unwrap();
    assert_eq!(
        (outcome.outcome, outcome.downtime),
        (OperationOutcome::Done, 4)
    );
    assert_eq!(outcome.before.as_deref(), Some("89abcdef"));
    assert_eq!(world.told(), None);
    assert!(world.fleet.settle().is_empty());
    assert!(world.status().progress.to_string().starts_with("done at "));
    let record = &world.fleet.files[RECORD];
    assert!(
        record.contains("outcome: done") && !record.contains("ticket"),
        "{record}"
    );
}

#[test]
fn what_a_database_server_complains_about_is_in_no_commit() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    let complaint = "Key (email)=(ada@example.com) already exists";
    world.say(|backups| {
        let result = ended(Some(complaint));
        backups.restores.insert(ID.try_into().unwrap(), result);
    });
    world.fleet.settle();
    assert!(world.fleet.files[RECORD].contains("outcome: failed"));
    assert!(!world.fleet.files.values().any(|text| text.contains("ada@")));
    // The page has it as long as the agent does.
    assert!(world.status().progress.to_string().contains(complaint));
}

#[test]
fn without_an_approval_or_after_its_last_day_nothing_begins() {
    let mut world = World::new();
    world.fleet.write(DOCUMENT, &format!("{NOTES}{END}"));
    assert!(world.fleet.settle().is_empty());
    assert_eq!(world.waiting(), Vec::<String>::new());
    world.approved(NOTES);
    world.fleet.pass_time(5 * 86_400);
    world.say(|_| {});
    assert!(world.fleet.settle().is_empty());
    assert!(world.status().standing.to_string().contains("it expired"));
    // Neither where it was told of and had not begun by then.
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    assert!(world.told().is_some());
    world.fleet.pass_time(5 * 86_400);
    world.say(|_| {});
    world.fleet.settle();
    assert_eq!(world.told(), None);
    assert!(matches!(
        world.status().progress,
        Progress::OutcomeUnknown { .. }
    ));
}

#[test]
fn of_what_ended_nothing_is_said_whatever_comes_later() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    assert_eq!(world.findings(), Vec::<String>::new());
    let other_key = files::server('b', "");
    // Started, and nobody has told of its end: another day would start nothing.
    world.fleet.pass_time(5 * 86_400);
    let said = world.findings();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("it expired") && said[0].contains("not started again"));
    assert!(!said[0].contains("another day"), "{said:?}");
    // It ended: neither the day nor another key of the server matters.
    world.say(|backups| {
        backups.restores.insert(ID.try_into().unwrap(), ended(None));
    });
    world.fleet.settle();
    assert!(world.fleet.files[RECORD].contains("outcome: done"));
    assert_eq!(world.findings(), Vec::<String>::new());
    let server = "fleet/customers/acme/servers/acme-1.yaml";
    world.fleet.write(server, &other_key);
    assert_eq!(world.findings(), Vec::<String>::new());
    // The same file without the record is told of.
    world.fleet.remove(RECORD);
    let said = world.findings();
    assert!(said[0].contains("another day"), "{said:?}");
}

#[test]
fn an_agent_that_is_not_the_one_that_was_told_is_told_nothing() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    assert!(world.told().is_some());
    world.fleet.write(
        "fleet/customers/acme/servers/acme-1.yaml",
        &files::server('b', ""),
    );
    world.fleet.settle();
    assert_eq!(world.told(), None);
    let said = world.status().progress.to_string();
    assert!(
        said.contains("has another key") && said.contains("not started again"),
        "{said}"
    );
}

#[test]
fn an_agent_that_was_broken_off_is_not_asked_again() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    world.say(|backups| {
        let id = ID.try_into().unwrap();
        backups.begun.insert(id, RestoreBegun::OutcomeUnknown);
    });
    assert!(world.fleet.settle().is_empty());
    let said = world.status().progress.to_string();
    assert!(
        said.contains("what came of it is not known (the agent was broken off"),
        "{said}"
    );
}

#[test]
fn a_record_that_was_taken_away_starts_nothing() {
    // As history tells.
    let mut world = World::new();
    world.approved(NOTES);
    let plan = world.fleet.plan().plan;
    let missing = plan.customers.values().flat_map(|part| &part.missing);
    let what = What::Operation(ID.try_into().unwrap());
    assert!(missing.into_iter().any(|missing| missing.what == what));
    let order = OrderKey {
        customer: "acme".try_into().unwrap(),
        order: "web".try_into().unwrap(),
    };
    let lost = Lost {
        what,
        path: RECORD.into(),
        commit: Some("f".repeat(40)),
        parent: 1,
        good_at: None,
        domain: None,
    };
    world.fleet.lost.add(&order, lost);
    assert!(world.fleet.settle().is_empty());
    assert!(world.waiting()[0].contains(RECORD), "{:?}", world.waiting());
    // As the agent tells.
    let mut world = World::new();
    world.approved(NOTES);
    world.say(|backups| {
        backups.restores.insert(ID.try_into().unwrap(), ended(None));
    });
    assert!(world.fleet.settle().is_empty());
    assert!(world.waiting()[0].contains("not done twice"));
}

#[test]
fn of_two_tools_of_one_name_the_one_of_the_order_gets_its_data_back() {
    let mut world = World::new();
    world.fleet.write(
        "fleet/customers/acme/orders/shop.yaml",
        "plan: pro\ndomain: shop.example\ntools: [notes]\n",
    );
    world.fleet.settle();
    world.say(|_| {});
    world.fleet.settle();
    // Nobody's: nothing begins.
    world.fleet.write(DOCUMENT, &format!("{NOTES}{END}"));
    assert!(world.fleet.settle().is_empty());
    let standing = world.status().standing.to_string();
    assert!(standing.contains("orders shop and web"), "{standing}");
    // Another one's backup has to be named as clearly.
    world.approved_for("shop", &format!("{NOTES}of: acme-1/notes\n"));
    assert!(world.fleet.settle().is_empty());
    assert_eq!(
        world.waiting(),
        [format!(
            "operation {ID} is not started: `of: acme-1/notes` can be several: write one of acme-1/shop-notes, acme-1/web-notes"
        )]
    );
    world.approved_for("shop", "restore: acme-1/notes\nof: acme-1/web-notes\nfrom: latest before 2026-11-20T03:00\nonly: files\noverwrites: [files]\n");
    world.fleet.settle();
    assert_eq!(
        world.told().unwrap(),
        "instance: shop-notes\nserver: acme-1\nof: web-notes\nbefore: 2026-11-20T03:00:00Z\noverwrites:\n- files\nonly: files\nuntil: 2026-11-26T00:00:00Z\n"
    );
}

#[test]
fn the_backup_of_a_server_that_is_gone_can_be_put_back_elsewhere() {
    let mut world = World::new();
    world.approved(
        "restore: acme-1/notes\nof: acme-0/notes\nfrom: latest\noverwrites: [database]\n",
    );
    world.fleet.settle();
    let told = world.told().unwrap();
    assert!(told.contains("server: acme-0\nof: web-notes\n"), "{told}");
}

#[test]
fn an_agent_that_is_not_heard_of_is_waited_for() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.pass_time(3600);
    assert!(world.fleet.settle().is_empty());
    assert!(world.waiting()[0].contains("silent since"));
    world
        .fleet
        .inventory
        .servers
        .remove(&server_key("acme/acme-1"));
    assert!(world.waiting()[0].contains("has never reported"));
}

#[test]
fn a_version_that_is_tried_is_waited_for_and_an_unhealthy_tool_is_not() {
    let since = Timestamp::UNIX_EPOCH;
    let trying = || {
        Some(RolloutReport {
            state: RolloutState::Trying,
            since,
            evidence: None,
        })
    };
    let window = Some(AgentWait::Window { opens: since });
    let cases = [
        (InstancePhase::Stopped, None, None, "is stopped"),
        (InstancePhase::Progressing, None, trying(), "no such image"),
        (InstancePhase::Failed, None, trying(), "no such image"),
        (InstancePhase::Waiting, window, None, "window"),
    ];
    for (phase, waiting, rollout, sentence) in cases {
        let mut world = World::new();
        world.approved(NOTES);
        let how = |report: &mut InstanceReport| {
            report.phase = phase;
            report.waiting = waiting.clone();
            report.rollout = rollout.clone();
            report.message = Some("no such image".into());
        };
        world.say_of_notes(how, |_| {});
        let plan = world.fleet.plan().plan;
        assert_eq!(records(&plan), [], "{phase:?} {waiting:?}");
        let said = world.waiting();
        assert_eq!(said.len(), 1, "{phase:?} {waiting:?}: {said:?}");
        assert!(
            said[0].contains(sentence),
            "{phase:?} {waiting:?}: {said:?}"
        );
        // As soon as it runs it begins.
        world.say(|_| {});
        assert_eq!(records(&world.fleet.plan().plan).len(), 1, "{phase:?}");
    }
    // Its data may be what is wrong with it, and to be put back what a person decided on.
    for (phase, waiting) in [
        (
            InstancePhase::Degraded,
            Some(AgentWait::RolledBack { since }),
        ),
        (InstancePhase::Failed, Some(AgentWait::Held { since })),
        (InstancePhase::Failed, None),
        (InstancePhase::Progressing, None),
    ] {
        let mut world = World::new();
        world.approved(NOTES);
        let how = |report: &mut InstanceReport| {
            report.phase = phase;
            report.waiting = waiting.clone();
        };
        world.say_of_notes(how, |_| {});
        assert_eq!(records(&world.fleet.plan().plan).len(), 1, "{phase:?}");
    }
}

const SHOP: &str = "fleet/customers/acme/orders/shop.yaml";

/// What was committed of ends after the agent told of one.
fn ends_of(world: &mut World) -> Vec<OperationRecord> {
    world.say(|backups| {
        backups.restores.insert(ID.try_into().unwrap(), ended(None));
    });
    let rounds = world.fleet.settle();
    let all: Vec<_> = rounds.iter().flat_map(records).collect();
    assert!(all.iter().all(|record| record.done.is_some()), "{all:?}");
    all
}

#[test]
fn an_end_is_recorded_whatever_was_ordered_or_written_since() {
    let shop = "plan: pro\ndomain: shop.example\ntools: [notes]\n";
    type Later = fn(&mut World);
    let cases: [(&str, &str, Later); 3] = [
        (
            "the file says whose backup is meant no more",
            NOTES,
            |world| {
                world.fleet.write(DOCUMENT, &format!("{NOTES}{END}"));
            },
        ),
        (
            "`of` can be several",
            "restore: acme-1/notes\nof: acme-1/notes\nfrom: latest\noverwrites: [files]\n",
            |_| {},
        ),
        ("the file names another tool", NOTES, |world| {
            world.approved(&NOTES.replace("acme-1/notes", "acme-1/page"));
        }),
    ];
    for (case, text, later) in cases {
        let mut world = World::new();
        world.approved(text);
        world.fleet.settle();
        assert!(world.told().is_some(), "{case}");
        world.fleet.write(SHOP, shop);
        world.fleet.settle();
        later(&mut world);
        let ends = ends_of(&mut world);
        assert_eq!(ends.len(), 1, "{case}");
        assert!(world.fleet.files[RECORD].contains("before: 89abcdef"));
        assert!(
            matches!(world.status().progress, Progress::Ended { .. }),
            "{case}"
        );
    }
}

#[test]
fn an_end_whose_order_is_gone_is_said_and_not_recorded() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    world
        .fleet
        .write(SHOP, "plan: pro\ndomain: shop.example\ntools: [notes]\n");
    world.fleet.settle();
    world.fleet.write(DOCUMENT, &format!("{NOTES}{END}"));
    world.fleet.remove("fleet/customers/acme/orders/web.yaml");
    assert_eq!(ends_of(&mut world), []);
    let said = world.status().progress.to_string();
    assert!(
        said.contains("told that it ended, and the order is gone"),
        "{said}"
    );
}

#[test]
fn what_ended_names_what_was_there_then() {
    let mut world = World::new();
    world.approved(NOTES);
    world.fleet.settle();
    let without = "plan: pro\ndomain: acme.example\ntools: [page]\n";
    let order = "fleet/customers/acme/orders/web.yaml";
    let with = world.fleet.files[order].clone();
    let errors = |world: &mut World| {
        world.fleet.compile();
        let found = crate::support::show::diagnostics(&world.fleet.diagnostics);
        found.contains("T0131")
    };
    world.fleet.write(order, without);
    assert!(errors(&mut world), "it is still to be done");
    world.fleet.write(order, &with);
    assert_eq!(ends_of(&mut world).len(), 1);
    world.fleet.write(order, without);
    assert!(!errors(&mut world));
}

/// What can happen to an operation on its way.
#[derive(Debug, Clone, Copy)]
enum Event {
    Pass,
    Running,
    BrokenOff,
    Ended,
    Failed,
    Silence,
    HubForgets,
    OtherKey,
    DocumentGone,
    DocumentBack,
    Days(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Pass),
        2 => Just(Event::Running),
        1 => Just(Event::BrokenOff),
        1 => Just(Event::Ended),
        1 => Just(Event::Failed),
        1 => Just(Event::Silence),
        2 => Just(Event::HubForgets),
        1 => Just(Event::OtherKey),
        1 => Just(Event::DocumentGone),
        2 => Just(Event::DocumentBack),
        1 => (1i64..4).prop_map(Event::Days),
    ];
    prop::collection::vec(event, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens: started at most once, ended at most once, and the agent is told only in between.
    #[test]
    fn an_operation_is_started_and_ended_at_most_once(events in events()) {
        let mut world = World::new();
        world.approved(NOTES);
        let document = world.fleet.files[DOCUMENT].clone();
        let id = || ID.try_into().unwrap();
        let (mut starts, mut ends) = (0, 0);
        for event in events {
            match event {
                Event::Pass => world.say(|_| {}),
                Event::Running => world.say(|backups| { let _ = backups.begun.insert(id(), RestoreBegun::Running); }),
                Event::BrokenOff => world.say(|backups| { let _ = backups.begun.insert(id(), RestoreBegun::OutcomeUnknown); }),
                Event::Ended => world.say(|backups| drop(backups.restores.insert(id(), ended(None)))),
                Event::Failed => world.say(|backups| drop(backups.restores.insert(id(), ended(Some("x"))))),
                Event::Silence => world.fleet.pass_time(3600),
                Event::HubForgets => {
                    world.fleet.inventory = tenantry_planner::Inventory::default();
                    world.fleet.cache = tenantry_planner::plan::PlanCache::default();
                }
                Event::OtherKey => world.fleet.write("fleet/customers/acme/servers/acme-1.yaml", &files::server('b', "")),
                Event::DocumentGone => world.fleet.remove(DOCUMENT),
                Event::DocumentBack => world.fleet.write(DOCUMENT, &document),
                Event::Days(days) => world.fleet.pass_time(days * 86_400),
            }
            for plan in world.fleet.settle() {
                for record in records(&plan) {
                    if record.done.is_some() { ends += 1 } else { starts += 1 }
                }
            }
            if world.told().is_some() {
                prop_assert_eq!((starts, ends), (1, 0));
            }
        }
        prop_assert!(starts <= 1 && ends <= starts, "{} starts, {} ends", starts, ends);
    }
}
