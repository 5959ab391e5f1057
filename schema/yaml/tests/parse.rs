//! Trees: places, refusals, limits and bombs.

#![allow(clippy::format_collect, clippy::format_push_string)]

use tenantry_yaml::{
    Kind, Limits, LineIndex, Node, Problem, ProblemKind, Span, parse, parse_marked,
};

fn tree(text: &str) -> Node {
    parse(text, &Limits::default()).unwrap_or_else(|problems| panic!("{text:?}: {problems:?}"))
}

fn refused(text: &str) -> Vec<Problem> {
    parse(text, &Limits::default()).expect_err(text)
}

fn one(text: &str) -> (usize, usize, String) {
    let problems = refused(text);
    assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
    let at = LineIndex::new(text).position(problems[0].span.start);
    (at.line, at.column, problems[0].message.clone())
}

#[test]
fn places_of_values_keys_and_nothing() {
    let text = "html:\numami :\n  env: { A: 'x' }\nlist:\n  -\n  - b\nö: ü\n";
    let root = tree(text);
    let of = |path: &[&str]| root.at(path).unwrap().span;
    assert_eq!(of(&["html"]), Span::point(5));
    assert!(root.get("html").unwrap().is_null());
    assert_eq!(of(&["umami", "env", "A"]).of(text), "'x'");
    assert_eq!(of(&["umami", "env"]).of(text), "{ A: 'x' }");
    assert_eq!(of(&["list"]).of(text), "-\n  - b");
    assert_eq!(of(&["list", "0"]), Span::point(of(&["list"]).start + 1));
    assert_eq!(of(&["list", "1"]).of(text), "b");
    assert_eq!(of(&["ö"]).of(text), "ü");
    assert_eq!(root.key_span("umami").unwrap().of(text), "umami");
    assert_eq!(
        root.key_span_at(&["umami", "env", "A"]).unwrap().of(text),
        "A"
    );
    assert_eq!(root.at(&["umami", "nothing"]), None);
    assert_eq!(root.at::<&str>(&[]), Some(&root));
}

#[test]
fn empty_texts_are_null() {
    for text in ["", "\n", "# comment\n", "---\n", "\u{feff}", "~", "null\n"] {
        assert!(tree(text).is_null(), "{text:?}");
    }
}

#[test]
fn carriage_returns_marks_and_blocks() {
    let text = "\u{feff}a: x\r\nb:\r\n  - c\r\nd: |\r\n  l1\r\n  l2\r\n";
    let root = tree(text);
    assert_eq!(root.get("a").unwrap().span.of(text), "x");
    assert_eq!(root.get("d").unwrap().as_str(), Some("l1\nl2\n"));
    let index = LineIndex::new(text);
    let at = index.position(root.at(&["b", "0"]).unwrap().span.start);
    assert_eq!((at.line, at.column), (3, 5));
    assert_eq!(index.position(root.key_span("a").unwrap().start).column, 1);
}

#[test]
fn refusals_with_their_places() {
    for (text, line, column, message) in [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key `a` stands twice"),
        ("a: {b: 1, \"b\": 2}", 1, 11, "the key `b` stands twice"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document in one file"),
        ("x: !include y", 1, 4, "the tag `!include` is not known"),
        (
            "a: b\u{feff}c",
            1,
            5,
            "a byte order mark inside of the text",
        ),
        ("a: b\u{7}c", 1, 5, "a control character"),
        ("a:\n\tb: c\n", 2, 1, "a tab in the indentation"),
        ("a:\n  b:\n\t  - c\n", 3, 1, "a tab in the indentation"),
        ("a:\n  - b\n\t- c\n", 2, 5, "a tab where spaces belong"),
        ("? [a]\n: b\n", 1, 3, "a key must be text, this is a list"),
        (
            "x: &a [*a]",
            1,
            8,
            "an alias inside of the value that it stands for",
        ),
        (
            "a: *b",
            1,
            4,
            "no anchor (`&name`) of this name before this place",
        ),
        (
            "<<: {a: 1}",
            1,
            1,
            "merge keys (`<<`) are not supported here",
        ),
        ("a: b: c", 1, 5, "a second `key: value` on one line"),
        ("a: 'x", 1, 4, "a quote is never closed"),
        ("a: @x", 1, 4, "text cannot start with `@`"),
        (
            "ä: [1, 2",
            1,
            8,
            "the list that began with `[` is not closed",
        ),
        (
            "a\nb: c",
            2,
            2,
            "this line is indented unlike its neighbours, or the line before lacks a `:`",
        ),
    ] {
        assert_eq!(one(text), (line, column, message.to_owned()), "{text:?}");
    }
}

#[test]
fn duplicates_name_the_first_and_are_all_reported() {
    let text = "a: 1\nb: 1\nb: 2\na: 3\na: 4\n";
    let problems = refused(text);
    assert_eq!(problems.len(), 3);
    for problem in &problems {
        let (first, _) = problem.related[0];
        assert_eq!(first.of(text), problem.span.of(text));
        assert!(first < problem.span);
    }
    let many: String = (0..40).map(|n| format!("k{}: 1\n", n % 39)).collect();
    assert_eq!(one(&many).0, 40);
}

#[test]
fn tabs_that_do_not_indent_are_fine() {
    assert_eq!(tree("a: \"x\ty\"").get("a").unwrap().as_str(), Some("x\ty"));
    tree("{\n\t\"a\": [\n\t\t1\n\t]\n}\n");
    tree("a: |\n  x\n  \ty\n");
    tree("a: b\t# comment\n");
}

#[test]
fn merge_keys_where_they_are_wanted() {
    let limits = Limits::compose();
    let root = parse(
        "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [{a: 9}, *x]}\n",
        &limits,
    )
    .unwrap();
    let text = |path: &[&str]| root.at(path).and_then(Node::as_str).map(str::to_owned);
    assert_eq!(text(&["y", "a"]).as_deref(), Some("1"));
    assert_eq!(text(&["y", "b"]).as_deref(), Some("3"));
    assert_eq!(text(&["z", "a"]).as_deref(), Some("9"));
    assert_eq!(text(&["z", "b"]).as_deref(), Some("2"));
    assert_eq!(root.at(&["y", "<<"]), None);
    assert!(parse("a: {<<: 7}", &limits).is_err());
    assert!(parse("a: {'<<': 7}", &limits).is_ok());
}

#[test]
fn tags_of_a_format_are_told_with_the_place_of_their_value() {
    let text = "a: !reset\nb: !override [1]\nc: !override\n  d: &x !reset y\n  e: *x\nf: !override\n  - 'g'\n";
    let found = parse_marked(text, &Limits::compose());
    assert_eq!(found.problems, []);
    let root = found.root.unwrap();
    let told: Vec<_> = [&["a"][..], &["b"], &["c"], &["c", "d"], &["c", "e"], &["f"]]
        .map(|path| {
            let span = root.at(path).unwrap().span;
            let marked = found.marked.iter().find(|marked| marked.span == span);
            (path.join("."), marked.map(|marked| marked.tag))
        })
        .into();
    let each = [
        ("a", "!reset"),
        ("b", "!override"),
        ("c", "!override"),
        ("c.d", "!reset"),
        ("c.e", "!reset"),
        ("f", "!override"),
    ];
    assert_eq!(told, each.map(|(path, tag)| (path.to_owned(), Some(tag))));
    assert_eq!(found.marked.len(), each.len(), "nothing else has one");
    // Elsewhere they mean nothing, and others nowhere.
    for problem in parse(text, &Limits::default()).unwrap_err() {
        assert!(matches!(problem.kind, ProblemKind::UnknownTag { .. }));
    }
    assert!(parse("a: !other x", &Limits::compose()).is_err());
}

#[test]
fn bombs_are_refused_quickly() {
    let begun = std::time::Instant::now();
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let inner = format!("*a{}, ", n - 1).repeat(10);
        laughs.push_str(&format!("a{n}: &a{n} [{inner}]\n"));
    }
    assert_eq!(refused(&laughs)[0].kind, ProblemKind::AliasBudget);
    for open in ["[", "{a: ", "- ", "? "] {
        let problems = refused(&open.repeat(100_000));
        let kind = &problems[0].kind;
        assert!(
            matches!(kind, ProblemKind::TooDeep | ProblemKind::Syntax),
            "{open} {kind:?}"
        );
    }
    assert_eq!(refused(&"[".repeat(100_000))[0].kind, ProblemKind::TooDeep);
    assert_eq!(refused(&"- ".repeat(100_000))[0].kind, ProblemKind::TooDeep);
    let steps: String = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert_eq!(refused(&steps)[0].kind, ProblemKind::TooDeep);
    let through_aliases: String = (1..70).fold("- &a0 [x]\n".to_owned(), |text, n| {
        format!("{text}- &a{n} [*a{}]\n", n - 1)
    });
    assert_eq!(refused(&through_aliases)[0].kind, ProblemKind::TooDeep);
    assert_eq!(
        refused(&"x".repeat(100 << 20))[0].kind,
        ProblemKind::TooLarge
    );
    let anchors = format!("{}{}", "- &a [x, x, x, x]\n".repeat(4_000), "- *a\n");
    assert_eq!(refused(&anchors)[0].kind, ProblemKind::AliasBudget);
    assert!(refused(&"a:\n".repeat(100_000)).len() >= 50);
    assert!(refused(&"- \t!x y\n".repeat(100_000)).len() <= 50);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn large_but_fair_texts_take_fair_time() {
    let begun = std::time::Instant::now();
    let text: String = (0..40_000).map(|n| format!("key{n}: value\n")).collect();
    assert!(matches!(&tree(&text).kind, Kind::Mapping(entries) if entries.len() == 40_000));
    let long = format!("a: \"{}\"", "ü".repeat(400_000));
    tree(&long);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn tags_of_the_core_schema() {
    let root = tree("a: !!str 12\nb: ! 12\nc: !!int 5\nd: !!map {}\ne: !!seq []\nf: !!str\n");
    assert!(root.get("a").unwrap().is_quoted());
    assert!(root.get("b").unwrap().is_quoted());
    assert!(!root.get("f").unwrap().is_null());
    assert_eq!(refused("a: !!set {}\nb: !x y\n").len(), 2);
}
