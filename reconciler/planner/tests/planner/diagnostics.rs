//! How mistakes read: one golden text for each code.

use crate::support::{Fleet, files};
use insta::assert_snapshot;
use tenantry_planner::documents;
use tenantry_planner::input::{CustomerFiles, SourceFile};

const ORDER: &str = "fleet/customers/acme/orders/website.yaml";

/// What is said about a fleet of acme after these files were written into it.
fn said(files: &[(&str, &str)]) -> String {
    let mut fleet = Fleet::with_acme();
    for (path, text) in files {
        fleet.write(path, text);
    }
    fleet.findings()
}

/// What is said about an order with these lines about its tools.
fn order(tools: &str) -> String {
    said(&[(
        ORDER,
        &format!("plan: pro\ndomain: acme.example\n{tools}\n"),
    )])
}

/// What is said about a stack `tool` with these files.
fn stack(manifest: &str, compose: &str) -> String {
    said(&[
        ("stacks/tool/stack.yaml", manifest),
        ("stacks/tool/compose.yaml", compose),
    ])
}

const COMPOSE: &str = "services: { web: { image: a, ports: [\"127.0.0.1:${SITE_PORT}:80\"] } }\n";

#[test]
fn reading() {
    assert_snapshot!(
        "t0101_syntax",
        said(&[(ORDER, "plan: pro\nplan: small\ndomain: [acme.example\n")])
    );
    assert_snapshot!(
        "t0101_duplicate_key",
        said(&[(ORDER, "plan: pro\ndomain: acme.example\nplan: small\n")])
    );
    assert_snapshot!(
        "t0102_unknown_key",
        said(&[(ORDER, "plan: pro\ndomian: acme.example\n")])
    );
    assert_snapshot!(
        "t0103_missing_key",
        said(&[(ORDER, "domain: acme.example\n")])
    );
    assert_snapshot!(
        "t0104_bad_value",
        said(&[(
            ORDER,
            "plan: pro\ndomain: Acme\nautomation: atuo\ntools: 7\n"
        )])
    );
    assert_snapshot!(
        "t0105_misplaced",
        said(&[
            ("fleet/customers/acme/order.yaml", "a: 1\n"),
            ("fleet/customers/acme/orders/Web.yaml", "a: 1\n")
        ])
    );
}

#[test]
fn all_at_once() {
    assert_snapshot!(
        "all_at_once",
        order(
            "tools:\n  pgae:\n  page: { parameters: { TITEL: x }, env: { FOO: bar }, revision: v1 }\nserver: acme-9"
        )
    );
}

#[test]
fn like_in_the_samples() {
    let mut fleet = Fleet::with_acme();
    for part in ["stack.yaml", "compose.yaml"] {
        let text = fleet.files[&format!("stacks/jobs/{part}")].clone();
        fleet.write(&format!("stacks/nextcloud/{part}"), &text);
    }
    let text = "plan: pro\ndomain: acme.example            # tools answer at <tool>.acme.example\nserver: acme-1                  # left out: the hub chooses\nautomation: auto\ntools:\n  page:\n  jobs:\n    env: { TZ: Europe/Berlin }\n  nextcluod: { state: stopped }\n";
    fleet.write(ORDER, text);
    let expected = "\
error[T0107]: unknown tool `nextcluod`
  ┌─ fleet/customers/acme/orders/website.yaml:9:3
  │
9 │   nextcluod: { state: stopped }
  │   ^^^^^^^^^ not in the catalogue
  │
  = did you mean `nextcloud`?
";
    assert_eq!(fleet.findings(), expected);
}

#[test]
fn references_of_orders() {
    assert_snapshot!("t0107_unknown_tool", order("tools: [page, pgae]"));
    assert_snapshot!("t0108_unknown_server", order("server: acme-7"));
    assert_snapshot!(
        "t0109_unknown_plan",
        said(&[(ORDER, "plan: por\ndomain: acme.example\n")])
    );
    assert_snapshot!(
        "t0110_not_in_plan",
        said(&[(
            ORDER,
            "plan: small\ndomain: acme.example\ntools:\n  jobs:\n"
        )])
    );
    assert_snapshot!(
        "t0111_unknown_parameter",
        order("tools:\n  page:\n    parameters: { TITEL: x }")
    );
    let needs = "title: T\nparameters: { OWNER: { description: Who it belongs to } }\n";
    let uses = "services: { web: { image: a, environment: { OWNER: \"${OWNER}\" } } }\n";
    let files = [
        ("stacks/tool/stack.yaml", needs),
        ("stacks/tool/compose.yaml", uses),
        (ORDER, "plan: pro\ndomain: acme.example\ntools: [tool]\n"),
    ];
    assert_snapshot!("t0112_missing_parameter", said(&files));
    assert_snapshot!(
        "t0113_unknown_secret",
        order("tools:\n  page:\n    env: { PASSWORD: { secret: smtp } }")
    );
    assert_snapshot!(
        "t0114_unknown_revision",
        order("tools:\n  page: { revision: v1.2 }")
    );
    assert_snapshot!("t0115_over_plan", {
        let mut fleet = Fleet::with_acme();
        fleet.edit("fleet/hub.yaml", "pro: {}", "pro: { memory: 200M }");
        fleet.write(
            ORDER,
            "plan: pro\ndomain: acme.example\ntools: [page, notes]\n",
        );
        fleet.findings()
    });
    let long = format!("{0}.{0}.{0}.{1}.example", "a".repeat(62), "b".repeat(54));
    assert_snapshot!(
        "t0116_site_host",
        said(&[(
            ORDER,
            &format!("plan: pro\ndomain: {long}\ntools: [notes]\n")
        )])
    );
    assert_snapshot!(
        "t0117_reserved",
        order("tools:\n  page:\n    env: { SITE_PORT: \"1\", TITLE: x }")
    );
    assert_snapshot!(
        "t0120_unknown_variable",
        order("tools:\n  page:\n    env: { FOO: bar }")
    );
    assert_snapshot!(
        "t0104_control_character",
        order("tools:\n  page:\n    parameters: { TITLE: \"a\\0b\" }")
    );
    let second = (
        "fleet/customers/acme/orders/second.yaml",
        "plan: pro\ndomain: acme.example\ntools: [page]\n",
    );
    assert_snapshot!(
        "t0121_same_host",
        said(&[
            (ORDER, "plan: pro\ndomain: acme.example\ntools: [page]\n"),
            second
        ])
    );
    let tool = |name: &str| {
        [
            ("stack.yaml", "title: T\n"),
            ("compose.yaml", "services: { a: { image: a } }\n"),
        ]
        .map(|(file, text)| (format!("stacks/{name}/{file}"), text))
    };
    let mut files: Vec<(String, &str)> = tool("b-c").into_iter().chain(tool("c")).collect();
    files.push((
        "fleet/customers/acme/orders/a.yaml".into(),
        "plan: pro\ndomain: a.example\ntools: [b-c]\n",
    ));
    files.push((
        "fleet/customers/acme/orders/a-b.yaml".into(),
        "plan: pro\ndomain: b.example\ntools: [c]\n",
    ));
    assert_snapshot!(
        "t0122_same_instance",
        said(
            &files
                .iter()
                .map(|(path, text)| (path.as_str(), *text))
                .collect::<Vec<_>>()
        )
    );
}

#[test]
fn files_of_secrets() {
    let clear = [("fleet/customers/acme/secrets.yaml", "smtp: hunter2\n")];
    let text = said(&clear);
    assert!(
        !text.contains("hunter2"),
        "a secret in clear text is not shown"
    );
    assert_snapshot!("t0118_not_encrypted", text);
}

#[test]
fn files_that_cannot_be_read() {
    let file = |path: &str, text| SourceFile {
        path: path.into(),
        id: files::id(path),
        text,
    };
    let list = vec![file(
        ORDER,
        Err("it is a symbolic link; put the file itself here"),
    )];
    let (documents, found) = documents::customer(&CustomerFiles {
        id: "acme".try_into().unwrap(),
        files: list,
    });
    assert!(documents.is_none());
    assert_snapshot!("t0119_unreadable", found[0].render());
}

#[test]
fn the_fleet_itself() {
    let mut fleet = Fleet::new();
    fleet.remove("fleet/hub.yaml");
    assert_snapshot!("t0106_missing_file", fleet.findings());
}

#[test]
fn a_pin_that_is_none() {
    let mut fleet = Fleet::running();
    fleet.write(
        "fleet/decisions/acme/web/tools/page.yaml",
        "pin: { tree: v1, nginx: v1 }\n",
    );
    assert_snapshot!("t0104_pin", fleet.findings());
}

#[test]
fn stacks() {
    let site = "title: T\nsite: { service: web, port: 80 }\n";
    assert_snapshot!(
        "t0106_stack_without_compose",
        said(&[("stacks/tool/stack.yaml", "title: T\n")])
    );
    assert_snapshot!(
        "t0201_compose",
        stack(site, "services: { web: { imaeg: a } }\n")
    );
    assert_snapshot!(
        "t0202_unset_variable",
        stack("title: T\n", "services: { web: { image: \"a:${TAG}\" } }\n")
    );
    assert_snapshot!(
        "t0203_unused_secret",
        stack(
            "title: T\nsecrets: { KEY: {} }\n",
            "services: { web: { image: a } }\n"
        )
    );
    assert_snapshot!(
        "t0204_site_service",
        stack(&site.replace("web", "wbe"), COMPOSE)
    );
    assert_snapshot!("t0204_site_port", stack(&site.replace("80", "81"), COMPOSE));
    assert_snapshot!(
        "t0205_unknown_template",
        stack(
            "title: T\nsite: { service: web, port: 80, template: fancy }\n",
            COMPOSE
        )
    );
    assert_snapshot!(
        "t0207_site_twice",
        stack(
            &format!("{site}sites: {{ b: {{ service: web, port: 80, host: b }} }}\n"),
            COMPOSE
        )
    );
    assert_snapshot!(
        "t0208_backup",
        stack(
            &format!("{site}backup: {{ postgres: db, volumes: [data] }}\n"),
            COMPOSE
        )
    );
    assert_snapshot!(
        "t0209_names",
        stack(
            &format!("{site}parameters: {{ DOMAIN: {{}}, A: {{}} }}\nsecrets: {{ A: {{}} }}\n"),
            &COMPOSE.replace("image: a", "image: \"${A}\"")
        )
    );
    assert_snapshot!(
        "t0104_secret_length",
        stack(
            "title: T\nsecrets: { KEY: { length: 4 } }\n",
            "services: { web: { image: \"${KEY}\" } }\n"
        )
    );
    assert_snapshot!(
        "t0210_smoke",
        stack(
            "title: T\nsmoke: GET /\n",
            "services: { web: { image: a } }\n"
        )
    );
    assert_snapshot!(
        "t0116_stack_host",
        stack(
            "title: T\nsite: { service: web, port: 80, host: \"a b\" }\n",
            COMPOSE
        )
    );
    assert_snapshot!(
        "t0121_stack_hosts",
        stack(
            "title: T\nsites: { a: { service: web, port: 80 }, b: { service: web, port: 80 } }\n",
            COMPOSE
        )
    );
}

#[test]
fn templates() {
    let base = [
        ("stacks/tool/stack.yaml", "title: T\n"),
        (
            "stacks/tool/compose.yaml",
            "services: { web: { image: a } }\n",
        ),
    ];
    let with = |more: &[(&str, &str)]| said(&[&base, more].concat());
    assert_snapshot!(
        "t0206_nginx",
        said(&[("nginx/other.conf", "server { {% if x %} }\n")])
    );
    assert_snapshot!(
        "t0206_unknown_variable",
        with(&[(
            "stacks/tool/files/index.html.j2",
            "<h1>{{ DOMAIN }}</h1>\n<p>{{ TITEL }}</p>\n"
        )])
    );
    assert_snapshot!(
        "t0206_file",
        with(&[("stacks/tool/files/index.html.j2", "<h1>{{ DOMAIN </h1>\n")])
    );
    assert_snapshot!(
        "t0211_twice",
        with(&[
            ("stacks/tool/files/a.conf", "x"),
            ("stacks/tool/files/a.conf.j2", "y")
        ])
    );
    assert_snapshot!("t0211_path", with(&[("stacks/tool/files/a\\b.conf", "x")]));
}

#[test]
fn a_file_full_of_mistakes_is_bounded() {
    let tools: String = (0..20_000)
        .map(|number| format!("  t{number}: {{ parameters: {{ A: x }} }}\n"))
        .collect();
    let begun = std::time::Instant::now();
    let text = order(&format!("tools:\n{tools}"));
    assert_eq!(text.matches("error[").count(), 101);
    assert!(text.contains("more is wrong"));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn an_empty_file_is_a_customer() {
    assert_eq!(said(&[("fleet/customers/acme/customer.yaml", "")]), "");
}
