//! Amounts of memory and disk as people write them: `512M`, `4G`.

use crate::json::text_schema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of bytes. Suffixes are powers of 1024: `K`, `M`, `G`, `T`, each with an optional `B` or `iB`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

text_schema!(
    ByteSize,
    ["string", "integer"],
    "^[0-9]{1,20}[KMGT]?(iB|B)?$",
    ["512M", "4G"]
);

/// The text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a whole number with K, M, G or T, such as 512M")]
pub struct SizeError(String);

const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

impl TryFrom<String> for ByteSize {
    type Error = SizeError;
    fn try_from(text: String) -> Result<Self, SizeError> {
        let bad = || SizeError(text.clone());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let shift = match unit
            .strip_suffix("iB")
            .or_else(|| unit.strip_suffix('B'))
            .unwrap_or(unit)
        {
            "" => 0,
            name => UNITS
                .iter()
                .find(|(letter, _)| name.len() == 1 && name.starts_with(*letter))
                .map(|(_, shift)| *shift)
                .ok_or_else(bad)?,
        };
        number.checked_mul(1 << shift).map(Self).ok_or_else(bad)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, shift) in UNITS.iter().rev() {
            if self.0 != 0 && self.0.trailing_zeros() >= *shift {
                return write!(f, "{}{letter}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_forms() {
        let size = |text: &str| ByteSize::try_from(text.to_owned());
        assert_eq!(size("512M").unwrap().0, 512 << 20);
        assert_eq!(size("4GiB").unwrap().0, 4 << 30);
        assert_eq!(size("7").unwrap().0, 7);
        for bad in ["", "M", "4X", "-1", "1.5G", "99999999999T", "4 G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn display_is_read_back(bytes in any::<u64>()) {
            prop_assert_eq!(ByteSize::try_from(ByteSize(bytes).to_string()).unwrap().0, bytes);
        }
    }
}
