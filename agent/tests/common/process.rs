//! The agent as a process of its own, which may die after so many changes.

use super::World;
use std::process::{Child, Command, Stdio};

/// For as long as this lives.
pub struct Process(Child);

impl Process {
    /// Starts the agent of `world`, to die after so many changes, if at all.
    pub fn start(world: &World, dies_after: Option<u32>) -> Self {
        let config = world.folder.path().join("agent.yaml");
        std::fs::write(&config, serde_yaml::to_string(&world.config).unwrap()).unwrap();
        let number = dies_after.map(|changes| changes.to_string());
        let fault = number.as_deref().map(|it| ("TENANTRY_FAULT_AFTER", it));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry-agent"));
        command.arg("--config").arg(config).arg("run").envs(fault);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn is_dead(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
