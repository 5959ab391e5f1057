//! Laws over generated fleets: planning ends, is a function, is honest about time, keeps what was decided, and keeps customers apart.

use crate::support::{Fleet, Pass, files, server_key, show};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_planner::plan::{PlanCache, plan};
use tenantry_planner::render::render;
use tenantry_schema::id::ServerKey;
use tenantry_schema::wire::{AgentWait, InstancePhase, RefusalKind};

const TOOLS: [&str; 3] = ["page", "notes", "jobs"];

/// One edit, report or step of time. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Order {
        customer: usize,
        order: usize,
        tools: usize,
        domain: usize,
        extra: usize,
    },
    RemoveOrder {
        customer: usize,
        order: usize,
    },
    Server {
        customer: usize,
        server: usize,
        kind: usize,
    },
    RemoveServer {
        customer: usize,
        server: usize,
    },
    Stack {
        tool: usize,
        version: usize,
    },
    BreakStack {
        tool: usize,
    },
    BreakCustomer {
        customer: usize,
    },
    Report {
        customer: usize,
        server: usize,
        kind: usize,
    },
    Fail {
        dead: bool,
    },
    Time(i64),
    Act,
}

fn step() -> impl Strategy<Value = Step> {
    let (c, o, s) = (0..3_usize, 0..3_usize, 0..2_usize);
    prop_oneof![
        6 => (c.clone(), o.clone(), 0..8_usize, 0..6_usize, 0..9_usize)
            .prop_map(|(customer, order, tools, domain, extra)| Step::Order { customer, order, tools, domain, extra }),
        1 => (c.clone(), o).prop_map(|(customer, order)| Step::RemoveOrder { customer, order }),
        3 => (c.clone(), s.clone(), 0..4_usize).prop_map(|(customer, server, kind)| Step::Server { customer, server, kind }),
        1 => (c.clone(), s.clone()).prop_map(|(customer, server)| Step::RemoveServer { customer, server }),
        2 => (0..3_usize, 0..3_usize).prop_map(|(tool, version)| Step::Stack { tool, version }),
        1 => (0..3_usize).prop_map(|tool| Step::BreakStack { tool }),
        1 => c.clone().prop_map(|customer| Step::BreakCustomer { customer }),
        6 => (c, s, 0..8_usize).prop_map(|(customer, server, kind)| Step::Report { customer, server, kind }),
        1 => any::<bool>().prop_map(|dead| Step::Fail { dead }),
        2 => (1..400_i64).prop_map(Step::Time),
        3 => Just(Step::Act),
    ]
}

/// What marks everything of one customer.
fn canary(customer: usize) -> String {
    ["xylophonea", "quokkab", "zeppelinc"][customer].to_owned()
}

struct World {
    fleet: Fleet,
    /// The secrets that were drawn or given, by customer, for searching.
    fulfilled: BTreeMap<String, String>,
}

impl World {
    fn new() -> Self {
        let mut fleet = Fleet::new();
        for customer in 0..3 {
            let id = canary(customer);
            fleet.write(&format!("fleet/customers/{id}/customer.yaml"), "");
            fleet.write_secrets(
                &format!("fleet/customers/{id}/secrets.yaml"),
                &[("smtp", &format!("given-to-{id}"))],
            );
        }
        Self {
            fleet,
            fulfilled: BTreeMap::new(),
        }
    }

    fn order(&mut self, customer: usize, order: usize, tools: usize, domain: usize, extra: usize) {
        let id = canary(customer);
        // Two names that customers fight over, the rest their own.
        let domain = match domain {
            0 => "shared.example".to_owned(),
            1 => "www.shared.example".to_owned(),
            other => format!("d{other}.{id}.example"),
        };
        let mut text = format!("plan: pro\ndomain: {domain}\n");
        match extra {
            0 => text += "automation: paused\n",
            1 => text += "server: s0\n",
            _ => {}
        }
        text += "tools:\n";
        for (at, tool) in TOOLS
            .iter()
            .enumerate()
            .filter(|(at, _)| tools & (1 << at) != 0)
        {
            let settings = match (extra, at) {
                (2, _) => "{ revision: main }".to_owned(),
                (3, 0) => format!(
                    "{{ parameters: {{ TITLE: title-of-{id} }}, headers: {{ X-Who: header-of-{id} }} }}"
                ),
                (4, 0 | 2) => "{ env: { PASSWORD: { secret: smtp } } }".to_owned(),
                (5, _) => "{ state: stopped }".to_owned(),
                (6, 0 | 2) => format!("{{ env: {{ TZ: zone-of-{id} }} }}"),
                _ => String::new(),
            };
            text += &format!("  {tool}: {settings}\n");
        }
        self.fleet
            .write(&format!("fleet/customers/{id}/orders/o{order}.yaml"), &text);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Order {
                customer,
                order,
                tools,
                domain,
                extra,
            } => self.order(customer, order, tools, domain, extra),
            Step::RemoveOrder { customer, order } => self.fleet.remove(&format!(
                "fleet/customers/{}/orders/o{order}.yaml",
                canary(customer)
            )),
            Step::Server {
                customer,
                server,
                kind,
            } => {
                let letter = char::from(b'a' + (customer * 2 + server) as u8);
                let text = match kind {
                    0 => "provider: static\naddress: 192.0.2.1\n".to_owned(),
                    1 => files::server(letter, "memory: 400M\n"),
                    2 => files::server(letter, "manage: observe\nwindow: daily 03:00-04:00\n"),
                    _ => files::server(letter, ""),
                };
                self.fleet.write(
                    &format!(
                        "fleet/customers/{}/servers/s{server}.yaml",
                        canary(customer)
                    ),
                    &text,
                );
            }
            Step::RemoveServer { customer, server } => self.fleet.remove(&format!(
                "fleet/customers/{}/servers/s{server}.yaml",
                canary(customer)
            )),
            Step::Stack { tool, version } => {
                let tool = TOOLS[tool];
                let base = files::base()
                    .into_iter()
                    .find(|(path, _)| *path == format!("stacks/{tool}/compose.yaml"))
                    .unwrap()
                    .1;
                self.fleet.write(
                    &format!("stacks/{tool}/compose.yaml"),
                    &base.replacen(":1", &format!(":1.{version}"), 1),
                );
            }
            Step::BreakStack { tool } => self.fleet.write(
                &format!("stacks/{}/compose.yaml", TOOLS[tool]),
                "services: 7\n",
            ),
            Step::BreakCustomer { customer } => {
                self.fleet.write(
                    &format!("fleet/customers/{}/orders/o0.yaml", canary(customer)),
                    "plan: pro\ndomian: typo\n",
                );
            }
            Step::Report {
                customer,
                server,
                kind,
            } => self.report(&format!("{}/s{server}", canary(customer)), kind),
            Step::Fail { dead } => {
                let due = self.fleet.plan().plan;
                if due.slices().next().is_some() {
                    let again = self
                        .fleet
                        .now
                        .checked_add(SignedDuration::from_secs(60))
                        .unwrap();
                    self.fleet.fail(&due, 1, (!dead).then_some(again));
                }
            }
            Step::Time(seconds) => self.fleet.pass_time(seconds),
            Step::Act => {
                let plan = self.fleet.plan().plan;
                self.fleet.act(&plan);
            }
        }
    }

    fn report(&mut self, server: &str, kind: usize) {
        let mut report = self.fleet.well(server);
        match kind {
            0 => report.slice = None,
            1 => report.instances.clear(),
            2 => report.host.engine_reachable = false,
            3 => report
                .instances
                .values_mut()
                .for_each(|one| one.phase = InstancePhase::Failed),
            4 => {
                let opens = self
                    .fleet
                    .now
                    .checked_add(SignedDuration::from_secs(500))
                    .unwrap();
                report
                    .instances
                    .values_mut()
                    .for_each(|one| one.waiting = Some(AgentWait::Window { opens }));
            }
            _ => {}
        }
        self.fleet.report(server, report);
        if kind == 0 {
            self.fleet.refuse(server, RefusalKind::TamperedFile, "x");
        }
    }

    /// What holds after every step.
    fn invariants(&mut self, later: i64) {
        // The support checks: the checker is content, and the cached plan is the fresh one.
        let Pass { desired, plan: now } = self.fleet.plan();
        let again = plan(&desired, self.fleet.observed(), &mut PlanCache::default());
        assert_eq!(
            show::everything(&now),
            show::everything(&again),
            "planning is no function"
        );
        self.next_wake_is_honest(&desired, &now, later);
        self.ports_are_unique();
        self.fulfilment_is_written_once();
    }

    fn next_wake_is_honest(
        &mut self,
        desired: &tenantry_planner::Desired,
        now: &tenantry_planner::Plan,
        later: i64,
    ) {
        let before = self.fleet.now;
        let at = before
            .checked_add(SignedDuration::from_secs(later))
            .unwrap();
        let at = now.next_wake().map_or(at, |wake| {
            at.min(wake.checked_sub(SignedDuration::from_nanos(1)).unwrap())
        });
        self.fleet.now = at;
        let then = plan(desired, self.fleet.observed(), &mut PlanCache::default());
        self.fleet.now = before;
        assert_eq!(
            show::everything(now),
            show::everything(&then),
            "changed between {before} and {at}"
        );
    }

    fn ports_are_unique(&mut self) {
        let desired = self.fleet.compile();
        for customer in desired.customers.values() {
            let mut taken: BTreeSet<(&str, u16)> = BTreeSet::new();
            for order in customer.orders.values() {
                let Some(server) = &order.server else {
                    continue;
                };
                let ports = order.tools.values().flat_map(|tool| tool.ports.values());
                for port in ports.chain(&order.retired_ports) {
                    assert!(
                        taken.insert((server.as_str(), *port)),
                        "port {port} twice on {server}"
                    );
                }
            }
        }
    }

    fn fulfilment_is_written_once(&mut self) {
        for (path, text) in self
            .fleet
            .files
            .iter()
            .filter(|(path, _)| path.ends_with("fulfilled.yaml"))
        {
            if let Some(before) = self.fulfilled.insert(path.clone(), text.clone()) {
                assert!(
                    before.lines().all(|line| text.contains(line)),
                    "{path}: {before} became {text}"
                );
            }
        }
    }

    /// Law 9: nothing of one customer is in the input, the files or the secrets of another one's slice.
    fn customers_are_apart(&mut self) {
        let Pass { plan, .. } = self.fleet.plan();
        for part in plan.customers.values() {
            for input in &part.desired_slices {
                let rendered = render(input, &self.fleet.plaintext(input)).unwrap();
                let mut all = format!(
                    "{} {}\n",
                    serde_json::to_string(input).unwrap(),
                    input.server
                );
                for (path, content) in &rendered.files {
                    all += &format!("{path}\n{}\n", String::from_utf8_lossy(content));
                }
                for (name, value) in rendered.secrets.values().flatten() {
                    all += &format!("{name} {}\n", value.expose());
                }
                assert!(all.contains(input.server.customer.as_str()));
                for other in (0..3)
                    .map(canary)
                    .filter(|other| *other != input.server.customer.as_str())
                {
                    assert!(
                        !all.contains(&other),
                        "{other} in the slice of {}: {all}",
                        input.server
                    );
                }
            }
        }
    }

    fn server_keys(&self) -> Vec<ServerKey> {
        let paths = self
            .fleet
            .files
            .keys()
            .filter_map(|path| path.strip_prefix("fleet/customers/")?.strip_suffix(".yaml"));
        paths
            .filter_map(|path| path.split_once("/servers/"))
            .map(|(customer, server)| server_key(&format!("{customer}/{server}")))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn laws_hold_in_any_history(steps in prop::collection::vec(step(), 1..30), later in 0..1000_i64) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.invariants(later);
        }
        // Left alone it comes to rest, and stays there.
        world.fleet.settle();
        world.invariants(later);
        world.customers_are_apart();
        for server in world.server_keys() {
            world.report(&server.to_string(), 7);
        }
        // First fulfilments are due now, and are the same whenever they are looked at.
        world.invariants(later);
        world.fleet.settle();
        world.invariants(later);
        prop_assert!(world.fleet.plan().plan.is_empty());
    }

    #[test]
    fn the_order_of_edits_does_not_matter_to_what_is_desired(steps in prop::collection::vec(step(), 1..12)) {
        // The same files, compiled from scratch and step by step, give the same plan.
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let desired = world.fleet.compile();
        let stepwise = plan(&desired, world.fleet.observed(), &mut PlanCache::default());
        prop_assert_eq!(show::everything(&stepwise), show::everything(&world.fleet.plan().plan));
    }
}
