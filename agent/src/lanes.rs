//! Takes the steps of one lane in order, and says what came of it. Lanes run side by side.

use crate::execute::{Done, Hands, StepError, execute, sentence};
use crate::files::digest;
use crate::step::{Lane, Step};
use crate::web_server::{Complaints, Target, WebServer};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;
use tenantry_schema::name::DomainName;

/// What came of a lane's steps.
#[derive(Debug)]
pub struct LaneResult {
    /// Which lane.
    pub lane: Lane,
    /// What the steps were for.
    pub of: String,
    /// Steps that were taken, and whether something is different now.
    pub taken: Vec<(Step, bool)>,
    /// The step that failed, and why, in a sentence.
    pub failed: Option<(Step, String)>,
    /// Sites that were given to the web server, with the digests of their configuration.
    pub tried: BTreeMap<DomainName, String>,
    /// What it said about them.
    pub complaints: Complaints,
    /// Whether it failed because there is no room.
    pub full: bool,
}

/// Takes `steps`. The first that fails, or that expects something else, ends the lane; the next pass plans anew.
pub async fn run<W: WebServer>(
    hands: Rc<Hands<W>>,
    lane: Lane,
    of: String,
    steps: Vec<Step>,
) -> LaneResult {
    let mut result = LaneResult {
        lane,
        of,
        taken: Vec::new(),
        failed: None,
        tried: BTreeMap::new(),
        complaints: Complaints::new(),
        full: false,
    };
    for step in steps {
        match execute(&hands, &step, Timestamp::now()).await {
            Ok(Done::Changed) => result.taken.push((step, true)),
            Ok(Done::Unchanged) => result.taken.push((step, false)),
            Ok(Done::PlanAgain) => return result,
            Ok(Done::Published(complaints)) => {
                result.tried = tried(&step);
                result.complaints = complaints;
                result.taken.push((step, true));
            }
            Err(error) => {
                result.full = matches!(&error, StepError::Files(error) if error.is_full());
                result.failed = Some((step, sentence(&error)));
                return result;
            }
        }
    }
    result
}

fn tried(step: &Step) -> BTreeMap<DomainName, String> {
    let Step::Publish { sites, .. } = step else {
        return BTreeMap::new();
    };
    let text = |(host, target): (&DomainName, &Target)| match target {
        Target::Text(text) => Some((host.clone(), digest(text.as_bytes()))),
        Target::Keep => None,
    };
    sites.iter().filter_map(text).collect()
}
