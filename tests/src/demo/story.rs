//! The steps of the demo.

use super::tell::Teller;
use crate::lab::{Lab, LabError};
use crate::rig::{Fleet, Hub, Place, Server, page_until};
use std::time::{Duration, Instant};
use tenantry_planner::status::{Mode, Phase};

const SOON: Duration = Duration::from_secs(20);
const SETUP: Duration = Duration::from_mins(1);

/// The demo's parts.
pub(super) struct Story {
    lab: Lab,
    fleet: Fleet,
    place: Place,
    hub: Option<Hub>,
    acme: Server,
    globex: Server,
}

impl Story {
    pub(super) fn new(lab: Lab, fleet: Fleet, place: Place, mut servers: Vec<Server>) -> Self {
        let globex = servers.pop().expect("two servers were made");
        let acme = servers.pop().expect("two servers were made");
        Self {
            lab,
            fleet,
            place,
            hub: None,
            acme,
            globex,
        }
    }

    pub(super) async fn tell(&mut self, teller: &mut Teller) -> Result<(), LabError> {
        self.order(teller).await?;
        self.decisions(teller)?;
        self.https(teller).await?;
        self.kill(teller).await?;
        self.edit(teller).await?;
        self.mistake(teller).await?;
        self.amnesia(teller).await
    }

    /// A commit becomes running containers.
    async fn order(&mut self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("two customers order; their servers are enrolled; all of it is one commit");
        let examples = self
            .lab
            .config()
            .repository
            .join("examples/quickstart/fleet");
        copy(&examples, &self.fleet.work().join("fleet"))?;
        self.fleet.write(
            "fleet/customers/acme/servers/acme-1.yaml",
            &self.acme.document(""),
        )?;
        self.fleet.write(
            "fleet/customers/globex/servers/globex-1.yaml",
            &self.globex.document(""),
        )?;
        self.fleet.activate()?;
        let hub = Hub::start(&self.fleet, &self.place, &[]).await?;
        self.acme.start()?;
        self.globex.start()?;
        teller.show(
            &self
                .fleet
                .read("fleet/customers/acme/orders/website.yaml")?,
        );
        self.fleet
            .commit("order: acme wants a website with a guest book, globex a shop")?;
        let done = |status: &tenantry_planner::status::FleetStatus| {
            status.orders.len() == 2
                && status
                    .orders
                    .iter()
                    .all(|order| order.phase == Phase::Fulfilled)
        };
        let status = hub
            .wait_for(SETUP, "fulfilment of both orders", done)
            .await?;
        assert_eq(&status.mode, &Mode::Active, "the hub's mode")?;
        self.hub = Some(hub);
        teller.done("commit → decisions → signed slices → containers, healthy, smoke checks passed, recorded as fulfilled");
        Ok(())
    }

    fn decisions(&self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("every choice is a commit: what the hub decided");
        let log = self.fleet.log(6)?;
        if !log.contains("Tenantry hub: decide:") {
            return Err(unexpected("git log", &log));
        }
        teller.show(&log);
        self.fleet.pull()?;
        teller.show(
            &self
                .fleet
                .read("fleet/decisions/acme/website/tools/guestbook.yaml")?,
        );
        let secrets = self
            .fleet
            .read("fleet/decisions/acme/website/tools/guestbook.secrets.yaml")?;
        let line = secrets
            .lines()
            .find(|line| line.starts_with("DB_PASSWORD"))
            .unwrap_or_default();
        if !line.contains("ENC[AES256_GCM") {
            return Err(unexpected("the generated secret", line));
        }
        teller.show(&format!("{}…", &line[..line.len().min(60)]));
        teller.done("server, versions, ports, and secrets (SOPS) stand in Git");
        Ok(())
    }

    async fn https(&self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("the sites answer by HTTPS through nginx");
        for (server, host, text) in [
            (&self.acme, "acme.test", "Welcome to Acme"),
            (&self.acme, "guestbook.acme.test", "html"),
            (&self.globex, "globex.test", "Globex"),
        ] {
            let url = page_until(server, host, text, SOON).await?;
            teller.show(&format!("{url}  answers"));
        }
        teller.done("three sites");
        Ok(())
    }

    async fn kill(&self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("a container is killed behind Tenantry's back");
        let name = "website-html-web-1";
        docker(&["kill", name])?;
        let killed = Instant::now();
        page_until(&self.acme, "acme.test", "Welcome to Acme", SOON).await?;
        teller.done(&format!(
            "the agent brought it back; the site answered again after {:.2} s",
            killed.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    async fn edit(&self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("an edited file rolls out");
        self.fleet.pull()?;
        self.fleet.edit(
            "fleet/customers/acme/orders/website.yaml",
            "Welcome to Acme",
            "Acme, now with more",
        )?;
        teller.show("-    parameters: { TITLE: \"Welcome to Acme\" }\n+    parameters: { TITLE: \"Acme, now with more\" }");
        self.fleet.commit("acme: a new title")?;
        let committed = Instant::now();
        page_until(&self.acme, "acme.test", "Acme, now with more", SOON).await?;
        teller.done(&format!(
            "the page shows it {:.2} s after the commit",
            committed.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    async fn mistake(&self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("a commit with a mistake at one customer and a change at another");
        self.fleet.pull()?;
        let path = "fleet/customers/acme/orders/website.yaml";
        self.fleet.edit(path, "guestbook:", "guestbok:")?;
        self.fleet.edit(
            "fleet/customers/globex/orders/shop.yaml",
            "Globex",
            "Globex is open",
        )?;
        self.fleet
            .commit("acme: a typing mistake; globex: a new title")?;
        let hub = self.hub()?;
        let status = hub
            .wait_for(SOON, "the diagnostic", |status| {
                !status.diagnostics.is_empty()
            })
            .await?;
        for diagnostic in status.diagnostics.iter() {
            teller.show(&diagnostic.render());
        }
        let shown = status
            .diagnostics
            .iter()
            .any(|found| found.place.file == path && found.place.line > 0);
        if !shown {
            return Err(unexpected(
                "the diagnostic",
                &format!("{:?}", status.diagnostics),
            ));
        }
        page_until(&self.globex, "globex.test", "Globex is open", SOON).await?;
        page_until(&self.acme, "acme.test", "Acme, now with more", SOON).await?;
        page_until(&self.acme, "guestbook.acme.test", "html", SOON).await?;
        teller.show("acme answers as before; globex shows its new title");
        self.fleet.pull()?;
        self.fleet.edit(path, "guestbok:", "guestbook:")?;
        self.fleet.commit("acme: mistake mended")?;
        hub.wait_for(SOON, "the end of the diagnostic", |status| {
            status.diagnostics.is_empty() && status.frozen.is_empty()
        })
        .await?;
        teller.done(
            "the mistake froze its own customer, named by file and line; nobody else noticed",
        );
        Ok(())
    }

    async fn amnesia(&mut self, teller: &mut Teller) -> Result<(), LabError> {
        teller.begin("the hub is killed and its whole data directory deleted");
        let settled = |status: &tenantry_planner::status::FleetStatus| {
            status.servers.len() == 2
                && status.servers.iter().all(|server| server.in_sync)
                && status.source_problem.is_none()
        };
        self.hub()?
            .wait_for(SOON, "agreement of both servers with their slices", settled)
            .await?;
        let head = self.fleet.head()?;
        let containers = self.containers()?;
        if let Some(mut hub) = self.hub.take() {
            hub.process().kill9();
        }
        std::fs::remove_dir_all(&self.place.data)
            .map_err(LabError::io("cannot delete the hub's data directory"))?;
        let hub = Hub::start(&self.fleet, &self.place, &[]).await?;
        let status = hub
            .wait_for(
                SETUP,
                "agreement of both servers after the restart",
                settled,
            )
            .await?;
        let refused: usize = status
            .servers
            .iter()
            .map(|server| server.refusals.len())
            .sum();
        assert_eq(&refused, &0, "the number of refused slices")?;
        assert_eq(
            &self.fleet.head()?,
            &head,
            "the branch (nothing was decided again)",
        )?;
        assert_eq(
            &self.containers()?,
            &containers,
            "the containers (nothing was restarted)",
        )?;
        assert_eq(
            &status
                .orders
                .iter()
                .filter(|order| order.phase == Phase::Fulfilled)
                .count(),
            &2,
            "fulfilled orders",
        )?;
        self.hub = Some(hub);
        teller.done(
            "rebuilt from Git and one key: nothing lost, decided again, restarted or refused",
        );
        Ok(())
    }

    /// What a reader can look at now.
    pub(super) fn table(&self, teller: &Teller) {
        let url = self
            .hub
            .as_ref()
            .map(|hub| hub.url().to_owned())
            .unwrap_or_default();
        let (acme, globex) = (self.acme.ports(), self.globex.ports());
        teller.say(&format!("\nall of it took {:.1} s\n", teller.total()));
        let rows = [
            ("status page", url.clone()),
            (
                "acme",
                format!(
                    "https://acme.test:{}  (curl -k --resolve acme.test:{0}:127.0.0.1 …)",
                    acme.https
                ),
            ),
            (
                "acme's guest book",
                format!("https://guestbook.acme.test:{}", acme.https),
            ),
            ("globex", format!("https://globex.test:{}", globex.https)),
            ("fleet to edit", self.fleet.work().display().to_string()),
            (
                "logs",
                self.place
                    .log
                    .parent()
                    .map(|folder| folder.display().to_string())
                    .unwrap_or_default(),
            ),
        ];
        for (what, where_) in rows {
            teller.say(&format!("  {what:<18} {where_}"));
        }
        teller.say(&format!(
            "\nGo on: edit fleet/customers/acme/orders/website.yaml there, `git commit`, `git push`, and watch the page.\n\
             Why is something not done yet?  tenantry explain acme/website --hub {url}\n"
        ));
    }

    /// Ends hub and agents.
    pub(super) fn stop(self) -> Self {
        let mut story = self;
        story.hub = None;
        story.acme.kill_agent();
        story.globex.kill_agent();
        story
    }

    fn hub(&self) -> Result<&Hub, LabError> {
        self.hub
            .as_ref()
            .ok_or_else(|| unexpected("the hub", "it does not run"))
    }

    /// Ids and start times of the demo's containers.
    fn containers(&self) -> Result<String, LabError> {
        let names = [
            "website-html-web-1",
            "website-guestbook-web-1",
            "website-guestbook-db-1",
            "shop-html-web-1",
        ];
        let mut arguments = vec![
            "inspect",
            "--format",
            "{{.Name}} {{.Id}} {{.State.StartedAt}}",
        ];
        arguments.extend(names);
        docker(&arguments)
    }
}

fn docker(arguments: &[&str]) -> Result<String, LabError> {
    crate::rig::run(std::process::Command::new("docker").args(arguments))
}

fn unexpected(what: &str, found: &str) -> LabError {
    LabError::Program {
        program: what.to_owned(),
        problem: format!("found {found}"),
    }
}

fn assert_eq<T: PartialEq + std::fmt::Debug>(
    found: &T,
    expected: &T,
    what: &str,
) -> Result<(), LabError> {
    if found == expected {
        Ok(())
    } else {
        Err(unexpected(
            what,
            &format!("{found:?} instead of {expected:?}"),
        ))
    }
}

pub(super) fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), LabError> {
    let failed = || LabError::io(format!("cannot copy {}", from.display()));
    std::fs::create_dir_all(to).map_err(failed())?;
    for entry in std::fs::read_dir(from).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).map_err(failed())?;
        }
    }
    Ok(())
}
