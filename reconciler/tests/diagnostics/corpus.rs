//! Every case of the corpus is said as it should be. `TENANTRY_BLESS=1` writes what is said now; look at the difference before it is committed.

use crate::cases::{Case, all};
use crate::fleet::Bench;
use rayon::prelude::*;
use std::fmt::Write as _;
use std::time::Instant;

#[test]
fn every_case_is_said_as_it_should_be() {
    let bench = Bench::new();
    let cases = all();
    assert!(cases.len() >= 120, "{}", cases.len());
    let begun = Instant::now();
    let base = bench.said(&crate::fleet::Files::new());
    assert!(base.is_empty(), "{base:?}");
    let differs: Vec<String> = cases
        .par_iter()
        .filter_map(|case| differs(&bench, case))
        .collect();
    eprintln!("{} cases in {:?}", cases.len(), begun.elapsed());
    assert!(
        differs.is_empty(),
        "{}\nTENANTRY_BLESS=1 writes what is said now",
        differs.join("\n")
    );
}

fn differs(bench: &Bench, case: &Case) -> Option<String> {
    let text = shown(bench, case);
    if text.is_empty() {
        return Some(format!("{}: nothing is said. {}", case.name, case.about));
    }
    if bless() {
        std::fs::write(&case.golden, &text).unwrap();
        return None;
    }
    let golden = std::fs::read_to_string(&case.golden).unwrap_or_default();
    (golden != text).then(|| {
        format!(
            "== {} ==\n-- expected:\n{golden}-- said:\n{text}",
            case.name
        )
    })
}

pub(crate) fn bless() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    std::env::var_os("TENANTRY_BLESS").is_some()
}

fn shown(bench: &Bench, case: &Case) -> String {
    let begun = Instant::now();
    let found = bench.said(&case.files);
    assert!(
        begun.elapsed().as_secs() < 20,
        "{} takes {:?}",
        case.name,
        begun.elapsed()
    );
    let mut out = String::new();
    for diagnostic in &found {
        let _ = writeln!(out, "{}", diagnostic.render());
        assert!(
            out.chars().all(|c| c == '\n' || !c.is_control()),
            "{}: {out:?}",
            case.name
        );
        assert!(!out.contains("hunter2"), "{} shows a secret", case.name);
    }
    out.replace(&bench.stays_at(), "<base>")
}
