//! The examples of the pages that explain codes are true: the wrong one is said under the page's code, the right one is good.

use crate::cases::stored;
use crate::fleet::{Bench, Files};
use rayon::prelude::*;
use tenantry_planner::codes::{self, Example, Page};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Code;

fn files(page: &Page, examples: &[Example]) -> Files {
    let file = |example: &Example| {
        let stored = stored(
            &page.code.to_string(),
            example.stored.unwrap_or_default(),
            example.text,
        );
        (example.path.to_owned(), stored)
    };
    examples.iter().map(file).collect()
}

#[test]
fn every_example_is_true() {
    let bench = Bench::new();
    let pages: Vec<Page> = codes::pages().collect();
    let wrong: Vec<String> = pages
        .par_iter()
        .filter_map(|page| untrue(&bench, page))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said of a history, which no example has. Where it is told is tested with commits.
const OF_HISTORY: [u16; 1] = [codes::DECISIONS_LOST];

fn untrue(bench: &Bench, page: &Page) -> Option<String> {
    let found = bench.said(&files(page, &page.wrong));
    let codes: Vec<String> = found.iter().map(|found| found.code.to_string()).collect();
    let of_history = OF_HISTORY.contains(&page.code.0) && !found.is_empty();
    if !of_history && !found.iter().any(|found| found.code == page.code) {
        return Some(format!("{}: the wrong example says {codes:?}", page.code));
    }
    let found = bench.said(&files(page, &page.right));
    let not_yet =
        |found: &&Diagnostic| found.code != Code(codes::NOT_YET) && !page.right.is_empty();
    // An example has no past in which the old name could stand.
    let has_past = |found: &&Diagnostic| found.is_error() || found.code != Code(codes::MOVED_FROM);
    let left: Vec<String> = found
        .iter()
        .filter(not_yet)
        .filter(has_past)
        .map(Diagnostic::render)
        .collect();
    (!left.is_empty())
        .then(|| format!("{}: the right example says\n{}", page.code, left.join("\n")))
}
