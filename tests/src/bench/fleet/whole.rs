//! The hub as a whole, observing: what its loop does around loading and planning (agents' keys, status) is in these figures.

use super::super::child::{ms, peak_memory};
use super::super::{BenchError, Doing};
use super::cold::answer;
use super::generate::order;
use super::import::{BRANCH, commit_file};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tenantry::git::Location;
use tenantry::hub::{Options, open};

/// What passes of the hub cost.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) first_ms: f64,
    pub(super) commit_ms: Vec<f64>,
    pub(super) peak_mb: f64,
}

/// The role.
pub(in crate::bench) fn hub(arguments: &[String]) -> Result<String, BenchError> {
    let (repository, numbers) = super::arguments(arguments)?;
    let [servers, commits] = numbers[..] else {
        return Err(BenchError::Wrong("two numbers are needed".into()));
    };
    let data = tempfile::tempdir_in(repository.parent().unwrap_or(&repository))
        .doing("making a folder")?;
    let options = Options {
        location: Location::Direct(repository.clone()),
        branch: BRANCH.to_owned(),
        data: data.path().to_owned(),
        key: None,
        observe: true,
        poll: Duration::from_secs(30),
        trust_root: None,
        programs: None,
        restic: "restic".into(),
    };
    let runtime = tokio::runtime::Runtime::new().doing("starting")?;
    let begun = Instant::now();
    let mut hub = runtime.block_on(open(&options)).doing("opening the hub")?;
    hub.pass(true).doing("a pass")?;
    let first_ms = ms(begun.elapsed());
    if hub.status().servers.len() != servers {
        return Err(BenchError::Wrong(format!(
            "{} servers are shown",
            hub.status().servers.len()
        )));
    }
    let mut commit_ms = Vec::new();
    for edition in 0..commits {
        let unique = jiff::Timestamp::now().as_microsecond().unsigned_abs() as usize;
        let (path, text) = order(edition * 37 % servers, unique);
        commit_file(&repository, "an edit", &path, &text)?;
        let before = hub.status().commit.as_ref().map(|commit| commit.generation);
        let begun = Instant::now();
        hub.pass(true).doing("a pass")?;
        commit_ms.push(ms(begun.elapsed()));
        if hub.status().commit.as_ref().map(|commit| commit.generation)
            != before.map(|before| before + 1)
        {
            return Err(BenchError::Wrong("the pass did not see the commit".into()));
        }
    }
    answer(&Whole {
        first_ms,
        commit_ms,
        peak_mb: peak_memory("self"),
    })
}
