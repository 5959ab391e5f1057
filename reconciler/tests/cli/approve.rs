//! An owner approves what loses data, with the real `ssh-keygen`; how it gets into the branch does not matter.

use crate::terminal::Terminal;
use crate::{Desk, two_customers};
use std::process::Command;

const NAME: &str = "wipe-html-x7k2";

/// A day on which it may still be started.
fn last_day() -> String {
    let day = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    day.checked_add(jiff::Span::new().days(30))
        .unwrap()
        .to_string()
}

fn path() -> String {
    format!("fleet/customers/acme/operations/{NAME}.yaml")
}

/// A fleet with an owner, an admin and somebody who is neither, and an operation that waits.
fn office() -> Desk {
    let desk = Desk::new();
    two_customers(&desk);
    let mut staff = String::new();
    for (person, role) in [("olga", "owner"), ("adam", "admin"), ("sam", "")] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(desk.path(person))
            .status()
            .unwrap();
        assert!(made.success());
        let public = std::fs::read_to_string(desk.path(&format!("{person}.pub"))).unwrap();
        let key: Vec<&str> = public.split_whitespace().take(2).collect();
        if !role.is_empty() {
            let line = format!(
                "{person}: {{ email: {person}@example.com, role: {role}, signing_keys: [{}] }}\n",
                key.join(" ")
            );
            staff.push_str(&line);
        }
    }
    desk.write("fleet/fleet/staff.yaml", &staff);
    let text = format!(
        "# Ticket 812.\nwipe: acme-1/html\ndestroys: [\"its pages\"]   # all of them\nreason: ticket 812\nexpires: {}\n# approval: an owner's signature\n",
        last_day()
    );
    desk.write(&format!("fleet/{}", path()), &text);
    desk.commit("an operation");
    desk
}

fn approve(desk: &Desk, key: &str, more: &[&str]) -> crate::Ran {
    let operation = format!("acme/{NAME}");
    let key = ["--key", key, "--yes"];
    desk.run(&[&["approve", &operation, "fleet"][..], &key, more].concat())
}

#[test]
fn an_owner_reads_what_is_destroyed_and_signs_it() {
    let desk = office();
    desk.run(&["check", "fleet"]).says(
        0,
        &[
            "warning[T0135]",
            "wipe acme-1/html: no owner has approved it",
        ],
    );
    // Whoever plans it reads the same.
    desk.run(&["plan", "fleet"])
        .says(2, &["warning[T0135]", "no owner has approved it"]);
    // Nobody can be asked here.
    desk.run(&["approve", &format!("acme/{NAME}"), "fleet", "--key", "olga"])
        .says(1, &["destroys: its pages", "add --yes"]);
    for (who, why) in [
        (
            "adam",
            "approved by adam, who is an admin: it takes an owner",
        ),
        ("sam", "a key that nobody of the staff has"),
    ] {
        approve(&desk, who, &[]).says(1, &[why, "nothing was changed"]);
    }
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
    approve(&desk, "olga", &[]).says(
        0,
        &[
            "wipe acme-1/html of customer acme",
            "destroys: its pages",
            "because: ticket 812",
            &format!("may be started until {}", last_day()),
            "machine: static ",
            "approved by olga",
        ],
    );
    let text = std::fs::read_to_string(desk.path(&format!("fleet/{}", path()))).unwrap();
    assert!(
        text.starts_with("# Ticket 812.\nwipe: acme-1/html\n"),
        "{text}"
    );
    assert!(text.contains("# all of them") && text.contains("approval: |\n  -----BEGIN SSH"));
    desk.run(&["plan", "fleet"]).says(
        2,
        &[
            "operation acme/wipe-html-x7k2: wipe acme-1/html",
            "destroys: its pages",
            "approved by olga",
        ],
    );
    desk.run(&["plan", "fleet", "--markdown"])
        .says(2, &["**destroys data**"]);
    let checked = desk.run(&["check", "fleet"]);
    checked.says(0, &[]);
    assert!(!checked.text.contains("T0135"), "{}", checked.text);
    approve(&desk, "olga", &[]).says(0, &["approved by olga already"]);

    // Comments are nobody's business; anything else voids it.
    desk.edit(&format!("fleet/{}", path()), |text| {
        text.replace("Ticket 812.", "Settled.")
    });
    let checked = desk.run(&["check", "fleet"]);
    assert!(!checked.text.contains("T0136"), "{}", checked.text);
    desk.edit(&format!("fleet/{}", path()), |text| {
        text.replace("acme-1/html", "acme-1/guestbook")
    });
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        text.replace("[html]", "[html, guestbook]")
    });
    for command in ["check", "plan"] {
        desk.run(&[command, "fleet"])
            .says(1, &["error[T0136]", "it was changed after it was signed"]);
    }
    approve(&desk, "olga", &[]).says(0, &["approved by olga"]);
    desk.run(&["check", "fleet"]).says(0, &[]);
}

#[test]
fn a_server_that_becomes_another_machine_voids_it() {
    let desk = office();
    approve(&desk, "olga", &[]).says(0, &["approved by olga"]);
    desk.run(&["check", "fleet"]).says(0, &[]);
    desk.edit("fleet/fleet/customers/acme/servers/acme-1.yaml", |text| {
        let address = text
            .lines()
            .find(|line| line.starts_with("address:"))
            .unwrap();
        text.replace(address, "address: 192.0.2.77")
    });
    desk.run(&["check", "fleet"]).says(
        1,
        &[
            "error[T0136]",
            "is another machine than it was approved for",
            "192.0.2.77",
        ],
    );
    approve(&desk, "olga", &[]).says(0, &["machine: static 192.0.2.77", "approved by olga"]);
    desk.run(&["check", "fleet"]).says(0, &[]);
    // And it ends: for longer than a season nobody may agree.
    let path = format!("fleet/{}", path());
    desk.edit(&path, |text| text.replace(&last_day(), "2099-01-01"));
    approve(&desk, "olga", &[]).says(1, &["within 90 days", "write another day"]);
    desk.run(&["check", "fleet"])
        .says(1, &["error[T0136]", "2099-01-01 is too late"]);
}

#[test]
fn an_order_that_gets_the_tool_afterwards_is_not_meant() {
    let desk = office();
    let place = |order: &str| {
        desk.write(
            &format!("fleet/fleet/decisions/acme/{order}/server.yaml"),
            "server: acme-1\nbecause: the only one\n",
        );
    };
    place("website");
    let read = [
        "order: website",
        "html of order website",
        "approved by olga",
    ];
    approve(&desk, "olga", &[]).says(0, &read);
    let operation = format!("fleet/{}", path());
    let text = std::fs::read_to_string(desk.path(&operation)).unwrap();
    assert!(text.contains("order: website\nmachine: "), "{text}");
    desk.run(&["check", "fleet"]).says(0, &[]);
    // A second one has it as well: the approval still names the first.
    let other = "plan: basic\ndomain: zz.example\ntools: [html]\n";
    desk.write("fleet/fleet/customers/acme/orders/zz.yaml", other);
    place("zz");
    desk.run(&["check", "fleet"]).says(0, &[]);
    let website = "fleet/fleet/customers/acme/orders/website.yaml";
    desk.edit(website, |text| text.replace("[html]", "[guestbook]"));
    desk.run(&["check", "fleet"]).says(
        1,
        &[
            "error[T0136]",
            "it was of order website, and is of order zz",
        ],
    );
    approve(&desk, "olga", &[]).says(0, &["order: zz", "approved by olga"]);
    desk.run(&["check", "fleet"]).says(0, &[]);
    // Nobody guesses.
    desk.edit(website, |text| text.replace("[guestbook]", "[html]"));
    desk.edit(&operation, |text| text.replace("order: zz\n", ""));
    let unclear = "orders website and zz have this tool there: say whose is meant, with `order:`";
    desk.run(&["check", "fleet"])
        .says(1, &["error[T0136]", unclear]);
    approve(&desk, "olga", &[]).says(1, &[unclear]);
    desk.edit(&operation, |text| format!("{text}order: website\n"));
    approve(&desk, "olga", &[]).says(0, &["order: website", "approved by olga"]);
    desk.run(&["check", "fleet"]).says(0, &[]);
}

#[test]
fn a_person_is_asked_and_types_its_name() {
    let desk = office();
    let words = format!("approve acme/{NAME} fleet --key olga");
    for wrong in ["yes", "", "wipe-html"] {
        let mut terminal = Terminal::open(&desk, &words, &[]);
        terminal.sees(&format!("Type {NAME} to approve"));
        terminal.types(&format!("{wrong}\n"));
        terminal.sees("not approved: nothing was changed");
        terminal.ends(1);
    }
    assert_eq!(desk.git("fleet", &["status", "--porcelain"]), "");
    let mut terminal = Terminal::open(&desk, &words, &[]);
    terminal.sees("destroys: its pages");
    terminal.sees(&format!("Type {NAME} to approve"));
    terminal.types(&format!("{NAME}\n"));
    terminal.sees("approved by olga");
    terminal.ends(0);
}

#[test]
fn ssh_keygen_verifies_it_as_well() {
    let desk = office();
    approve(&desk, "olga", &[]).says(0, &[]);
    let operation = format!("acme/{NAME}");
    let printed = desk.run(&["approve", &operation, "fleet", "--print"]);
    printed.says(
        0,
        &["tenantry operation, format 1\nfleet: ", "customer: acme\n"],
    );
    let text = std::fs::read_to_string(desk.path(&format!("fleet/{}", path()))).unwrap();
    let pem = text
        .lines()
        .skip_while(|line| !line.contains("BEGIN SSH"))
        .map(|line| format!("{}\n", line.trim()))
        .collect::<Vec<_>>()
        .concat();
    desk.write("approval.sig", &pem);
    let public = std::fs::read_to_string(desk.path("olga.pub")).unwrap();
    desk.write("allowed", &format!("olga {public}"));
    desk.write("message", &printed.text);
    let verified = Command::new("ssh-keygen")
        .args([
            "-Y",
            "verify",
            "-n",
            "tenantry-operation",
            "-I",
            "olga",
            "-f",
            "allowed",
            "-s",
            "approval.sig",
        ])
        .current_dir(desk.path("."))
        .stdin(std::fs::File::open(desk.path("message")).unwrap())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_key_in_an_agent_signs() {
    let desk = office();
    let socket = desk.path("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(desk.path("olga"))
        .env("SSH_AUTH_SOCK", &socket)
        .status()
        .unwrap();
    std::fs::remove_file(desk.path("olga")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args([
            "approve",
            &format!("acme/{NAME}"),
            "fleet",
            "--yes",
            "--key",
            "olga.pub",
        ])
        .current_dir(desk.path("."))
        .env("HOME", desk.path("."))
        .env("SSH_AUTH_SOCK", &socket)
        .output();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.success());
    crate::Ran::from(output.unwrap()).says(0, &["approved by olga"]);
}

#[test]
fn however_it_is_merged_it_stays_approved() {
    let desk = office();
    desk.git("fleet", &["checkout", "-qb", "wipe"]);
    approve(&desk, "olga", &[]).says(0, &[]);
    desk.commit("approved");
    desk.git("fleet", &["checkout", "-q", "main"]);
    desk.write("fleet/README.md", "meanwhile\n");
    desk.commit("meanwhile");
    for how in ["merge", "squash", "rebase"] {
        desk.git("fleet", &["checkout", "-qB", how, "main"]);
        match how {
            "merge" => desk.git("fleet", &["merge", "-q", "--no-ff", "-m", "merge", "wipe"]),
            "squash" => {
                desk.git("fleet", &["merge", "-q", "--squash", "wipe"]);
                desk.git("fleet", &["commit", "-qm", "squash"])
            }
            _ => desk.git("fleet", &["cherry-pick", "main..wipe"]),
        };
        let checked = desk.run(&["check", "fleet", "--branch", how]);
        checked.says(0, &[]);
        assert!(!checked.text.contains("T0135"), "{how}: {}", checked.text);
        approve(&desk, "olga", &[]).says(0, &["approved by olga already"]);
    }
    // In another customer's folder, or under another name, it approves nothing.
    let other = "fleet/fleet/customers/acme/operations/2026-11-21-again.yaml";
    let text = std::fs::read_to_string(desk.path(&format!("fleet/{}", path()))).unwrap();
    desk.write(other, &text);
    desk.run(&["check", "fleet"])
        .says(1, &["error[T0136]", "2026-11-21-again.yaml"]);
}
