//! What was measured, and how it is told: median, least and greatest, the aim, and the ratio to a peer measured in the same run.

use serde::Serialize;
use std::fmt;

/// Units of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Megabytes of 1,000,000 bytes.
    Megabytes,
    /// Kilobytes of 1,000 bytes.
    Kilobytes,
    /// So many a second.
    PerSecond,
    /// Percent of one core.
    PercentOfACore,
    /// A number of things.
    Count,
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
            Self::Kilobytes => "kB",
            Self::PerSecond => "/s",
            Self::PercentOfACore => "% of a core",
            Self::Count => "",
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The median is at most this.
    AtMost(f64),
    /// The median is at least this.
    AtLeast(f64),
    /// The median is at most this part of the peer's.
    RatioAtMost(f64),
}

/// Somebody else's figure for the same work, from the same run.
#[derive(Debug, Clone, Serialize)]
pub struct Peer {
    /// Who or what.
    pub name: String,
    /// One value a run.
    pub samples: Vec<f64>,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// In what.
    pub unit: Unit,
    /// One value a run.
    pub samples: Vec<f64>,
    /// What it should be.
    pub aim: Option<Aim>,
    /// What to compare it with.
    pub peer: Option<Peer>,
}

impl Figure {
    /// A figure without aim or peer.
    pub fn new(what: impl Into<String>, unit: Unit, samples: Vec<f64>) -> Self {
        Self {
            what: what.into(),
            unit,
            samples,
            aim: None,
            peer: None,
        }
    }

    /// With an aim.
    pub fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// With a peer.
    pub fn peer(mut self, name: impl Into<String>, samples: Vec<f64>) -> Self {
        self.peer = Some(Peer {
            name: name.into(),
            samples,
        });
        self
    }

    /// The median as a part of the peer's median.
    pub fn ratio(&self) -> Option<f64> {
        let peer = median(&self.peer.as_ref()?.samples)?;
        Some(median(&self.samples)? / peer).filter(|ratio| ratio.is_finite())
    }

    /// Whether the aim is met; none without an aim, or where nothing was measured.
    pub fn met(&self) -> Option<bool> {
        let median = median(&self.samples)?;
        Some(match self.aim? {
            Aim::AtMost(limit) => median <= limit,
            Aim::AtLeast(limit) => median >= limit,
            Aim::RatioAtMost(limit) => self.ratio()? <= limit,
        })
    }

    /// Whether there is an aim of which nothing can be said: nothing was measured, or not the peer.
    pub fn is_open(&self) -> bool {
        self.aim.is_some() && self.met().is_none()
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let mut value = serde_json::json!(self);
        value["median"] = serde_json::json!(median(&self.samples));
        value["ratio"] = serde_json::json!(self.ratio());
        value["met"] = serde_json::json!(self.met());
        value
    }
}

/// The middle value; of an even number the mean of the two in the middle.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[sorted.len() / 2 - 1], upper)
    } else {
        upper
    })
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(middle) = median(&self.samples) else {
            return write!(f, "{:<52} nothing measured", self.what);
        };
        let unit = self.unit.symbol();
        write!(f, "{:<52} {:>9} {unit:<2}", self.what, number(middle))?;
        if self.samples.len() > 1 {
            let least = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = self
                .samples
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            write!(
                f,
                "  {} … {} ({} runs)",
                number(least),
                number(greatest),
                self.samples.len()
            )?;
        }
        match self.aim {
            Some(Aim::AtMost(limit)) => write!(f, "  aim ≤ {}", number(limit))?,
            Some(Aim::AtLeast(limit)) => write!(f, "  aim ≥ {}", number(limit))?,
            Some(Aim::RatioAtMost(limit)) => write!(f, "  aim ≤ {limit:.2} × peer")?,
            None => {}
        }
        match self.met() {
            Some(true) => write!(f, ": met")?,
            Some(false) => write!(f, ": MISSED")?,
            None => {}
        }
        if let (Some(peer), Some(ratio)) = (&self.peer, self.ratio()) {
            let theirs = median(&peer.samples).unwrap_or_default();
            write!(
                f,
                "  [{ratio:.2} × {}: {} {unit}]",
                peer.name,
                number(theirs)
            )?;
        }
        Ok(())
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn aims_judge_the_median() {
        let figure = |aim| {
            Figure::new("x", Unit::Milliseconds, vec![1.0, 2.0, 30.0])
                .peer("them", vec![10.0])
                .aim(aim)
        };
        assert_eq!(figure(Aim::AtMost(2.0)).met(), Some(true));
        assert_eq!(figure(Aim::AtMost(1.9)).met(), Some(false));
        assert_eq!(figure(Aim::AtLeast(2.1)).met(), Some(false));
        assert_eq!(figure(Aim::RatioAtMost(0.2)).met(), Some(true));
        assert_eq!(Figure::new("x", Unit::Count, vec![1.0]).met(), None);
        assert_eq!(
            Figure::new("x", Unit::Count, vec![])
                .aim(Aim::AtMost(1.0))
                .met(),
            None
        );
    }

    #[test]
    fn told_in_one_line() {
        let figure = Figure::new("cold", Unit::Milliseconds, vec![1500.0, 1000.0, 2000.0])
            .aim(Aim::AtMost(3000.0))
            .peer("git", vec![500.0]);
        let line = figure.to_string();
        assert!(line.starts_with("cold "), "{line}");
        assert!(
            line.ends_with("1500 ms  1000 … 2000 (3 runs)  aim ≤ 3000: met  [3.00 × git: 500 ms]"),
            "{line}"
        );
        assert_eq!(figure.json()["met"], true);
    }
}
