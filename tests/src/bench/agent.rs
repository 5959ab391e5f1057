//! The agent on a real engine: what looking costs when nothing is to be done, how soon a commit runs, how soon a killed container is back, and
//! what the agent uses while nothing happens.

mod host;
mod large;
mod noop;
mod path;
mod peers;
mod setting;

use super::child::ms;
use super::{Aim, BenchError, Figure, Options, Unit};
use setting::Size;

/// Measures passes that find nothing to do.
pub(super) fn noop(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let found = block_on(noop::measure(options.quick, Size::USUAL))??;
    let compose = "ten `docker compose up -d` that change nothing";
    Ok(vec![
        with_peer(
            Figure::new(
                "10 stacks × 2 containers: a pass",
                Unit::Milliseconds,
                found.pass,
            )
            .aim(Aim::AtMost(50.0)),
            compose,
            &found.compose,
        ),
        with_peer(
            Figure::new(
                "the same, every container inspected",
                Unit::Milliseconds,
                found.inspected,
            )
            .aim(Aim::RatioAtMost(0.2)),
            compose,
            &found.compose,
        ),
        with_peer(
            Figure::new(
                "a process: start, pass, report kept, end",
                Unit::Milliseconds,
                found.process,
            )
            .aim(Aim::RatioAtMost(0.2)),
            compose,
            &found.compose,
        ),
    ])
}

/// Measures a server with sixty containers.
pub(super) fn large(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let size = if options.quick {
        Size {
            stacks: 3,
            services: 3,
        }
    } else {
        Size {
            stacks: 20,
            services: 3,
        }
    };
    let found = block_on(large::measure(options, size))??;
    let title = format!("{} stacks × {} containers", size.stacks, size.services);
    let pass = |what: &str| {
        Figure::new(
            format!("{title}: {what}"),
            Unit::Milliseconds,
            found.pass_ms.clone(),
        )
    };
    let mut figures = vec![
        pass("a pass").aim(Aim::AtMost(60.0)),
        with_peer(
            pass("a pass, beside Compose").aim(Aim::RatioAtMost(0.1)),
            "`docker compose up -d` of each",
            &found.compose_ms,
        ),
        with_peer(
            pass("a pass, beside Ansible").aim(Aim::RatioAtMost(0.02)),
            "`ansible-playbook` that looks at the same",
            &found.ansible_ms,
        ),
        with_peer(
            pass("a pass, beside pyinfra").aim(Aim::RatioAtMost(0.1)),
            "`pyinfra` that looks at the same",
            &found.pyinfra_ms,
        ),
        Figure::new(
            "agent at rest: memory",
            Unit::Megabytes,
            vec![found.idle_mb],
        )
        .aim(Aim::AtMost(25.0)),
        Figure::new(
            "agent at rest: processor",
            Unit::PercentOfACore,
            vec![found.idle_percent],
        )
        .aim(Aim::AtMost(0.2)),
    ];
    let count = found.drift_ms.len();
    let mut sorted = found.drift_ms.clone();
    sorted.sort_by(f64::total_cmp);
    let worst = sorted
        .get(count.saturating_sub(1) * 95 / 100)
        .copied()
        .unwrap_or(f64::NAN);
    figures.push(Figure::new(
        format!("{count} random drifts: each put right"),
        Unit::Milliseconds,
        found.drift_ms,
    ));
    figures.push(
        Figure::new("the same, 95th percentile", Unit::Milliseconds, vec![worst])
            .aim(Aim::AtMost(1_000.0)),
    );
    figures.push(Figure::new(
        "agent's memory, every hundred drifts",
        Unit::Megabytes,
        found.memory_mb,
    ));
    figures.push(
        Figure::new(
            "memory gained by that",
            Unit::Megabytes,
            vec![found.gained_mb],
        )
        .aim(Aim::AtMost(3.0)),
    );
    Ok(figures)
}

/// Measures looking at the machine itself.
pub(super) fn host(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let found = block_on(host::measure(options.quick))??;
    let process = |what: &str| {
        Figure::new(
            format!("seven areas of the machine: {what}"),
            Unit::Milliseconds,
            found.process.clone(),
        )
    };
    Ok(vec![
        Figure::new(
            "seven areas of the machine: a pass",
            Unit::Milliseconds,
            found.pass,
        )
        .aim(Aim::AtMost(50.0)),
        with_peer(
            process("a process, beside Ansible").aim(Aim::RatioAtMost(0.02)),
            "`ansible-playbook` that looks at the same",
            &found.ansible,
        ),
        with_peer(
            process("a process, beside pyinfra").aim(Aim::RatioAtMost(0.1)),
            "`pyinfra` that looks at the same",
            &found.pyinfra,
        ),
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
