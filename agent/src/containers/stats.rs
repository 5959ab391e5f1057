//! What a container uses, as the engine tells it: for servers on which the kernel's own files cannot be found. Reads only.

use super::engine::Engine;
use super::error::{EngineError, ErrorKind};
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptions;
use futures_util::StreamExt;

/// Counters of a container. Absent: the engine does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Processor time, in microseconds.
    pub cpu: Option<u64>,
    /// Bytes of memory, without files that the kernel can drop at once.
    pub memory: Option<u64>,
    /// Bytes read and written.
    pub io: Option<(u64, u64)>,
    /// Bytes that came in and went out.
    pub network: Option<(u64, u64)>,
}

/// Asks once.
pub async fn usage_of(engine: &Engine, container: &str) -> Result<Told, EngineError> {
    let what = "ask what a container uses";
    let (docker, _) = engine.client().await?;
    let options = StatsOptions {
        stream: false,
        one_shot: true,
    };
    let mut answers = Box::pin(docker.stats(container, Some(options)));
    let answer = answers
        .next()
        .await
        .ok_or_else(|| EngineError::new(what, ErrorKind::EngineUnreachable))?;
    let stats = answer.map_err(|error| engine.judge(what, error, None))?;
    Ok(told(&stats))
}

fn told(stats: &ContainerStatsResponse) -> Told {
    let cpu = stats
        .cpu_stats
        .as_ref()
        .and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let memory = stats.memory_stats.as_ref().and_then(|memory| {
        let details = memory.stats.as_ref();
        let inactive = details.and_then(|details| {
            details
                .get("inactive_file")
                .or_else(|| details.get("total_inactive_file"))
                .copied()
        });
        Some(memory.usage?.saturating_sub(inactive.unwrap_or_default()))
    });
    let io = stats.blkio_stats.as_ref().and_then(|io| {
        // None at all: the kernel does not count.
        let entries = io.io_service_bytes_recursive.as_ref();
        let entries = entries.filter(|entries| !entries.is_empty())?;
        let sum = |op: &str| {
            entries
                .iter()
                .filter(|entry| {
                    entry
                        .op
                        .as_deref()
                        .is_some_and(|word| word.eq_ignore_ascii_case(op))
                })
                .filter_map(|entry| entry.value)
                .fold(0, u64::saturating_add)
        };
        Some((sum("read"), sum("write")))
    });
    let network = stats.networks.as_ref().map(|networks| {
        networks.values().fold((0u64, 0u64), |sum, one| {
            (
                sum.0.saturating_add(one.rx_bytes.unwrap_or_default()),
                sum.1.saturating_add(one.tx_bytes.unwrap_or_default()),
            )
        })
    });
    Told {
        cpu: cpu.map(|nanoseconds| nanoseconds / 1000),
        memory,
        io,
        network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_answers_is_understood() {
        let text = r#"{"cpu_stats":{"cpu_usage":{"total_usage":5000000}},
            "memory_stats":{"usage":9000,"stats":{"inactive_file":1000}},
            "blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":7},{"major":8,"minor":0,"op":"write","value":9}]},
            "networks":{"eth0":{"rx_bytes":3,"tx_bytes":4},"eth1":{"rx_bytes":30,"tx_bytes":40}}}"#;
        let found = told(&serde_json::from_str(text).unwrap());
        assert_eq!(
            found,
            Told {
                cpu: Some(5000),
                memory: Some(8000),
                io: Some((7, 9)),
                network: Some((33, 44))
            }
        );
        for nothing in ["{}", r#"{"blkio_stats":{"io_service_bytes_recursive":[]}}"#] {
            let found = told(&serde_json::from_str(nothing).unwrap());
            assert_eq!(found, Told::default());
        }
    }
}
