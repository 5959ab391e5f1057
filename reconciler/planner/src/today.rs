//! What is to be said of a revision today, beside what loading it says. It changes with the day or with others of the fleet, so it is no part of loading.

use crate::addresses;
use crate::desired::Desired;
use crate::domains::contested;
use crate::input::TextOf;
use crate::operations;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tenantry_schema::Diagnostic;

/// The day at `now`. Days are those of UTC, on every machine.
pub fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Orders that wait for a domain that others have; servers at one address; operations that somebody has to approve, whose approval does not count, that are over.
pub fn diagnose(desired: &Desired, now: Timestamp, text_of: &TextOf<'_>) -> Vec<Diagnostic> {
    let mut found = contested(desired, text_of);
    found.extend(addresses::shared(desired, text_of));
    found.extend(operations::diagnose(desired, day(now), text_of));
    found
}
