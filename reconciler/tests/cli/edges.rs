//! Repositories, keys and options that are not as they should be: what is said, and the way out.

use crate::{Desk, two_customers};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_branch_that_is_named_is_what_is_checked() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git("fleet", &["branch", "good"]);
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        format!("{text}nonsense: 1\n")
    });
    desk.run(&["check", "fleet"])
        .says(1, &["unknown key", "the files as they are now"]);
    for branch in [&["--branch", "good"][..], &["--branch=main"]] {
        desk.run(&[&["check", "fleet"][..], branch].concat())
            .says(0, &["good: 2 customers", "(the branch"]);
    }
    desk.run(&["check", "fleet", "--branch", "nowhere"])
        .says(1, &["the fleet has no branch `nowhere`"]);
    let key = ["--key", "fleet-keys/hub.agekey"];
    desk.git(".", &["clone", "-q", "--bare", "fleet", "bare.git"]);
    desk.git("bare.git", &["branch", "-m", "main", "trunk"]);
    let way_out = ["no branch `main`: push it there, or name another one with --branch"];
    desk.run(&[&["activate", "bare.git"][..], &key].concat())
        .says(1, &way_out);
    let apply = [&["apply", "bare.git", "--once", "--data", "d"][..], &key].concat();
    let applied = desk.run(&apply);
    applied.says(1, &way_out);
    applied.says(1, &["no commit of the fleet has been read yet"]);
    assert!(!applied.text.contains("never good"), "{}", applied.text);
}

#[test]
fn what_is_staged_is_looked_at_where_something_can_be() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "bare.git"]);
    desk.run(&["check", "--staged", "bare.git"]).says(
        1,
        &["`bare.git` has no files that could be staged", "in a clone"],
    );
}

#[test]
fn a_staged_file_that_cannot_be_read_is_not_one_without_secrets() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.write("fleet/large.txt", &"x".repeat((1 << 20) + 1));
    desk.git("fleet", &["add", "large.txt"]);
    desk.run(&["check", "--staged", "fleet"])
        .says(0, &["large.txt: not looked at", "1048577 bytes"]);
    let id = desk.git("fleet", &["rev-parse", ":large.txt"]);
    let (folder, file) = id.trim().split_at(2);
    let object = desk.path(&format!("fleet/.git/objects/{folder}/{file}"));
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "damaged").unwrap();
    desk.run(&["check", "--staged", "fleet"])
        .says(1, &["cannot read large.txt as it is staged"]);
}

#[test]
fn a_hub_that_is_not_there_is_asked_for_elsewhere() {
    let desk = Desk::new();
    // A port of this machine that nobody listens at: it was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for command in [&["status"][..], &["explain", "acme/website"]] {
        desk.run(&[command, &["--hub", &url]].concat())
            .says(1, &["no hub answers at", "--hub or TENANTRY_HUB"]);
    }
}

#[test]
fn a_format_that_never_was_leads_to_the_way_out() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.edit("fleet/fleet/hub.yaml", |text| {
        text.replace("format: 1 ", "format: 0 ")
    });
    desk.run(&["check", "fleet"])
        .says(1, &["T0104", "there is no format 0", "`tenantry migrate`"]);
}

#[test]
fn a_repository_of_somebody_else_is_named_with_the_way_to_open_it() {
    let desk = Desk::new();
    two_customers(&desk);
    for name in ["fleet", "fleet/.git"] {
        // Only root can give a folder away.
        if std::os::unix::fs::chown(desk.path(name), Some(65534), None).is_err() {
            return;
        }
    }
    let way_out = [
        "belongs to another user",
        "git config --global --add safe.directory",
    ];
    desk.run(&["check", "fleet"]).says(1, &way_out);
    desk.run(&["secrets", "list", "--fleet", "fleet"])
        .says(1, &way_out);
    // However the way is written, and from inside.
    let real = desk.path("fleet").canonicalize().unwrap();
    let line = format!("safe.directory {}`", real.display());
    for way in ["fleet/../fleet/.", "./fleet", "fleet/fleet/customers"] {
        desk.run(&["check", way]).says(1, &[&line]);
    }
    desk.run(&["apply", "fleet/../fleet", "--once", "--data", "data"])
        .says(1, &[&line]);
    // And it is one.
    let folder = desk.path("fleet").canonicalize().unwrap();
    desk.git(
        ".",
        &[
            "config",
            "--file",
            ".gitconfig",
            "safe.directory",
            folder.to_str().unwrap(),
        ],
    );
    desk.run(&["check", "fleet"])
        .says(0, &["good: 2 customers"]);
}

#[test]
fn a_hub_does_not_begin_with_an_empty_repository_and_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.git(".", &["init", "-q", "--bare", "fleet.git"]);
    let real = desk.path("fleet.git").canonicalize().unwrap();
    let push = format!("git push {} main", real.display());
    let data = desk.path("data");
    desk.run(&["apply", "fleet.git", "--once", "--data", "data"])
        .says(1, &["is empty", &push]);
    assert!(!std::path::Path::new(&data).exists());
}

#[test]
fn repositories_without_commits_or_without_their_past_are_named() {
    let desk = Desk::new();
    desk.git(".", &["init", "-q", "-b", "main", "empty"]);
    desk.run(&["check", "empty"])
        .says(1, &["no commit yet", "tenantry init"]);
    desk.git(".", &["init", "-q", "--bare", "-b", "main", "empty.git"]);
    desk.run(&[
        "apply",
        "empty.git",
        "--once",
        "--data",
        "data",
        "--key",
        "nothing",
    ])
    .says(1, &[]);
    two_customers(&desk);
    let url = format!("file://{}", desk.path("fleet").display());
    desk.git(".", &["clone", "-q", "--depth=1", &url, "shallow"]);
    desk.run(&["check", "shallow"])
        .says(1, &["shallow clone", "git fetch --unshallow"]);
    desk.run(&["check", "."])
        .says(1, &["is not inside a Git repository"]);
}

#[test]
fn a_key_file_without_end_is_not_read_to_its_end() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.run(&["activate", "fleet", "--key", "/dev/zero"])
        .says(1, &["cannot read the hub's key file /dev/zero", "64 KiB"]);
}

#[test]
fn a_data_directory_is_used_by_one_hub() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "fleet.git"]);
    let serve = [
        "serve",
        "fleet.git",
        "--data",
        "data",
        "--observe",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut first = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(serve)
        .current_dir(desk.path("."))
        .env("HOME", desk.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("serving at"));
    let process = format!("(process {})", first.id());
    desk.run(&serve)
        .says(1, &["another hub", &process, "data", "--data"]);
    first.kill().unwrap();
    first.wait().unwrap();
    // What a killed hub held is free.
    desk.run(&["apply", "fleet.git", "--once", "--data", "data"])
        .says(1, &["may not act"]);
}

#[test]
fn a_data_directory_is_no_part_of_the_fleet() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git(".", &["clone", "-q", "--bare", "fleet", "fleet.git"]);
    std::os::unix::fs::symlink("fleet.git", desk.path("link")).unwrap();
    for data in ["fleet.git", "fleet.git/not/there", "link/data"] {
        desk.run(&["apply", "fleet.git", "--once", "--data", data])
            .says(1, &["inside the fleet's repository", "--data"]);
    }
    for made in ["hub.db", "not", "data"] {
        assert!(!desk.path("fleet.git").join(made).exists(), "{made}");
    }
    // Beside it, with a name that begins the same.
    desk.run(&["apply", "fleet.git", "--once", "--data", "fleet.git-data"])
        .says(1, &["may not act"]);
}

#[test]
fn what_a_partial_clone_lacks_can_be_fetched() {
    let desk = Desk::new();
    two_customers(&desk);
    desk.git("fleet", &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", desk.path("fleet").display());
    let partial = ["clone", "-q", "--bare", "--filter=blob:none"];
    desk.git(".", &[&partial[..], &[&url, "partial.git"]].concat());
    desk.run(&["check", "partial.git"])
        .says(1, &["partial clone", "`git fetch --refetch --no-filter`"]);
    desk.git("partial.git", &["fetch", "-q", "--refetch", "--no-filter"]);
    desk.run(&["check", "partial.git"])
        .says(0, &["good: 2 customers"]);
}

#[test]
fn a_file_with_very_many_mistakes_says_that_there_may_be_more() {
    let desk = Desk::new();
    two_customers(&desk);
    let many: Vec<String> = (0..50)
        .map(|number| format!("wrong_{number}: 1\n"))
        .collect();
    let many = many.concat();
    desk.edit("fleet/fleet/customers/acme/orders/website.yaml", |text| {
        format!("{text}{many}")
    });
    desk.run(&["check", "fleet"]).says(
        1,
        &["more may be wrong: the first 20 mistakes of the file are listed"],
    );
}
