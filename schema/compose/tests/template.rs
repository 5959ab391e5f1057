//! The interpolation grammar as a table, and that no text brings it down.

use proptest::prelude::*;
use tenantry_compose::template::Template;

fn lookup(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "A_1" => Some("one".to_owned()),
        _ => None,
    }
}

#[test]
fn grammar() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$A_1-c", "avaluebone-c"),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("$${SET}", "${SET}"),
        ("${EMPTY}", ""),
        ("${SET:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE:-d}", "d"),
        ("${NONE-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE-}", ""),
        ("${NONE:-a:b-c?d+e}", "a:b-c?d+e"),
        ("${NONE:-${SET}}", "value"),
        ("${NONE:-${OTHER:-x}y}", "xy"),
        ("${NONE:-$SET}", "value"),
        ("${NONE:-{\"a\":1}}", "{\"a\":1}"),
        ("${SET:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${EMPTY+alt}", "alt"),
        ("${NONE+alt}", ""),
        ("${SET:+${A_1}}", "one"),
        ("${SET:?no}", "value"),
        ("${EMPTY?no}", ""),
        ("ü${SET}ü", "üvalueü"),
    ] {
        let resolved = Template::parse(text).unwrap().resolve(&lookup).unwrap();
        assert_eq!(resolved, expected, "{text}");
    }
}

#[test]
fn what_is_no_template() {
    for (text, place) in [
        ("$", "$"),
        ("a $ b", "$"),
        ("costs $5", "$"),
        ("${}", "${}"),
        ("${1A}", "${1A}"),
        ("x${SET", "${SET"),
        ("${SET!}", "${SET!}"),
        ("${SET:}", "${SET:}"),
        ("${SET:=d}", "${SET:=d}"),
        ("${NONE:-$}", "$"),
        ("$-", "$"),
    ] {
        let error = Template::parse(text).unwrap_err();
        assert_eq!(&text[error.source_range.clone()], place, "{text}: {error}");
    }
    assert!(Template::parse(&"${A:-".repeat(100_000)).is_err());
    let deep = format!("{}{}", "${A:-".repeat(500), "}".repeat(500));
    assert!(Template::parse(&deep).is_err());
}

#[test]
fn missing_values_are_all_named() {
    let resolve = |text: &str| Template::parse(text).unwrap().resolve(&lookup).unwrap_err();
    let missing = resolve("$A ${SET} ${B:?set it} ${EMPTY:?}");
    let told: Vec<&str> = missing.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "the variable `A` has no value",
            "the variable `B` is required: set it",
            "the variable `EMPTY` is required"
        ]
    );
    // A message never carries a value.
    assert_eq!(
        resolve("${B?ask ${SET}}")[0].message,
        "the variable `B` is required: ask ${SET}"
    );
}

proptest! {
    #[test]
    fn any_text_survives(text in any::<String>()) {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.resolve(&|_| Some("x".into()));
        }
    }

    #[test]
    fn dollar_soup_survives(text in "(\\$|\\{|\\}|A|b1|:|-|\\?|\\+|ü| ){0,40}") {
        match Template::parse(&text) {
            Ok(template) => {
                for (variable, _) in template.variables() {
                    prop_assert!(text[variable.source.clone()].starts_with('$'));
                }
                prop_assert!(template.resolve(&|_| Some("x".into())).is_ok());
            }
            Err(error) => prop_assert!(text.get(error.source_range).is_some()),
        }
    }

    #[test]
    fn text_without_dollars_is_itself(text in "[^$]*") {
        prop_assert_eq!(Template::parse(&text).unwrap().resolve(&|_| None).unwrap(), text);
    }
}
