//! People's own tools on what the agent runs: `docker compose ps`, `logs`, `restart`, `down`.

use crate::STACK;
use crate::differential::{compose, run};
use crate::lab::lab;

#[test]
fn compose_lists_reads_and_takes_down_what_the_agent_runs() {
    let Some(program) = compose() else { return };
    lab(|mut lab| async move {
        let input = lab.input(STACK);
        lab.converge(&input).await;
        lab.write("compose.yaml", STACK);
        lab.write(".env", "GREETING=hello\nTOKEN=hunter2-token\n");

        let listed = run(
            &program,
            &lab,
            &["ps", "--format", "{{.Service}} {{.State}}"],
        );
        let mut lines: Vec<_> = listed.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["db running", "web running"]);
        // Without the file, by labels alone.
        let named = run(&program, &lab, &["ls", "--format", "json"]);
        assert!(named.contains(&lab.project), "{named}");

        let logs = run(&program, &lab, &["logs", "--no-log-prefix", "db"]);
        assert!(logs.contains("hunter2-token"), "{logs}");

        run(&program, &lab, &["restart", "--timeout", "1", "web"]);
        assert!(
            lab.converge(&input).await.is_empty(),
            "nothing is to be put right"
        );

        run(&program, &lab, &["down", "--timeout", "1"]);
        assert!(lab.inspect("db").await.is_none() && lab.inspect("web").await.is_none());
        let network = format!("{}_default", lab.project);
        assert!(lab.docker.inspect_network(&network, None).await.is_err());
        let volume = format!("{}_data", lab.project);
        assert!(
            lab.docker.inspect_volume(&volume).await.is_ok(),
            "data stays"
        );
        // And everything comes back.
        assert!(!lab.converge(&input).await.is_empty());
    });
}
