//! How many signed "unchanged" answers a second one core gives, over real sockets. A measurement, so it runs only when asked for:
//! `cargo test --release --test web -- --ignored --nocapture unchanged`.

use crate::fixture;
use crate::hub::{Agent, Hub, now, server};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry::web::Limits;
use tenantry_wire::http::{Request, sign_request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 2_000;

/// A request as it goes over the wire. Signed beforehand, so that only the hub's work is on its core.
fn request(agent: &Agent) -> Vec<u8> {
    let query = "generation=7&content=c7&wait=0";
    let parts = Request {
        method: "GET",
        path: "/agent/v1/next",
        query: Some(query),
        body: None,
    };
    let signed = sign_request(&parts, &Agent::nonce(), now().as_second(), &agent.key).unwrap();
    let mut head = format!("GET /agent/v1/next?{query} HTTP/1.1\r\nhost: hub\r\n");
    for (name, value) in signed {
        head.extend([name, ": ", &value, "\r\n"]);
    }
    (head + "\r\n").into_bytes()
}

/// Sends `requests` one after the other and reads every answer to its end.
fn drive(address: &str, requests: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = vec![0; 4_096];
        for request in requests {
            stream.write_all(request).await.unwrap();
            let mut length = 0;
            while !buffer[..length].ends_with(b"\r\n\r\n") {
                length += stream.read(&mut buffer[length..]).await.unwrap();
            }
            assert!(
                buffer.starts_with(b"HTTP/1.1 204 "),
                "{}",
                String::from_utf8_lossy(&buffer[..length])
            );
        }
    });
}

#[test]
#[ignore = "a measurement; meaningful only with optimisations"]
fn unchanged_answers_a_second() {
    // One thread for the hub: what it does in the time is what one core does.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let limits = Limits {
        parallel: 10_000,
        pace: Duration::from_nanos(1),
        burst: 1_000_000,
        bodies: 2,
    };
    let hub = runtime.block_on(Hub::start_with(fixture::empty(now()), true, limits));
    hub.slices.publish(&server("acme-1"), 7, "c7");
    let address = hub.base.trim_start_matches("http://").to_owned();
    let all: Vec<Arc<Vec<Vec<u8>>>> = (0..CONNECTIONS)
        .map(|_| Arc::new((0..REQUESTS).map(|_| request(&hub.agent)).collect()))
        .collect();
    let worker = runtime.block_on(runtime.spawn(async { std::fs::read_link("/proc/thread-self") }));
    let worker = std::path::Path::new("/proc").join(worker.unwrap().unwrap());
    let (before, begun) = (busy(&worker), Instant::now());
    let threads: Vec<_> = all
        .into_iter()
        .map(|requests| {
            let address = address.clone();
            std::thread::spawn(move || drive(&address, &requests))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let answers = (CONNECTIONS * REQUESTS) as f64;
    let (core, wall) = (busy(&worker).saturating_sub(before), begun.elapsed());
    let rate = answers / core.as_secs_f64();
    println!(
        "{rate:.0} signed unchanged answers a second of one core ({:.0} a second by the clock)",
        answers / wall.as_secs_f64()
    );
    assert!(rate >= 5_000.0, "{rate:.0}");
}

/// Time that a thread has run, kernel included: the first number of `schedstat`, in nanoseconds (Linux, `Documentation/scheduler/sched-stats`).
fn busy(thread: &std::path::Path) -> Duration {
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
