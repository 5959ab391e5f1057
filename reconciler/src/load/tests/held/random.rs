//! Random histories of several lines: whoever was in force where the hub was stays.

use super::Graph;
use crate::git::Change;
use crate::load::Loader;
use crate::load::tests::removal::{customer, leaves, names};
use crate::load::tests::{Fault, put, settings, stack};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Something that is done on one of several lines.
#[derive(Debug, Clone)]
enum Act {
    /// Two customers, who always come and go together, come.
    Come(usize, usize),
    /// They go.
    Go(usize, usize),
    Readme(usize),
    Hub,
    /// A new line: from the newest of the main one, or from before the limit.
    Fork(usize, bool),
    /// Lines are merged; which one's tree is taken, and in which order the parents stand.
    Merge(usize, usize, usize, bool),
}

const LINES: usize = 3;
const PAIRS: [[&str; 2]; 3] = [["a-1", "a-2"], ["b-1", "b-2"], ["c-1", "c-2"]];

fn act() -> impl Strategy<Value = Act> {
    let line = || 0..LINES;
    prop_oneof![
        4 => (line(), 0..3usize).prop_map(|(line, pair)| Act::Come(line, pair)),
        4 => (line(), 0..3usize).prop_map(|(line, pair)| Act::Go(line, pair)),
        1 => line().prop_map(Act::Readme),
        1 => Just(Act::Hub),
        2 => (1..LINES, any::<bool>()).prop_map(|(line, early)| Act::Fork(line, early)),
        5 => (line(), line(), 0..3usize, any::<bool>())
            .prop_map(|(into, from, tree, swapped)| Act::Merge(into, from, tree, swapped)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whoever was in force on the line that the hub follows stays, in histories in which nothing is ever acknowledged and whatever goes is too much.
    #[test]
    fn what_is_too_much_is_never_in_force(acts in prop::collection::vec(act(), 1..14)) {
        let graph = Graph::new();
        let mut first = stack(0);
        first.push(put("fleet/hub.yaml", &settings(&graph.keys, 1, Fault::Nothing)));
        let begin = graph.commit(&[], &first);
        let tree = graph.tree_of_stack(begin);
        let pair = |pair: usize| -> Vec<Change> {
            PAIRS[pair].iter().flat_map(|name| customer(name, &tree, "")).collect()
        };
        let go = |pair: usize| -> Vec<Change> { PAIRS[pair].into_iter().flat_map(leaves).collect() };
        let early = graph.commit(&[begin], &pair(0));
        let limit = graph.limit("1");
        let mut lines = [graph.commit(&[early], std::slice::from_ref(&limit)), early, early];
        let mut kept = Loader::new(graph.objects.clone());
        let mut in_force = BTreeSet::new();
        for (round, act) in acts.into_iter().enumerate() {
            match act {
                Act::Come(line, which) => lines[line] = graph.commit(&[lines[line]], &pair(which)),
                Act::Go(line, which) => lines[line] = graph.commit(&[lines[line]], &go(which)),
                Act::Readme(line) => {
                    lines[line] = graph.commit(&[lines[line]], &[put("README.md", &round.to_string())]);
                }
                Act::Hub => lines[0] = graph.by_hub(lines[0], &round.to_string()),
                Act::Fork(line, old) => lines[line] = if old { early } else { lines[0] },
                Act::Merge(into, from, taken, swapped) => {
                    let mut parents = vec![lines[into], lines[from]];
                    if swapped {
                        parents.reverse();
                    }
                    if taken == 2 && !parents.contains(&lines[2]) {
                        parents.push(lines[2]);
                    }
                    parents.dedup();
                    // The settings of the main line count wherever it takes part.
                    let main = [into, from].contains(&0);
                    let settings = if main { vec![limit.clone()] } else { Vec::new() };
                    lines[into] = graph.merge(&parents, lines[taken], &settings);
                }
            }
            let loaded = kept.load(graph.at(lines[0])).unwrap();
            let now: BTreeSet<String> = names(&loaded).into_iter().collect();
            prop_assert!(now.is_superset(&in_force), "{:?} went of {:?}", in_force.difference(&now), in_force);
            prop_assert_eq!(&now, &graph.in_force(lines[0]).into_iter().collect());
            in_force = now;
        }
    }
}
