//! Maintenance windows: `Sun 02:00-05:00`, `daily 03:00-04:30`, always in UTC.

use crate::json::text_schema;
use jiff::{Span, Timestamp, civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A weekly or daily span of time in UTC in which disruptive steps may be taken. It may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    day: Option<Weekday>,
    start: u16,
    end: u16,
}

text_schema!(
    Window,
    "^(daily|Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
    ["Sun 02:00-05:00", "daily 03:00-04:30"]
);

/// The text is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a maintenance window: write `Sun 02:00-05:00` or `daily 03:00-04:30` (UTC)")]
pub struct WindowError(String);

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const DAY_MINUTES: i64 = 24 * 60;

impl TryFrom<String> for Window {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        let bad = || WindowError(text.clone());
        let (day, times) = text.split_once(' ').ok_or_else(bad)?;
        let day = match day {
            "daily" => None,
            name => Some(
                DAYS.iter()
                    .find(|(short, _)| *short == name)
                    .ok_or_else(bad)?
                    .1,
            ),
        };
        let (start, end) = times.split_once('-').ok_or_else(bad)?;
        let (start, end) = (
            minutes(start).ok_or_else(bad)?,
            minutes(end).ok_or_else(bad)?,
        );
        if start == end {
            return Err(bad());
        }
        Ok(Self { day, start, end })
    }
}

/// Minutes after midnight of `HH:MM`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

impl Window {
    /// Minutes that the window stays open.
    fn length(self) -> i64 {
        (i64::from(self.end) - i64::from(self.start)).rem_euclid(DAY_MINUTES)
    }

    /// Minutes that the window stays open.
    pub fn minutes(self) -> u32 {
        u32::try_from(self.length()).unwrap_or_default()
    }

    /// When it opened last, at or before `now`.
    pub fn opened(self, now: Timestamp) -> Timestamp {
        self.opened_at_or_before(now)
    }

    /// Whether the window is open at `now`.
    pub fn is_open(self, now: Timestamp) -> bool {
        self.opened_at_or_before(now)
            .checked_add(Span::new().minutes(self.length()))
            .is_ok_and(|closes| now < closes)
    }

    /// When it opens next, strictly after `now`.
    pub fn next_open(self, now: Timestamp) -> Timestamp {
        let period = if self.day.is_some() { 7 } else { 1 };
        self.opened_at_or_before(now)
            .checked_add(Span::new().hours(24 * period))
            .unwrap_or(Timestamp::MAX)
    }

    /// When an open window closes; none while it is shut.
    pub fn closes(self, now: Timestamp) -> Option<Timestamp> {
        self.opened_at_or_before(now)
            .checked_add(Span::new().minutes(self.length()))
            .ok()
            .filter(|closes| now < *closes)
    }

    fn opened_at_or_before(self, now: Timestamp) -> Timestamp {
        let zoned = now.to_zoned(TimeZone::UTC);
        let days_back = self
            .day
            .map_or(0, |day| i64::from(zoned.weekday().since(day)));
        let midnight = zoned.start_of_day().map_or(now, |start| start.timestamp());
        let candidate = midnight
            .checked_sub(Span::new().hours(24 * days_back))
            .and_then(|day| day.checked_add(Span::new().minutes(i64::from(self.start))))
            .unwrap_or(now);
        if candidate <= now {
            return candidate;
        }
        let period = if self.day.is_some() { 7 } else { 1 };
        candidate
            .checked_sub(Span::new().hours(24 * period))
            .unwrap_or(Timestamp::MIN)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self
            .day
            .and_then(|day| DAYS.iter().find(|(_, d)| *d == day))
            .map_or("daily", |(short, _)| short);
        let time = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        write!(f, "{day} {}-{}", time(self.start), time(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(text: &str) -> Window {
        Window::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn weekly() {
        let sunday = window("Sun 02:00-05:00");
        assert!(sunday.is_open(at("2026-11-22T02:00:00Z")));
        assert!(sunday.is_open(at("2026-11-22T04:59:59Z")));
        assert!(!sunday.is_open(at("2026-11-22T05:00:00Z")));
        assert!(!sunday.is_open(at("2026-11-21T03:00:00Z")));
        assert_eq!(
            sunday.next_open(at("2026-11-21T03:00:00Z")),
            at("2026-11-22T02:00:00Z")
        );
        assert_eq!(
            sunday.next_open(at("2026-11-22T02:00:00Z")),
            at("2026-11-29T02:00:00Z")
        );
    }

    #[test]
    fn across_midnight() {
        let night = window("daily 23:00-01:00");
        assert!(night.is_open(at("2026-11-21T23:30:00Z")));
        assert!(night.is_open(at("2026-11-21T00:30:00Z")));
        assert!(!night.is_open(at("2026-11-21T12:00:00Z")));
        assert_eq!(
            night.closes(at("2026-11-21T00:30:00Z")),
            Some(at("2026-11-21T01:00:00Z"))
        );
    }

    #[test]
    fn refused() {
        for bad in [
            "",
            "Sun",
            "Sun 2:00-5:00",
            "sunday 02:00-05:00",
            "Sun 02:00-02:00",
            "Sun 25:00-26:00",
            "02:00-05:00",
            "Sun +2:00-05:00",
        ] {
            assert!(Window::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn opening_is_always_ahead_and_open(seconds in 0i64..4_000_000_000, start in 0u16..1440, length in 1u16..1440, day in 0usize..8) {
            let window = Window { day: DAYS.get(day).map(|(_, d)| *d), start, end: (start + length) % 1440 };
            let now = Timestamp::from_second(seconds).unwrap();
            let next = window.next_open(now);
            prop_assert!(next > now);
            prop_assert!(window.is_open(next));
            prop_assert_eq!(Window::try_from(window.to_string()).unwrap(), window);
        }
    }
}
