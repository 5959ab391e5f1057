//! Amounts as people write them: prices, shares, spans of time.

use crate::json::text_schema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The text is not such an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not an amount and a currency.
    #[error(
        "`{0}` is not a price: write an amount and a currency, such as `29 EUR` or `29.50 EUR`"
    )]
    Price(String),
    /// Not a share of a whole.
    #[error("`{0}` is not a share: write a whole number from 1% to 100%")]
    Percent(String),
    /// Not a share or a number.
    #[error("`{0}` is not a limit: write a share from 1% to 100%, or a whole number")]
    Limit(String),
    /// Not a span of time.
    #[error("`{0}` is not a span of time: write a whole number with m, h or d, such as 12h")]
    Duration(String),
}

macro_rules! by_text {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(amount: $name) -> Self {
                amount.to_string()
            }
        }
    };
}

/// What something costs a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Price {
    /// Hundredths of the currency's unit.
    pub hundredths: u64,
    /// The currency, as in ISO 4217.
    currency: [u8; 3],
}

impl Price {
    /// The three letters of the currency.
    pub fn currency(&self) -> &str {
        // Checked when it was read.
        std::str::from_utf8(&self.currency).unwrap_or_default()
    }
}

by_text!(Price);
text_schema!(
    Price,
    r"^[0-9]{1,9}(\.[0-9]{2})? [A-Z]{3}$",
    ["29 EUR", "29.50 EUR"]
);

impl TryFrom<String> for Price {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, AmountError> {
        let read = || {
            let (amount, currency) = text.split_once(' ')?;
            let (units, cents) = amount.split_once('.').unwrap_or((amount, "00"));
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
            let fits = (1..=9).contains(&units.len()) && cents.len() == 2;
            let currency: [u8; 3] = currency.as_bytes().try_into().ok()?;
            let good = fits
                && digits(units)
                && digits(cents)
                && currency.iter().all(u8::is_ascii_uppercase);
            let hundredths = units.parse::<u64>().ok()? * 100 + cents.parse::<u64>().ok()?;
            good.then_some(Self {
                hundredths,
                currency,
            })
        };
        read().ok_or_else(|| AmountError::Price(text.clone()))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, cents) = (self.hundredths / 100, self.hundredths % 100);
        match cents {
            0 => write!(f, "{units} {}", self.currency()),
            _ => write!(f, "{units}.{cents:02} {}", self.currency()),
        }
    }
}

/// A share of a whole: `10%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u8);

impl Percent {
    /// How many of `whole` these are, rounded down.
    pub fn of(self, whole: usize) -> usize {
        whole.saturating_mul(usize::from(self.0)) / 100
    }
}

by_text!(Percent);
text_schema!(Percent, r"^([1-9][0-9]?|100)%$", ["10%"]);

impl TryFrom<String> for Percent {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, AmountError> {
        let number = || {
            let digits = text
                .strip_suffix('%')
                .filter(|digits| !digits.starts_with(['0', '+']))?;
            digits
                .parse()
                .ok()
                .filter(|number| (1..=100).contains(number))
        };
        number()
            .map(Self)
            .ok_or_else(|| AmountError::Percent(text.clone()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// How much of a whole at most: a share of it, `10%`, or a number, `5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Limit {
    /// So many of a hundred, and always one.
    Share(Percent),
    /// So many.
    Number(u32),
}

by_text!(Limit);
text_schema!(
    Limit,
    ["string", "integer"],
    r"^([1-9][0-9]?%|100%|[0-9]|[1-9][0-9]{1,5})$",
    ["10%", "5"]
);

impl Limit {
    /// How many of `whole` these are. Of a share always one: else a small fleet could change nothing.
    pub fn of(self, whole: usize) -> usize {
        match self {
            Self::Share(share) => share.of(whole).max(1),
            Self::Number(number) => number as usize,
        }
    }
}

impl TryFrom<String> for Limit {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, AmountError> {
        if text.ends_with('%') {
            let share = Percent::try_from(text.clone());
            return share.map(Self::Share).map_err(|_| AmountError::Limit(text));
        }
        let plain = (1..=6).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'));
        let number = text.parse().ok().filter(|_| plain);
        number.map(Self::Number).ok_or(AmountError::Limit(text))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A span of time: `30m`, `12h`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    /// Minutes, up to ten years.
    pub minutes: u32,
}

by_text!(Duration);
text_schema!(Duration, r"^[1-9][0-9]{0,3}[mhd]$", ["30m", "12h", "1d"]);

const UNITS: [(char, u32); 3] = [('d', 24 * 60), ('h', 60), ('m', 1)];

impl TryFrom<String> for Duration {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, AmountError> {
        let read = || {
            let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let good = (1..=4).contains(&number.len())
                && !number.starts_with('0')
                && number.bytes().all(|b| b.is_ascii_digit());
            let (_, length) = UNITS.iter().find(|(letter, _)| unit.starts_with(*letter))?;
            let number: u32 = number.parse().ok().filter(|_| good)?;
            Some(Self {
                minutes: number * length,
            })
        };
        read().ok_or_else(|| AmountError::Duration(text.clone()))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, length) = UNITS
            .iter()
            .find(|(_, length)| self.minutes.is_multiple_of(*length))
            .unwrap_or(&('m', 1));
        write!(f, "{}{letter}", self.minutes / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_forms() {
        let price = |text: &str| Price::try_from(text.to_owned());
        assert_eq!(price("29 EUR").unwrap().hundredths, 2900);
        assert_eq!(price("0.05 USD").unwrap().to_string(), "0.05 USD");
        for bad in [
            "",
            "29",
            "EUR 29",
            "29.5 EUR",
            "29,50 EUR",
            "-1 EUR",
            "29 eur",
            "29 EURO",
            "9999999999 EUR",
            "+1 EUR",
            "1 €",
        ] {
            assert!(price(bad).is_err(), "{bad}");
        }
        let share = |text: &str| Percent::try_from(text.to_owned());
        assert_eq!(share("10%").unwrap().of(55), 5);
        for bad in ["", "10", "0%", "101%", "010%", "10.5%", "-1%", "%", "+5%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        let limit = |text: &str| Limit::try_from(text.to_owned());
        assert_eq!(limit("10%").unwrap().of(55), 5);
        assert_eq!(limit("10%").unwrap().of(3), 1, "of a share always one");
        assert_eq!(limit("0").unwrap().of(3), 0);
        assert_eq!(limit("25").unwrap().to_string(), "25");
        for bad in ["", "%", "0%", "101%", "-1", "1.5", "05", "1234567", "ten"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        let span = |text: &str| Duration::try_from(text.to_owned());
        assert_eq!(span("1d").unwrap().minutes, 1440);
        assert_eq!(span("90m").unwrap().to_string(), "90m");
        for bad in [
            "", "d", "1", "0h", "1w", "1.5h", "-1d", "1 d", "99999h", "+1h", "1ü",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(hundredths in 0u64..100_000_000_000, percent in 1u8..=100, number in 1u32..10_000, unit in 0usize..3) {
            let price = Price { hundredths, currency: *b"EUR" };
            prop_assert_eq!(Price::try_from(price.to_string()), Ok(price));
            prop_assert_eq!(Percent::try_from(Percent(percent).to_string()), Ok(Percent(percent)));
            let span = Duration::try_from(format!("{number}{}", UNITS[unit].0)).unwrap();
            prop_assert_eq!(Duration::try_from(span.to_string()).map(|read| read.minutes), Ok(span.minutes));
        }
    }
}
