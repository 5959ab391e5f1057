//! The files of slices: golden ones of the shipped stacks, and hostile values that stay values.

use crate::catalogue::{shipped, templates};
use crate::support::Fleet;
use crate::support::files::{id, keys};
use insta::assert_snapshot;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use tenantry_planner::catalogue::{CompiledStack, Templates};
use tenantry_planner::render::{Plaintext, RenderError, Rendered, parse_env_file, render};
use tenantry_planner::slice_input::{InstanceInput, RENDERER, SliceInput};
use tenantry_schema::Secret;
use tenantry_schema::document::{EnvValue, Server, State, Tool, WebPorts};
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{HeaderName, HeaderValue};

static HTML: LazyLock<Arc<CompiledStack>> = LazyLock::new(|| shipped("html"));
static GUESTBOOK: LazyLock<Arc<CompiledStack>> = LazyLock::new(|| shipped("guestbook"));
static TEMPLATES: LazyLock<Arc<Templates>> = LazyLock::new(|| Arc::new(templates()));

fn instance(
    stack: &Arc<CompiledStack>,
    port: u16,
    document: Tool,
) -> (InstanceName, InstanceInput) {
    let (order, tool) = ("website".try_into().unwrap(), stack.tool.clone());
    let host = if tool.as_str() == "html" {
        "acme.example"
    } else {
        "guestbook.acme.example"
    };
    let input = InstanceInput {
        state: document.state,
        domain: "acme.example".try_into().unwrap(),
        document,
        tree: stack.tree,
        over: None,
        customer: BTreeMap::new(),
        nginx: TEMPLATES.tree,
        ports: [("site".try_into().unwrap(), port)].into(),
        hosts: [("site".try_into().unwrap(), host.try_into().unwrap())].into(),
        redirects: [].into(),
        trusted: false,
        secrets: None,
        stack: stack.clone(),
        templates: TEMPLATES.clone(),
        order,
        tool,
    };
    (InstanceName::new(&input.order, &input.tool), input)
}

fn slice(instances: impl IntoIterator<Item = (InstanceName, InstanceInput)>) -> SliceInput {
    let key = keys('a').replace("{ sign: ", "").replace(" }", "");
    let (sign, age) = key.split_once(", age: ").unwrap();
    SliceInput {
        renderer: RENDERER,
        fleet_id: "fleet".try_into().unwrap(),
        server: crate::support::server_key("acme/acme-1"),
        agent: tenantry_schema::key::PublicKeys {
            sign: sign.try_into().unwrap(),
            age: age.try_into().unwrap(),
        },
        manage: tenantry_schema::document::Manage::Full,
        window: Some("Sun 02:00-05:00".to_owned().try_into().unwrap()),
        drift: tenantry_schema::document::Drift::Repair,
        registries: std::collections::BTreeMap::new(),
        web: WebPorts::default(),
        certificates: None,
        host: None,
        users: BTreeMap::new(),
        agent_release: None,
        customer_secrets: Some(id("secrets")),
        backups: None,
        error_rules: std::sync::Arc::default(),
        instances: instances.into_iter().collect(),
    }
}

fn with_title(title: &str) -> Tool {
    Tool {
        parameters: [("TITLE".try_into().unwrap(), title.to_owned())].into(),
        ..Tool::default()
    }
}

fn generated() -> Plaintext {
    let name = InstanceName::new(
        &"website".try_into().unwrap(),
        &"guestbook".try_into().unwrap(),
    );
    let secrets = [("DB_PASSWORD".to_owned(), Secret::new("hidden".to_owned()))].into();
    Plaintext {
        customer: BTreeMap::new(),
        generated: [(name, secrets)].into(),
        ..Plaintext::default()
    }
}

fn text(rendered: &Rendered, path: &str) -> String {
    String::from_utf8(rendered.files[path].clone()).unwrap()
}

#[test]
fn a_slice_of_the_shipped_stacks() {
    let headers = [(
        HeaderName::try_from("X-Robots-Tag").unwrap(),
        HeaderValue::try_from("noindex").unwrap(),
    )];
    let html = Tool {
        headers: headers.into(),
        ..with_title("Acme & Sons")
    };
    let input = slice([
        instance(&HTML, 20_000, html),
        instance(&GUESTBOOK, 20_001, Tool::default()),
    ]);
    let rendered = render(&input, &generated()).unwrap();
    let mut out = String::new();
    for (path, content) in &rendered.files {
        let _ = writeln!(out, "==> {path}\n{}", String::from_utf8_lossy(content));
    }
    for (instance, secrets) in &rendered.secrets {
        let _ = writeln!(
            out,
            "==> secrets of {instance}: {:?}",
            secrets.keys().map(ToString::to_string).collect::<Vec<_>>()
        );
    }
    assert!(!out.contains("hidden"));
    assert_snapshot!(out);
}

#[test]
fn other_ports_and_addresses() {
    let web: WebPorts =
        serde_json::from_str(r#"{"address":"::1","http":8080,"https":8443}"#).unwrap();
    let input = SliceInput {
        web,
        ..slice([instance(&HTML, 20_000, Tool::default())])
    };
    let rendered = render(&input, &Plaintext::default()).unwrap();
    let site = text(&rendered, "sites/acme.example.conf");
    assert!(
        site.contains("listen [::1]:8080;") && site.contains("listen [::1]:8443 ssl"),
        "{site}"
    );
    assert!(
        text(&rendered, "stacks/website-html/.env")
            .contains("SITE_URL='https://acme.example:8443'")
    );
}

/// The agent of a machine without IPv6 knows the second line by its place: right below the first, and the same but for the address.
#[test]
fn without_an_address_every_site_listens_by_ipv4_and_by_ipv6() {
    let (name, mut html) = instance(&HTML, 20_000, Tool::default());
    let old = vec!["old.acme.example".try_into().unwrap()];
    html.redirects = [("site".try_into().unwrap(), old)].into();
    let rendered = render(&slice([(name, html)]), &Plaintext::default()).unwrap();
    // In clear, for the old name, for the site; in clear and not for any other name.
    for (file, servers) in [("acme.example", 3), ("fallback.invalid", 2)] {
        let text = text(&rendered, &format!("sites/{file}.conf"));
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.trim().starts_with("listen "))
            .collect();
        assert_eq!(lines.len(), 2 * servers, "{text}");
        for pair in lines.chunks(2) {
            let twin = pair[0].replace("listen ", "listen [::]:");
            assert_eq!(pair.get(1), Some(&twin.as_str()), "{text}");
            assert!(text.contains(&format!("{}\n{twin}\n", pair[0])), "{text}");
        }
    }
    let four: WebPorts = serde_json::from_str(r#"{"address":"192.0.2.17"}"#).unwrap();
    assert!(!tenantry_planner::render::fallback_site(four).contains("[::]"));
}

#[test]
fn a_stopped_tool_has_no_site_and_keeps_its_files() {
    let stopped = Tool {
        state: State::Stopped,
        ..Tool::default()
    };
    let rendered = render(
        &slice([instance(&HTML, 20_000, stopped)]),
        &Plaintext::default(),
    )
    .unwrap();
    assert!(!rendered.files.contains_key("sites/acme.example.conf"));
    assert!(
        rendered
            .files
            .contains_key("stacks/website-html/compose.yaml")
    );
}

#[test]
fn a_missing_secret_is_an_error_that_names_it() {
    let error = render(
        &slice([instance(&GUESTBOOK, 20_000, Tool::default())]),
        &Plaintext::default(),
    )
    .unwrap_err();
    assert!(matches!(error, RenderError::MissingSecret { .. }));
    assert_eq!(
        error.to_string(),
        "website-guestbook: the secret `DB_PASSWORD` has no value"
    );
    let env = [(
        "LOG".try_into().unwrap(),
        EnvValue::Secret {
            secret: "smtp".into(),
        },
    )];
    let tool = Tool {
        env: env.into(),
        ..Tool::default()
    };
    assert!(
        render(
            &slice([instance(&HTML, 20_000, tool)]),
            &Plaintext::default()
        )
        .is_err()
    );
}

#[test]
fn the_secrets_file_is_opened_only_where_something_refers_to_it() {
    let mut fleet = Fleet::running();
    fleet.write_secrets("fleet/customers/acme/secrets.yaml", &[("smtp", "s3cret")]);
    assert!(fleet.plan().plan.is_empty());
    fleet.edit(
        "fleet/customers/acme/orders/web.yaml",
        "[page, notes]",
        "{ page: { env: { PASSWORD: { secret: smtp } } }, notes: }",
    );
    fleet.settle();
    let rendered = fleet.render("acme/acme-1");
    let secrets = &rendered.secrets[&"web-page".to_owned().try_into().unwrap()];
    assert_eq!(secrets["PASSWORD"].expose(), "s3cret");
    assert!(!text(&rendered, "stacks/web-page/.env").contains("PASSWORD"));
}

/// Directives of an nginx configuration: words by statement and block, quotes and comments understood.
fn directives(text: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '#' if words.is_empty() => while chars.next().is_some_and(|c| c != '\n') {},
            ';' | '{' | '}' => {
                words.push(c.to_string());
                out.push(std::mem::take(&mut words));
            }
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(inside) = chars.next().filter(|inside| *inside != c) {
                    word.push(if inside == '\\' {
                        chars.next().unwrap_or('\\')
                    } else {
                        inside
                    });
                }
                words.push(word);
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) =
                    chars.next_if(|next| !next.is_whitespace() && !";{}".contains(*next))
                {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    out
}

fn hostile() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\n",
        "\r",
        "$",
        "${HOME}",
        "$(id)",
        "{{ 7*7 }}",
        "{% raw %}",
        ";",
        "}",
        "{",
        "#",
        "<script>",
        "</h1>",
        "&",
        "`",
        " ",
        "a",
        "A='x'",
        "\n#",
        "\u{2028}",
        "é",
        "=",
        "return 302 http://evil.example;",
    ]);
    prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn values_stay_values(value in hostile()) {
        let input = slice([instance(&HTML, 20_000, with_title(&value))]);
        let rendered = render(&input, &Plaintext::default()).unwrap();
        let env = parse_env_file(&text(&rendered, "stacks/website-html/.env")).unwrap();
        prop_assert_eq!(&env["TITLE"], &value);
        prop_assert_eq!(env.len(), 6);
        // HTML: as many tags as with a harmless value.
        let html = text(&rendered, "stacks/website-html/files/html/index.html");
        let harmless = render(&slice([instance(&HTML, 20_000, with_title("x"))]), &Plaintext::default()).unwrap();
        let tags = |text: &str| text.matches(['<', '>', '"']).count();
        prop_assert_eq!(tags(&html), tags(&text(&harmless, "stacks/website-html/files/html/index.html")));
        prop_assert!(!html.contains("49"), "nothing in a value is evaluated");
        // The value does not reach the web server at all.
        prop_assert_eq!(&rendered.files["sites/acme.example.conf"], &harmless.files["sites/acme.example.conf"]);
    }

    #[test]
    fn headers_cannot_leave_their_directive(value in hostile().prop_filter_map("no header", |text| HeaderValue::try_from(text).ok())) {
        let headers = [(HeaderName::try_from("X-Test").unwrap(), value.clone())];
        let tool = Tool { headers: headers.into(), ..Tool::default() };
        let rendered = render(&slice([instance(&HTML, 20_000, tool)]), &Plaintext::default()).unwrap();
        let plain = render(&slice([instance(&HTML, 20_000, Tool::default())]), &Plaintext::default()).unwrap();
        let mut found = directives(&text(&rendered, "sites/acme.example.conf"));
        let mut expected = vec![vec!["proxy_hide_header", "X-Test", ";"]];
        if !value.as_str().is_empty() {
            expected.push(vec!["add_header", "X-Test", value.as_str(), "always", ";"]);
        }
        for words in expected {
            let at = found.iter().position(|found| *found == words);
            prop_assert!(at.is_some(), "{:?}", found);
            found.remove(at.unwrap());
        }
        prop_assert_eq!(found, directives(&text(&plain, "sites/acme.example.conf")));
    }

    #[test]
    fn rendering_is_a_function(value in hostile(), port in 20_000_u16..30_000) {
        let input = slice([instance(&HTML, port, with_title(&value)), instance(&GUESTBOOK, 20_001, Tool::default())]);
        let (one, two) = (render(&input, &generated()).unwrap(), render(&input, &generated()).unwrap());
        prop_assert_eq!(one.files, two.files);
        prop_assert_eq!(one.secrets, two.secrets);
    }
}

#[test]
fn servers_are_read_with_defaults() {
    let server: Server =
        serde_json::from_str(r#"{"provider":"static","address":"192.0.2.1"}"#).unwrap();
    assert_eq!(server.web, WebPorts::default());
}

#[test]
fn passwords_of_registries_are_secret_and_a_missing_one_is_named() {
    let login = tenantry_schema::document::RegistryLogin {
        user: "acme".into(),
        password: tenantry_schema::document::CustomerSecret {
            secret: "GHCR_TOKEN".into(),
        },
    };
    let input = SliceInput {
        registries: [("ghcr.io".to_owned(), login)].into(),
        ..slice([instance(&HTML, 20_000, Tool::default())])
    };
    let error = render(&input, &Plaintext::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ghcr.io") && error.contains("`GHCR_TOKEN`"),
        "{error}"
    );
    let mut plaintext = Plaintext::default();
    let token = tenantry_schema::Secret::new("hidden-token".to_owned());
    plaintext.customer.insert("GHCR_TOKEN".into(), token);
    let rendered = render(&input, &plaintext).unwrap();
    let host = text(&rendered, "host.yaml");
    assert!(
        host.contains("ghcr.io:") && host.contains("password: PASSWORD_0"),
        "{host}"
    );
    assert!(!host.contains("hidden"));
    assert_eq!(rendered.registry_secrets.len(), 1);
}

#[test]
fn what_goes_back_with_its_data_is_backed_up_first() {
    use tenantry_schema::document::UpgradeRollback;
    for (rollback, first) in [
        (UpgradeRollback::Hold, false),
        (UpgradeRollback::Image, false),
        (UpgradeRollback::ImageAndData, true),
    ] {
        let mut stack = shipped("guestbook");
        let fresh = Arc::get_mut(&mut stack).unwrap();
        fresh.document.upgrade = Some(tenantry_schema::document::Upgrade {
            rollback,
            ..Default::default()
        });
        let input = slice([instance(&stack, 20_000, Tool::default())]);
        let host = text(&render(&input, &generated()).unwrap(), "host.yaml");
        assert_eq!(host.contains("backup_before: true"), first, "{host}");
    }
}
