//! Settings of the container engine. It takes in some of them only when it is started again, which waits for the maintenance window.

use super::files::{is_repair, is_right, wanted};
use super::{Go, HostInput, Stop};
use crate::host::memory::digest_of;
use crate::host::programs::{Call, Program};
use crate::host::step::Action;
use crate::host::{DAEMON, texts};
use tenantry_schema::document::HostArea;
use tenantry_schema::wire::AgentWait;

pub(super) fn plan(input: &HostInput<'_>) -> Result<Go, Stop> {
    let Some(docker) = &input.host.docker else {
        return Ok(Go::default());
    };
    let found = input.found;
    let before = found.text(DAEMON).map_err(Stop::Unseen)?;
    let text = texts::daemon(before, docker).map_err(Stop::Refused)?;
    let mut go = Go::new(digest_of([text.as_str()]));
    let repair = is_repair(found, HostArea::Docker, &go.of);
    let mut file = wanted(DAEMON, &text, 0o644);
    if let Some(Ok(Some(there))) = found.files.get(DAEMON) {
        // Whoever made it decides who reads it.
        file.mode = there.mode;
    }
    let right = is_right(found, &file)?;
    if !right {
        go.all([(Action::Write(file), repair)]);
    }
    if !right || !repair {
        if found.systemd && found.engine.is_some() {
            // Takes `live-restore` in at once, so that the restart spares containers.
            let reload = Call::new(Program::Systemctl, ["reload", "docker.service"]);
            go.all([(Action::Run(reload), repair)]);
        }
        let of = go.of.clone();
        go.add(Action::Note { of });
    }
    if !right {
        // Whether it has to be started again is seen when that is done.
        return Ok(go);
    }
    let outdated = found
        .engine
        .is_some_and(|(written, started)| started < written);
    if outdated && found.systemd {
        match input.window.filter(|window| !window.is_open(input.now)) {
            Some(window) => {
                let opens = window.next_open(input.now);
                go.waiting = Some(AgentWait::Window { opens });
                go.message =
                    Some("the engine takes its settings in when it is started again".into());
                go.next = Some(opens);
            }
            None => go.add(Action::Run(Call::new(
                Program::Systemctl,
                ["restart", "docker.service"],
            ))),
        }
    } else if outdated {
        go.message = Some("the engine takes its settings in when it is started again, which nobody does here but you".into());
    }
    Ok(go)
}
