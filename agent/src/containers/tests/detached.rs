//! A file that containers mount and that was replaced: exactly those are made anew.

use super::model::Model;
use super::table::{apply, plan, plan_with, running, steps, waits};
use super::{key, stack};
use crate::containers::Replaced;
use crate::containers::converge::{Version, in_force};
use crate::containers::desired::{InstanceInput, MountSource, MountSpec};
use crate::containers::pace::Pace;
use crate::containers::state::State;

fn mount(input: &mut InstanceInput, service: &str, path: &str, target: &str) {
    let source = MountSource::Bind {
        path: path.into(),
        propagation: None,
    };
    let service = input.services.get_mut(service).unwrap();
    service.container.mounts.insert(
        target.to_owned(),
        MountSpec {
            source,
            read_only: true,
        },
    );
}

/// `web` and `db` each mount a file of the instance, `web` also one of the server.
fn mounting() -> (InstanceInput, Model) {
    let mut input = stack();
    for service in ["web", "db"] {
        let path = format!("/srv/acme/files/{service}.conf");
        mount(&mut input, service, &path, "/etc/it.conf");
        let service = input.services.get_mut(service).unwrap();
        service.files.insert(path.into(), "digest".to_owned());
    }
    mount(&mut input, "web", "/etc/localtime", "/etc/localtime");
    let model = running(&input);
    (input, model)
}

fn replace(model: &mut Model, service: &str, root: &str, target: &str) {
    model.by_service(service).replaced.push(Replaced {
        root: root.to_owned(),
        target: target.to_owned(),
    });
}

#[test]
fn exactly_the_container_that_mounts_it_is_made_anew() {
    let (input, mut model) = mounting();
    replace(
        &mut model,
        "web",
        "/srv/acme/files/web.conf",
        "/etc/it.conf",
    );
    let pass = plan(&input, &model);
    assert_eq!(
        steps(&pass),
        ["make container acme-web-1 anew, because a file that it mounts was put back"]
    );
    assert!(pass.steps[0].disruptive && pass.steps[0].why.is_repair());
    apply(&mut model, &pass);
    assert!(plan(&input, &model).is_converged());
    let version = in_force(&input, &[], false, &model.state, &key());
    assert_eq!(version, Some(Version::Wanted));
}

#[test]
fn a_folder_that_was_made_anew_is_mounted_anew() {
    let mut input = stack();
    mount(&mut input, "web", "/srv/acme/files/www", "/www");
    let web = input.services.get_mut("web").unwrap();
    web.files
        .insert("/srv/acme/files/www/a".into(), "digest".to_owned());
    let mut model = running(&input);
    replace(&mut model, "web", "/srv/acme/files/www", "/www");
    assert_eq!(plan(&input, &model).steps.len(), 1);
}

#[test]
fn what_is_not_ours_to_replace_is_left_alone() {
    let (input, mut model) = mounting();
    replace(
        &mut model,
        "web",
        "/usr/share/zoneinfo/UTC",
        "/etc/localtime",
    );
    assert!(plan(&input, &model).is_converged());
    // What does not run mounts what is there when it starts.
    replace(
        &mut model,
        "web",
        "/srv/acme/files/web.conf",
        "/etc/it.conf",
    );
    model.by_service("web").state = State::Exited;
    assert_eq!(
        steps(&plan(&input, &model)),
        ["start container acme-web-1, because it does not run"]
    );
}

#[test]
fn it_waits_for_the_window_and_for_calm() {
    let (input, mut model) = mounting();
    replace(
        &mut model,
        "web",
        "/srv/acme/files/web.conf",
        "/etc/it.conf",
    );
    let pass = plan_with(&input, &model, true, &Pace::default());
    assert_eq!(steps(&pass), Vec::<String>::new());
    assert_eq!(waits(&pass), ["web is changed in the maintenance window"]);
    let mut pace = Pace::default();
    for _ in 0..9 {
        pace.started("acme", "web", jiff::Timestamp::UNIX_EPOCH);
    }
    let pass = plan_with(&input, &model, false, &pace);
    assert_eq!(steps(&pass), Vec::<String>::new());
    assert_eq!(pass.waiting.len(), 1);
}

#[test]
fn the_version_that_containers_show_is_known_by_what_they_are_made_from() {
    let (old, mut model) = mounting();
    let mut new = old.clone();
    for service in new.services.values_mut() {
        service.container.user = Some("7".to_owned());
    }
    let shows = |model: &Model| in_force(&new, &[&old], false, &model.state, &key());
    assert_eq!(shows(&model), Some(Version::Before(0)));
    assert_eq!(in_force(&new, &[], false, &model.state, &key()), None);
    let pass = plan(&new, &model);
    model.apply(&pass.steps[0]).unwrap();
    assert_eq!(shows(&model), Some(Version::Wanted), "the change began");
    for _ in 0..4 {
        let pass = plan(&new, &model);
        apply(&mut model, &pass);
        model.settle(&["job"], &["db"]);
    }
    assert_eq!(shows(&model), Some(Version::Wanted));
    // Somebody else's container in our place.
    model.by_service("web").owner.inputs = None;
    assert_eq!(shows(&model), None);
}
