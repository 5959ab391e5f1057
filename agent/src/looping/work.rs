//! Lanes: what is being done beside the loop, and what came of it.

use super::Loop;
use crate::agent::Look;
use crate::lanes::{self, LaneResult};
use crate::step::Lane;
use crate::web_server::WebServer;
use jiff::Timestamp;
use tokio::task::{JoinHandle, spawn_local};

/// What is being done in a lane.
pub(super) struct Work {
    number: u64,
    /// Digest of what it works towards.
    of: String,
    task: JoinHandle<()>,
}

/// The number of a work, and what came of it.
pub(super) type Finished = (u64, LaneResult);

impl<W: WebServer + 'static> Loop<W> {
    /// Ends lanes that work towards something that is not wanted any more. Their steps can be cut off anywhere.
    pub(super) fn abandon_outdated(&mut self) {
        let wanted = |lane: &Lane, of: &str| match lane {
            Lane::Instance(name) | Lane::Files(name) | Lane::Fetch(name, _) => {
                let desired = self.agent.desired();
                desired
                    .and_then(|desired| desired.instances.get(name))
                    .is_some_and(|instance| instance.digest == of)
            }
            Lane::Certificate(host) => {
                let desired = self.agent.desired();
                desired.is_some_and(|desired| desired.sites.contains_key(host))
            }
            Lane::Leftovers | Lane::Images | Lane::Web | Lane::Logs | Lane::Host(_) => true,
        };
        let outdated: Vec<_> = self
            .lanes
            .iter()
            .filter(|(lane, work)| !wanted(lane, &work.of))
            .map(|(lane, _)| lane.clone())
            .collect();
        for lane in outdated {
            if let Some(work) = self.lanes.remove(&lane) {
                work.task.abort();
                self.agent.history.busy.remove(&lane);
            }
        }
    }

    /// Takes in what came of a work. One that was given up may just have come to its end all the same; then its lane may be another's.
    pub(super) fn finish(&mut self, (number, result): Finished) {
        self.agent.observer().outdate();
        let lane = result.lane.clone();
        let its = |work: &Work| work.number == number;
        if self.lanes.get(&lane).is_some_and(its) {
            self.lanes.remove(&lane);
        }
        self.agent.absorb(result, Timestamp::now());
        if self.lanes.contains_key(&lane) {
            self.agent.history.busy.insert(lane);
        }
    }

    pub(super) fn start_lanes(&mut self, look: &Look) {
        for (lane, steps) in &look.plan.steps {
            if self.lanes.contains_key(lane) || self.is_held(lane) {
                continue;
            }
            let of = look.plan.of.get(lane).cloned().unwrap_or_default();
            let work = lanes::run(
                self.agent.hands().clone(),
                lane.clone(),
                of.clone(),
                steps.clone(),
            );
            self.begun += 1;
            let (number, done) = (self.begun, self.done.0.clone());
            let task = spawn_local(async move {
                // Nobody listens only when everything ends.
                let _ = done.send((number, work.await)).await;
            });
            self.lanes.insert(lane.clone(), Work { number, of, task });
            self.agent.history.busy.insert(lane.clone());
        }
    }

    /// Whether a backup keeps the lane from being worked on right now.
    fn is_held(&self, lane: &Lane) -> bool {
        match lane {
            Lane::Instance(name) => self.agent.desk.is_held(name),
            _ => false,
        }
    }
}
