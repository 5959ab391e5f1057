//! Laws of the takeover: whatever comes in, it ends in an answer, and what it makes of it is a Compose file.

use super::{Beside, Found, Input, Outcome, import};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use tenantry_schema::id::ToolName;

/// Everything that is asked for is there.
struct Plenty;

impl Beside for Plenty {
    fn look(&self, path: &str) -> Found {
        match path {
            ".env" => Found::File(b"A=1\nTAG=2\n".to_vec()),
            path if path.ends_with(".env") => {
                Found::File(b"X_PASSWORD=geheim-123\nY=$A\nZ='it $'\n".to_vec())
            }
            path if path.contains('.') => Found::File(b"x".to_vec()),
            _ => Found::Folder(BTreeMap::from([("a".to_owned(), b"x".to_vec())])),
        }
    }
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/compose");
    let mut texts = Vec::new();
    for case in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(case.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|end| end == "yml" || end == "yaml")
            {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts.sort();
    texts
}

/// Takes a text over, and checks what comes out.
fn take(text: &str) -> Result<(), TestCaseError> {
    let tool = ToolName::try_from("tool").unwrap();
    let volumes = ["/srv/media".to_owned()];
    let input = Input {
        tool: &tool,
        title: "Tool",
        file: "compose.yaml",
        text,
        beside: &Plenty,
        sites: &[],
        volumes: &volumes,
    };
    let Outcome::Stack(stack) = import(&input) else {
        return Ok(());
    };
    let compose = std::str::from_utf8(&stack.files["compose.yaml"]).unwrap();
    let problems = tenantry_compose::check(compose, &|_| true);
    prop_assert!(
        problems.is_empty(),
        "{problems:#?}\n{compose}\nfrom:\n{text}"
    );
    for note in stack.changes.iter().chain(&stack.warnings) {
        prop_assert!(note.at <= text.len());
    }
    Ok(())
}

#[test]
fn the_corpus_is_there() {
    assert!(corpus().len() >= 15);
    for text in corpus() {
        take(&text).unwrap();
    }
}

/// What comes of a Compose file on its own: the file it becomes, or why not.
fn taken(text: &str) -> Result<String, Vec<tenantry_yaml::Problem>> {
    let tool = ToolName::try_from("tool").unwrap();
    let input = Input {
        tool: &tool,
        title: "Tool",
        file: "compose.yaml",
        text,
        beside: &Plenty,
        sites: &[],
        volumes: &[],
    };
    match import(&input) {
        Outcome::Stack(stack) => {
            Ok(String::from_utf8(stack.files["compose.yaml"].clone()).unwrap())
        }
        Outcome::Refused(why) => Err(why),
        Outcome::WhichSite(_) => panic!("nothing is to be asked"),
    }
}

#[test]
fn a_service_in_braces_gets_its_health_check_within_them() {
    let text = "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n  redis: {image: redis:7-alpine, restart: always}\n";
    let compose = taken(text).unwrap();
    let root = tenantry_yaml::parse(&compose, &tenantry_yaml::Limits::default()).unwrap();
    let redis = root.at(&["services", "redis"]).unwrap();
    assert_eq!(redis.get("image").unwrap().as_str(), Some("redis:7-alpine"));
    assert_eq!(
        redis.at(&["healthcheck", "retries"]).unwrap().as_str(),
        Some("30")
    );
}

#[test]
fn a_service_in_braces_that_would_lose_its_line_is_named() {
    let named = |service: &str, text: &str| {
        let problems = taken(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let said = format!("`{service}` is written in braces");
        assert!(problems[0].message.contains(&said), "{problems:?}");
        assert_eq!(problems[0].span.of(text), service);
    };
    // Variables of a file stand in lines of their own.
    named(
        "web",
        "services:\n  web: {image: nginx:1.27, ports: [\"8080:80\"], env_file: [web.env]}\n",
    );
    // With the line of its ports the whole service would go, and nobody would miss it.
    named(
        "redis",
        "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n  redis: {image: redis:7-alpine, ports: [\"6379:6379\"]}\n",
    );
    named(
        "redis",
        "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n  redis: {image: redis:7-alpine, container_name: cache}\n",
    );
    // One that is spread over lines loses only what it is to lose.
    let text = "services:\n  web: {\n    image: nginx:1.27,\n    container_name: front,\n    ports: [\"8080:80\"]\n  }\n";
    let compose = taken(text).unwrap();
    assert!(
        compose.contains("image: nginx:1.27") && !compose.contains("front"),
        "{compose}"
    );
}

#[test]
fn what_means_nothing_to_one_server_goes_with_a_note() {
    let begin = "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n";
    for (more, kept) in [
        ("    pull_policy: always\n", None),
        (
            "    deploy:\n      resources:\n        reservations:\n          cpus: '0.5'\n",
            None,
        ),
        (
            "    deploy: {resources: {reservations: {cpus: '0.5', pids: 3}}}\n",
            None,
        ),
        (
            "    deploy:\n      resources:\n        limits: {memory: 1G}\n        reservations: {cpus: '0.5', memory: 64M}\n",
            Some("reservations: {memory: 64M}"),
        ),
        (
            "    deploy: {resources: {limits: {memory: 1G}, reservations: {cpus: '0.5'}}}\n",
            Some("resources: {limits: {memory: 1G}}"),
        ),
    ] {
        let compose =
            taken(&format!("{begin}{more}")).unwrap_or_else(|wrong| panic!("{more}: {wrong:?}"));
        assert!(compose.contains("image: nginx:1.27"), "{compose}");
        assert!(
            !compose.contains("cpus") && !compose.contains("always"),
            "{compose}"
        );
        match kept {
            Some(kept) => assert!(compose.contains(kept), "{compose}"),
            None => assert!(!compose.contains("deploy"), "{compose}"),
        }
    }
    let never = taken(&format!("{begin}    pull_policy: missing\n")).unwrap();
    assert!(never.contains("pull_policy: missing"), "{never}");
}

#[test]
fn what_is_for_files_on_top_of_others_is_refused() {
    let text = "services:\n  web:\n    image: nginx:1.27\n    ports: !reset [\"8080:80\"]\n";
    let wrong = taken(text).unwrap_err();
    assert!(
        format!("{wrong:?}").contains("the tag `!reset` is not known"),
        "{wrong:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_end_in_an_answer(which in 0_usize..15, cuts in prop::collection::vec((0.0..1.0_f64, 0_usize..40), 1..4)) {
        let mut text = corpus()[which].clone();
        for (place, length) in cuts {
            let mut from = (place * text.len() as f64) as usize;
            while !text.is_char_boundary(from) { from -= 1; }
            let mut to = (from + length).min(text.len());
            while !text.is_char_boundary(to) { to += 1; }
            text.replace_range(from..to, "");
        }
        take(&text)?;
    }

    #[test]
    fn files_without_some_of_their_lines_end_in_an_answer(which in 0_usize..15, gone in prop::collection::vec(0_usize..80, 1..6), again in 0_usize..80) {
        let text = corpus()[which].clone();
        let mut lines: Vec<&str> = text.lines().collect();
        for line in gone {
            if line < lines.len() { lines.remove(line); }
        }
        if let Some(line) = lines.get(again).copied() {
            lines.insert(again, line);
        }
        take(&(lines.join("\n") + "\n"))?;
    }

    #[test]
    fn values_of_any_kind_end_in_an_answer(value in "[ -~äß€]{0,24}", image in "[a-z0-9:./${}-]{0,20}") {
        let quoted = serde_json::to_string(&value).unwrap();
        let text = format!(
            "services:\n  a:\n    image: {}\n    command: {quoted}\n    environment:\n      - {}\n      - DB_PASSWORD={}\n    volumes: [{quoted}]\n    ports: [{quoted}]\n  b:\n    image: x:1\n    environment:\n      APP_URL: {quoted}\n      X_TOKEN: {quoted}\n",
            serde_json::to_string(&image).unwrap(),
            serde_json::to_string(&format!("X={value}")).unwrap(),
            "abc",
        );
        take(&text)?;
    }
}
