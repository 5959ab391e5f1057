//! What a hub must survive (DESIGN 10): being killed anywhere, losing its data, company. Real hubs, fake agents.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(unreachable_pub, reason = "the modules of a test are its own")]

mod company;
mod killed;
mod lost;
mod story;
