//! While a change is held the version before runs on entirely, and is healed as itself. By example, and for random changes.

use super::rollouts::{FIRST, Release, release, verdict};
use super::*;
use crate::containers::Action;
use crate::rollout::Standing;
use proptest::prelude::*;
use std::fmt::Write as _;

const SHUT: &str = "Sun 02:00-05:00";

/// What a version of the instance is made from, as far as these tests vary it.
#[derive(Debug, Clone, PartialEq)]
struct Version {
    /// Name of the service that people see, if there is one.
    web: Option<&'static str>,
    user: u8,
    image: u8,
    /// Whether there is a job that changes the data.
    migrate: bool,
    network: &'static str,
    internal: bool,
    files: u8,
}

const ONE: Version = Version {
    web: Some("web"),
    user: 1,
    image: 1,
    migrate: false,
    network: "front",
    internal: false,
    files: 1,
};

impl Version {
    fn compose(&self) -> String {
        let (user, image) = (self.user, self.image);
        let network = self.network;
        let mut text = format!(
            "networks: {{ front: {{ internal: {} }}, back: {{}} }}\nvolumes: {{ data: {{}} }}\nservices:\n  db: {{ image: 'busybox:2', user: '{user}', networks: [back], restart: always, volumes: ['data:/data'], healthcheck: {{ test: [CMD, 'true'] }} }}\n",
            self.internal
        );
        if let Some(web) = self.web {
            let _ = writeln!(
                text,
                "  {web}: {{ image: 'busybox:{}', restart: always, networks: [{network}], depends_on: {{ db: {{ condition: service_healthy }} }} }}",
                10 + image
            );
        }
        if self.migrate {
            let _ = writeln!(
                text,
                "  migrate: {{ image: 'busybox:{}', networks: [back] }}",
                10 + image
            );
        }
        text
    }

    /// A slice that asks for it.
    fn slice(&self) -> Desired {
        let wish = Wish {
            file: Some(self.files),
            secret: Some(self.files),
            site: Some(self.files),
            ..PLAIN
        };
        let mut desired = desired(&[("one", wish)]);
        let id = digest(format!("{self:?}").as_bytes());
        desired.reference.content.clone_from(&id);
        let instance = desired.instances.get_mut(&name("one")).unwrap();
        instance.digest = id;
        let text = self.compose();
        let loaded = tenantry_compose::Project::load(&text, &|_| None).unwrap();
        let place = Place {
            instance: "one",
            keeper: KEEPER,
            state: Wanted::Running,
            folder: std::path::Path::new("/srv"),
            secrets: std::path::Path::new("/run/s"),
            configs: std::path::Path::new("/run/c"),
            digests: &BTreeMap::new(),
            key: &key(),
            rules: &spec::Rules::default(),
        };
        instance.containers = Ok(spec::instance(&loaded, &place).unwrap().input);
        desired
    }

    /// The same, to be carried out in the window.
    fn in_window(&self) -> Desired {
        let mut desired = self.slice();
        desired.host.window = Some(SHUT.to_owned().try_into().unwrap());
        desired
    }
}

impl Server {
    /// Has this version, and it is good. The images of `next` are here, too.
    fn with(version: &Version, next: &Version) -> Self {
        let mut server = Self::new();
        server.run(&version.slice(), 40);
        for image in [version.image, next.image] {
            let image = format!("busybox:{}", 10 + image);
            let id = format!("sha256:{image}");
            server.engine.state.images.insert(image, id);
        }
        server
    }

    /// What people can tell of it.
    fn shape(&self) -> Shape {
        let all = self.engine.state.containers.iter();
        let containers = all.map(|one| {
            let networks: Vec<_> = one.networks.keys().cloned().collect();
            let inputs = one.owner.inputs.clone();
            (one.name.clone(), (one.state.is_up(), networks, inputs))
        });
        let networks = self.engine.state.networks.iter();
        Shape {
            containers: containers.collect(),
            networks: networks
                .map(|(name, it)| (name.clone(), it.inputs.clone()))
                .collect(),
            files: self.files.clone(),
            secrets: self.secrets.clone(),
            sites: self.web.sites.clone(),
        }
    }

    fn kill(&mut self, service: &str) {
        self.engine.by_service(service).state = Running::Exited;
    }

    fn rm(&mut self, service: &str) {
        let id = self.engine.by_service(service).id.clone();
        self.engine.state.containers.retain(|one| one.id != id);
    }

    /// The window opens.
    fn open(&mut self) {
        self.now = "2026-11-22T02:00:00Z".parse().unwrap();
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Shape {
    containers: BTreeMap<String, (bool, Vec<String>, Option<String>)>,
    networks: BTreeMap<String, Option<String>>,
    files: BTreeMap<RelativePath, String>,
    secrets: BTreeMap<RelativePath, String>,
    sites: BTreeMap<DomainName, String>,
}

/// A window that is shut holds `next` back entirely, and what is killed and removed is `version` again. Then it opens.
fn held_then_done(version: &Version, next: &Version, services: &[&str]) {
    let mut server = Server::with(version, next);
    let before = server.shape();
    let wanted = next.in_window();
    let plan = server.plan(&wanted);
    assert_eq!(texts(&plan), Vec::<String>::new(), "{next:?}");
    let waiting = verdict(&plan).waiting.clone();
    assert!(
        matches!(waiting, Some(AgentWait::Window { .. })),
        "{waiting:?}"
    );
    assert!(!plan.converged && plan.next.is_some());
    for service in services {
        server.kill(service);
        server.run(&wanted, 10);
        assert_eq!(server.shape(), before, "{service} was killed");
        server.rm(service);
        server.run(&wanted, 10);
        assert_eq!(server.shape(), before, "{service} was removed");
    }
    // A restart changes nothing.
    server.history = History::default();
    server.settled.clear();
    server.run(&wanted, 10);
    assert_eq!(server.shape(), before);
    // Neither does a restart of the machine: secret files were in memory.
    server.secrets.clear();
    server.run(&wanted, 10);
    assert_eq!(server.shape(), before);
    server.open();
    let plan = server.run(&wanted, 60);
    assert!(plan.converged, "{:?} {:?}", texts(&plan), verdict(&plan));
    let mut fresh = Server::new();
    fresh.run(&next.slice(), 60);
    assert_eq!(server.shape(), fresh.shape());
}

#[test]
fn a_service_that_is_renamed_runs_on_under_its_name_until_the_window_opens() {
    let next = Version {
        web: Some("site"),
        user: 2,
        files: 2,
        ..ONE
    };
    held_then_done(&ONE, &next, &["web", "db"]);
    held_then_done(&ONE, &Version { user: 1, ..next }, &["web", "db"]);
}

#[test]
fn a_service_that_is_only_dropped_goes_in_the_window() {
    held_then_done(&ONE, &Version { web: None, ..ONE }, &["web", "db"]);
}

#[test]
fn a_service_that_is_added_to_a_change_comes_with_it() {
    let next = Version {
        migrate: true,
        image: 2,
        files: 2,
        ..ONE
    };
    held_then_done(&ONE, &next, &["web", "db"]);
}

#[test]
fn networks_change_in_the_window() {
    let other = Version {
        network: "back",
        ..ONE
    };
    held_then_done(&ONE, &other, &["web"]);
    let internal = Version {
        internal: true,
        ..ONE
    };
    held_then_done(&ONE, &internal, &["web"]);
}

#[test]
fn nothing_of_a_job_runs_before_the_backup() {
    let first = Release {
        data: true,
        backup: true,
        ..FIRST
    };
    for image in [2, 1] {
        let next = Release {
            number: 2,
            image,
            ..first
        };
        let mut second = release(next);
        let containers = second.instances.get_mut(&name("one")).unwrap();
        let services = &mut containers.containers.as_mut().unwrap().services;
        let mut migrate = services["web"].clone();
        migrate.container.name = "one-migrate-1".to_owned();
        services.insert("migrate".to_owned(), migrate);
        let mut server = Server::new();
        server.run(&release(first), 60);
        server
            .backups
            .insert(name("one"), Standing::Verified(now()));
        let before = server.shape();
        let plan = server.run(&second, 60);
        assert_eq!(server.shape(), before);
        assert!(matches!(
            verdict(&plan).waiting,
            Some(AgentWait::Backup { .. })
        ));
        server.kill("web");
        server.run(&second, 10);
        server.rm("web");
        server.run(&second, 10);
        assert_eq!(server.shape(), before);
        server
            .backups
            .insert(name("one"), Standing::Verified(server.now));
        let plan = server.run(&second, 60);
        assert!(plan.converged, "{:?}", texts(&plan));
        assert!(server.shape().containers.contains_key("one-migrate-1"));
    }
}

#[test]
fn an_image_that_cannot_be_had_keeps_nothing_from_being_repaired() {
    let next = Version {
        web: Some("site"),
        image: 2,
        files: 2,
        ..ONE
    };
    let mut server = Server::with(&ONE, &ONE);
    let before = server.shape();
    let wanted = next.slice();
    let fetch = Lane::Fetch(name("one"), "busybox:12".to_owned());
    let pass = |server: &mut Server| {
        let plan = server.plan(&wanted);
        for (lane, steps) in &plan.steps {
            if *lane == fetch {
                let why = "no such image".to_owned();
                server
                    .history
                    .failed(lane.clone(), &plan.of[lane], why, server.now);
            } else {
                for step in steps {
                    server.apply(step);
                }
            }
        }
        server.engine.settle(&[], &["db", "web"]);
        server.now = server
            .now
            .checked_add(SignedDuration::from_secs(1))
            .unwrap();
        plan
    };
    let mut asked = 0;
    for at in 0..60 {
        if at % 20 == 5 {
            server.kill("web");
        }
        if at % 20 == 15 {
            server.rm("db");
        }
        let plan = pass(&mut server);
        asked += usize::from(plan.steps.contains_key(&fetch));
        assert!(!plan.converged);
        if at % 10 == 9 {
            assert_eq!(server.shape(), before, "{at}");
            assert_eq!(verdict(&plan).message.as_deref(), Some("no such image"));
        }
    }
    assert!((3..10).contains(&asked), "asked {asked} times");
    assert_eq!(server.ledger.rollouts[&name("one")].trying, None);
    // It is there after all.
    let plan = server.run(&wanted, 120);
    assert!(plan.converged, "{:?} {:?}", texts(&plan), verdict(&plan));
}

#[test]
fn images_are_fetched_while_the_window_is_shut_and_nothing_else() {
    let next = Version {
        image: 2,
        files: 2,
        ..ONE
    };
    let mut server = Server::with(&ONE, &ONE);
    let before = server.shape();
    let wanted = next.in_window();
    let fetch = ["fetch image busybox:12, because it does not exist"];
    assert_eq!(texts(&server.plan(&wanted)), fetch);
    server.run(&wanted, 20);
    assert_eq!(server.shape(), before);
    server.open();
    assert!(server.run(&wanted, 60).converged);
}

#[test]
fn stopping_waits_for_no_window() {
    let mut server = Server::with(&ONE, &ONE);
    let mut stopped = Version { web: None, ..ONE }.in_window();
    let instance = stopped.instances.get_mut(&name("one")).unwrap();
    instance.spec.state = State::Stopped;
    instance.containers.as_mut().unwrap().state = Wanted::Stopped;
    server.run(&stopped, 20);
    let up = |server: &Server| server.shape().containers.values().any(|one| one.0);
    assert!(!up(&server));
}

#[test]
fn a_first_version_waits_for_no_window() {
    let mut server = Server::new();
    assert!(server.run(&ONE.in_window(), 60).converged);
}

#[test]
fn a_change_that_began_is_brought_to_an_end_although_the_window_shuts() {
    let next = Version {
        user: 2,
        image: 2,
        ..ONE
    };
    let mut server = Server::with(&ONE, &next);
    let (wanted, shut) = (next.in_window(), server.now);
    server.open();
    let plan = server.plan(&wanted);
    let steps = &plan.steps[&Lane::Instance(name("one"))];
    let first = steps
        .iter()
        .position(|step| matches!(step, Step::Container(_)));
    for step in &steps[..=first.unwrap()] {
        server.apply(step);
    }
    server.now = shut;
    let plan = server.run(&wanted, 60);
    assert!(plan.converged, "{:?} {:?}", texts(&plan), verdict(&plan));
}

#[test]
fn without_an_engine_nothing_is_shown_that_has_to_wait_for_a_backup_or_an_image() {
    let server = Server::with(&ONE, &ONE);
    for number in [1, 2] {
        let wanted = Version {
            image: number,
            files: 2,
            ..ONE
        }
        .slice();
        let state = HostState {
            engine: Err("away".into()),
            ..server.seen(&wanted)
        };
        let plan = server.plan_with(&wanted, &state);
        assert_eq!(texts(&plan), Vec::<String>::new(), "{number}");
    }
}

#[test]
fn where_nobody_knows_what_runs_nothing_new_is_made() {
    let next = Version {
        web: Some("site"),
        user: 2,
        ..ONE
    };
    let mut server = Server::with(&ONE, &next);
    let before = server.shape();
    let wanted = next.in_window();
    server.slices.clear();
    server.settled.clear();
    let pass = |server: &mut Server| {
        let plan = server.plan(&wanted);
        plan.steps
            .values()
            .flatten()
            .for_each(|step| server.apply(step));
        plan
    };
    let plan = pass(&mut server);
    assert_eq!(texts(&plan), Vec::<String>::new());
    assert!(matches!(
        verdict(&plan).waiting,
        Some(AgentWait::Window { .. })
    ));
    // What is still known by its name is kept up.
    server.kill("db");
    pass(&mut server);
    assert_eq!(server.shape(), before);
    server.open();
    server.settle(&wanted);
}

fn version() -> impl Strategy<Value = Version> {
    let web = prop::sample::select(vec![None, Some("web"), Some("site")]);
    let network = prop::sample::select(vec!["front", "back"]);
    (
        web,
        1u8..3,
        1u8..3,
        any::<bool>(),
        network,
        any::<bool>(),
        1u8..3,
    )
        .prop_map(
            |(web, user, image, migrate, network, internal, files)| Version {
                web,
                user,
                image,
                migrate,
                network,
                internal,
                files,
            },
        )
}

/// What happens while a change waits.
fn trouble() -> impl Strategy<Value = Vec<(bool, usize)>> {
    prop::collection::vec((any::<bool>(), 0usize..3), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_held_is_seen_nowhere_and_done_entirely_afterwards(first in version(), next in version(), trouble in trouble()) {
        let mut server = Server::with(&first, &next);
        let before = server.shape();
        let wanted = next.in_window();
        let held = matches!(verdict(&server.plan(&wanted)).waiting, Some(AgentWait::Window { .. }));
        if held {
            for (removed, at) in trouble {
                let all = &server.engine.state.containers;
                let service = all[at % all.len()].owner.service.clone().unwrap();
                if removed { server.rm(&service) } else { server.kill(&service) }
                server.run(&wanted, 10);
                prop_assert_eq!(&server.shape(), &before, "{}", service);
            }
            for step in texts(&server.plan(&wanted)) {
                prop_assert_eq!(step, "");
            }
            server.open();
        }
        let plan = server.run(&wanted, 90);
        prop_assert!(plan.converged, "{:?} {:?}", texts(&plan), verdict(&plan));
        let mut fresh = Server::new();
        fresh.run(&next.slice(), 90);
        prop_assert_eq!(server.shape(), fresh.shape());
        let creates = |step: &Step| matches!(step, Step::Container(it) if matches!(it.action, Action::Create(_)));
        prop_assert!(!plan.all_steps().any(|(_, step)| creates(step)));
    }
}
