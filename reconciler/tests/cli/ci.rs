//! CI files of `examples/ci/`: their structure, and their scripts run for real, against a fleet and a pretended forge.

mod forge;

use crate::{Desk, two_customers};
use forge::forge;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/ci");

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(EXAMPLES).join(file)).unwrap();
    // Twice: once as strictly as documents are read, once into a tree.
    let limits = tenantry_yaml::Limits::compose();
    let strict = tenantry_yaml::parse(&text, &limits);
    assert!(strict.is_ok(), "{file}: {:?}", strict.err());
    serde_yaml::from_str(&text).unwrap()
}

const ACTIONS: [&str; 3] = [
    "github/tenantry.yml",
    "github/tenantry-comment.yml",
    "gitea/tenantry.yml",
];

/// The script of a step.
fn script(file: &str, step: &str) -> String {
    let workflow = read(file);
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs
        .values()
        .flat_map(|job| job["steps"].as_array().unwrap());
    let found = steps.into_iter().find(|one| one["name"] == step).unwrap();
    found["run"].as_str().unwrap().to_owned()
}

#[test]
fn workflows_are_put_together_well() {
    for file in ACTIONS {
        let workflow = read(file);
        assert!(workflow["name"].is_string(), "{file}");
        let on = workflow["on"].as_object().unwrap();
        // It would run what strangers write with the rights of the repository.
        assert!(!on.contains_key("pull_request_target"), "{file}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(
                job["runs-on"].is_string() && job["timeout-minutes"].is_number(),
                "{file} {name}"
            );
            for step in job["steps"].as_array().unwrap() {
                assert!(
                    step["uses"].is_string() != step["run"].is_string(),
                    "{file}: {step}"
                );
                if let Some(uses) = step["uses"].as_str() {
                    assert!(
                        uses.split_once('@')
                            .is_some_and(|(_, version)| version.starts_with('v')),
                        "{uses}"
                    );
                    if uses.starts_with("actions/checkout@") {
                        assert_eq!(step["with"]["fetch-depth"], 0, "{file}");
                        assert_eq!(step["with"]["persist-credentials"], false, "{file}");
                    }
                }
                let run = step["run"].as_str().unwrap_or_default();
                // What strangers write goes through the environment, never into the text of a script.
                assert!(!run.contains("${{"), "{file}: {run}");
                assert!(!step.to_string().contains("secrets."), "{file}");
            }
        }
    }
    // Who runs code of a pull request may write nothing; who may write runs none of it.
    let (plan, comment) = (read(ACTIONS[0]), read(ACTIONS[1]));
    assert_eq!(plan["permissions"], json!({ "contents": "read" }));
    assert_eq!(
        comment["permissions"],
        json!({ "actions": "read", "pull-requests": "write" })
    );
    assert!(!comment.to_string().contains("actions/checkout"));
    assert_eq!(comment["on"]["workflow_run"]["workflows"][0], plan["name"]);
}

#[test]
fn the_gitlab_file_is_put_together_well() {
    let pipeline = read("gitlab/.gitlab-ci.yml");
    let stages: Vec<&str> = pipeline["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage.as_str().unwrap())
        .collect();
    assert_eq!(pipeline["variables"]["GIT_DEPTH"], "0");
    for job in ["check", "plan", "comment"] {
        let job = &pipeline[job];
        assert!(stages.contains(&job["stage"].as_str().unwrap()));
        assert!(!job["script"].as_array().unwrap().is_empty());
    }
    assert_eq!(pipeline["comment"]["needs"][0], "plan");
    assert_eq!(pipeline["comment"]["variables"]["GIT_STRATEGY"], "none");
    let rule = pipeline["comment"]["rules"][0]["if"].as_str().unwrap();
    assert!(rule.contains("$TENANTRY_COMMENT_TOKEN"), "{rule}");
}

/// All scripts of a file, whatever forge it is for.
fn scripts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("run", Value::String(text)) => out.push(text.clone()),
                    ("script" | "before_script", Value::Array(lines)) => {
                        out.push(
                            lines
                                .iter()
                                .map(|line| line.as_str().unwrap())
                                .collect::<Vec<_>>()
                                .join("\n"),
                        );
                    }
                    _ => scripts(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| scripts(item, out)),
        _ => {}
    }
}

#[test]
fn every_script_is_one_for_a_shell() {
    let mut all = Vec::new();
    for file in ACTIONS.into_iter().chain(["gitlab/.gitlab-ci.yml"]) {
        scripts(&read(file), &mut all);
    }
    assert!(all.len() >= 10, "{}", all.len());
    for script in all {
        let output = Command::new("bash")
            .args(["-n", "-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
    }
}

#[test]
fn vendors_schemas_take_the_files() {
    let Some(program) = validator() else { return };
    let cases: [(&[&str], &[&str]); 2] = [
        // Gitea and Forgejo read the language of GitHub's workflows.
        (&["--builtin-schema", "vendor.github-workflows"], &ACTIONS),
        (
            &[
                "--builtin-schema",
                "vendor.gitlab-ci",
                "--data-transform",
                "gitlab-ci",
            ],
            &["gitlab/.gitlab-ci.yml"],
        ),
    ];
    for (schema, files) in cases {
        for file in files {
            let check = |path: &Path| {
                let mut command = Command::new(&program);
                command
                    .args(schema)
                    .args(["--default-filetype", "yaml"])
                    .arg(path)
                    .output()
                    .unwrap()
            };
            let path = Path::new(EXAMPLES).join(file);
            let good = check(&path);
            assert!(good.status.success(), "{file}: {good:?}");
            // And would not take any.
            let desk = Desk::new();
            let text = std::fs::read_to_string(&path).unwrap();
            desk.write(
                "wrong.yml",
                &text
                    .replace("runs-on:", "runs-at:")
                    .replace("stage:", "stages:"),
            );
            assert!(!check(&desk.path("wrong.yml")).status.success(), "{file}");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where peers are by their environment"
)]
fn validator() -> Option<PathBuf> {
    let found = std::env::var_os("CHECK_JSONSCHEMA")
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    let required = std::env::var_os("TENANTRY_REQUIRE_PEERS").is_some();
    assert!(
        found.is_some() || !required,
        "check-jsonschema is required but not installed"
    );
    found
}

#[test]
fn the_program_is_fetched_and_must_be_the_one_that_is_meant() {
    let desk = Desk::new();
    desk.write("tenantry-linux", "#!/bin/sh\necho 1.2.3\n");
    let sum = Command::new("sha256sum")
        .arg(desk.path("tenantry-linux"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let sum = sum.split(' ').next().unwrap();
    let url = format!("file://{}", desk.path("tenantry-linux").display());
    for file in ["github/tenantry.yml", "gitea/tenantry.yml"] {
        for (meant, good) in [(sum, true), ("", true), (&"0".repeat(64), false)] {
            let folder = desk.path("tools");
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir(&folder).unwrap();
            let (folder, paths) = (folder.display().to_string(), desk.path("paths"));
            let environment = [
                ("PATH", "/usr/bin:/bin"),
                ("RUNNER_TEMP", folder.as_str()),
                ("GITHUB_PATH", paths.to_str().unwrap()),
                ("TENANTRY_URL", url.as_str()),
                ("TENANTRY_SHA256", meant),
            ];
            let output = run(
                &script(file, "Install tenantry"),
                desk.path("."),
                &environment,
            );
            assert_eq!(output.status.success(), good, "{output:?}");
            if good {
                let ran = Command::new(format!("{folder}/tenantry")).output().unwrap();
                assert_eq!(ran.stdout, b"1.2.3\n");
            }
        }
    }
}

/// Runs a script as a runner does, with the program on the path.
fn run(script: &str, folder: PathBuf, environment: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_tenantry"))
        .parent()
        .unwrap()
        .to_owned();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.display());
    let mut command = Command::new("bash");
    command
        .args(["-e", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/nonexistent");
    command.envs(environment.iter().copied()).output().unwrap()
}

/// A clone of a fleet as a runner has it: no local `main`, the branch of a pull request checked out.
fn checkout(desk: &Desk, edit: impl Fn(&str) -> String) {
    two_customers(desk);
    desk.git("fleet", &["checkout", "-qb", "change"]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", edit);
    desk.commit("change");
    desk.git("fleet", &["checkout", "-q", "main"]);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "origin.git"]);
    desk.git(".", &["clone", "-q", "origin.git", "runner"]);
    desk.git("runner", &["checkout", "-q", "--detach", "origin/change"]);
    desk.git("runner", &["branch", "-q", "-D", "main"]);
}

#[test]
fn the_plan_of_a_pull_request_is_made_in_a_checkout_of_a_runner() {
    let desk = Desk::new();
    checkout(&desk, |text| text.replace("[html]", "[html, guestbook]"));
    let summary = desk.path("summary");
    let environment = [
        ("BASE", "main"),
        ("NUMBER", "7"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    for file in ["github/tenantry.yml", "gitea/tenantry.yml"] {
        let output = run(&script(file, "Plan"), desk.path("runner"), &environment);
        assert!(output.status.success(), "{output:?}");
        let plan = std::fs::read_to_string(desk.path("runner/plan/plan.md")).unwrap();
        assert!(plan.contains("acme/website"), "{plan}");
        let output = run(&script(file, "Check"), desk.path("runner"), &environment);
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(
        std::fs::read_to_string(desk.path("runner/plan/number")).unwrap(),
        "7\n"
    );
    assert!(
        std::fs::read_to_string(&summary)
            .unwrap()
            .contains("acme/website")
    );

    let pipeline = read("gitlab/.gitlab-ci.yml");
    let lines: Vec<&str> = pipeline["plan"]["script"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let output = run(
        &lines.join("\n"),
        desk.path("runner"),
        &[("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")],
    );
    assert!(output.status.success(), "{output:?}");
    assert!(
        std::fs::read_to_string(desk.path("runner/plan.md"))
            .unwrap()
            .contains("acme/website")
    );
}

#[test]
fn what_the_hub_would_not_follow_fails_the_job() {
    let desk = Desk::new();
    checkout(&desk, |text| text.replace("[html]", "[html, guestbook]"));
    let pipeline = read("gitlab/.gitlab-ci.yml");
    let lines = pipeline["signatures"]["script"].as_array().unwrap().iter();
    let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
    let scripts = [
        script("github/tenantry.yml", "Signatures"),
        script("gitea/tenantry.yml", "Signatures"),
        lines.join("\n"),
    ];
    let environment = [
        ("BASE", "main"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
    ];
    for script in &scripts {
        let output = run(script, desk.path("runner"), &environment);
        assert!(output.status.success(), "{script}\n{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("none has to be signed"), "{said}");
    }
    // Where the fleet asks for signatures, the same branch is not followed.
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("trust: forge", "trust: signed")
    });
    desk.commit("from now on commits are signed");
    desk.git("fleet", &["push", "-q", "../origin.git", "main"]);
    desk.git("runner", &["fetch", "-q"]);
    for script in &scripts {
        let output = run(script, desk.path("runner"), &environment);
        assert_eq!(output.status.code(), Some(1), "{script}\n{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("is not good: it is not signed"), "{said}");
    }
}

#[test]
fn where_no_plan_can_be_made_the_job_fails() {
    let desk = Desk::new();
    checkout(&desk, |text| text.replace("[html]", "[html, guestbook]"));
    let summary = desk.path("summary");
    let environment = [
        ("BASE", "nope"),
        ("NUMBER", "7"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    for file in ["github/tenantry.yml", "gitea/tenantry.yml"] {
        let output = run(&script(file, "Plan"), desk.path("runner"), &environment);
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no branch `nope`"), "{said}");
    }
    let pipeline = read("gitlab/.gitlab-ci.yml");
    let lines = pipeline["plan"]["script"].as_array().unwrap().iter();
    // The branch is fetched before: that is the line which fails first there.
    let lines: Vec<&str> = lines.skip(1).map(|line| line.as_str().unwrap()).collect();
    let environment = [("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "nope")];
    let output = run(&lines.join("\n"), desk.path("runner"), &environment);
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_mistake_is_in_the_plan_and_fails_the_check() {
    let desk = Desk::new();
    checkout(&desk, |text| text.replace("[html]", "[htlm]"));
    let environment = [
        ("BASE", "main"),
        ("NUMBER", "7"),
        ("GITHUB_STEP_SUMMARY", "/dev/null"),
    ];
    let output = run(
        &script(ACTIONS[0], "Plan"),
        desk.path("runner"),
        &environment,
    );
    assert!(output.status.success(), "{output:?}");
    let plan = std::fs::read_to_string(desk.path("runner/plan/plan.md")).unwrap();
    assert!(plan.contains("must not be merged"), "{plan}");
    let output = run(
        &script(ACTIONS[0], "Check"),
        desk.path("runner"),
        &environment,
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("did you mean `html`?")
    );
}

#[test]
fn one_comment_is_brought_up_to_date() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gitlab = read("gitlab/.gitlab-ci.yml")["comment"]["script"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let cases = [
        script("github/tenantry-comment.yml", "Comment"),
        script("gitea/tenantry.yml", "Comment"),
        gitlab,
    ];
    for script in cases {
        let (address, kept) = forge(&runtime);
        kept.0
            .lock()
            .unwrap()
            .push(json!({ "id": 1, "body": "looks good to me" }));
        let desk = Desk::new();
        let api = format!("{address}/repos/o/r");
        let environment = [
            ("API", api.as_str()),
            ("TOKEN", "t"),
            ("NUMBER", "7"),
            ("HEAD", "abc"),
            ("CI_API_V4_URL", &address),
            ("CI_PROJECT_ID", "1"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("TENANTRY_COMMENT_TOKEN", "t"),
            ("no_proxy", "*"),
        ];
        for text in ["first `plan`", "second \"plan\" $(touch pwned)"] {
            for file in ["plan/plan.md", "plan.md"] {
                desk.write(file, text);
            }
            desk.write("plan/number", "7\n");
            let output = run(&script, desk.path("."), &environment);
            assert!(output.status.success(), "{script}\n{output:?}");
        }
        let expected = [
            "looks good to me",
            "<!-- tenantry plan -->\nsecond \"plan\" $(touch pwned)",
        ];
        assert_eq!(kept.bodies(), expected, "{script}");
        assert!(!desk.path("pwned").exists());
    }
}

#[test]
fn a_plan_of_one_pull_request_is_not_commented_at_another() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, kept) = forge(&runtime);
    let api = format!("{address}/repos/o/r");
    let comment = script("github/tenantry-comment.yml", "Comment");
    for (number, head) in [
        ("7", "other"),
        ("7; touch pwned", "abc"),
        ("", "abc"),
        ("../7", "abc"),
    ] {
        let desk = Desk::new();
        desk.write("plan/plan.md", "plan");
        desk.write("plan/number", number);
        let environment = [
            ("API", api.as_str()),
            ("TOKEN", "t"),
            ("HEAD", head),
            ("no_proxy", "*"),
        ];
        let output = run(&comment, desk.path("."), &environment);
        assert!(!output.status.success(), "{number} {head}: {output:?}");
        assert!(!desk.path("pwned").exists());
    }
    assert!(kept.bodies().is_empty());
}

#[test]
fn a_new_fleet_has_the_files_of_its_forge() {
    for (forge, files) in [
        (
            "github",
            &[
                ("github/tenantry.yml", ".github/workflows/tenantry.yml"),
                (
                    "github/tenantry-comment.yml",
                    ".github/workflows/tenantry-comment.yml",
                ),
            ][..],
        ),
        ("gitlab", &[("gitlab/.gitlab-ci.yml", ".gitlab-ci.yml")]),
        (
            "gitea",
            &[("gitea/tenantry.yml", ".gitea/workflows/tenantry.yml")],
        ),
        ("none", &[]),
    ] {
        let desk = Desk::new();
        desk.run(&["init", "fleet", "--forge", forge]).says(0, &[]);
        for (from, to) in files {
            let written = std::fs::read_to_string(desk.path("fleet").join(to)).unwrap();
            assert_eq!(
                written,
                std::fs::read_to_string(Path::new(EXAMPLES).join(from)).unwrap()
            );
        }
        let all = desk.git("fleet", &["ls-files"]);
        let ci = all
            .lines()
            .filter(|file| file.contains("workflows") || file.contains("gitlab-ci"))
            .count();
        assert_eq!(ci, files.len(), "{all}");
        desk.run(&["check", "fleet"]).says(0, &["good"]);
        let readme = std::fs::read_to_string(desk.path("fleet/README.md")).unwrap();
        assert!(
            readme.contains("tenantry new customer") && readme.contains("tenantry offboard"),
            "{readme}"
        );
    }
    let desk = Desk::new();
    desk.run(&["init", "fleet", "--forge", "sourcehut"])
        .says(1, &["gitlab"]);
}
