//! Settings of a container that can be changed while it exists (`docker update`): what it has, what it should have, and how it gets
//! there. Pure.
//!
//! A kernel that cannot keep a bound makes the engine drop it with a warning: what is not there then is not missing.

use super::desired::{ContainerSpec, Restart};

/// What a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What the engine does when it ends.
    pub restart: Restart,
    /// Bytes. Zero: none.
    pub memory: Option<i64>,
    /// Processes. Absent: none was asked for, or the kernel keeps none. Zero and less: none.
    pub pids: Option<i64>,
    /// Billionths of a processor. Zero: none.
    pub nano_cpus: Option<i64>,
}

/// What is changed of a container; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Update {
    /// What the engine does when it ends.
    pub restart: Option<Restart>,
    /// Bytes of memory, and of memory and swap together.
    pub memory: Option<(i64, i64)>,
    /// Processes; -1 for no bound.
    pub pids: Option<i64>,
    /// Billionths of a processor.
    pub nano_cpus: Option<i64>,
}

/// How a container gets what it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Nothing is to be done.
    Nothing,
    /// While it runs.
    Update(Update),
    /// The engine cannot take the bound away: only a new container is without it.
    Anew,
}

/// How one bound differs.
enum Differs {
    No,
    Set(i64),
    Clear,
}

impl Bounds {
    /// What a container has that is made from this.
    #[cfg(test)]
    pub(super) fn of(spec: &ContainerSpec) -> Self {
        let limits = &spec.limits;
        Self {
            restart: spec.restart,
            memory: Some(limits.memory.unwrap_or(0)),
            pids: limits.pids,
            nano_cpus: Some(limits.nano_cpus.unwrap_or(0)),
        }
    }

    /// The same after an update.
    #[cfg(test)]
    pub(super) fn with(self, update: &Update) -> Self {
        Self {
            restart: update.restart.unwrap_or(self.restart),
            memory: update.memory.map_or(self.memory, |(bytes, _)| Some(bytes)),
            pids: update.pids.or(self.pids),
            nano_cpus: update.nano_cpus.or(self.nano_cpus),
        }
    }
}

/// What is to be done about a container that has `found`.
pub(super) fn mend(wanted: &ContainerSpec, found: &Bounds) -> Mend {
    let limits = &wanted.limits;
    let mut update = Update::default();
    if plain(wanted.restart) != plain(found.restart) {
        update.restart = Some(wanted.restart);
    }
    // Zero is what the engine says for a bound that it could not keep.
    match differs(limits.memory, found.memory.filter(|bytes| *bytes != 0)) {
        Differs::No => {}
        Differs::Set(bytes) => {
            // As the engine does for a new container.
            let swap = limits.memory_swap.filter(|swap| *swap != 0);
            update.memory = Some((bytes, swap.unwrap_or(bytes.saturating_mul(2))));
        }
        Differs::Clear => return Mend::Anew,
    }
    match differs(limits.nano_cpus, found.nano_cpus.filter(|cpus| *cpus != 0)) {
        Differs::No => {}
        Differs::Set(cpus) => update.nano_cpus = Some(cpus),
        Differs::Clear => return Mend::Anew,
    }
    match differs(limits.pids, found.pids) {
        Differs::No => {}
        Differs::Set(pids) => update.pids = Some(pids),
        Differs::Clear => update.pids = Some(-1),
    }
    if update == Update::default() {
        Mend::Nothing
    } else {
        Mend::Update(update)
    }
}

/// `found` absent: there is none, or it cannot be kept here.
fn differs(wanted: Option<i64>, found: Option<i64>) -> Differs {
    let wanted = wanted.filter(|bound| *bound > 0);
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted != found => Differs::Set(wanted),
        (None, Some(found)) if found > 0 => Differs::Clear,
        _ => Differs::No,
    }
}

/// No number of attempts and zero are the same.
fn plain(restart: Restart) -> Restart {
    match restart {
        Restart::OnFailure { max } => Restart::OnFailure {
            max: max.filter(|max| *max != 0),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::tests::service;
    use proptest::prelude::*;

    fn spec(memory: Option<i64>, pids: Option<i64>, cpus: Option<i64>) -> ContainerSpec {
        let mut spec = service("web").container;
        spec.limits.memory = memory;
        spec.limits.pids = pids;
        spec.limits.nano_cpus = cpus;
        spec
    }

    #[test]
    fn what_somebody_changed_is_changed_back() {
        let wanted = spec(Some(64), Some(9), Some(5));
        let right = Bounds::of(&wanted);
        assert_eq!(mend(&wanted, &right), Mend::Nothing);
        let change = |change: fn(&mut Bounds)| {
            let mut found = right;
            change(&mut found);
            mend(&wanted, &found)
        };
        let update = |change: fn(&mut Update)| {
            let mut update = Update::default();
            change(&mut update);
            Mend::Update(update)
        };
        assert_eq!(
            change(|found| found.restart = Restart::No),
            update(|it| it.restart = Some(Restart::UnlessStopped))
        );
        assert_eq!(
            change(|found| found.memory = Some(1 << 40)),
            update(|it| it.memory = Some((64, 128)))
        );
        assert_eq!(
            change(|found| found.memory = Some(-1)),
            update(|it| it.memory = Some((64, 128)))
        );
        assert_eq!(
            change(|found| found.pids = Some(-1)),
            update(|it| it.pids = Some(9))
        );
        assert_eq!(
            change(|found| found.nano_cpus = Some(6)),
            update(|it| it.nano_cpus = Some(5))
        );
    }

    #[test]
    fn what_the_kernel_cannot_keep_is_not_missing() {
        let wanted = spec(Some(64), Some(9), Some(5));
        let found = Bounds {
            restart: Restart::UnlessStopped,
            memory: Some(0),
            pids: None,
            nano_cpus: Some(0),
        };
        assert_eq!(mend(&wanted, &found), Mend::Nothing);
    }

    #[test]
    fn a_bound_that_nobody_asked_for_goes() {
        let wanted = spec(None, None, None);
        let free = Bounds::of(&wanted);
        let memory = Bounds {
            memory: Some(64),
            ..free
        };
        assert_eq!(mend(&wanted, &memory), Mend::Anew);
        let cpus = Bounds {
            nano_cpus: Some(64),
            ..free
        };
        assert_eq!(mend(&wanted, &cpus), Mend::Anew);
        let pids = Bounds {
            pids: Some(64),
            ..free
        };
        let update = Update {
            pids: Some(-1),
            ..Update::default()
        };
        assert_eq!(mend(&wanted, &pids), Mend::Update(update));
        let mut always = wanted.clone();
        always.restart = Restart::OnFailure { max: None };
        let zero = Bounds {
            restart: Restart::OnFailure { max: Some(0) },
            ..free
        };
        assert_eq!(mend(&always, &zero), Mend::Nothing);
    }

    proptest! {
        #[test]
        fn after_an_update_there_is_nothing_to_do(
            wanted in any::<[Option<i64>; 3]>(),
            found in any::<[Option<i64>; 3]>(),
        ) {
            let wanted = spec(wanted[0], wanted[1], wanted[2]);
            let found = Bounds { restart: Restart::No, memory: found[0], pids: found[1], nano_cpus: found[2] };
            if let Mend::Update(update) = mend(&wanted, &found) {
                prop_assert_eq!(mend(&wanted, &found.with(&update)), Mend::Nothing);
            }
        }
    }
}
