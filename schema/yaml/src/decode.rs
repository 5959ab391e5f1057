//! Decoding with all errors at once: every reported entry is taken out of view and the tree is read again.

use crate::de::{De, Gap, View, head, id};
use crate::error::{DecodeError, NodeId, Place};
use crate::node::{Kind, Node};
use crate::placeholder::ATTEMPTS;
use crate::problem::{Problem, ProblemKind};
use crate::suggest::suggest;
use serde::de::DeserializeOwned;

/// So many problems of one text are reported at most.
pub const MAX_PROBLEMS: usize = 20;

/// Readings of one text at most; a problem costs a few (itself, what follows from it, attempts to fill a gap).
const MAX_ROUNDS: usize = 10 * MAX_PROBLEMS;

/// Reads a tree as a `T`.
///
/// A value comes only without problems. With problems the tree is read again without the entries that were
/// reported, so that each mistake is reported once and what merely follows from one is not. Problems come in
/// the order of their places, at most [`MAX_PROBLEMS`].
pub fn decode<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Problem>) {
    let (value, problems) = decode_partly(root);
    (value.filter(|_| problems.is_empty()), problems)
}

/// The same, with a value in spite of problems where one can be made: what was reported is left out of it, and a stand-in takes the place of
/// what is missing. For checks of the rest alone, and only of what stands in the text.
pub fn decode_partly<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Problem>) {
    let mut read = None;
    let mut view = View::default();
    let mut problems: Vec<Problem> = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let error = match T::deserialize(De {
            node: root,
            view: &view,
        }) {
            Ok(value) => {
                read = Some(value);
                break;
            }
            Err(error) => error.locate(|| Place {
                span: head(root),
                entry: id(root),
                key: false,
            }),
        };
        let Some(place) = error.0.place else { break };
        if let Some(gap) = error.0.gap.and_then(|at| view.filled.get_mut(at)) {
            gap.attempt += 1;
            if gap.attempt < ATTEMPTS {
                continue;
            }
        }
        let owner = find(root, place.entry);
        let follows = error.0.stand_in || owner.is_some_and(|node| follows(node, &view, &error));
        // A gap is filled so that the mapping's other gaps show as well.
        let gap = if error.0.stand_in {
            None
        } else {
            error.0.missing
        };
        if !follows {
            problems.push(error.into_problem(place.span));
            if problems.len() == MAX_PROBLEMS {
                break;
            }
        }
        let filled = gap.is_some_and(|field| fill(&mut view, place.entry, field));
        if !filled && (place.entry == id(root) || !view.pruned.insert(place.entry)) {
            break;
        }
    }
    problems.sort_by_key(|problem| problem.span);
    (read, problems)
}

fn fill(view: &mut View, owner: NodeId, field: &'static str) -> bool {
    let known = |gap: &Gap| gap.owner == owner && gap.field == field;
    if view.filled.iter().any(known) {
        return false;
    }
    let attempt = 0;
    view.filled.push(Gap {
        owner,
        field,
        attempt,
    });
    true
}

/// Whether an error of `node` is but a consequence of what was reported inside of it.
fn follows(node: &Node, view: &View, error: &DecodeError) -> bool {
    let Some(place) = error.0.place else {
        return false;
    };
    if place.key {
        return false;
    }
    match &error.0.kind {
        ProblemKind::MissingField { field } => {
            let hidden = |value: &Node| view.pruned.contains(&id(value));
            node.as_mapping().is_some_and(|entries| {
                entries
                    .iter()
                    .filter(|(_, value)| hidden(value))
                    .filter_map(|(key, _)| key.as_str())
                    .any(|key| key == field || suggest(key, std::slice::from_ref(field)).is_some())
            })
        }
        _ => touched(node, view, true),
    }
}

/// Whether something at or below `node` is out of view or filled.
fn touched(node: &Node, view: &View, top: bool) -> bool {
    let me = id(node);
    if !top && view.pruned.contains(&me) || view.filled.iter().any(|gap| gap.owner == me) {
        return true;
    }
    match &node.kind {
        Kind::Scalar { .. } => false,
        Kind::Sequence(items) => items.iter().any(|item| touched(item, view, false)),
        Kind::Mapping(entries) => entries.iter().any(|(_, value)| touched(value, view, false)),
    }
}

fn find(node: &Node, wanted: NodeId) -> Option<&Node> {
    if id(node) == wanted {
        return Some(node);
    }
    match &node.kind {
        Kind::Scalar { .. } => None,
        Kind::Sequence(items) => items.iter().find_map(|item| find(item, wanted)),
        Kind::Mapping(entries) => entries.iter().find_map(|(_, value)| find(value, wanted)),
    }
}
