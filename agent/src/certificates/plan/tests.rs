//! Decisions about certificates: by example, and by law over random pasts.

use super::*;
use crate::certificates::memory::Issued;
use proptest::prelude::*;

fn now() -> Timestamp {
    "2026-11-28T10:00:00Z".parse().unwrap()
}

fn days(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

fn name(text: &str) -> DomainName {
    text.try_into().unwrap()
}

fn authority() -> Arc<Certificates> {
    Arc::new(serde_json::from_str(r#"{"terms_agreed":true}"#).unwrap())
}

/// One site, `a.example`, as far as the tests vary it.
struct World {
    authority: Arc<Certificates>,
    sites: BTreeMap<DomainName, Site>,
    facts: BTreeMap<DomainName, CertificateFacts>,
    memory: Memory,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let site = Site {
            names: BTreeSet::from([name("a.example"), name("www.a.example")]),
            served: true,
        };
        Self {
            authority: authority(),
            sites: BTreeMap::from([(name("a.example"), site)]),
            facts: BTreeMap::new(),
            memory: Memory::default(),
            now: now(),
        }
    }

    fn certified(names: &[&str], from: i64, until: i64) -> Self {
        let mut world = Self::new();
        world
            .facts
            .insert(name("a.example"), facts(names, from, until));
        world
    }

    fn plan(&self) -> Plan {
        plan(&Input {
            authority: &self.authority,
            sites: &self.sites,
            facts: &self.facts,
            memory: &self.memory,
            now: self.now,
        })
    }

    fn standing(&self) -> CertificateReport {
        self.plan().standing[&name("a.example")].clone()
    }

    fn due(&self) -> Option<Due> {
        self.plan().due.remove(&name("a.example"))
    }

    fn order(&self) -> Option<Order> {
        match self.due()? {
            Due::Issue(order) => Some(order),
            Due::Advice(_) => None,
        }
    }

    fn site(&mut self) -> &mut SiteMemory {
        let of = of(&self.authority, &self.sites[&name("a.example")].names);
        let site = self.memory.site(&name("a.example"));
        site.of = of;
        site
    }
}

fn facts(names: &[&str], from: i64, until: i64) -> CertificateFacts {
    CertificateFacts {
        from: days(from),
        until: days(until),
        self_signed: false,
        names: names.iter().map(|text| name(text)).collect(),
        issuer: "Authority".into(),
        id: Some("aki.serial".into()),
    }
}

const BOTH: [&str; 2] = ["a.example", "www.a.example"];

#[test]
fn a_site_without_one_asks_as_soon_as_it_is_served() {
    let mut world = World::new();
    let order = world.order().unwrap();
    assert_eq!(order.names.len(), 2);
    assert!(!order.renewal && order.replaces.is_none());
    world.facts.insert(
        name("a.example"),
        CertificateFacts {
            self_signed: true,
            ..facts(&BOTH, 0, 90)
        },
    );
    assert!(world.order().is_some(), "our own does not count");
    world.sites.get_mut(&name("a.example")).unwrap().served = false;
    assert_eq!(world.due(), None);
    assert_eq!(world.standing().waiting, Some(CertificateWait::Served));
}

#[test]
fn one_more_name_is_a_new_certificate_and_one_less_is_not() {
    let world = World::certified(&["a.example"], -1, 89);
    let order = world.order().unwrap();
    assert!(!order.renewal, "the authority counts it as a new one");
    let world = World::certified(&["a.example", "www.a.example", "old.a.example"], -1, 89);
    assert!(matches!(world.due(), Some(Due::Advice(_))));
}

#[test]
fn renewed_when_a_third_of_its_life_is_left_or_a_little_earlier() {
    let mut world = World::certified(&BOTH, 0, 90);
    let renews = world.standing().renews.unwrap();
    assert!(renews <= days(60) && renews > days(57), "{renews}");
    world.memory.site(&name("a.example")).renewal = Some(Renewal {
        id: "aki.serial".into(),
        at: None,
        look: days(999),
    });
    assert_eq!((world.due(), world.plan().next), (None, Some(renews)));
    world.now = renews;
    let order = world.order().unwrap();
    assert!(
        order.renewal && order.replaces.is_none(),
        "the authority does not know it"
    );
}

#[test]
fn advice_is_followed_as_far_as_it_makes_sense() {
    let mut world = World::certified(&BOTH, 0, 90);
    let advise = |world: &mut World, at| {
        world.memory.site(&name("a.example")).renewal = Some(Renewal {
            id: "aki.serial".into(),
            at: Some(at),
            look: days(999),
        });
    };
    advise(&mut world, days(10));
    assert_eq!(world.standing().renews, Some(days(10)));
    advise(&mut world, days(1000));
    assert_eq!(
        world.standing().renews,
        Some(days(81)),
        "not beyond nine tenths of its life"
    );
    advise(&mut world, days(-1));
    let order = world.order().unwrap();
    assert_eq!(order.replaces.as_deref(), Some("aki.serial"));
    // Advice about another certificate says nothing about this one.
    world.facts.get_mut(&name("a.example")).unwrap().id = Some("aki.other".into());
    assert!(world.standing().renews.unwrap() > days(57));
}

#[test]
fn windows_are_kept_within_and_asked_about_again_in_time() {
    let question = Question {
        host: name("a.example"),
        id: "aki.serial".into(),
        valid: (days(0), days(90)),
        authority: authority(),
    };
    let advice = |start, end, again| {
        let advice = Advice {
            start: days(start),
            end: days(end),
            again: days(again),
        };
        advised(&question, Some(advice), now())
    };
    let good = advice(20, 22, 0);
    assert!((days(20)..days(22)).contains(&good.at.unwrap()));
    assert_eq!(good.look, now() + ADVICE[0], "not every second");
    assert_eq!(
        advice(20, 22, 99).look,
        now() + ADVICE[1],
        "advice can change"
    );
    assert_eq!(advice(22, 20, 1).at, None, "no window at all");
    assert_eq!(advice(-1, 91, 1).at, None, "any time is no advice");
    assert!(advice(-2, -1, 1).at.unwrap() < now(), "at once");
    let kept = unadvised(&question, Some(&good), days(1));
    assert_eq!((kept.at, kept.look), (good.at, days(1) + NO_ADVICE));
}

#[test]
fn pauses_grow_and_survive_and_belong_to_what_was_tried() {
    let mut world = World::new();
    let site = world.site();
    (site.attempts, site.next, site.error) = (3, Some(days(1)), Some("no".into()));
    assert_eq!(world.due(), None);
    let standing = world.standing();
    assert_eq!(
        standing.waiting,
        Some(CertificateWait::Retry { at: days(1) })
    );
    assert_eq!(
        (standing.attempts, standing.error.as_deref()),
        (3, Some("no"))
    );
    assert_eq!(world.plan().next, Some(days(1)));
    world.now = days(1);
    assert!(world.order().is_some());
    world.now = now();
    let site = world.sites.get_mut(&name("a.example")).unwrap();
    site.names.remove(&name("www.a.example"));
    assert!(
        world.order().is_some(),
        "the name that failed was taken out"
    );
    let minutes = |attempts, kind| {
        let next = next_attempt(attempts, &name("a.example"), kind, None, now());
        next.duration_since(now()).as_mins()
    };
    let pauses: Vec<i64> = (1..=8).map(|attempts| minutes(attempts, None)).collect();
    for (pause, least) in pauses.iter().zip(PAUSES) {
        assert!((least..=least + least / 10).contains(pause), "{pauses:?}");
    }
    assert!(minutes(7, Some(TroubleKind::Unreachable)) <= 66);
}

#[test]
fn a_pause_that_a_wrong_clock_noted_holds_nothing_up() {
    let mut world = World::new();
    world.site().next = Some(days(8));
    assert!(world.order().is_none(), "an authority may wish for so much");
    world.site().next = Some(days(400));
    assert!(world.order().is_some());
}

#[test]
fn the_wish_of_an_authority_is_followed() {
    let next = |wish| {
        let kind = Some(TroubleKind::RateLimited);
        next_attempt(1, &name("a.example"), kind, Some(wish), now())
    };
    assert_eq!(next(days(2)), days(2));
    assert!(next(days(-2)) > now());
    assert_eq!(
        next(days(999)),
        now() + LONGEST_WISH,
        "such a wish is a slip"
    );
}

#[test]
fn a_spent_budget_is_waited_for_and_told() {
    let mut world = World::new();
    let names = world.sites[&name("a.example")].names.clone();
    for day in -5..0 {
        world.memory.issued.push(Issued {
            at: days(day),
            names: names.clone(),
            renewal: day > -5,
        });
    }
    let of = "exactly these names".to_owned();
    assert_eq!(world.due(), None);
    assert_eq!(
        world.standing().waiting,
        Some(CertificateWait::Budget { of, until: days(2) })
    );
    assert_eq!(world.plan().next, Some(days(2)));
    world.now = days(2);
    assert!(world.order().is_some());
}

#[test]
fn a_clock_that_is_behind_costs_no_certificate() {
    let mut world = World::certified(&BOTH, 0, 90);
    world.now = days(-400);
    assert!(world.order().is_none());
}

proptest! {
    /// Time passes, authorities fail, answer, limit: no site is asked for more often than is allowed, and the plan always says when it
    /// goes on.
    #[test]
    fn no_past_leads_to_a_loop(outcomes in prop::collection::vec(0_u8..4, 1..60)) {
        let mut world = World::new();
        let host = name("a.example");
        let mut asked: Vec<Timestamp> = Vec::new();
        let mut fate = outcomes.into_iter();
        for _ in 0..400 {
            let made = world.plan();
            let Some(due) = made.due.get(&host) else {
                let next = made.next.expect("waiting always ends");
                prop_assert!(next > world.now, "time goes on");
                world.now = next;
                continue;
            };
            let Some(fate) = fate.next() else { break };
            match due {
                Due::Advice(question) => {
                    let kept = advised(question, None, world.now);
                    world.memory.site(&host).renewal = Some(kept);
                }
                Due::Issue(order) => {
                    asked.push(world.now);
                    let (at, of) = (world.now, order.of.clone());
                    let (names, renewal) = (order.names.clone(), order.renewal);
                    let site = world.memory.site(&host);
                    if site.of != of { *site = SiteMemory { of, ..SiteMemory::default() }; }
                    site.attempts += 1;
                    let kind = [TroubleKind::Refused, TroubleKind::Unreachable, TroubleKind::RateLimited];
                    match kind.get(fate as usize) {
                        Some(kind) => site.next = Some(next_attempt(site.attempts, &host, Some(*kind), None, at)),
                        None => {
                            (site.attempts, site.next) = (0, None);
                            world.memory.issued.push(Issued { at, names, renewal });
                            let until = at + SignedDuration::from_hours(24 * 90);
                            let issued = CertificateFacts { from: at, until, id: Some(format!("aki.{at}")), ..facts(&BOTH, 0, 90) };
                            world.facts.insert(host.clone(), issued);
                        }
                    }
                }
            }
        }
        let hour = SignedDuration::from_hours(1);
        for (index, first) in asked.iter().enumerate() {
            let within = asked[index..].iter().filter(|at| at.duration_since(*first) < hour).count();
            prop_assert!(within <= 5, "{asked:?}");
        }
    }
}
