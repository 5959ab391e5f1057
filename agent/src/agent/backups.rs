//! Which job of backups is due, put together with everything that it needs. Nothing is done here.

use super::{Agent, Look};
use crate::accept::Backups;
use crate::backups::job::Work;
use crate::backups::plan::{Facts, Job, plan};
use crate::backups::ready;
use crate::backups::restic::{Restic, address};
use crate::backups::restore::Order;
use crate::backups::targets::Targets;
use crate::desired::{Desired, Instance};
use crate::web_server::WebServer;
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use tenantry_schema::document::{Data, Manage};
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::{AgentWait, BackupsSpec, RestoreSpec};

/// What is to be put back, and whether the instance is left alone meanwhile.
type Restores<'a> = BTreeMap<OperationId, (Cow<'a, RestoreSpec>, bool)>;

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
        let ready = self.ready(look, desired, spec);
        let restores = self.restores(desired, backups);
        let (job, wake) = plan(&Facts {
            spec,
            records: &self.desk.records(),
            ready: &ready,
            asked: &self.desk.asked(),
            drills: &self.desk.drills(),
            restores: &restores.keys().cloned().collect(),
            now,
        });
        let work = job.map(|job| Box::new(self.work(look, desired, backups, &restores, job)));
        (work, Some(wake))
    }

    /// The instances of which a backup is taken by time.
    fn ready(&self, look: &Look, desired: &Desired, spec: &BackupsSpec) -> BTreeSet<InstanceName> {
        // Where the engine cannot be seen nothing of it can be saved.
        let Ok(engine) = &look.state.engine else {
            return BTreeSet::new();
        };
        let is_ready = |name: &&InstanceName| {
            let parts = look
                .plan
                .verdicts
                .get(*name)
                .zip(desired.instances.get(*name));
            let items = spec.instances.get(*name).map_or(&[][..], Vec::as_slice);
            // Its data changes places, or is mixed.
            let stands = look.state.standstills.contains_key(*name);
            !stands
                && parts.is_some_and(|(verdict, wanted)| {
                    let runs = self.running(look, name, wanted);
                    ready::ready(verdict, runs, items, engine)
                })
        };
        let all = spec.instances.keys().filter(is_ready);
        all.cloned().collect()
    }

    /// The version of an instance that its containers are of.
    fn running<'a>(
        &'a self,
        look: &Look,
        name: &InstanceName,
        wanted: &'a Instance,
    ) -> &'a Instance {
        let Ok(engine) = &look.state.engine else {
            return wanted;
        };
        let good = || self.in_force.versions().get(name);
        let before = self.settled.get(name).or_else(good);
        let before = before.map(|version| &version.instance);
        ready::running(wanted, before, engine, &self.surroundings.key)
    }

    /// What is saved of an instance: of the version that runs, where the change to another one waits.
    fn targets(
        &self,
        look: &Look,
        desired: &Desired,
        name: &InstanceName,
    ) -> Result<Targets, String> {
        let live = self.config.live_folder();
        let newest = self.wanted().and_then(|newest| newest.instances.get(name));
        match desired.instances.get(name).zip(newest) {
            Some((wanted, newest)) => {
                let runs = self.running(look, name, wanted);
                Targets::of_running(desired, name, runs, newest, &live)
            }
            None => Targets::resolve(desired, name, &live),
        }
    }

    /// The instance whose restore was broken off and is to be put in order now, if there is one, and when to look again.
    pub fn mend_due(
        &self,
        look: &Look,
        now: Timestamp,
    ) -> (Option<InstanceName>, Option<Timestamp>) {
        let acts = self
            .desired()
            .is_some_and(|desired| desired.host.manage != Manage::Observe);
        // Whoever cannot see the engine cannot stop what runs.
        if acts && look.state.engine.is_ok() {
            self.desk.mend_due(now)
        } else {
            (None, None)
        }
    }

    /// What is to be put back: as operations say, and where a version was given up with its data (`upgrade.rollback: image+data`).
    fn restores<'a>(&self, desired: &Desired, backups: &'a Backups) -> Restores<'a> {
        let asked = backups.restores.iter();
        let mut all: Restores<'a> = asked
            .map(|(id, spec)| (id.clone(), (Cow::Borrowed(spec), false)))
            .collect();
        let ledger = self.hands.ledger.borrow();
        for (name, instance) in &desired.instances {
            let rollout = ledger.get().rollouts.get(name);
            let rejected = rollout.and_then(|rollout| rollout.rejected(&instance.digest));
            let Some(put_back) = rejected.and_then(|rejected| rejected.put_back.as_ref()) else {
                continue;
            };
            let spec = RestoreSpec {
                instance: name.clone(),
                server: self.config.server.server.clone(),
                of: name.clone(),
                before: Some(put_back.before),
                overwrites: vec![Data::Database, Data::Files],
                only: None,
                until: None,
            };
            all.insert(put_back.id.clone(), (Cow::Owned(spec), true));
        }
        all
    }

    fn work(
        &self,
        look: &Look,
        desired: &Desired,
        backups: &Backups,
        restores: &Restores<'_>,
        job: Job,
    ) -> Work<Restic> {
        let restore = match &job {
            Job::Restore(id) => restores.get(id),
            _ => None,
        };
        let instance = match &job {
            Job::Backup(name) | Job::Drill(name) => Some(name.clone()),
            Job::Restore(_) => restore.map(|(spec, _)| spec.instance.clone()),
            Job::Look | Job::Check => None,
        };
        let order = restore.map(|(spec, alone)| Order {
            instance: spec.instance.clone(),
            of: spec.of.clone(),
            from: self.repository(backups, spec.server.as_str()),
            before: spec.before,
            overwrites: spec.overwrites.clone(),
            only: spec.only.clone(),
            until: spec.until,
            alone: *alone,
        });
        let live = self.config.live_folder();
        Work {
            targets: instance.map(|name| match restore {
                // It is put into what is wanted.
                Some(_) => Targets::resolve(desired, &name, &live),
                None => self.targets(look, desired, &name),
            }),
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
