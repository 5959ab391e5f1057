//! How the demo speaks: one line a step, with its time.

use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Tells the story on standard output.
pub(super) struct Teller {
    step: String,
    begun: Instant,
    since_start: Instant,
    number: usize,
    colour: bool,
}

impl Teller {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            step: String::new(),
            begun: now,
            since_start: now,
            number: 0,
            colour: std::io::stdout().is_terminal(),
        }
    }

    /// The step that is being told.
    pub(super) fn step(&self) -> &str {
        &self.step
    }

    /// Begins a step.
    pub(super) fn begin(&mut self, step: &str) {
        self.number += 1;
        step.clone_into(&mut self.step);
        self.begun = Instant::now();
        let (bold, reset) = self.paint("\x1b[1m");
        print(&format!("{bold}{:>2}  {step}{reset}", self.number));
    }

    /// Ends it well.
    pub(super) fn done(&self, outcome: &str) {
        let (green, reset) = self.paint("\x1b[32m");
        print(&format!(
            "    {green}✓{reset} {outcome}  ({:.1} s)",
            self.begun.elapsed().as_secs_f64()
        ));
    }

    /// Shows something, indented.
    pub(super) fn show(&self, text: &str) {
        let (dim, reset) = self.paint("\x1b[2m");
        for line in text.trim_end().lines() {
            print(&format!("    {dim}│{reset} {line}"));
        }
    }

    /// Says something.
    pub(super) fn say(&self, text: &str) {
        print(text);
    }

    /// Seconds since the start.
    pub(super) fn total(&self) -> f64 {
        self.since_start.elapsed().as_secs_f64()
    }

    fn paint(&self, code: &'static str) -> (&'static str, &'static str) {
        if self.colour {
            (code, "\x1b[0m")
        } else {
            ("", "")
        }
    }
}

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away does not end the demo.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
