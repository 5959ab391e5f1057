//! Every Compose file of the corpus, once run by Compose v2 and once by the agent on the same engine under the same name: what is on
//! the engine afterwards is inspected, brought into one form and compared. Every difference must be one that is explained here, and
//! every explanation must be needed.

mod inspect;
mod tolerated;

use crate::lab::{Lab, lab};
use inspect::{Seen, seen};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tenantry_agent::containers::spec::Rules;
use tenantry_agent::containers::{Action, Ensured, execute};
use tolerated::{Difference, TOLERATED};

/// Projects that are compared side by side; each makes the engine work.
const SIDE_BY_SIDE: usize = 3;

/// Compose v2, or why there is none.
pub(crate) fn compose() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests have no config.rs")]
    let (program, required) = (
        std::env::var_os("TENANTRY_COMPOSE").map(PathBuf::from),
        std::env::var_os("TENANTRY_REQUIRE_PEERS").is_some(),
    );
    let program = program.filter(|program| program.exists());
    assert!(
        program.is_some() || !required,
        "TENANTRY_REQUIRE_PEERS is set, but TENANTRY_COMPOSE names no program"
    );
    if program.is_none() {
        println!("skipped: TENANTRY_COMPOSE names no program");
    }
    program
}

/// Runs Compose on the project of a lab; its standard output.
pub(crate) fn run(program: &Path, lab: &Lab, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(["--project-name", &lab.project])
        .args(arguments)
        .current_dir(lab.folder())
        .output()
        .expect("Compose can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/compose/tests/corpus");
    let cases = std::fs::read_dir(folder).expect("the corpus is there");
    let mut cases: Vec<_> = cases
        .map(|case| case.expect("an entry").path())
        .filter(|case| case.join("compose.yaml").exists())
        .collect();
    cases.sort();
    cases
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[derive(Default)]
struct Found {
    compared: usize,
    values: usize,
    used: BTreeSet<&'static str>,
    wrong: Vec<String>,
}

#[test]
fn compose_and_the_agent_make_the_same_of_every_file_of_the_corpus() {
    let Some(program) = compose() else { return };
    let cases = corpus();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let (next, found) = (AtomicUsize::new(0), Arc::new(Mutex::new(Found::default())));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (case, program, found) = (case.clone(), program.clone(), found.clone());
                    let name = case
                        .file_name()
                        .expect("a name")
                        .to_string_lossy()
                        .into_owned();
                    let (shown, all) = (name.clone(), found.clone());
                    let attempt = std::panic::catch_unwind(move || {
                        lab(move |lab| async move {
                            let (differences, values) = compare(&case, &program, lab).await;
                            judge(
                                &name,
                                &differences,
                                values,
                                &mut found.lock().expect("whole"),
                            );
                        });
                    });
                    if let Err(failure) = attempt {
                        let text = failure
                            .downcast_ref::<String>()
                            .cloned()
                            .unwrap_or_default();
                        let mut all = all.lock().expect("whole");
                        all.wrong.push(format!("{shown}: {text}"));
                    }
                }
            });
        }
    });
    let found = found.lock().expect("whole");
    println!("{} files, {} values compared", found.compared, found.values);
    assert!(found.wrong.is_empty(), "{}", found.wrong.join("\n"));
    if found.compared == cases.len() {
        let needless: Vec<_> = TOLERATED
            .iter()
            .map(|tolerated| tolerated.why)
            .filter(|why| !found.used.contains(why))
            .collect();
        assert!(needless.is_empty(), "explains nothing: {needless:#?}");
    }
}

fn judge(case: &str, differences: &[Difference], values: usize, found: &mut Found) {
    found.compared += 1;
    found.values += values;
    for difference in differences {
        match TOLERATED.iter().find(|one| (one.is)(difference)) {
            Some(tolerated) => drop(found.used.insert(tolerated.why)),
            None => found.wrong.push(format!("{case}: {difference}")),
        }
    }
}

/// Both ways, one after the other; how many values were compared.
async fn compare(case: &Path, program: &Path, mut lab: Lab) -> (Vec<Difference>, usize) {
    copy(case, &lab.folder());
    let text = std::fs::read_to_string(case.join("compose.yaml")).expect("it can be read");
    lab.variables = variables(case, &lab.project);
    let lines = lab.variables.iter();
    let lines: Vec<_> = lines
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let file = lines.join("\n");
    std::fs::write(lab.folder().join(".env"), file).expect("written");
    lab.rules = Rules {
        trusted: true,
        protected: false,
        ..Rules::default()
    };
    if text.contains("external: true") {
        lab.make_external().await;
    }
    let start = text.contains("# start");
    let folder = lab.folder();
    let lab = {
        let program = program.to_owned();
        tokio::task::spawn_blocking(move || {
            let arguments: &[&str] = if start { &["up", "-d"] } else { &["create"] };
            run(&program, &lab, arguments);
            lab
        })
        .await
        .expect("Compose runs")
    };
    let theirs = seen(&lab.docker, &lab.project, &folder).await;
    let mut lab = {
        let program = program.to_owned();
        tokio::task::spawn_blocking(move || {
            run(&program, &lab, &["down", "--volumes", "--timeout", "1"]);
            lab
        })
        .await
        .expect("Compose runs")
    };
    let input = lab.input(&text);
    if start {
        lab.converge(&input).await;
    } else {
        make(&mut lab, &input).await;
    }
    let ours = seen(&lab.docker, &lab.project, &folder).await;
    differences(&theirs, &ours)
}

/// Variables of the case, and a name for what is there beforehand.
fn variables(case: &Path, project: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(case.join(".env")).unwrap_or_default();
    let mut variables: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    variables.insert("EXTERNAL".to_owned(), format!("{project}-ext"));
    variables
}

/// Everything but starting.
async fn make(lab: &mut Lab, input: &tenantry_agent::containers::InstanceInput) {
    for _ in 0..4 {
        for step in lab.pass(input).await.steps {
            if matches!(step.action, Action::Start { .. }) {
                continue;
            }
            let done = execute(&lab.engine, &step).await;
            let done = done.unwrap_or_else(|error| panic!("{step}: {error}"));
            if done == Ensured::PlanAgain {
                break;
            }
        }
    }
}

fn differences(theirs: &Seen, ours: &Seen) -> (Vec<Difference>, usize) {
    let paths: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    let count = paths.len();
    let differ = paths.into_iter().filter_map(|path| {
        let (theirs, ours) = (theirs.get(path).cloned(), ours.get(path).cloned());
        (theirs != ours).then(|| Difference {
            path: path.clone(),
            theirs,
            ours,
        })
    });
    (differ.collect(), count)
}
