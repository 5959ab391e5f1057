//! What customers pay a month, before and after.

use crate::desired::{CustomerDesired, Desired};
use serde::Serialize;
use std::collections::BTreeMap;
use tenantry_schema::document::Hub;

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

/// Currencies in which what customers pay differs. Orders whose plan names no price count for nothing. `besides` is what customers pay who
/// are in neither of the two, and pay the same before and after.
pub fn monthly(before: &Desired, after: &Desired, besides: &BTreeMap<String, u64>) -> Vec<Monthly> {
    let (before, after) = (sums(before, besides), sums(after, besides));
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

fn sums(desired: &Desired, besides: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut sums = besides.clone();
    for customer in desired.customers.values() {
        paid(&desired.head.hub, customer, &mut sums);
    }
    sums
}

/// Adds what a customer pays a month to `sums`: by currency, in hundredths of its unit.
pub fn paid(hub: &Hub, customer: &CustomerDesired, sums: &mut BTreeMap<String, u64>) {
    for order in customer.orders.values() {
        let price = hub
            .plans
            .get(&order.document.plan)
            .and_then(|plan| plan.price);
        if let Some(price) = price {
            let sum = sums.entry(price.currency().to_owned()).or_default();
            *sum = sum.saturating_add(price.hundredths);
        }
    }
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
