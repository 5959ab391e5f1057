//! Every edit that `schema/compose/tests/edits.yaml` names is told as what the agent, which is tested with the same file, makes of it.

use super::super::networks;
use super::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tenantry_compose::{ComposeFile, PROFILES};
use tenantry_schema::document::Protection;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    key: String,
    #[serde(default)]
    before: Side,
    after: Side,
    makes: Makes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Makes {
    Container,
    Network,
    Nothing,
}

/// What is added to the project on one side.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Side {
    service: Map<String, Value>,
    top: Map<String, Value>,
    rules: Said,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Said {
    memory: Option<u64>,
    relax: BTreeMap<String, BTreeSet<Protection>>,
    reload: BTreeMap<String, Value>,
}

fn edits() -> Vec<Edit> {
    let text = include_str!("../../../../../schema/compose/tests/edits.yaml");
    serde_yaml::from_str(text).unwrap()
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let files = [("web.env", "A=1\n"), ("files/a", "a")];
    files
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into()
}

fn project(side: &Side) -> Project {
    let mut web = Map::from_iter([("image".to_owned(), json!("a:1"))]);
    web.extend(side.service.clone());
    let mut whole = side.top.clone();
    let db = json!({ "image": "b:1", "network_mode": "none", "mem_limit": "1g" });
    let services = json!({ "web": web, "db": db });
    whole.insert("services".to_owned(), services);
    let text = Value::Object(whole).to_string();
    let lookup = |name: &str| (name == PROFILES).then(|| "tenantry".to_owned());
    let files = files();
    let loaded = ComposeFile::new(&text, &files).load(&lookup);
    loaded.unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn rules(said: &Said) -> Rules {
    Rules {
        reloading: said.reload.keys().cloned().collect(),
        relaxed: said.relax.clone(),
        memory: said.memory,
    }
}

#[test]
fn every_edit_is_told_as_what_the_agent_makes_of_it() {
    let (name, files) = (ProjectName::try_from("acme").unwrap(), Files::new(files()));
    for edit in edits() {
        let (old, new) = (project(&edit.before), project(&edit.after));
        let (was, is) = (rules(&edit.before.rules), rules(&edit.after.rules));
        let before = Services::of((&name, &old), &files, &was);
        let after = Services::of((&name, &new), &files, &is);
        let mut changes = compare((&before, true), (&after, true), true);
        let container = changes.remove("web");
        let anew = networks::made_anew(&networks::of(&name, &old), &networks::of(&name, &new));
        let told = match (&container, anew.is_empty()) {
            (Some(ServiceChange::Replaced { .. }), true) => Makes::Container,
            (None, false) => Makes::Network,
            (None, true) => Makes::Nothing,
            other => panic!("{}: {other:?}", edit.key),
        };
        assert_eq!(told, edit.makes, "{} {:?}", edit.key, edit.after);
        assert_eq!(changes, BTreeMap::new(), "{}: nothing of db", edit.key);
        // It is named by its key, where it has no words of its own.
        if let Some(ServiceChange::Replaced { why }) = container {
            let words: Vec<String> = why.iter().map(Why::words).collect();
            let words = words.join("; ");
            let own = match edit.key.as_str() {
                "env_file" => "environment",
                "expose" => "ports",
                "network_mode" => "networks",
                "tmpfs" | "volumes" | "secrets" | "configs" => "mounts",
                "deploy" => "",
                key => key,
            };
            assert!(words.contains(own), "{}: {words}", edit.key);
        }
    }
}
