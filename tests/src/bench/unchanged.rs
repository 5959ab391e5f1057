//! How many agents one core of a hub can answer that there is nothing new: each request's signature is checked, each answer is signed.
//! Real sockets on this machine; the hub's router on one thread, kept on one core, in a process of its own.

mod client;
mod server;

pub(super) use server::server;

use super::child::{busy, command, stay_on_core};
use super::{Aim, BenchError, Doing, Figure, Options, Unit};
use crate::lab::Process;
use client::{Client, Request};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};
use tenantry_schema::id::ServerKey;
use tenantry_wire::SigningKey;

const PATIENCE: Duration = Duration::from_mins(1);
/// Connections that the client keeps.
const CONNECTIONS: usize = 32;
/// Content and generation that every agent has.
const CONTENT: &str = "5f0c2d9d1c9f6c1b7d7b5c0f4b0b3f9e8a7d6c5b4a39281706f5e4d3c2b1a090";
const GENERATION: u64 = 7;

/// An agent of the measurement: the same in both processes, by number.
fn agent(number: usize) -> Result<(ServerKey, SigningKey), BenchError> {
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(number as u64 + 1));
    let customer = format!("c{number:05}")
        .as_str()
        .try_into()
        .doing("naming a customer")?;
    let server = format!("c{number:05}-1")
        .as_str()
        .try_into()
        .doing("naming a server")?;
    Ok((ServerKey { customer, server }, key))
}

/// The hub's key in the measurement.
fn hub_key() -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(0))
}

/// Measures.
pub(super) fn run(options: &Options) -> Result<Vec<Figure>, BenchError> {
    let (agents, requests, runs) = if options.quick {
        (100, 500, 2)
    } else {
        (10_000, 20_000, 5)
    };
    let command = command("unchanged-server", &[&agents.to_string()])?;
    let mut server = Process::spawn("the measured hub", command, None)?;
    let line = server.wait_for_line(PATIENCE, "listening ")?;
    let address = line.trim_start_matches("listening ").to_owned();
    // The other core is the client's. Where there is only one, the times of the core are still right.
    stay_on_core(1);
    let keys: Vec<_> = (0..agents).map(agent).collect::<Result<_, _>>()?;
    let client = Client::connect(&address, CONNECTIONS)?;
    let (mut signed, mut signed_wall, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let all = (0..requests)
            .map(|at| Request::unchanged(&keys[at % agents]))
            .collect::<Result<Vec<_>, _>>()?;
        let (core, wall) = measure(&client, &server, &all)?;
        signed.push(core);
        signed_wall.push(wall);
        let all: Vec<_> = (0..requests).map(|_| Request::healthz()).collect();
        plain.push(measure(&client, &server, &all)?.0);
    }
    server.terminate();
    Ok(vec![
        Figure::new(
            "signed answers, by the time that the core worked",
            Unit::PerSecond,
            signed,
        )
        .aim(Aim::AtLeast(5_000.0))
        .peer("GET /healthz of the same server", plain),
        Figure::new("signed answers, by the clock", Unit::PerSecond, signed_wall),
    ])
}

/// Answers a second: by the time that the server ran, and by the clock.
fn measure(
    client: &Client,
    server: &Process,
    requests: &[Request],
) -> Result<(f64, f64), BenchError> {
    let pid = server.id().to_string();
    let (before, begun) = (busy(&pid), Instant::now());
    client.send_all(requests)?;
    let (core, wall) = (busy(&pid).saturating_sub(before), begun.elapsed());
    let count = requests.len() as f64;
    Ok((count / core.as_secs_f64(), count / wall.as_secs_f64()))
}
