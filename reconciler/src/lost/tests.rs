//! Histories with real commits, and what they say about decisions that are missing now.

mod graphs;
mod merges;
mod speed;
mod stories;

use super::History;
use crate::git::tests::{World, git};
use crate::git::{Fleet, Layout, Oid};
use crate::hub::HUB_EMAIL;
use crate::load::Revision;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tempfile::TempDir;
use tenantry_planner::decision::What;
use tenantry_planner::lost::{Lost, Missing};
use tenantry_schema::id::OrderKey;

const ORDER: &str = "fleet/customers/acme/orders/web.yaml";
const SERVER: &str = "fleet/decisions/acme/web/server.yaml";
const DOMAIN: &str = "fleet/decisions/acme/web/domain.yaml";
const TOOL: &str = "fleet/decisions/acme/web/tools/html.yaml";
const SECRETS: &str = "fleet/decisions/acme/web/tools/html.secrets.yaml";
const RECORD: &str = "fleet/decisions/acme/web/fulfilled.yaml";
const GIVEN: &str = "fleet/acknowledged.yaml";

/// A clone in which people work with `git`, and the hub commits as itself.
struct Told {
    clone: PathBuf,
    fleet: Fleet,
    history: History,
    folder: TempDir,
    _world: World,
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
    /// An order of which everything was decided by the hub.
    fn new() -> Self {
        let world = World::new(Layout::Bare);
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("clone");
        let repo = world.repo();
        world.git(&["config", "receive.denyNonFastForwards", "false"]);
        git(
            folder.path(),
            &[
                "clone",
                "-q",
                repo.to_str().unwrap(),
                clone.to_str().unwrap(),
            ],
        );
        let mut told = Self {
            fleet: world.fleet("data"),
            clone,
            history: History::default(),
            folder,
            _world: world,
        };
        told.put(ORDER, "plan: pro\ndomain: acme.example\ntools: [html]\n");
        told.person("order");
        told.put(SERVER, "server: one\nbecause: x\n");
        told.put(DOMAIN, "domain: acme.example\ngeneration: 3\n");
        told.put(TOOL, &tool("{ web: 20000 }"));
        told.hub("decide");
        told
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.clone, arguments)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.clone.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        self.git(&["rm", "-q", path]);
    }

    fn head(&self) -> Oid {
        Oid::from_str(&self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    /// A person commits everything.
    fn person(&mut self, message: &str) -> Oid {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// The hub commits everything.
    fn hub(&mut self, message: &str) -> Oid {
        self.git(&["add", "-A"]);
        let email = format!("user.email={HUB_EMAIL}");
        self.git(&["-c", &email, "commit", "-q", "-m", message]);
        self.head()
    }

    /// Another file, so that the branch moves on.
    fn edit(&mut self, text: &str) -> Oid {
        self.put("readme", text);
        self.person("an edit")
    }

    /// What is lost of `what` at what is checked out, which is pushed first. A fresh memory says the same as the one that was there all along, and as one that
    /// was kept on disk.
    fn lost(&mut self, what: What, parts: &[&str]) -> Vec<Lost> {
        self.lost_of("web", what, parts)
    }

    fn lost_of(&mut self, order: &str, what: What, parts: &[&str]) -> Vec<Lost> {
        self.git(&["push", "-qf", "origin", "HEAD:main"]);
        let head = self.head();
        let objects = self.fleet.objects().clone();
        let at = Revision {
            commit: head,
            tree: objects.root_tree(head).unwrap(),
            generation: 0,
        };
        let mut missing = missing(what, parts);
        missing.order.order = order.try_into().unwrap();
        let ask = |history: &mut History| {
            let found = history.ask(&objects, at, [&missing]).unwrap();
            found.into_iter().map(|(_, lost)| lost).collect::<Vec<_>>()
        };
        let fresh = ask(&mut History::default());
        assert_eq!(ask(&mut self.history), fresh);
        assert_eq!(ask(&mut self.history), fresh, "asked again");
        let suspects = History::default().suspects(&objects, at).unwrap();
        if !fresh.is_empty() {
            let one: Vec<&str> = suspects
                .iter()
                .map(tenantry_schema::id::CustomerId::as_str)
                .collect();
            assert_eq!(one, ["acme"]);
        }
        fresh
    }

    /// That the server's decision is lost, to `commit`, and that the command puts it back as it was last.
    fn server_lost_to(&mut self, commit: Oid) {
        let lost = self.lost(What::Server, &[]);
        assert_eq!(lost.len(), 1, "the decision is lost");
        assert_eq!(lost[0].path, SERVER);
        assert_eq!(
            lost[0].commit.as_deref(),
            Some(commit.to_string().as_str()),
            "{}",
            self.git(&["log", "--graph", "--oneline", "--all"])
        );
        let from = format!("{commit}^{}:{SERVER}", lost[0].parent);
        assert!(self.git(&["show", &from]).starts_with("server: "));
    }
}

/// A file of secrets with these names.
fn sealed(names: &[&str], data: &str) -> String {
    let line =
        |name: &&str| format!("{name}: ENC[AES256_GCM,data:{data},iv:AA==,tag:AA==,type:str]\n");
    let mut text: String = names.iter().map(line).collect();
    text.push_str(crate::foresee::NOBODYS);
    text
}

fn tool(ports: &str) -> String {
    let tree = "1".repeat(40);
    format!("pin: {{ tree: \"{tree}\", nginx: \"{tree}\" }}\nports: {ports}\n")
}
