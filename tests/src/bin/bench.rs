//! The program behind `./x bench`: measures speed and size on this machine.

use clap::Parser;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tenantry_tests::bench::{self, Figure, MEASUREMENTS, Measurement, Options};
use tenantry_tests::lab::with_causes;

/// Measures speed and size on this machine, each beside a peer in the same run where there is one.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Args {
    /// What to measure; everything if nothing is named.
    measurements: Vec<String>,
    /// Name all measurements and end.
    #[arg(long)]
    list: bool,
    /// Small and short: shows that the measurements work, not how fast things are.
    #[arg(long)]
    quick: bool,
    /// What shows only after a long time is measured for longer: two thousand drifts, about half an hour.
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// Figures as JSON, one document.
    #[arg(long)]
    json: bool,
    /// Exit code 1 if an aim is missed.
    #[arg(long)]
    strict: bool,
    /// Servers of the generated fleet [default: 10000, with --quick 500].
    #[arg(long)]
    servers: Option<usize>,
    /// Keep the generated fleet here, and use the one that is there already.
    #[arg(long, value_name = "DIR")]
    fleet: Option<PathBuf>,
    /// Used by this program itself.
    #[arg(long, hide = true)]
    role: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    if let Some(role) = &args.role {
        let answer = bench::role(role, &args.measurements)?;
        writeln!(out, "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        for measurement in &MEASUREMENTS {
            writeln!(out, "{:<20} {}", measurement.name, measurement.about)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        quick: args.quick,
        long: args.long,
        servers: args
            .servers
            .unwrap_or(if args.quick { 500 } else { 10_000 }),
        fleet: args.fleet.clone(),
    };
    let (mut verdicts, mut failed) = (Verdicts::default(), 0);
    let mut document = serde_json::Map::new();
    for measurement in chosen(args)? {
        if !args.json {
            writeln!(out, "\n{} — {}", measurement.name, measurement.about)?;
            out.flush()?;
        }
        let begun = Instant::now();
        match measurement.run(&options) {
            Ok(figures) => {
                verdicts.add(&figures);
                if !args.json {
                    for figure in &figures {
                        writeln!(out, "  {figure}")?;
                    }
                    writeln!(out, "  ({} s)", begun.elapsed().as_secs())?;
                }
                document.insert(
                    measurement.name.to_owned(),
                    figures.iter().map(Figure::json).collect(),
                );
            }
            Err(error) => {
                failed += 1;
                eprintln!("error: {}: {}", measurement.name, with_causes(&error));
            }
        }
    }
    if args.json {
        writeln!(out, "{:#}", serde_json::Value::Object(document))?;
    }
    if !args.json {
        write!(out, "\n{verdicts}")?;
        if args.quick {
            writeln!(out, "(a quick run, which says nothing about speed)")?;
        }
    }
    Ok(
        if failed > 0 || (args.strict && !verdicts.missed.is_empty()) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        },
    )
}

/// How many aims were met, and which were not.
#[derive(Default)]
struct Verdicts {
    met: usize,
    missed: Vec<String>,
}

impl Verdicts {
    fn add(&mut self, figures: &[Figure]) {
        for figure in figures {
            match figure.met() {
                Some(true) => self.met += 1,
                Some(false) => self.missed.push(figure.to_string()),
                None if figure.is_open() => self.missed.push(format!("{figure}: not measured")),
                None => {}
            }
        }
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "aims: {} met, {} missed", self.met, self.missed.len())?;
        for figure in &self.missed {
            writeln!(f, "  {figure}")?;
        }
        Ok(())
    }
}

fn chosen(args: &Args) -> Result<Vec<&'static Measurement>, String> {
    if args.measurements.is_empty() {
        return Ok(MEASUREMENTS.iter().collect());
    }
    let find = |name: &String| {
        let found = MEASUREMENTS
            .iter()
            .find(|measurement| measurement.name == name);
        found.ok_or_else(|| format!("nothing is called `{name}`; --list names all measurements"))
    };
    args.measurements.iter().map(find).collect()
}
