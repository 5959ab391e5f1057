//! States of a fleet to draw: a small one with a bit of everything, a large one, and one where every text is hostile.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tenantry_planner::status::{
    CommitInfo, FleetStatus, FrozenScope, Health, InstanceStatus, Mode, OrderStatus, Phase,
    ServerStatus, ToolStatus, Totals,
};
use tenantry_planner::waiting::WaitingOn;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Manage, State};
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, OrderKey, ServerId, ToolName};
use tenantry_schema::wire::{
    AgentWait, ContainerHealth, ContainerReport, ContainerState, Event, EventKind, InstancePhase,
    Refusal, RefusalKind, SmokeResult,
};

/// So many seconds before `now`.
fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn id<T: for<'a> TryFrom<&'a str>>(text: &str) -> T {
    T::try_from(text).unwrap_or_else(|_| panic!("{text} is an id"))
}

fn tool(name: &str, title: &str, domain: &str, health: Health, now: Timestamp) -> ToolStatus {
    ToolStatus {
        tool: id(name),
        title: title.into(),
        wanted: State::Running,
        health,
        urls: vec![format!("https://{name}.{domain}")],
        pin: Some("9f31c07be2a4d56811".into()),
        newer_available: false,
        fulfilled_at: (health == Health::Healthy).then(|| before(now, 86_400 * 12)),
    }
}

fn container(service: &str, project: &str, image: &str) -> ContainerReport {
    ContainerReport {
        service: service.into(),
        name: format!("{project}-{service}-1"),
        image: image.into(),
        state: ContainerState::Running,
        health: ContainerHealth::Healthy,
        restarts: 0,
        exit_code: None,
    }
}

fn instance(
    order: &str,
    tool: &str,
    phase: InstancePhase,
    containers: &[(&str, &str)],
) -> InstanceStatus {
    let name = InstanceName::new(&id::<OrderId>(order), &id::<ToolName>(tool));
    InstanceStatus {
        containers: containers
            .iter()
            .map(|(service, image)| container(service, name.as_str(), image))
            .collect(),
        name,
        phase,
        waiting: None,
        message: None,
        smoke: SmokeResult::NotRun,
    }
}

fn order(
    customer: &str,
    name: &str,
    plan: &str,
    domain: &str,
    server: Option<&str>,
) -> OrderStatus {
    OrderStatus {
        customer: id(customer),
        order: id(name),
        plan: plan.into(),
        domain: domain.into(),
        phase: Phase::Fulfilled,
        health: Health::Healthy,
        server: server.map(id),
        waiting: vec![],
        tools: vec![],
        fulfilled_at: None,
    }
}

fn server(
    customer: &str,
    name: &str,
    address: &str,
    generation: u64,
    now: Timestamp,
) -> ServerStatus {
    ServerStatus {
        customer: id(customer),
        server: id(name),
        address: address.into(),
        manage: Manage::Full,
        health: Health::Healthy,
        last_seen: Some(before(now, 14)),
        agent: Some("0.1.0".into()),
        published: Some(generation),
        accepted: Some(generation),
        in_sync: true,
        instances: vec![],
        waiting: vec![],
        refusals: vec![],
        events: vec![],
        unmanaged: vec![],
    }
}

fn event(
    now: Timestamp,
    seconds: i64,
    kind: EventKind,
    instance: Option<&str>,
    message: &str,
) -> Event {
    let instance = instance.map(|name| InstanceName::try_from(name.to_owned()).unwrap());
    Event {
        at: before(now, seconds),
        kind,
        instance,
        message: message.into(),
    }
}

const BROKEN: &str =
    "plan: pro\ndomain: initech.example\ntools:\n  html:\n  nextcluod: { state: stopped }\n";

/// A handful of customers with a bit of everything.
pub(crate) fn small(now: Timestamp) -> FleetStatus {
    let mut fleet = empty(now);
    fleet.orders = small_orders(now).into_iter().map(Arc::new).collect();
    fleet.servers = small_servers(now).into_iter().map(Arc::new).collect();
    let typo = BROKEN.find("nextcluod").unwrap();
    let file = "fleet/customers/initech/orders/website.yaml";
    fleet.diagnostics = vec![
        Diagnostic::error(
            107,
            Place::of(file, BROKEN, typo, typo + 9),
            "unknown tool `nextcluod`",
        )
        .label("not in the catalogue")
        .note("did you mean `nextcloud`?")
        .note("customer initech stays at commit 8c1f02d4ab97"),
        Diagnostic::warning(
            210,
            Place::of(
                "fleet/customers/globex/customer.yaml",
                "language: english\n",
                10,
                17,
            ),
            "unknown language `english`",
        )
        .label("expected a code such as `en`"),
    ];
    fleet.frozen = vec![FrozenScope {
        customer: Some(id("initech")),
        stays_at: Some("8c1f02d4ab9755aa".into()),
        errors: 1,
    }];
    fleet.totals = Totals {
        customers: 5,
        orders: 6,
        fulfilled: 4,
        servers: 5,
        healthy_servers: 3,
        instances: 9,
        healthy_instances: 6,
    };
    fleet
}

/// A fleet that nothing stands in.
pub(crate) fn empty(now: Timestamp) -> FleetStatus {
    FleetStatus {
        fleet_id: "northwind-hosting".into(),
        release: "0.1.0".into(),
        mode: Mode::Active,
        commit: Some(CommitInfo {
            id: "3f2a91c7d0e84b6fa1952c3387de01b46a9f0c52".into(),
            summary: "Umbrella: add Umami to the website order".into(),
            author: "Maria Lindqvist".into(),
            time: before(now, 260),
            generation: 1_284,
        }),
        source_problem: None,
        at: before(now, 2),
        totals: Totals::default(),
        orders: vec![],
        servers: vec![],
        frozen: vec![],
        diagnostics: vec![],
    }
}

fn small_orders(now: Timestamp) -> Vec<OrderStatus> {
    let mut acme = order("acme", "website", "pro", "acme.example", Some("acme-1"));
    acme.tools = vec![
        tool("html", "Static site", "acme.example", Health::Healthy, now),
        tool(
            "nextcloud",
            "Nextcloud",
            "acme.example",
            Health::Healthy,
            now,
        ),
        ToolStatus {
            newer_available: true,
            ..tool("umami", "Umami", "acme.example", Health::Healthy, now)
        },
    ];
    acme.fulfilled_at = Some(before(now, 86_400 * 12));
    let mut team = order(
        "acme",
        "team",
        "business",
        "team.acme.example",
        Some("acme-2"),
    );
    team.health = Health::Degraded;
    team.tools = vec![
        tool(
            "keycloak",
            "Keycloak",
            "team.acme.example",
            Health::Degraded,
            now,
        ),
        ToolStatus {
            wanted: State::Stopped,
            ..tool("ghost", "Ghost", "team.acme.example", Health::Unknown, now)
        },
    ];
    team.waiting = vec![WaitingOn::AgentFailure {
        instance: InstanceName::new(&id::<OrderId>("team"), &id::<ToolName>("keycloak")),
        message: "db is unhealthy: pg_isready exited with 2".into(),
    }];
    let mut globex = order(
        "globex",
        "shop",
        "starter",
        "globex.example",
        Some("globex-1"),
    );
    globex.tools = vec![tool(
        "html",
        "Static site",
        "globex.example",
        Health::Healthy,
        now,
    )];
    let mut initech = order(
        "initech",
        "website",
        "pro",
        "initech.example",
        Some("initech-1"),
    );
    initech.tools = vec![tool(
        "html",
        "Static site",
        "initech.example",
        Health::Healthy,
        now,
    )];
    let mut umbrella = order(
        "umbrella",
        "website",
        "pro",
        "umbrella.example",
        Some("umbrella-1"),
    );
    umbrella.phase = Phase::Provisioning;
    umbrella.health = Health::Progressing;
    umbrella.tools = vec![
        tool(
            "html",
            "Static site",
            "umbrella.example",
            Health::Healthy,
            now,
        ),
        tool(
            "umami",
            "Umami",
            "umbrella.example",
            Health::Progressing,
            now,
        ),
    ];
    umbrella.waiting = vec![WaitingOn::Convergence {
        instance: InstanceName::new(&id::<OrderId>("website"), &id::<ToolName>("umami")),
        message: Some("db is starting".into()),
    }];
    let mut wayne = order("wayne", "blog", "starter", "www.acme.example", None);
    wayne.phase = Phase::NeedsAttention;
    wayne.health = Health::Unknown;
    wayne.tools = vec![ToolStatus {
        pin: None,
        ..tool("ghost", "Ghost", "www.acme.example", Health::Unknown, now)
    }];
    let holder = OrderKey {
        customer: id::<CustomerId>("acme"),
        order: id("website"),
    };
    wayne.waiting = vec![
        WaitingOn::DomainTaken {
            domain: "acme.example".into(),
            holder,
        },
        WaitingOn::Server { needs: 0 },
    ];
    vec![team, acme, globex, initech, umbrella, wayne]
}

fn small_servers(now: Timestamp) -> Vec<ServerStatus> {
    let mut acme_1 = server("acme", "acme-1", "203.0.113.17", 1_284, now);
    let nextcloud = [
        ("app", "nextcloud:34.0.2-fpm"),
        ("db", "postgres:17.5"),
        ("cache", "redis:8.2"),
    ];
    acme_1.instances = vec![
        instance(
            "website",
            "html",
            InstancePhase::Healthy,
            &[("web", "nginx:1.29")],
        ),
        InstanceStatus {
            smoke: SmokeResult::Passed,
            ..instance("website", "nextcloud", InstancePhase::Healthy, &nextcloud)
        },
        instance(
            "website",
            "umami",
            InstancePhase::Healthy,
            &[("umami", "umami:2.19"), ("db", "postgres:17.5")],
        ),
    ];
    acme_1.unmanaged = vec!["portainer".into(), "watchtower".into()];
    acme_1.events = vec![
        event(now, 300, EventKind::Started, None, "the agent started"),
        event(
            now,
            250,
            EventKind::SliceAccepted,
            None,
            "generation 1284 was accepted",
        ),
        event(
            now,
            40,
            EventKind::ContainerDied,
            Some("website-umami"),
            "website-umami-umami-1 ended with 137",
        ),
        event(
            now,
            39,
            EventKind::Repaired,
            Some("website-umami"),
            "website-umami-umami-1 was started again",
        ),
    ];
    let mut acme_2 = server("acme", "acme-2", "203.0.113.18", 1_284, now);
    acme_2.health = Health::Degraded;
    acme_2.in_sync = false;
    let mut keycloak = instance(
        "team",
        "keycloak",
        InstancePhase::Degraded,
        &[("keycloak", "keycloak:26.4"), ("db", "postgres:17.5")],
    );
    keycloak.message = Some("db is unhealthy: pg_isready exited with 2".into());
    keycloak.waiting = Some(AgentWait::Retry {
        at: now.checked_add(SignedDuration::from_secs(50)).unwrap(),
        attempts: 3,
    });
    keycloak.containers[0].state = ContainerState::Exited;
    keycloak.containers[0].exit_code = Some(1);
    keycloak.containers[1].health = ContainerHealth::Unhealthy;
    keycloak.containers[1].restarts = 7;
    acme_2.instances = vec![
        keycloak,
        InstanceStatus {
            containers: vec![],
            ..instance("team", "ghost", InstancePhase::Stopped, &[])
        },
    ];
    acme_2.waiting = vec![WaitingOn::AgentFailure {
        instance: acme_2.instances[0].name.clone(),
        message: "db is unhealthy: pg_isready exited with 2".into(),
    }];
    acme_2.refusals = vec![Refusal {
        at: before(now, 7_900),
        kind: RefusalKind::SameGenerationOtherContent,
        detail: "generation 1279 was accepted before with other content".into(),
    }];
    let mut globex = server("globex", "globex-1", "198.51.100.4", 1_283, now);
    globex.instances = vec![instance(
        "shop",
        "html",
        InstancePhase::Healthy,
        &[("web", "nginx:1.29")],
    )];
    globex.manage = Manage::Observe;
    let mut initech = server("initech", "initech-1", "2001:db8:4f::17", 1_201, now);
    initech.instances = vec![instance(
        "website",
        "html",
        InstancePhase::Healthy,
        &[("web", "nginx:1.29")],
    )];
    let mut umbrella = server("umbrella", "umbrella-1", "198.51.100.77", 1_284, now);
    umbrella.accepted = Some(1_271);
    umbrella.health = Health::Progressing;
    umbrella.in_sync = false;
    let mut umami = instance(
        "website",
        "umami",
        InstancePhase::Progressing,
        &[("umami", "umami:2.19"), ("db", "postgres:17.5")],
    );
    umami.containers[0].state = ContainerState::Created;
    umami.containers[0].health = ContainerHealth::None;
    umami.containers[1].health = ContainerHealth::Starting;
    umami.waiting = Some(AgentWait::Healthy {
        service: "db".into(),
    });
    umbrella.instances = vec![
        instance(
            "website",
            "html",
            InstancePhase::Healthy,
            &[("web", "nginx:1.29")],
        ),
        umami,
    ];
    umbrella.waiting = vec![WaitingOn::SliceDelivery {
        server: id("umbrella-1"),
    }];
    vec![acme_1, acme_2, globex, initech, umbrella]
}

/// `count` customers with one server of ten tools and one order each; one in a hundred in trouble.
pub(crate) fn large(now: Timestamp, count: usize) -> FleetStatus {
    let mut fleet = empty(now);
    let tools = [
        "html",
        "umami",
        "ghost",
        "nextcloud",
        "keycloak",
        "gitea",
        "matomo",
        "wordpress",
        "vaultwarden",
        "mattermost",
    ];
    for n in 0..count {
        let (customer, name, domain) = (
            format!("customer-{n:05}"),
            format!("server-{n:05}"),
            format!("c{n:05}.example"),
        );
        let broken = n % 100 == 99;
        let health = if broken {
            Health::Failed
        } else {
            Health::Healthy
        };
        let mut one = order(&customer, "website", "pro", &domain, Some(&name));
        one.health = health;
        one.tools = tools
            .iter()
            .map(|tool_name| tool(tool_name, tool_name, &domain, health, now))
            .collect();
        let mut host = server(
            &customer,
            &name,
            &format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256),
            1_284,
            now,
        );
        host.health = health;
        let phase = if broken {
            InstancePhase::Failed
        } else {
            InstancePhase::Healthy
        };
        host.instances = tools
            .iter()
            .map(|tool| {
                instance(
                    "website",
                    tool,
                    phase,
                    &[("app", "app:1"), ("db", "postgres:17.5")],
                )
            })
            .collect();
        if broken {
            one.waiting = vec![WaitingOn::AgentSilent {
                server: id::<ServerId>(&name),
                since: before(now, 9_000),
            }];
            host.waiting.clone_from(&one.waiting);
        }
        fleet.orders.push(Arc::new(one));
        fleet.servers.push(Arc::new(host));
    }
    let healthy = count - count / 100;
    fleet.totals = Totals {
        customers: count,
        orders: count,
        fulfilled: count,
        servers: count,
        healthy_servers: healthy,
        instances: count * tools.len(),
        healthy_instances: healthy * tools.len(),
    };
    fleet
}

/// The small fleet with `text` in every place that takes any text.
pub(crate) fn hostile(now: Timestamp, text: &str) -> FleetStatus {
    let mut fleet = small(now);
    let evil = || text.to_owned();
    fleet.fleet_id = evil();
    fleet.release = evil();
    fleet.mode = Mode::Observing { reason: evil() };
    fleet.source_problem = Some(evil());
    fleet.commit = Some(CommitInfo {
        id: evil(),
        summary: evil(),
        author: evil(),
        time: now,
        generation: 1,
    });
    for order in fleet.orders.iter_mut().map(Arc::make_mut) {
        (order.plan, order.domain) = (evil(), evil());
        order.waiting = vec![
            WaitingOn::Dead { error: evil() },
            WaitingOn::Decision { what: evil() },
            WaitingOn::DomainTaken {
                domain: evil(),
                holder: OrderKey {
                    customer: id("acme"),
                    order: id("website"),
                },
            },
        ];
        for tool in &mut order.tools {
            (tool.title, tool.pin, tool.urls) = (
                evil(),
                Some(evil()),
                vec![
                    evil(),
                    format!("javascript:{text}"),
                    format!("https://{text}"),
                ],
            );
        }
    }
    for server in fleet.servers.iter_mut().map(Arc::make_mut) {
        (server.address, server.agent, server.unmanaged) = (evil(), Some(evil()), vec![evil()]);
        server.waiting = vec![WaitingOn::Retry {
            at: now,
            error: evil(),
        }];
        server.refusals = vec![Refusal {
            at: now,
            kind: RefusalKind::Malformed,
            detail: evil(),
        }];
        server.events = vec![event(now, 1, EventKind::Failed, None, text)];
        for instance in &mut server.instances {
            instance.message = Some(evil());
            instance.waiting = Some(AgentWait::Healthy { service: evil() });
            instance.smoke = SmokeResult::Failed { reason: evil() };
            for container in &mut instance.containers {
                (container.service, container.name, container.image) = (evil(), evil(), evil());
            }
        }
    }
    fleet.frozen = vec![FrozenScope {
        customer: None,
        stays_at: Some(evil()),
        errors: 1,
    }];
    let place = || Place {
        file: evil(),
        line: 1,
        column: 1,
        width: 3,
        source: evil(),
    };
    fleet.diagnostics = vec![
        Diagnostic::error(1, place(), evil())
            .label(evil())
            .note(evil())
            .related(place(), evil()),
    ];
    fleet
}
