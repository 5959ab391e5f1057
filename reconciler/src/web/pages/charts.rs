//! Charts of what was used, as paths of SVG that are part of the page: they need no script. Pure.

use super::words::bytes;
use crate::store::{UsageHistory, UsageSpan};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;
use tenantry_schema::wire::Spread;

/// Size of a chart, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// Everything that was used by a server.
#[derive(Debug, Serialize)]
pub(super) struct UsageView {
    ranges: Vec<Range>,
    charts: Vec<Chart>,
    containers: Vec<ContainerRow>,
}

/// A span that can be chosen.
#[derive(Debug, Serialize)]
struct Range {
    word: &'static str,
    chosen: bool,
}

/// One quantity over time.
#[derive(Debug, PartialEq, Serialize)]
struct Chart {
    title: &'static str,
    /// The newest mean, in words.
    now: String,
    /// The top of the chart, in words.
    top: String,
    /// From least to greatest.
    band: String,
    /// The mean.
    line: String,
}

/// A container.
#[derive(Debug, Serialize)]
struct ContainerRow {
    instance: String,
    service: String,
    cpu: Option<Chart>,
    memory: Option<Chart>,
    network: Option<String>,
    disk: Option<String>,
}

/// A point of a chart.
type Point = (Timestamp, Option<Spread>);

/// How a quantity is told.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Cores,
    Bytes,
    Rate,
}

/// What `history` shows.
pub(super) fn view(history: &UsageHistory, span: UsageSpan) -> UsageView {
    let axis = Axis {
        from: history.from,
        until: history.until,
        step: history.step,
    };
    let host = |title,
                unit,
                top: Option<u64>,
                get: &dyn Fn(&tenantry_schema::wire::HostUsage) -> Option<Spread>| {
        let points: Vec<Point> = history
            .host
            .iter()
            .map(|point| (point.at, get(&point.usage)))
            .collect();
        axis.chart(title, unit, top, &points)
    };
    let size = history
        .host
        .iter()
        .rev()
        .find_map(|point| point.usage.disk_size);
    let charts = [
        host("Processor", Unit::Cores, None, &|usage| usage.cpu),
        host("Memory", Unit::Bytes, None, &|usage| usage.memory),
        host("Disk", Unit::Bytes, size, &|usage| usage.disk),
        host("Disk, read", Unit::Rate, None, &|usage| usage.disk_read),
        host("Disk, written", Unit::Rate, None, &|usage| usage.disk_write),
        host("Network, in", Unit::Rate, None, &|usage| usage.network_in),
        host("Network, out", Unit::Rate, None, &|usage| usage.network_out),
    ];
    UsageView {
        ranges: UsageSpan::WORDS
            .map(|(known, word)| Range {
                word,
                chosen: known == span,
            })
            .into(),
        charts: charts.into_iter().flatten().collect(),
        containers: containers(history),
    }
}

fn containers(history: &UsageHistory) -> Vec<ContainerRow> {
    let axis = Axis {
        from: history.from,
        until: history.until,
        step: history.containers_step,
    };
    let mut rows = Vec::new();
    for (instance, services) in &history.containers {
        for (service, points) in services {
            let series = |get: &dyn Fn(
                &tenantry_schema::wire::ContainerUsage,
            ) -> Option<Spread>|
             -> Vec<Point> {
                points
                    .iter()
                    .map(|point| (point.at, get(&point.usage)))
                    .collect()
            };
            let pair = |one: Option<Spread>, other: Option<Spread>| {
                let (one, other) = (one?.mean, other?.mean);
                Some(format!(
                    "{} / {}",
                    told(one, Unit::Rate),
                    told(other, Unit::Rate)
                ))
            };
            let last = points.last().map(|point| point.usage).unwrap_or_default();
            rows.push(ContainerRow {
                instance: instance.to_string(),
                service: service.clone(),
                cpu: axis.chart("Processor", Unit::Cores, None, &series(&|usage| usage.cpu)),
                memory: axis.chart("Memory", Unit::Bytes, None, &series(&|usage| usage.memory)),
                network: pair(last.network_in, last.network_out),
                disk: pair(last.disk_read, last.disk_write),
            });
        }
    }
    rows
}

struct Axis {
    from: Timestamp,
    until: Timestamp,
    step: i64,
}

impl Axis {
    /// None where nothing is known of the quantity.
    fn chart(
        &self,
        title: &'static str,
        unit: Unit,
        top: Option<u64>,
        points: &[Point],
    ) -> Option<Chart> {
        let known: Vec<(Timestamp, Spread)> = points
            .iter()
            .filter_map(|(at, spread)| Some((*at, (*spread)?)))
            .collect();
        let (_, last) = known.last()?;
        let greatest = known.iter().map(|(_, spread)| spread.greatest).max()?;
        let top = top.unwrap_or(0).max(round_up(greatest, unit)).max(1);
        let (mut band, mut line) = (String::new(), String::new());
        for run in self.runs(&known) {
            self.draw(run, top, &mut band, &mut line);
        }
        Some(Chart {
            title,
            now: told(last.mean, unit),
            top: told(top, unit),
            band,
            line,
        })
    }

    /// Points that follow each other: a line over a time of which nothing is known would be a lie.
    fn runs<'a>(&self, points: &'a [(Timestamp, Spread)]) -> Vec<&'a [(Timestamp, Spread)]> {
        points
            .chunk_by(|(a, _), (b, _)| b.as_second() - a.as_second() <= 2 * self.step)
            .collect()
    }

    fn draw(&self, run: &[(Timestamp, Spread)], top: u64, band: &mut String, line: &mut String) {
        let y = |value: u64| HEIGHT - value.min(top) as f64 / top as f64 * HEIGHT;
        let half = self.step as f64 / 2.0;
        let place = |path: &mut String, at: f64, value: u64, first: bool| {
            let command = if first { 'M' } else { 'L' };
            // Writing to a text cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(at), y(value));
        };
        let moment = |at: &Timestamp| at.as_second() as f64;
        for (number, (at, spread)) in run.iter().enumerate() {
            if run.len() == 1 {
                // A single point has a width: that of its step.
                place(line, moment(at), spread.mean, true);
                place(line, moment(at) + 2.0 * half, spread.mean, false);
                continue;
            }
            place(line, moment(at) + half, spread.mean, number == 0);
            place(band, moment(at) + half, spread.greatest, number == 0);
        }
        if run.len() > 1 {
            for (at, spread) in run.iter().rev() {
                place(band, moment(at) + half, spread.least, false);
            }
            band.push('Z');
        }
    }

    fn x(&self, second: f64) -> f64 {
        let (from, until) = (self.from.as_second() as f64, self.until.as_second() as f64);
        ((second - from) / (until - from).max(1.0) * WIDTH).clamp(0.0, WIDTH)
    }
}

/// The next number that is easy to read.
fn round_up(value: u64, unit: Unit) -> u64 {
    let base: u64 = match unit {
        Unit::Cores => 10,
        Unit::Bytes | Unit::Rate => 1024,
    };
    let mut scale: u64 = 1;
    while let Some(next) = scale.checked_mul(base)
        && next <= value
    {
        scale = next;
    }
    let times = value.div_ceil(scale);
    let even = [
        1, 2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024,
    ];
    let times = even
        .into_iter()
        .find(|even| *even >= times)
        .unwrap_or(times);
    scale.saturating_mul(times)
}

/// A quantity in words.
fn told(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Cores => format!("{:.2} cores", value as f64 / 1000.0),
        Unit::Bytes => bytes(value),
        Unit::Rate => format!("{}/s", bytes(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn axis() -> Axis {
        Axis {
            from: at(0),
            until: at(600),
            step: 60,
        }
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let spread = |mean| {
            Some(Spread {
                least: mean / 2,
                mean,
                greatest: mean * 2,
            })
        };
        let points = [
            (at(0), spread(100)),
            (at(60), spread(200)),
            (at(300), spread(400)),
            (at(540), None),
        ];
        let chart = axis()
            .chart("Processor", Unit::Cores, None, &points)
            .unwrap();
        assert_eq!(chart.line, "M30.0 87.5L90.0 75.0M300.0 50.0L360.0 50.0");
        assert_eq!(chart.band, "M30.0 75.0L90.0 50.0L90.0 87.5L30.0 93.8Z");
        assert_eq!(
            (chart.now.as_str(), chart.top.as_str()),
            ("0.40 cores", "0.80 cores")
        );
        assert_eq!(axis().chart("x", Unit::Bytes, None, &[(at(0), None)]), None);
    }

    #[test]
    fn words_for_people() {
        assert_eq!(told(1536, Unit::Bytes), "1.5 KiB");
        assert_eq!(told(20 << 30, Unit::Bytes), "20 GiB");
        assert_eq!(told(7, Unit::Rate), "7 B/s");
        assert_eq!(round_up(5 * 1024 + 1, Unit::Bytes), 8 * 1024);
        assert_eq!(round_up(1234, Unit::Cores), 2000);
        assert_eq!(round_up(0, Unit::Cores), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside(points in proptest::collection::vec((0i64..900, any::<u64>()), 0..20), top in proptest::option::of(any::<u64>())) {
            let mut points: Vec<Point> = points.into_iter().map(|(second, value)| (at(second), Some([value / 2, value, value].into()))).collect();
            points.sort_by_key(|(at, _)| *at);
            if let Some(chart) = axis().chart("x", Unit::Rate, top, &points) {
                for number in chart.line.split(['M', 'L', ' ']).chain(chart.band.split(['M', 'L', ' ', 'Z'])).filter(|text| !text.is_empty()) {
                    let number: f64 = number.parse().unwrap();
                    prop_assert!((0.0..=600.0).contains(&number));
                }
            }
        }
    }
}
