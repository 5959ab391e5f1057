//! Durations, byte sizes and CPU shares as Compose writes them; nothing else.

use std::time::Duration;

/// Share of processors in units of 10^-9, as the engine counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u64);

impl Cpus {
    /// Billionths of a processor.
    pub const fn nano(self) -> u64 {
        self.0
    }
}

/// Go's duration syntax: `1m30s`, `1.5h`. Compose refuses days.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let number: f64 = plain_decimal(&rest[..digits])?;
        rest = &rest[digits..];
        let unit = rest
            .bytes()
            .take_while(|b| !b.is_ascii_digit() && *b != b'.')
            .count();
        nanos += number
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    // The engine counts in signed 64-bit nanoseconds.
    if text.is_empty() || nanos > 9.2e18 {
        return None;
    }
    Some(Duration::from_nanos(nanos.round() as u64))
}

/// A size in bytes: a number alone, or with `b`, `k`, `m`, `g`, `t`, `kb`, `kib`, ... all of them powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.')
        .count();
    let number: f64 = plain_decimal(&text[..digits])?;
    let unit = text[digits..]
        .strip_prefix(' ')
        .unwrap_or(&text[digits..])
        .to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    let total = number * 1024_f64.powi(power);
    (total < 9.2e18).then_some(total as u64)
}

/// `0.5`, `2`
pub(crate) fn cpus(text: &str) -> Option<Cpus> {
    let number = plain_decimal(text)?;
    (number <= 1e6).then(|| Cpus((number * 1e9).round() as u64))
}

fn plain_decimal(text: &str) -> Option<f64> {
    let fine = text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if fine { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("1s", 1000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("48h", 172_800_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "s",
            "1x",
            "-1s",
            "1..5s",
            "1 s",
            ".",
            ".s",
            "9999999999h",
            "1sm",
            "2d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("1024", 1024),
            ("1b", 1),
            ("64k", 65_536),
            ("512M", 512 << 20),
            ("1.5g", 3 << 29),
            ("2gb", 2 << 30),
            ("1 GiB", 1 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "M", "-1", "1x", "1 0", "1e3", "1mm", "99999999t"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(cpus("0.5").map(Cpus::nano), Some(500_000_000));
        assert_eq!(cpus("x"), None);
        assert_eq!(cpus("1e9"), None);
    }
}
