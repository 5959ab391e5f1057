//! What the end-to-end tests, the demo and the benchmarks share. No production code lives here.

pub mod bench;
pub mod demo;
pub mod lab;
pub mod rig;
