//! What people wait for: `tenantry check` and `tenantry plan` on a large fleet, as whole processes, with nothing known and with what an earlier run
//! found out.

mod fleet;
mod process;

use super::fleet::{commit_file, git};
use super::{Aim, BenchError, Doing, Figure, Options, Unit};
use crate::lab::Config;
use crate::rig::program;
use fleet::{Checked, FILES_EACH, name, order};
use process::{Ran, run as start};
use std::path::Path;
use std::process::Command;

/// SOPS files that the peer opens, one process each; the rest is reckoned.
const SAMPLE: usize = 20;

/// Measures.
pub(super) fn run(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let made = tempfile::tempdir().doing("making a folder")?;
    let home = tempfile::tempdir().doing("making a folder")?;
    let folder = options.fleet.as_deref().unwrap_or(made.path());
    let runs = if options.quick { 2 } else { 7 };
    let large = Desk {
        fleet: Checked::open(folder, options.servers)?,
        home: home.path(),
        runs,
    };
    let small = Desk {
        fleet: Checked::open(folder, options.servers.div_ceil(30))?,
        ..large
    };
    let mut figures = large.cold()?;
    figures.push(large.linear(&small)?);
    figures.extend(large.warm()?);
    figures.extend(large.plans()?);
    Ok(figures)
}

/// A fleet, and somebody who works on it.
struct Desk<'h> {
    fleet: Checked,
    home: &'h Path,
    runs: usize,
}

/// Values of several runs.
#[derive(Default)]
struct Series {
    took_ms: Vec<f64>,
    peak_mb: Vec<f64>,
}

impl Series {
    fn add(&mut self, ran: &Ran) {
        self.took_ms.push(ran.took_ms);
        self.peak_mb.push(ran.peak_mb);
    }
}

impl Desk<'_> {
    fn tenantry(&self, arguments: &[&str], fleet: &Path) -> Result<Ran, BenchError> {
        let mut command = Command::new(program("tenantry")?);
        command.args(arguments).arg(fleet);
        start(&mut command, self.home)
    }

    /// A check that finds nothing wrong with anybody.
    fn check(&self, fleet: &Path) -> Result<Ran, BenchError> {
        let good = format!("good: {} customers", self.fleet.customers);
        self.tenantry(&["check"], fleet)?.expect(0, &[&good])
    }

    fn forget(&self) -> Result<(), BenchError> {
        for git_dir in [self.fleet.bare.clone(), self.fleet.work.join(".git")] {
            let kept = git_dir.join("tenantry");
            if kept.exists() {
                std::fs::remove_dir_all(kept).doing("forgetting what is known")?;
            }
        }
        Ok(())
    }

    fn check_cold(&self, fleet: &Path) -> Result<Series, BenchError> {
        let mut series = Series::default();
        for _ in 0..self.runs {
            self.forget()?;
            series.add(&self.check(fleet)?);
        }
        Ok(series)
    }

    fn cold(&self) -> Result<Vec<Figure>, BenchError> {
        let (bare, work) = (
            self.check_cold(&self.fleet.bare)?,
            self.check_cold(&self.fleet.work)?,
        );
        let peaks = [bare.peak_mb, work.peak_mb].concat();
        let (sample, sops) = self.sops()?;
        let peer = format!("sops -d of each ({sample} measured)");
        Ok(vec![
            Figure::new(
                "check, cold: a bare repository",
                Unit::Milliseconds,
                bare.took_ms,
            )
            .aim(Aim::AtMost(4_000.0)),
            Figure::new(
                "check, cold: files as they are now",
                Unit::Milliseconds,
                work.took_ms,
            )
            .aim(Aim::AtMost(4_000.0))
            .peer(peer, sops),
            Figure::new("check, cold: greatest memory", Unit::Megabytes, peaks)
                .aim(Aim::AtMost(500.0)),
        ])
    }

    /// How long `sops -d` would take for every SOPS file, reckoned from a sample. Nothing where there is no `sops`.
    fn sops(&self) -> Result<(usize, Vec<f64>), BenchError> {
        let Some(sops) = Config::from_environment().sops else {
            return Ok((0, Vec::new()));
        };
        let step = (self.fleet.customers / SAMPLE).max(1);
        let mut reckoned = Vec::new();
        for file in self.fleet.sealed().step_by(step) {
            let mut command = Command::new(&sops);
            command
                .arg("-d")
                .arg(&file)
                .env("SOPS_AGE_KEY_FILE", &self.fleet.key);
            let ran = start(&mut command, self.home)?.expect(0, &[])?;
            if ran.said.contains("ENC[") || ran.said.is_empty() {
                return Err(BenchError::Wrong(format!(
                    "sops did not decrypt: {}",
                    ran.said
                )));
            }
            reckoned.push(ran.took_ms * self.fleet.customers as f64);
        }
        Ok((reckoned.len(), reckoned))
    }

    /// What a thousand files cost in a large fleet, and in a small one.
    fn linear(&self, small: &Self) -> Result<Figure, BenchError> {
        let thousand = |desk: &Self| {
            let took = desk.check_cold(&desk.fleet.bare)?.took_ms.into_iter();
            let files = (desk.fleet.customers * FILES_EACH) as f64;
            Ok::<_, BenchError>(took.map(|took| took * 1_000.0 / files).collect::<Vec<_>>())
        };
        let what = format!(
            "check, cold: 1,000 of {} files",
            self.fleet.customers * FILES_EACH
        );
        let peer = format!("of {} files", small.fleet.customers * FILES_EACH);
        Ok(Figure::new(what, Unit::Milliseconds, thousand(self)?)
            .peer(peer, thousand(small)?)
            .aim(Aim::RatioAtMost(1.1)))
    }

    fn warm(&self) -> Result<Vec<Figure>, BenchError> {
        let Checked { bare, work, .. } = &self.fleet;
        let (mut in_bare, mut in_work) = (Series::default(), Series::default());
        let (mut edited, mut staged) = (Series::default(), Series::default());
        let mut status = Vec::new();
        self.check(bare)?;
        self.check(work)?;
        for edition in 0..self.runs {
            in_bare.add(&self.check(bare)?);
            in_work.add(&self.check(work)?);
            let mut command = Command::new("git");
            command.arg("-C").arg(work).args(["status", "--porcelain"]);
            status.push(start(&mut command, self.home)?.expect(0, &[])?.took_ms);
            let (path, text) = order(edition * 37 % self.fleet.customers, unique());
            let path = work.join(path);
            std::fs::write(&path, &text).doing("editing a file")?;
            edited.add(&self.check(work)?);
            git(work, &["add", "-A"])?;
            staged.add(
                &self
                    .tenantry(&["check", "--staged"], work)?
                    .expect(0, &[])?,
            );
            std::fs::write(&path, text.replace("html", "htlm")).doing("editing a file")?;
            // What is known does not hide what is wrong now.
            self.tenantry(&["check"], work)?.expect(
                1,
                &["unknown tool `htlm`", "other customers are not affected"],
            )?;
            git(work, &["reset", "--quiet", "--hard"])?;
        }
        let peaks = [&in_work.peak_mb[..], &edited.peak_mb].concat();
        Ok(vec![
            Figure::new(
                "check, warm: a bare repository",
                Unit::Milliseconds,
                in_bare.took_ms,
            )
            .aim(Aim::AtMost(300.0)),
            Figure::new(
                "check, warm: files as they are now",
                Unit::Milliseconds,
                in_work.took_ms,
            )
            .aim(Aim::AtMost(300.0))
            .peer("git status", status),
            Figure::new(
                "check, warm: a file was edited",
                Unit::Milliseconds,
                edited.took_ms,
            )
            .aim(Aim::AtMost(300.0)),
            Figure::new(
                "check, warm: what is staged, for the hook",
                Unit::Milliseconds,
                staged.took_ms,
            )
            .aim(Aim::AtMost(200.0)),
            Figure::new("check, warm: greatest memory", Unit::Megabytes, peaks)
                .aim(Aim::AtMost(500.0)),
        ])
    }

    /// Commits that differ in one file, planned.
    fn plans(&self) -> Result<Vec<Figure>, BenchError> {
        let bare = &self.fleet.bare;
        let (mut cold, mut warm, mut diff) = (Series::default(), Series::default(), Vec::new());
        for edition in 0..self.runs * 2 {
            let number = edition * 41 % self.fleet.customers;
            let (path, text) = order(number, unique());
            commit_file(bare, "an edit", &path, &text)?;
            let series = if edition < self.runs {
                self.forget()?;
                &mut cold
            } else {
                &mut warm
            };
            let server = format!("{0}/{0}-1", name(number));
            let words = [
                server.as_str(),
                "files/html/index.html",
                "1 server of 1 customer",
            ];
            let plan = ["plan", "--from", "main~1", "--to", "main"];
            series.add(&self.tenantry(&plan, bare)?.expect(2, &words)?);
            let mut command = Command::new("git");
            command
                .arg("-C")
                .arg(bare)
                .args(["diff-tree", "-r", "main~1", "main"]);
            diff.push(start(&mut command, self.home)?.expect(0, &[&path])?.took_ms);
        }
        let peaks = [&cold.peak_mb[..], &warm.peak_mb].concat();
        Ok(vec![
            Figure::new("plan of one file, cold", Unit::Milliseconds, cold.took_ms),
            Figure::new("plan of one file, warm", Unit::Milliseconds, warm.took_ms)
                .aim(Aim::AtMost(150.0))
                .peer("git diff-tree -r", diff),
            Figure::new("plan of one file: greatest memory", Unit::Megabytes, peaks)
                .aim(Aim::AtMost(500.0)),
        ])
    }
}

/// Not what an earlier run wrote into the same fleet.
fn unique() -> usize {
    usize::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default()
}
