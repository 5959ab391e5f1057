//! Vendors against their published contracts.
