//! Times as Go's `time.RFC3339Nano` writes them and as YAML timestamps spell them. No clock here.

use std::fmt;

use crate::Error;

/// A point in time with the offset it was written with, as SOPS keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    /// Minutes east of UTC.
    offset: i16,
}

impl Timestamp {
    /// From seconds since 1970 in UTC; `None` outside the years 0 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        let days = seconds.div_euclid(86_400);
        let rest = seconds.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days)?;
        Some(Self {
            year,
            month,
            day,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
            nanos: 0,
            offset: 0,
        })
    }

    /// Parses strict RFC 3339, for example `2026-11-20T10:00:00Z`.
    pub fn parse_rfc3339(text: &str) -> Result<Self, Error> {
        let mut scan = Scan(text.as_bytes());
        parse_rfc3339(&mut scan)
            .filter(|_| scan.0.is_empty())
            .ok_or_else(|| Error::BadTime {
                text: text.to_owned(),
            })
    }

    /// Parses what go-yaml v3 takes for a timestamp: RFC 3339 with `T` or `t`, a space instead of `T`
    /// without zone, or a date alone.
    pub(crate) fn parse_yaml(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        // Quick check of the original: four digits and a dash.
        if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut scan = Scan(bytes);
        let (year, month, day) = scan.date(true)?;
        let date = Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: 0,
        };
        let time = match scan.0.first().copied() {
            None => Some(date),
            Some(b'T' | b't') => {
                scan.0 = &scan.0[1..];
                let timed = scan.time(date)?;
                scan.zone(timed)
            }
            Some(b' ') => {
                scan.0 = &scan.0[1..];
                scan.time(date)
            }
            Some(_) => None,
        }?;
        scan.0.is_empty().then_some(time)
    }

    /// RFC 3339 to the second: the form of `lastmodified`, which is also the additional data of the MAC.
    pub(crate) fn to_seconds_text(self) -> String {
        Self { nanos: 0, ..self }.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

fn parse_rfc3339(scan: &mut Scan<'_>) -> Option<Timestamp> {
    let (year, month, day) = scan.date(false)?;
    scan.byte(b'T')?;
    let date = Timestamp {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        offset: 0,
    };
    let timed = scan.time(date)?;
    scan.zone(timed)
}

/// The bytes not read yet.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<u16> {
        let count = self
            .0
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')),
        )
    }

    fn date(&mut self, short: bool) -> Option<(u16, u8, u8)> {
        let least = if short { 1 } else { 2 };
        let year = self.digits(4, 4)?;
        self.byte(b'-')?;
        let month = self.digits(least, 2)? as u8;
        self.byte(b'-')?;
        let day = self.digits(least, 2)? as u8;
        ((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day))
            .then_some((year, month, day))
    }

    fn time(&mut self, date: Timestamp) -> Option<Timestamp> {
        let hour = self.digits(1, 2)? as u8;
        self.byte(b':')?;
        let minute = self.digits(2, 2)? as u8;
        self.byte(b':')?;
        let second = self.digits(2, 2)? as u8;
        let mut nanos = 0;
        if self.0.first() == Some(&b'.') {
            self.0 = &self.0[1..];
            let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            for at in 0..9 {
                let digit = self.0[..count].get(at).map_or(0, |digit| digit - b'0');
                nanos = nanos * 10 + u32::from(digit);
            }
            self.0 = &self.0[count..];
        }
        (hour < 24 && minute < 60 && second < 60).then_some(Timestamp {
            hour,
            minute,
            second,
            nanos,
            ..date
        })
    }

    fn zone(&mut self, time: Timestamp) -> Option<Timestamp> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' => return Some(time),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.digits(2, 2)?;
        self.byte(b':')?;
        let minutes = self.digits(2, 2)?;
        (hours < 24 && minutes < 60).then_some(Timestamp {
            offset: sign * (hours * 60 + minutes) as i16,
            ..time
        })
    }
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Proleptic Gregorian date of a day number since 1970-01-01.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> Option<(u16, u8, u8)> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999)
        .contains(&year)
        .then_some((year as u16, month as u8, day as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_seconds_become_rfc3339() {
        let text = |seconds| Timestamp::from_unix(seconds).map(|time| time.to_string());
        assert_eq!(text(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text(951_782_400).as_deref(), Some("2000-02-29T00:00:00Z"));
        assert_eq!(text(1_795_222_800).as_deref(), Some("2026-11-21T01:00:00Z"));
        assert_eq!(text(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(text(i64::MAX), None);
    }

    #[test]
    fn spellings_of_yaml_timestamps() {
        let canonical = |text| Timestamp::parse_yaml(text).map(|time| time.to_string());
        assert_eq!(
            canonical("2001-12-15").as_deref(),
            Some("2001-12-15T00:00:00Z")
        );
        assert_eq!(
            canonical("2001-12-14t21:59:43.10-05:00").as_deref(),
            Some("2001-12-14T21:59:43.1-05:00")
        );
        assert_eq!(
            canonical("2001-1-2 3:04:05").as_deref(),
            Some("2001-01-02T03:04:05Z")
        );
        for not_one in ["2001-13-01", "2001-02-30", "20011215", "2001-12-15T", "x"] {
            assert_eq!(canonical(not_one), None, "{not_one}");
        }
    }

    #[test]
    fn rfc3339_is_strict_and_normalised() {
        let time = Timestamp::parse_rfc3339("2026-11-20T10:00:00.123+00:00").unwrap();
        assert_eq!(time.to_seconds_text(), "2026-11-20T10:00:00Z");
        assert!(Timestamp::parse_rfc3339("2026-11-20").is_err());
        assert!(Timestamp::parse_rfc3339("2026-11-20T10:00:00Z ").is_err());
    }
}
