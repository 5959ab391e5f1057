//! Which job of backups is due, put together with everything that it needs. Nothing is done here.

use super::{Agent, Look};
use crate::accept::Backups;
use crate::backups::job::Work;
use crate::backups::plan::{Facts, Job, plan};
use crate::backups::restic::{Restic, address};
use crate::backups::restore::Order;
use crate::backups::targets::Targets;
use crate::desired::Desired;
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::collections::BTreeSet;
use tenantry_schema::document::Manage;
use tenantry_schema::id::InstanceName;
use tenantry_schema::wire::{AgentWait, InstancePhase};

impl<W: WebServer> Agent<W> {
    /// The job that is due now, if one is, and when to look again. Where nothing is backed up: neither.
    pub fn due(
        &self,
        look: &Look,
        now: Timestamp,
    ) -> (Option<Box<Work<Restic>>>, Option<Timestamp>) {
        let desired = self
            .desired()
            .filter(|desired| desired.host.manage != Manage::Observe);
        let Some((desired, backups)) =
            desired.and_then(|desired| Some((desired, desired.backups.as_ref()?)))
        else {
            return (None, None);
        };
        let spec = &backups.spec;
        if self
            .desk
            .remember(|records| records.retain(spec, now))
            .is_err()
        {
            return (None, None);
        }
        self.desk.note_overdue(spec, now);
        // A roll-out that wants a backup first has asked for it by waiting.
        for (name, verdict) in &look.plan.verdicts {
            if matches!(verdict.waiting, Some(AgentWait::Backup { since }) if !self.desk.good_since(name, since))
            {
                self.desk.ask(name);
            }
        }
        let ready: BTreeSet<InstanceName> = look
            .plan
            .verdicts
            .iter()
            .filter(|(_, verdict)| verdict.phase == InstancePhase::Healthy)
            .map(|(name, _)| name.clone())
            .collect();
        let (job, wake) = plan(&Facts {
            spec,
            records: &self.desk.records(),
            ready: &ready,
            asked: &self.desk.asked(),
            restores: &backups.restores.keys().cloned().collect(),
            now,
        });
        let work = job.map(|job| Box::new(self.work(desired, backups, job)));
        (work, Some(wake))
    }

    fn work(&self, desired: &Desired, backups: &Backups, job: Job) -> Work<Restic> {
        let instance = match &job {
            Job::Backup(name) | Job::Drill(name) => Some(name.clone()),
            Job::Restore(id) => backups.restores.get(id).map(|spec| spec.instance.clone()),
            Job::Look | Job::Check => None,
        };
        let order = match &job {
            Job::Restore(id) => backups.restores.get(id).map(|spec| Order {
                instance: spec.instance.clone(),
                of: spec.of.clone(),
                from: self.repository(backups, spec.server.as_str()),
                before: spec.before,
                overwrites: spec.overwrites.clone(),
                only: spec.only.clone(),
                until: spec.until,
            }),
            _ => None,
        };
        let live = self.config.live_folder();
        Work {
            targets: instance.map(|name| Targets::resolve(desired, &name, &live)),
            order,
            spec: backups.spec.clone(),
            desk: self.desk.clone(),
            engine: self.hands.engine.clone(),
            tool: self.repository(backups, self.config.server.server.as_str()),
            keeper: desired.keeper.clone(),
            live,
            job,
        }
    }

    /// The repository of a server of this customer.
    fn repository(&self, backups: &Backups, server: &str) -> Restic {
        let spec = &backups.spec;
        Restic {
            program: self.config.restic.clone(),
            repository: address(&spec.place, server, &spec.user, &backups.password),
            key: backups.key.clone(),
            host: format!(
                "{}/{}/{server}",
                self.config.fleet_id, self.config.server.customer
            ),
            cache: self.desk.cache(),
        }
    }
}
