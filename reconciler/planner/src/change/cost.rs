//! What customers pay a month, before and after.

use crate::desired::Desired;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the plans of all orders cost together, in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Monthly {
    /// As in ISO 4217.
    pub currency: String,
    /// Before, in hundredths of the currency's unit.
    pub before: u64,
    /// After, likewise.
    pub after: u64,
}

impl Monthly {
    /// `+29.50 EUR`.
    pub fn difference(&self) -> String {
        let (sign, size) = if self.after >= self.before {
            ('+', self.after - self.before)
        } else {
            ('-', self.before - self.after)
        };
        let (units, rest) = (size / 100, size % 100);
        if rest == 0 {
            format!("{sign}{units} {}", self.currency)
        } else {
            format!("{sign}{units}.{rest:02} {}", self.currency)
        }
    }
}

/// Currencies in which what customers pay differs. Orders whose plan names no price count for nothing.
pub fn monthly(before: &Desired, after: &Desired) -> Vec<Monthly> {
    let (before, after) = (sums(before), sums(after));
    let currencies = before.keys().chain(
        after
            .keys()
            .filter(|currency| !before.contains_key(*currency)),
    );
    let sum = |sums: &BTreeMap<String, u64>, currency: &str| {
        sums.get(currency).copied().unwrap_or_default()
    };
    let all = currencies.map(|currency| Monthly {
        currency: currency.clone(),
        before: sum(&before, currency),
        after: sum(&after, currency),
    });
    all.filter(|monthly| monthly.before != monthly.after)
        .collect()
}

fn sums(desired: &Desired) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let plans = &desired.head.hub.plans;
    for customer in desired.customers.values() {
        for order in customer.orders.values() {
            let price = plans.get(&order.document.plan).and_then(|plan| plan.price);
            if let Some(price) = price {
                let sum = sums.entry(price.currency().to_owned()).or_default();
                *sum = sum.saturating_add(price.hundredths);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_read_as_amounts() {
        let difference = |before, after| {
            let currency = "EUR".to_owned();
            Monthly {
                currency,
                before,
                after,
            }
            .difference()
        };
        assert_eq!(difference(1000, 3950), "+29.50 EUR");
        assert_eq!(difference(3950, 950), "-30 EUR");
    }
}
