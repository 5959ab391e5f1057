//! Entries of one mapping: keys that stand twice, and merge keys; no parsing.

use crate::build::MAX_TREE_PROBLEMS;
use crate::node::{Kind, Node};
use crate::problem::{Problem, ProblemKind};
use std::collections::{HashMap, HashSet};

/// Reports keys that stand twice and keeps the first of each.
pub(crate) fn drop_duplicates(entries: &mut Vec<(Node, Node)>, problems: &mut Vec<Problem>) {
    let seconds = duplicates(entries);
    for (second, first) in seconds.iter().take(MAX_TREE_PROBLEMS) {
        let key = &entries[*second].0;
        let name = key.as_str().unwrap_or_default().to_owned();
        let message = format!("the key `{}` stands twice", crate::problem::shorten(&name));
        let problem = Problem::new(key.span, ProblemKind::DuplicateKey { key: name }, message)
            .with_label("again here")
            .with_help("keep one of them")
            .with_related(entries[*first].0.span, "first here");
        problems.push(problem);
    }
    let mut gone = seconds.iter().map(|(second, _)| *second).peekable();
    let mut at = 0;
    entries.retain(|_| {
        let keep = gone.next_if_eq(&at).is_none();
        at += 1;
        keep
    });
}

/// Resolves `<<`: the mapping's own entries win, then earlier sources over later ones.
pub(crate) fn merge(entries: &mut Vec<(Node, Node)>, allowed: bool, problems: &mut Vec<Problem>) {
    let is_merge = |key: &Node| key.as_str() == Some("<<") && !key.is_quoted();
    let Some(at) = entries.iter().position(|(key, _)| is_merge(key)) else {
        return;
    };
    let (key, value) = entries.remove(at);
    if !allowed {
        let problem = Problem::new(
            key.span,
            ProblemKind::Alias,
            "merge keys (`<<`) are not supported here",
        )
        .with_help("write the entries out");
        problems.push(problem);
        return;
    }
    let sources = match value.kind {
        Kind::Sequence(items) => items,
        _ => vec![value],
    };
    let mut known: HashSet<Box<str>> = entries
        .iter()
        .filter_map(|(key, _)| key.as_str())
        .map(Box::from)
        .collect();
    for source in sources {
        let Kind::Mapping(more) = source.kind else {
            let problem = Problem::new(
                source.span,
                ProblemKind::Alias,
                "only mappings can be merged with `<<`",
            );
            problems.push(problem);
            continue;
        };
        for (key, value) in more {
            let name: Box<str> = key.as_str().unwrap_or_default().into();
            if known.insert(name) {
                entries.push((key, value));
            }
        }
    }
}

/// Pairs of positions (second, first) of entries with equal keys, by rising second.
fn duplicates(entries: &[(Node, Node)]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let name = |at: usize| entries[at].0.as_str().unwrap_or_default();
    // Comparing all pairs beats hashing for the sizes that people write.
    if entries.len() <= 16 {
        for second in 1..entries.len() {
            if let Some(first) = (0..second).find(|first| name(*first) == name(second)) {
                found.push((second, first));
            }
        }
    } else {
        let mut seen = HashMap::with_capacity(entries.len());
        for at in 0..entries.len() {
            match seen.entry(name(at)) {
                std::collections::hash_map::Entry::Occupied(first) => {
                    found.push((at, *first.get()));
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(at);
                }
            }
        }
    }
    found
}
