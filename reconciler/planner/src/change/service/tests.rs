//! Every edit that `schema/compose/tests/edits.yaml` names is told as what the agent, which is tested with the same file, makes of it.

#[path = "../../../../../schema/compose/tests/edits/mod.rs"]
mod table;

use super::super::networks;
use super::*;
use table::{Makes, Said, edits, files, project};

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
