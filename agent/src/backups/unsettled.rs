//! What the desk knows of restores whose data has not come to one end, for those who plan and report.

use super::desk::Desk;
use super::plan::after;
use super::restore::journal::Exchange;
use crate::files::FilesError;
use crate::rollout::Standstill;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tenantry_schema::id::{InstanceName, OperationId};
use tenantry_schema::wire::RestoreBegun;

impl Desk {
    /// How far the restore of an instance is that has not come to its end.
    pub fn exchange(&self, instance: &InstanceName) -> Option<Exchange> {
        self.journal.borrow().exchanges().get(instance).cloned()
    }

    /// Notes that one begins. It must not where that cannot be written.
    pub fn begin_exchange(&self, exchange: Exchange) -> Result<(), FilesError> {
        self.journal.borrow_mut().begin(exchange)
    }

    /// Notes how far it is. Where that cannot be written it is remembered all the same.
    pub fn note_exchange(&self, exchange: Exchange) -> Result<(), FilesError> {
        self.journal.borrow_mut().note(exchange)
    }

    /// It has come to its end.
    pub fn end_exchange(&self, instance: &InstanceName) -> Result<(), FilesError> {
        self.journal.borrow_mut().end(instance)
    }

    /// Whether data of an instance may be old and new at once.
    pub fn is_mixed(&self, instance: &InstanceName) -> bool {
        let journal = self.journal.borrow();
        let exchange = journal.exchanges().get(instance);
        exchange.is_some_and(Exchange::is_mixed) || journal.damaged().contains_key(instance)
    }

    /// Notes why it could not be put in order. Returns whether that is news.
    pub fn trouble_with(&self, instance: &InstanceName, message: String) -> bool {
        let mut journal = self.journal.borrow_mut();
        let exchange = journal.exchange_mut(instance);
        exchange.is_none_or(|exchange| exchange.note_trouble(message, Timestamp::now()))
    }

    /// Why no other restore of an instance can be begun.
    pub fn unsettled(&self, instance: &InstanceName) -> Option<String> {
        let journal = self.journal.borrow();
        if let Some(why) = journal.damaged().get(instance) {
            return Some(damaged(instance, why));
        }
        let exchange = journal.exchanges().get(instance)?;
        let trouble = exchange.trouble.as_ref();
        let why = trouble.map_or("it was broken off", |trouble| trouble.message.as_str());
        Some(format!(
            "the restore {} of {instance} has not come to its end: {why}",
            exchange.operation
        ))
    }

    /// The instance that is to be put in order now, if one is, and when to look again.
    pub fn mend_due(&self, now: Timestamp) -> (Option<InstanceName>, Option<Timestamp>) {
        let journal = self.journal.borrow();
        let due = |exchange: &Exchange| {
            let trouble = exchange.trouble.as_ref();
            trouble.map_or(Timestamp::MIN, |it| after(it.at, it.attempts))
        };
        let first = journal
            .exchanges()
            .iter()
            .min_by_key(|(_, exchange)| due(exchange));
        match first {
            Some((instance, exchange)) if due(exchange) <= now => (Some(instance.clone()), None),
            Some((_, exchange)) => (None, Some(due(exchange))),
            None => (None, None),
        }
    }

    /// Instances that must not be started.
    pub fn standstills(&self) -> BTreeMap<InstanceName, Standstill> {
        let journal = self.journal.borrow();
        let mixed = journal.exchanges().values().filter(|one| one.is_mixed());
        let mut all: BTreeMap<_, _> = mixed
            .map(|exchange| (exchange.instance.clone(), standstill(exchange)))
            .collect();
        for (instance, why) in journal.damaged() {
            let still = Standstill {
                servers: None,
                failed: true,
                message: damaged(instance, why),
            };
            all.insert(instance.clone(), still);
        }
        all
    }

    /// Whether nothing is known of what came of a restore.
    pub fn is_without_outcome(&self, id: &OperationId) -> bool {
        !matches!(self.records().restores.get(id), Some(Some(_)))
    }

    /// What is put in order after an agent was broken off has an outcome soon: it counts as being at work.
    pub(super) fn tell_unsettled(&self, begun: &mut BTreeMap<OperationId, RestoreBegun>) {
        for exchange in self.journal.borrow().exchanges().values() {
            if let Some(standing) = begun.get_mut(&exchange.operation) {
                *standing = RestoreBegun::Running;
            }
        }
    }
}

fn standstill(exchange: &Exchange) -> Standstill {
    let before = exchange.before.as_deref().unwrap_or("that was taken first");
    let message = match &exchange.trouble {
        Some(trouble) => format!(
            "its data is mixed, old and new, since the restore {} failed in the middle, and it stands still until that is put in order; what was there before is in backup {before}: {}",
            exchange.operation, trouble.message
        ),
        None => format!(
            "it stands still while the data of the restore {} changes places",
            exchange.operation
        ),
    };
    Standstill {
        servers: Some(exchange.servers.clone()),
        failed: exchange.trouble.is_some(),
        message,
    }
}

fn damaged(instance: &InstanceName, why: &str) -> String {
    format!(
        "what is written down about a restore of {instance} is damaged ({why}), so nobody knows whether its data is mixed: look at its data and put it right, then stop the agent, remove backups/exchanges/{instance}.json in its state folder, and start it again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::restore::journal::Stage;

    fn desk(folder: &tempfile::TempDir) -> Desk {
        Desk::open(folder.path()).unwrap()
    }

    fn exchange() -> Exchange {
        let operation = "2026-11-20-restore".try_into().unwrap();
        let instance = "web-db".to_owned().try_into().unwrap();
        Exchange::new(operation, instance)
    }

    #[test]
    fn an_instance_stands_still_only_while_its_data_may_be_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(&folder);
        let mut one = exchange();
        desk.begin_exchange(one.clone()).unwrap();
        for (stage, still) in [
            (Stage::Preparing, false),
            (Stage::Moving, true),
            (Stage::Loading, true),
            (Stage::Exchanged, false),
        ] {
            one.stage = stage;
            desk.note_exchange(one.clone()).unwrap();
            assert_eq!(desk.standstills().len(), usize::from(still), "{stage:?}");
            // Also for the next agent.
            let next = Desk::open(folder.path()).unwrap();
            assert_eq!(next.standstills(), desk.standstills());
            assert!(desk.unsettled(&one.instance).is_some());
        }
        desk.end_exchange(&one.instance).unwrap();
        assert_eq!(desk.unsettled(&one.instance), None);
    }

    #[test]
    fn it_is_put_in_order_at_once_and_after_a_failure_again_later() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(&folder);
        let mut one = exchange();
        one.stage = Stage::Moving;
        desk.begin_exchange(one.clone()).unwrap();
        let now = Timestamp::now();
        assert_eq!(desk.mend_due(now), (Some(one.instance.clone()), None));
        assert!(desk.trouble_with(&one.instance, "no".to_owned()));
        let (due, at) = desk.mend_due(now);
        assert!(due.is_none() && at.is_some_and(|at| at > now));
        let still = desk.standstills().remove(&one.instance).unwrap();
        assert!(still.failed && still.message.contains("mixed"), "{still:?}");
    }

    #[test]
    fn where_it_is_damaged_nothing_is_started_and_a_way_out_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("backups/exchanges");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("web-db.json"), "[]").unwrap();
        let desk = desk(&folder);
        let still = desk.standstills().into_values().next().unwrap();
        assert_eq!(still.servers, None);
        assert!(still.message.contains("exchanges/web-db.json"));
        assert_eq!(desk.mend_due(Timestamp::now()), (None, None));
        assert!(desk.unsettled(&exchange().instance).is_some());
    }
}
