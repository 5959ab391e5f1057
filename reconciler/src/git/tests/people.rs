//! People and a hub at the same time: where a hub may commit, and that everybody's work stays.

use super::*;
use std::collections::BTreeSet;
use std::fs;

fn opened(world: &World, path: &Path, branch: &str) -> Fleet {
    let location = Location::parse(path.to_str().unwrap()).unwrap();
    Fleet::open(location, branch, &world.data("data")).unwrap()
}

#[test]
fn a_folder_in_which_people_edit_the_branch_is_found() {
    let world = World::new(Layout::Bare);
    let bare = world.repo();
    let folder = |branch: &str| {
        let found = opened(&world, &bare, branch).work_folder().unwrap();
        found.map(|found| {
            assert_eq!(found.linked_to.as_deref(), Some(bare.as_path()));
            found.folder
        })
    };
    assert_eq!(folder("main"), None);

    // Linked folders: on another branch, on this one, in the middle of a rebase, deleted.
    let linked = world.data("linked");
    let name = linked.to_str().unwrap();
    world.git(&["worktree", "add", "-q", "-b", "idea", name]);
    assert_eq!(folder("main"), None);
    assert_eq!(folder("idea"), Some(linked.clone()));
    git(&linked, &["switch", "-q", "main"]);
    assert_eq!(folder("main"), Some(linked.clone()));
    git(&linked, &["switch", "-q", "--detach"]);
    assert_eq!(folder("main"), None);
    let own = bare.join("worktrees/linked/rebase-merge");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("head-name"), "refs/heads/main\n").unwrap();
    assert_eq!(folder("main"), Some(linked.clone()));
    fs::remove_dir_all(&own).unwrap();
    git(&linked, &["switch", "-q", "main"]);
    fs::remove_dir_all(&linked).unwrap();
    assert_eq!(folder("main"), None);
}

#[test]
fn any_repository_with_files_is_one_that_people_work_in() {
    let world = World::new(Layout::WorkTree);
    let found = |path: &Path, branch: &str| opened(&world, path, branch).work_folder().unwrap();
    let real = world.repo().canonicalize().unwrap();
    let found_here =
        |branch: &str| found(&world.repo(), branch).map(|at| at.folder.canonicalize().unwrap());
    assert_eq!(found_here("main"), Some(real.clone()));
    // They may switch to it at any moment.
    world.git(&["switch", "-q", "-c", "idea"]);
    assert_eq!(found_here("main"), Some(real));
    let url = format!("file://{}", world.repo().display());
    let by_url = Fleet::open(Location::parse(&url).unwrap(), "main", &world.data("data")).unwrap();
    assert!(by_url.work_folder().unwrap().is_some());
}

#[test]
fn the_way_out_names_what_is_there() {
    let world = World::new(Layout::WorkTree);
    let work = world.repo();
    let advice = || {
        let found = opened(&world, &work, "main").work_folder().unwrap();
        found.unwrap().advice("main")
    };
    let real = work.canonicalize().unwrap();
    let real = real.display();
    let said = advice();
    for line in [
        format!("git clone --bare {real} {real}.git\n"),
        format!("git -C {real} remote add origin {real}.git\n"),
        format!("git -C {real} push -u origin main\n"),
    ] {
        assert!(said.contains(&line), "{said}");
    }
    world.git(&["remote", "add", "origin", "elsewhere"]);
    assert!(advice().contains("remote add hub "), "{}", advice());

    // Of a linked folder that can be done as it is told.
    let bare = world.data("it's bare");
    let linked = world.data("my work");
    git(
        &work,
        &["clone", "-q", "--bare", ".", bare.to_str().unwrap()],
    );
    git(
        &bare,
        &["worktree", "add", "-q", linked.to_str().unwrap(), "main"],
    );
    let found = opened(&world, &bare, "main").work_folder().unwrap();
    let said = found.unwrap().advice("main");
    let line = said.lines().find(|line| line.contains("worktree remove"));
    let done = Command::new("sh")
        .args(["-c", line.unwrap()])
        .status()
        .unwrap();
    assert!(done.success(), "{said}");
    assert!(!linked.exists());
    assert_eq!(opened(&world, &bare, "main").work_folder().unwrap(), None);
}

#[test]
fn what_a_person_commits_in_a_loop_and_what_the_hub_decides_are_both_there_in_the_end() {
    const EACH: usize = 20;
    let world = World::new(Layout::Bare);
    let (bare, work) = (world.repo(), world.data("work"));
    git(
        &world.data("."),
        &[
            "clone",
            "-q",
            bare.to_str().unwrap(),
            work.to_str().unwrap(),
        ],
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hub = world.fleet("data");
            for number in 0..EACH {
                let change = put(
                    &format!("fleet/decisions/acme/web/{number}.yaml"),
                    "port: 1\n",
                );
                loop {
                    hub.fetch().unwrap();
                    let base = hub.head().unwrap().unwrap();
                    match hub
                        .commit(
                            base,
                            std::slice::from_ref(&change),
                            &author(),
                            "decide",
                            at(2),
                        )
                        .unwrap()
                    {
                        Outcome::Committed(_) => break,
                        Outcome::Moved => {}
                        Outcome::Unchanged => panic!("decided twice"),
                    }
                }
            }
        });
        scope.spawn(|| {
            for number in 0..EACH {
                // One document edited again and again, and a new one each time.
                let folder = work.join("fleet/customers/acme/orders");
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("{number}.yaml")), "plan: pro\n").unwrap();
                fs::write(
                    work.join("fleet/hub.yaml"),
                    format!("fleet_id: test\n# {number}\n"),
                )
                .unwrap();
                git(&work, &["add", "-A"]);
                git(&work, &["commit", "-qm", "edit"]);
                let push = || {
                    Command::new("git")
                        .arg("-C")
                        .arg(&work)
                        .args(["push", "-q"])
                        .output()
                        .unwrap()
                };
                while !push().status.success() {
                    git(&work, &["pull", "-q", "--rebase"]);
                }
            }
        });
    });
    let list = world.git(&["ls-tree", "-r", "--name-only", "main"]);
    let files: BTreeSet<&str> = list.lines().collect();
    for number in 0..EACH {
        for file in [
            format!("fleet/decisions/acme/web/{number}.yaml"),
            format!("fleet/customers/acme/orders/{number}.yaml"),
        ] {
            assert!(files.contains(file.as_str()), "{file} is lost:\n{list}");
        }
    }
    let last = format!("fleet_id: test\n# {}", EACH - 1);
    assert_eq!(world.git(&["show", "main:fleet/hub.yaml"]), last);
    let deleted = world.git(&["log", "--diff-filter=D", "--format=%H", "main"]);
    assert_eq!(deleted, "", "no commit took anything away");
}
