//! How fast planning is: a fleet of 10,000 customers with one server and ten tools each, in memory. Prints times; run it with `--release`.
#![allow(clippy::unwrap_used, reason = "an example")]

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry_planner::catalogue::{BranchStack, Catalogue, compile_stack, compile_templates};
use tenantry_planner::check::check;
use tenantry_planner::documents::{self, HeadDocuments};
use tenantry_planner::domains::DomainIndex;
use tenantry_planner::input::{CustomerFiles, HeadFiles, NginxFiles, SourceFile, StackFiles};
use tenantry_planner::inventory::{Attempt, Published, ServerObservation};
use tenantry_planner::link::{self, Context};
use tenantry_planner::plan::{PlanCache, plan, plan_customer, replan};
use tenantry_planner::{Desired, Inventory, ObjectId, Observed};
use tenantry_schema::id::{CustomerId, ServerKey};
use tenantry_schema::wire::{
    HostFacts, InstancePhase, InstanceReport, Report, SiteReport, SliceRef, SmokeResult,
};

const CUSTOMERS: usize = 10_000;
const TOOLS: usize = 10;

fn main() {
    let catalogue = catalogue();
    let head = head();
    let (files, took) = timed(|| {
        (0..CUSTOMERS)
            .map(|number| customer(number, &catalogue))
            .collect::<Vec<_>>()
    });
    println!(
        "{CUSTOMERS} customers of {TOOLS} tools, {} files, made in {took:.1?}",
        files.iter().map(|files| files.files.len()).sum::<usize>()
    );

    let (documents, took) = timed(|| {
        files
            .iter()
            .map(|files| documents::customer(files).0.unwrap())
            .collect::<Vec<_>>()
    });
    say("documents", took, CUSTOMERS);
    let context = Context {
        head: &head,
        catalogue: &catalogue,
        text_of: &|_| None,
        stays: None,
    };
    let (customers, took) = timed(|| {
        let link = |documents| Arc::new(link::customer(context, documents).0.unwrap());
        documents
            .iter()
            .map(|documents| (documents.id.clone(), link(documents)))
            .collect::<BTreeMap<_, _>>()
    });
    say("link", took, CUSTOMERS);
    let (domains, took) =
        timed(|| Arc::new(DomainIndex::build(customers.values().map(AsRef::as_ref))));
    say("index of domains", took, CUSTOMERS);
    let desired = Desired {
        commit: ObjectId([1; 20]),
        generation: 7,
        head: head.clone(),
        customers,
        domains,
        broken: BTreeSet::new(),
        held: BTreeSet::new(),
        lost: tenantry_planner::lost::LostDecisions::default(),
        rules: tenantry_planner::sealing::SealingRules::default(),
    };

    let mut inventory = Inventory::default();
    let attempts = HashMap::new();
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut cache = PlanCache::default();
    let first = plan(&desired, observed(&inventory, &attempts, now), &mut cache);
    for task in first.slices() {
        let published = Published {
            inputs: task.inputs.clone(),
            generation: 7,
            content: task.inputs.clone(),
            at: now,
        };
        inventory.published.insert(task.server.clone(), published);
        inventory
            .servers
            .insert(task.server.clone(), observation(task, now));
    }
    let (wrong, took) = timed(|| check(&first, &desired, &Inventory::default()));
    assert_eq!(wrong, Vec::<String>::new());
    say("check of all", took, CUSTOMERS);
    drop(first);

    let mut cache = PlanCache::default();
    let (mut all, took) =
        timed(|| plan(&desired, observed(&inventory, &attempts, now), &mut cache));
    say("plan, cold", took, CUSTOMERS);
    assert!(all.slices().next().is_none());
    assert!(
        all.customers
            .values()
            .all(|plan| plan.totals.healthy_instances == TOOLS)
    );

    let ((), took) = timed(|| {
        for customer in desired.customers.values().take(1000) {
            std::hint::black_box(plan_customer(
                &desired,
                customer,
                observed(&inventory, &attempts, now),
            ));
        }
    });
    say("plan of one customer", took, 1000);

    let (_, took) = timed(|| plan(&desired, observed(&inventory, &attempts, now), &mut cache));
    say("plan, all unchanged", took, CUSTOMERS);
    let mut after = desired.clone();
    after.domains = Arc::new((*desired.domains).clone());
    let (_, took) = timed(|| plan(&after, observed(&inventory, &attempts, now), &mut cache));
    say("plan, index of domains rebuilt", took, CUSTOMERS);

    let ids: Vec<CustomerId> = desired.customers.keys().take(1000).cloned().collect();
    let servers: Vec<ServerKey> = ids
        .iter()
        .map(|id| ServerKey {
            customer: id.clone(),
            server: "s".try_into().unwrap(),
        })
        .collect();
    let mut took = Duration::ZERO;
    for (id, server) in ids.iter().zip(&servers) {
        inventory.servers.get_mut(server).unwrap().revision += 1;
        let begun = Instant::now();
        replan(
            &mut all,
            &after,
            observed(&inventory, &attempts, now),
            std::slice::from_ref(id),
            &mut cache,
        );
        std::hint::black_box(all.next_wake());
        took += begun.elapsed();
    }
    say("replan after a report", took, 1000);
}

fn observed<'a>(
    inventory: &'a Inventory,
    attempts: &'a HashMap<String, Attempt>,
    now: Timestamp,
) -> Observed<'a> {
    Observed {
        inventory,
        attempts,
        attempts_revision: 0,
        now,
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn say(what: &str, took: Duration, count: usize) {
    println!(
        "{what:<32} {:>10.2} ms, {:>8.2} µs each",
        took.as_secs_f64() * 1e3,
        took.as_secs_f64() * 1e6 / count as f64
    );
}

fn id(number: usize) -> ObjectId {
    let mut id = [7; 20];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ObjectId(id)
}

fn file(path: String, number: usize, text: &str) -> SourceFile {
    SourceFile {
        path,
        id: id(number),
        text: Ok(text.into()),
    }
}

fn keys(number: usize) -> String {
    format!(
        "{{ sign: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:0>43}, age: age1{number:0>58} }}"
    )
}

fn head() -> Arc<HeadDocuments> {
    let text = format!(
        "fleet_id: f\nurl: https://hub.example\nkeys: {{ hub: {0}, recovery: {0} }}\nplans: {{ pro: {{}} }}\n",
        keys(1)
    );
    let (head, _) = documents::head(&HeadFiles {
        files: vec![file("fleet/hub.yaml".into(), 1, &text)],
    });
    Arc::new(head.unwrap())
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let templates = [("default".to_owned(), "server_name {{ host }};".into())].into();
    let templates = Arc::new(
        compile_templates(&NginxFiles {
            tree: id(0),
            templates,
        })
        .0
        .unwrap(),
    );
    catalogue
        .nginx_trees
        .insert(templates.tree, templates.clone());
    for number in 0..TOOLS {
        let manifest = "title: T\nsite: { service: web, port: 80 }\nsecrets: { KEY: {} }\nsmoke: GET /\nmemory: 64M\n";
        let compose = "services:\n  web:\n    image: a:1\n    ports: [\"127.0.0.1:${SITE_PORT}:80\"]\n    environment: { KEY: \"${KEY}\", TZ: \"${TZ:-UTC}\" }\n";
        let files = [("stack.yaml", manifest), ("compose.yaml", compose)]
            .map(|(name, text)| (name.to_owned(), text.as_bytes().into()));
        let stack = StackFiles {
            tool: format!("tool-{number}").try_into().unwrap(),
            tree: id(number),
            files: files.into(),
            refused: BTreeMap::new(),
            executable: BTreeSet::new(),
        };
        let compiled = Arc::new(compile_stack(&stack, Some(&templates)).0.unwrap());
        catalogue.trees.insert(stack.tree, compiled.clone());
        catalogue.branch.insert(
            stack.tool,
            BranchStack {
                tree: stack.tree,
                compiled: Some(compiled),
            },
        );
    }
    catalogue.nginx = Some(templates);
    catalogue
}

/// A customer whose order is decided, as most are most of the time.
fn customer(number: usize, catalogue: &Catalogue) -> CustomerFiles {
    let name = format!("customer-{number}");
    let mut order = format!("plan: pro\ndomain: {name}.example\ntools:\n");
    for tool in catalogue.branch.keys() {
        let _ = writeln!(
            order,
            "  {tool}: {{ env: {{ TZ: Europe/Berlin }}, headers: {{ X-Robots-Tag: noindex }} }}"
        );
    }
    let server = format!(
        "provider: static\naddress: 192.0.2.1\nagent: {}\nwindow: Sun 02:00-05:00\n",
        keys(number)
    );
    let folder = format!("fleet/customers/{name}");
    let decisions = format!("fleet/decisions/{name}/web");
    let mut files = vec![
        file(format!("{folder}/customer.yaml"), 1, "language: en\n"),
        file(format!("{folder}/orders/web.yaml"), 2, &order),
        file(format!("{folder}/servers/s.yaml"), 3, &server),
        file(
            format!("{decisions}/domain.yaml"),
            4,
            &format!("domain: {name}.example\n"),
        ),
        file(
            format!("{decisions}/server.yaml"),
            5,
            "server: s\nbecause: only server\n",
        ),
    ];
    let mut fulfilled = "order: 2026-11-20T10:00:00Z\ntools:\n".to_owned();
    for (port, (tool, stack)) in (20_000_usize..).zip(&catalogue.branch) {
        let pin = format!(
            "pin:\n  tree: {}\n  nginx: {}\nports:\n  site: {port}\n",
            stack.tree,
            id(0)
        );
        files.push(file(format!("{decisions}/tools/{tool}.yaml"), 6, &pin));
        let secrets = "KEY: ENC[AES256_GCM,data:x]\nsops:\n    mac: x\n";
        files.push(file(
            format!("{decisions}/tools/{tool}.secrets.yaml"),
            number * TOOLS + port,
            secrets,
        ));
        let _ = writeln!(fulfilled, "  {tool}: 2026-11-20T10:00:00Z");
    }
    files.push(file(format!("{decisions}/fulfilled.yaml"), 8, &fulfilled));
    CustomerFiles {
        id: name.try_into().unwrap(),
        files,
    }
}

fn observation(task: &tenantry_planner::plan::SliceTask, now: Timestamp) -> ServerObservation {
    let state = |tool: &tenantry_schema::id::ToolName| InstanceReport {
        tool: tool.clone(),
        phase: InstancePhase::Healthy,
        waiting: None,
        message: None,
        rollout: None,
        smoke: SmokeResult::Passed,
        containers: Vec::new(),
    };
    let live = SiteReport {
        live: true,
        ..SiteReport::default()
    };
    let report = Report {
        sequence: 1,
        taken_at: now,
        release: "0.1.0".into(),
        slice: Some(SliceRef {
            generation: 7,
            content: task.inputs.clone(),
            commit: "c".into(),
        }),
        converged: Some(task.inputs.clone()),
        stale_since: None,
        instances: task
            .input
            .instances
            .iter()
            .map(|(name, instance)| (name.clone(), state(&instance.tool)))
            .collect(),
        sites: task
            .input
            .instances
            .values()
            .flat_map(|instance| {
                instance
                    .hosts
                    .values()
                    .map(|host| (host.clone(), live.clone()))
            })
            .collect(),
        unmanaged: Vec::new(),
        refusals: Vec::new(),
        backups: None,
        areas: BTreeMap::new(),
        agent_update: None,
        since: None,
        matches: Vec::new(),
        usage: Vec::new(),
        events: Vec::new(),
        host: HostFacts {
            memory: 8 << 30,
            engine: None,
            engine_reachable: true,
            web_server_running: true,
            paused_until: None,
        },
    };
    ServerObservation {
        revision: 1,
        report: Arc::new(report),
        received_at: now,
        refusals: Vec::new(),
        events: Vec::new(),
        matches: Vec::new(),
    }
}
