//! A guest book whose server makes backups, and an owner who signs.

use std::process::Command;
use std::time::Duration;
use tenantry_planner::operations::{OperationStatus, Progress};
use tenantry_planner::status::FleetStatus;
use tenantry_schema::document::OperationDone;
use tenantry_schema::wire::{GoodBackup, InstanceBackups};
use tenantry_tests::rig::{Fleet, World, program, run};

/// How long setting everything up may take.
pub(crate) const SETUP: Duration = Duration::from_mins(4);

/// A fleet with one guest book on each server.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) order: String,
}

/// The order on a server.
fn site(server: usize) -> String {
    ["site", "copy"][server].to_owned()
}

impl Story {
    /// A guest book whose server makes backups, and an owner.
    pub(crate) async fn begin() -> Option<Self> {
        let mut story = Self::prepare().await?;
        story.world.servers[0].start().unwrap();
        Some(story)
    }

    /// The same; the agent does not run yet.
    pub(crate) async fn prepare() -> Option<Self> {
        Self::prepare_on(&["acme/acme-1"], |_| {}).await
    }

    /// The same on several servers, each with an order of its own: the first one's is [`Story::order`]. `edit` changes the catalogue first.
    pub(crate) async fn prepare_on(servers: &[&str], edit: impl Fn(&Fleet)) -> Option<Self> {
        let world = World::open(servers).await?;
        let order = world.lab.name(&site(0));
        let fleet = &world.home.fleet;
        let owner = world.home.dir().join("olga");
        let mut make = Command::new("ssh-keygen");
        run(make
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&owner))
        .unwrap();
        let public = std::fs::read_to_string(owner.with_extension("pub")).unwrap();
        let key: Vec<&str> = public.split_whitespace().take(2).collect();
        let staff = format!(
            "olga: {{ email: olga@example.com, role: owner, signing_keys: [{}] }}\n",
            key.join(" ")
        );
        fleet.write("fleet/staff.yaml", &staff).unwrap();
        let hub = fleet.read("fleet/hub.yaml").unwrap();
        let place = world.home.dir().join("backups");
        let hub = format!(
            "{}\nbackups:\n  repository: {}\n",
            hub.trim_end(),
            place.display()
        );
        fleet.write("fleet/hub.yaml", &hub).unwrap();
        edit(fleet);
        for (index, server) in world.servers.iter().enumerate() {
            let (number, order) = (index + 1, world.lab.name(&site(index)));
            // Two servers at one address are warned of.
            let document = server.document("").replace(
                "provider: static\naddress: 127.0.0.1",
                &format!("provider: static\naddress: 127.0.0.{number}"),
            );
            let path = format!("fleet/customers/acme/servers/acme-{number}.yaml");
            fleet.write(&path, &document).unwrap();
            let text = format!(
                "plan: pro\ndomain: acme{number}.test\nserver: acme-{number}\ntools: [guestbook]\n"
            );
            let path = format!("fleet/customers/acme/orders/{order}.yaml");
            fleet.write(&path, &text).unwrap();
        }
        fleet.commit("an order").unwrap();
        Some(Self { world, order })
    }

    /// The instance on another of the servers.
    pub(crate) fn instance_on(&self, server: usize) -> String {
        format!("{}-guestbook", self.world.lab.name(&site(server)))
    }

    pub(crate) fn instance(&self) -> String {
        format!("{}-guestbook", self.order)
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        self.sql_of(&self.instance(), "guestbook", statement)
    }

    /// A statement for one of the databases of an instance.
    pub(crate) fn sql_of(&self, instance: &str, database: &str, statement: &str) -> String {
        let container = format!("{instance}-db-1");
        let psql = [
            "exec",
            &container,
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-U",
            "guestbook",
            "-d",
            database,
            "-c",
            statement,
        ];
        self.world.docker(&psql).unwrap().trim().to_owned()
    }

    /// What the engine says of a container, which may be about to be replaced.
    pub(crate) fn seen(&self, container: &str, format: &str) -> Option<String> {
        let inspect = ["inspect", "--format", format, container];
        let said = self.world.docker(&inspect).ok()?;
        Some(said.trim().to_owned())
    }

    pub(crate) fn inspect(&self, container: &str, format: &str) -> String {
        self.seen(container, format).unwrap()
    }

    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&FleetStatus) -> Option<T>) -> T {
        let mut found = None;
        let good = |status: &FleetStatus| {
            found = find(status);
            found.is_some()
        };
        let status = self.world.home.hub().wait_for(SETUP, what, good).await;
        status.unwrap();
        found.unwrap()
    }

    pub(crate) fn backups(&self, status: &FleetStatus) -> Option<InstanceBackups> {
        let report = status.servers.first()?.backups.as_ref()?;
        let name = self.instance().try_into().unwrap();
        report.instances.get(&name).cloned()
    }

    /// The newest good backup that is not `before`.
    pub(crate) async fn backed_up(&self, before: Option<&str>) -> GoodBackup {
        self.until("a good backup", |status| {
            let last = self.backups(status)?.last?;
            (Some(last.snapshot.as_str()) != before).then_some(last)
        })
        .await
    }

    /// `tenantry` in the clone.
    pub(crate) fn tenantry(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(program("tenantry").unwrap());
        command
            .args(arguments)
            .current_dir(self.world.home.fleet.work());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// Writes an operation, lets the owner sign it, and hands back what `plan` says of it.
    pub(crate) fn propose(&self, name: &str, text: &str) -> String {
        let fleet = &self.world.home.fleet;
        fleet.pull().unwrap();
        let path = format!("fleet/customers/acme/operations/{name}.yaml");
        fleet.write(&path, text).unwrap();
        let owner = self.world.home.dir().join("olga");
        let approve = [
            "approve",
            &format!("acme/{name}"),
            ".",
            "--yes",
            "--key",
            owner.to_str().unwrap(),
        ];
        let (code, said) = self.tenantry(&approve);
        assert_eq!(code, 0, "{said}");
        let url = self.world.home.url();
        let (code, plan) = self.tenantry(&["plan", "--hub", &url]);
        assert_eq!(code, 2, "{plan}");
        fleet.commit("restore").unwrap();
        plan
    }

    pub(crate) fn operation(status: &FleetStatus) -> Option<&OperationStatus> {
        status.operations.first().map(AsRef::as_ref)
    }

    /// Waits until an operation has ended: what came of it, and what went wrong.
    pub(crate) async fn ended(&self, name: &str) -> (OperationDone, Option<String>) {
        self.until("the end of the restore", |status| {
            let mut all = status.operations.iter();
            let found = all.find(|one| one.operation.as_str() == name)?;
            match &found.progress {
                Progress::Ended { done, problem } => Some((done.clone(), problem.clone())),
                _ => None,
            }
        })
        .await
    }
}
