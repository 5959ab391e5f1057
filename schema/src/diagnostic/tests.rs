//! How diagnostics read.

use super::*;
use proptest::prelude::*;

#[test]
fn reads_like_a_compiler() {
    let text = "plan: pro\ntools:\n  nextcluod: { state: stopped }\n";
    let start = text.find("nextcluod").unwrap();
    let shown = Diagnostic::error(
        107,
        Place::of("orders/website.yaml", text, start, start + 9),
        "unknown tool `nextcluod`",
    )
    .label("not in the catalogue")
    .note("did you mean `nextcloud`?")
    .render();
    let expected = "\
error[T0107]: unknown tool `nextcluod`
  ┌─ orders/website.yaml:3:3
  │
3 │   nextcluod: { state: stopped }
  │   ^^^^^^^^^ not in the catalogue
  │
  = did you mean `nextcloud`?
";
    assert_eq!(shown, expected);
}

#[test]
fn of_a_very_long_line_the_part_around_the_place_is_shown() {
    let text = format!("{}wrong{}\n", "a".repeat(100_000), "b".repeat(100_000));
    let place = Place::of("x.yaml", &text, 100_000, 100_005);
    assert_eq!(place.column, 100_001);
    let shown = Diagnostic::error(1, place, "m").label("here").render();
    let lines: Vec<&str> = shown.lines().collect();
    let at = |line: &str, mark: &str| {
        line.split_once(mark)
            .map(|(before, _)| before.chars().count())
    };
    assert_eq!(at(lines[3], "wrong"), at(lines[4], "^^^^^ here"));
    assert!(
        lines.iter().all(|line| line.chars().count() < 260),
        "{shown}"
    );
}

#[test]
fn several_places_are_shown() {
    let text = "plan: pro\nplan: small\n";
    let place = |start| Place::of("x.yaml", text, start, start + 4);
    let shown = Diagnostic::error(101, place(10), "twice")
        .related(place(0), "first")
        .related(Place::file("y.yaml"), "and there")
        .render();
    let expected = "\
error[T0101]: twice
  ┌─ x.yaml:2:1
  │
2 │ plan: small
  │ ^^^^
  │
  ┌─ x.yaml:1:1
  │
1 │ plan: pro
  │ ^^^^ first
  │
  ┌─ y.yaml
  │  and there
";
    assert_eq!(shown, expected);
}

proptest! {
    #[test]
    fn any_place_can_be_shown(text in "(.|\n|\r|\t){0,60}", start in 0usize..80, length in 0usize..80) {
        let place = Place::of("x.yaml", &text, start, start + length);
        let shown = Diagnostic::error(1, place, "m").label("l").render();
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
