//! The commands that people who edit use: `schema`, `explain CODE`, `migrate`.

use std::path::Path;
use std::process::{Command, Output};

fn tenantry(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn fleet() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("fleet/hub.yaml", "# Our fleet.\nfleet_id: a\n");
    write(
        "fleet/customers/acme/orders/web.yaml",
        "# A note.\nplan: pro\n",
    );
    write("fleet/customers/acme/secrets.yaml", "a: ENC[x]\n");
    write("stacks/tool/stack.yaml", "title: T\n");
    write(
        ".vscode/settings.json",
        "{\n  // ours\n  \"files.eol\": \"\\n\"\n}\n",
    );
    folder
}

#[test]
fn a_schema_is_printed_and_kinds_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let order = tenantry(&["schema", "order"], folder.path());
    assert!(order.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&order.stdout).unwrap();
    assert_eq!(schema["title"], "Order");
    assert!(out(&tenantry(&["schema"], folder.path())).contains("fleet/customers/*/orders/*.yaml"));
    let near = tenantry(&["schema", "ordre"], folder.path());
    assert!(!near.status.success());
    assert!(String::from_utf8_lossy(&near.stderr).contains("did you mean `order`?"));
}

#[test]
fn an_editor_is_wired_once() {
    let fleet = fleet();
    let read = |path: &str| std::fs::read_to_string(fleet.path().join(path)).unwrap();
    let install = || tenantry(&["schema", "--install", "--modelines"], fleet.path());
    let first = install();
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let settings = read(".vscode/settings.json");
    assert!(
        settings.starts_with("{\n  // ours\n  \"files.eol\": \"\\n\",\n  \"yaml.schemas\": {\n"),
        "{settings}"
    );
    assert!(settings.contains(
        "\"./.tenantry/schema/order.schema.json\": [\"fleet/customers/*/orders/*.yaml\"]"
    ));
    assert!(
        fleet
            .path()
            .join(".tenantry/schema/order.schema.json")
            .is_file()
    );
    let order = read("fleet/customers/acme/orders/web.yaml");
    let line = "# yaml-language-server: $schema=../../../../.tenantry/schema/order.schema.json\n";
    assert_eq!(order, format!("{line}# A note.\nplan: pro\n"));
    // What is sealed is left alone.
    assert_eq!(read("fleet/customers/acme/secrets.yaml"), "a: ENC[x]\n");
    install();
    assert_eq!(read(".vscode/settings.json"), settings);
    assert_eq!(read("fleet/customers/acme/orders/web.yaml"), order);
    let nowhere = tempfile::tempdir().unwrap();
    assert!(
        !tenantry(&["schema", "--install"], nowhere.path())
            .status
            .success()
    );
}

#[test]
fn a_code_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let page = out(&tenantry(&["explain", "T0107"], folder.path()));
    assert!(page.starts_with("T0107: Unknown tool\n"), "{page}");
    assert!(page.contains("Wrong:") && page.contains("Right:"));
    let json = tenantry(&["explain", "t107", "--json"], folder.path());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["code"], "T0107");
    assert!(
        !tenantry(&["explain", "T9999"], folder.path())
            .status
            .success()
    );
}

#[test]
fn a_fleet_is_migrated_and_keeps_its_comments() {
    let fleet = fleet();
    let check = tenantry(&["migrate", "--check"], fleet.path());
    assert_eq!(check.status.code(), Some(2));
    let done = tenantry(&["migrate"], fleet.path());
    assert_eq!(
        done.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let hub = std::fs::read_to_string(fleet.path().join("fleet/hub.yaml")).unwrap();
    assert_eq!(hub, "# Our fleet.\nformat: 1\nfleet_id: a\n");
    assert_eq!(tenantry(&["migrate"], fleet.path()).status.code(), Some(0));
}
