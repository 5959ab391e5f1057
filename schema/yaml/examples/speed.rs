//! Prints how long parsing and decoding of one small order file take; run with `--release`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;
use tenantry_yaml::{Limits, from_str, parse};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Order {
    plan: String,
    domain: String,
    server: Option<String>,
    #[serde(default)]
    automation: Option<String>,
    #[serde(default)]
    tools: BTreeMap<String, Tool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code)]
struct Tool {
    env: BTreeMap<String, String>,
    state: Option<String>,
}

const TEXT: &str = "plan: pro\ndomain: acme.example\nserver: acme-1\nautomation: auto\ntools:\n  html:\n  umami:\n    env: { TZ: Europe/Berlin }\n  nextcloud: { state: stopped }\n";

fn main() {
    const FILES: u32 = 50_000;
    let limits = Limits::default();
    for name in ["warm-up", "parse", "parse + decode"] {
        let begun = Instant::now();
        for _ in 0..FILES {
            if name == "parse" {
                let _ = black_box(parse(black_box(TEXT), &limits));
            } else {
                let order = from_str::<Order>(black_box(TEXT), &limits);
                assert!(black_box(order).is_ok());
            }
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(FILES);
        println!("{name}: {micros:.2} µs for {} bytes", TEXT.len());
    }
}
