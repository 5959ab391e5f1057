//! That pages are whole; that their examples are true is tested where files are compiled.

use super::{pages, reference};
use std::collections::BTreeSet;

#[test]
fn every_page_has_all_its_parts() {
    let mut seen = BTreeSet::new();
    for page in pages() {
        assert!(seen.insert(page.code), "{} is there twice", page.code);
        assert!(
            !page.title.is_empty() && page.meaning.len() > 40,
            "{}",
            page.code
        );
        assert!(!page.wrong.is_empty(), "{} has no example", page.code);
        assert!(
            page.right.is_empty() != page.remark.is_empty(),
            "{} says not how it is mended",
            page.code
        );
        assert!(page.text().starts_with(&format!("{}: ", page.code)));
        assert!(reference().contains(&format!("## {}\n", page.code)));
    }
}
