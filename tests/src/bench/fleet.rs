//! A hub's work on a large fleet: reading it for the first time, after a commit, after a report. Made with the hub's own library on a real repository.

mod cold;
mod generate;
mod import;
mod observed;
mod settings;
mod stacks;
mod warm;
mod whole;

pub(super) use cold::cold;
pub(super) use import::{Import, commit_file, git};
pub(super) use observed::{SERVICES, all_well};
pub(super) use settings::{Keys, Public};
pub(super) use stacks::{File, files as stack_files};
pub(super) use warm::warm;
pub(super) use whole::hub;

use super::child::{ask, ms};
use super::{Aim, BenchError, Doing, Figure, Options, Unit};
use crate::lab::Config;
use cold::Cold;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use warm::Warm;
use whole::Whole;

/// Tools of every order.
const TOOLS: usize = 10;

/// Measures everything about the fleet.
pub(super) fn run(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let made = tempfile::tempdir().doing("making a folder")?;
    let folder = options
        .fleet
        .clone()
        .unwrap_or_else(|| made.path().to_owned());
    let repository = folder.join(format!("fleet-{}.git", options.servers));
    if !repository.is_dir() {
        prepare(&repository, options.servers)?;
    }
    let path = repository.to_string_lossy().into_owned();
    let expected = options.servers.to_string();
    let (cold_runs, commits, reports) = if options.quick {
        (2, 3, 20)
    } else {
        (5, 30, 300)
    };

    let (mut cold, mut floor) = (Vec::<Cold>::new(), Vec::new());
    for _ in 0..cold_runs {
        cold.push(ask("fleet-cold", &[&path, &expected])?);
        floor.push(read_all_objects(&repository)?);
    }
    let warm: Warm = ask(
        "fleet-warm",
        &[&path, &expected, &commits.to_string(), &reports.to_string()],
    )?;
    let whole: Whole = ask("fleet-hub", &[&path, &expected, &commits.to_string()])?;
    let of = |value: fn(&Cold) -> f64| cold.iter().map(value).collect::<Vec<_>>();
    Ok(vec![
        Figure::new(
            "cold: load + compile + plan",
            Unit::Milliseconds,
            of(|run| run.total_ms),
        )
        .aim(Aim::AtMost(3_000.0))
        .peer("git cat-file --batch of all objects", floor),
        Figure::new(
            "cold: of that, load and compile",
            Unit::Milliseconds,
            of(|run| run.load_ms),
        ),
        Figure::new(
            "cold: of that, plan",
            Unit::Milliseconds,
            of(|run| run.plan_ms),
        ),
        Figure::new(
            "cold: time of all cores",
            Unit::Milliseconds,
            of(|run| run.cpu_ms),
        ),
        Figure::new(
            "cold: greatest memory",
            Unit::Megabytes,
            of(|run| run.peak_mb),
        )
        .aim(Aim::AtMost(500.0)),
        Figure::new(
            "one-file commit: fetch + load + plan + accept",
            Unit::Milliseconds,
            warm.commit_ms,
        )
        .aim(Aim::AtMost(50.0))
        .peer("git diff-tree -r", warm.diff_tree_ms),
        Figure::new(
            "one-file commit: of that, load and compile",
            Unit::Milliseconds,
            warm.commit_load_ms,
        ),
        Figure::new(
            "one-file commit: of that, plan",
            Unit::Milliseconds,
            warm.commit_plan_ms,
        ),
        Figure::new(
            "one-file commit: the plan checked",
            Unit::Milliseconds,
            warm.check_ms,
        ),
        Figure::new(
            "one-file commit: a whole pass of the hub",
            Unit::Milliseconds,
            whole.commit_ms,
        ),
        Figure::new("a report into the plan", Unit::Milliseconds, warm.replan_ms)
            .aim(Aim::AtMost(1.0)),
        Figure::new(
            "a report kept (synced) and into the plan",
            Unit::Milliseconds,
            warm.report_ms,
        )
        .aim(Aim::AtMost(1.0))
        .peer("write + fdatasync of the same bytes", warm.sync_ms),
        Figure::new(
            "a report kept and planned, of 64 at a time",
            Unit::Milliseconds,
            warm.crowd_ms,
        )
        .aim(Aim::AtMost(1.0)),
        Figure::new(
            "everything planned afresh, all servers reporting",
            Unit::Milliseconds,
            warm.full_plan_ms,
        ),
        Figure::new(
            "greatest memory with reports of all servers",
            Unit::Megabytes,
            vec![warm.peak_mb],
        ),
        Figure::new(
            "first pass of the hub (all it shows included)",
            Unit::Milliseconds,
            vec![whole.first_ms],
        ),
        Figure::new(
            "greatest memory of the hub without reports",
            Unit::Megabytes,
            vec![whole.peak_mb],
        ),
    ])
}

/// Makes the repository beside its place and moves it there when it is whole.
fn prepare(repository: &Path, servers: usize) -> Result<(), BenchError> {
    let begun = Instant::now();
    eprintln!("  making a fleet of {servers} servers with {TOOLS} stacks each");
    let unfinished = repository.with_extension("new");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).doing("removing an unfinished fleet")?;
    }
    let made = generate::generate(&unfinished, &Config::from_environment().repository, servers)?;
    std::fs::rename(&unfinished, repository).doing("moving the fleet to its place")?;
    eprintln!(
        "  {} files in {} commits, packed into {:.0} MB, in {:.0} s",
        made.files,
        made.commits,
        made.pack_mb,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What reading every object costs the `git` program, one process and thread: a floor for whoever reads the whole fleet.
fn read_all_objects(repository: &Path) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let mut git = Command::new("git");
    git.arg("-C").arg(repository).args([
        "cat-file",
        "--batch-all-objects",
        "--unordered",
        "--buffer",
        "--batch",
    ]);
    let status = git.stdout(Stdio::null()).status().doing("starting git")?;
    if status.success() {
        Ok(ms(begun.elapsed()))
    } else {
        Err(BenchError::Wrong(format!("git cat-file: {status}")))
    }
}

/// Arguments of a role: the repository, the number of servers, and further numbers.
fn arguments(arguments: &[String]) -> Result<(PathBuf, Vec<usize>), BenchError> {
    let wrong = || {
        BenchError::Wrong(format!(
            "arguments {arguments:?} are not a folder and numbers"
        ))
    };
    let (path, numbers) = arguments.split_first().ok_or_else(wrong)?;
    let numbers = numbers
        .iter()
        .map(|number| number.parse().map_err(|_| wrong()))
        .collect::<Result<Vec<usize>, _>>()?;
    if numbers.is_empty() {
        Err(wrong())
    } else {
        Ok((PathBuf::from(path), numbers))
    }
}
