//! The agent on a real engine: what looking costs when nothing is to be done, how soon a commit runs, how soon a killed container is back, and
//! what the agent uses while nothing happens.

mod noop;
mod path;
mod setting;

use super::child::ms;
use super::{Aim, BenchError, Figure, Options, Unit};

/// Measures passes that find nothing to do.
pub(super) fn noop(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let found = block_on(noop::measure(options.quick))??;
    let compose = "ten `docker compose up -d` that change nothing";
    Ok(vec![
        with_peer(
            Figure::new(
                "10 stacks × 2 containers: a pass",
                Unit::Milliseconds,
                found.pass_ms,
            )
            .aim(Aim::AtMost(50.0)),
            compose,
            &found.compose_ms,
        ),
        with_peer(
            Figure::new(
                "the same, every container inspected",
                Unit::Milliseconds,
                found.inspected_ms,
            )
            .aim(Aim::RatioAtMost(0.2)),
            compose,
            &found.compose_ms,
        ),
        with_peer(
            Figure::new(
                "a process: start, pass, report kept, end",
                Unit::Milliseconds,
                found.process_ms,
            )
            .aim(Aim::RatioAtMost(0.2)),
            compose,
            &found.compose_ms,
        ),
        Figure::new(
            "containers that are not as they were",
            Unit::Count,
            vec![found.changed],
        )
        .aim(Aim::AtMost(0.0)),
    ])
}

/// Measures the way from a commit to a container, and back from a kill.
pub(super) fn path(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let found = block_on(path::measure(options.quick))??;
    Ok(vec![
        Figure::new(
            "a tool is committed → its containers run",
            Unit::Milliseconds,
            found.commit_ms,
        )
        .aim(Aim::AtMost(2_000.0)),
        with_peer(
            Figure::new(
                "a container is killed → it runs again",
                Unit::Milliseconds,
                found.kill_ms,
            )
            .aim(Aim::AtMost(1_000.0)),
            "`docker start` of a killed container",
            &found.start_ms,
        ),
        Figure::new(
            "agent at rest: memory",
            Unit::Megabytes,
            vec![found.idle_mb],
        )
        .aim(Aim::AtMost(20.0)),
        Figure::new(
            "agent at rest: processor",
            Unit::PercentOfACore,
            vec![found.idle_percent],
        )
        .aim(Aim::AtMost(0.2)),
    ])
}

fn with_peer(figure: Figure, name: &str, samples: &[f64]) -> Figure {
    if samples.is_empty() {
        figure
    } else {
        figure.peer(name, samples.to_vec())
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, BenchError> {
    use super::Doing as _;
    Ok(tokio::runtime::Runtime::new()
        .doing("starting")?
        .block_on(work))
}
