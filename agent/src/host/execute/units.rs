//! Units of systemd that are to run: asked for now and then, for no file shows it.

use super::{Done, Ground, HostError};
use crate::faults;
use crate::host::programs::{Call, Program};
use jiff::Timestamp;
use tenantry_schema::document::HostArea;

/// What somebody disabled is enabled, and what somebody stopped is started.
pub(super) async fn ensure(
    ground: &Ground,
    area: HostArea,
    units: &[String],
    now: Timestamp,
) -> Result<Done, HostError> {
    let mut done = Done::Unchanged;
    for unit in units {
        for (question, answer) in [("is-enabled", "enable"), ("is-active", "start")] {
            // Where it cannot be asked, the answer fails as well, and is told.
            if ground
                .programs
                .run(&call(question, unit), None)
                .await
                .is_ok()
            {
                continue;
            }
            tracing::warn!("{unit} is not as it should be (`systemctl {question}`)");
            ground.programs.run(&call(answer, unit), None).await?;
            faults::changed();
            done = Done::Changed;
        }
    }
    ground.inspected(area, now);
    Ok(done)
}

fn call(word: &str, unit: &str) -> Call {
    Call::new(Program::Systemctl, [word, unit])
}
