//! What cannot be seen is told, and is never empty.

use super::*;

#[test]
fn settings_of_the_ssh_server_that_cannot_be_read_are_not_empty() {
    let mut scene = Scene::new(r#"{"firewall": {}, "fail2ban": {}}"#);
    let folder = scene.ground.root.path().join("etc/ssh/sshd_config.d");
    scene.put("etc/ssh/sshd_config.d/10-mine.conf", "Port 2222\n");
    scene.put("etc/other.conf", "Port 2022\n");
    assert!(!scene.plan()[&HostArea::Firewall].steps.is_empty());
    let link = folder.join("20-provider.conf");
    std::os::unix::fs::symlink("../../other.conf", &link).unwrap();
    scene.fails("not a plain file");
    std::fs::remove_file(&link).unwrap();
    std::fs::write(&link, vec![b'#'; 5 << 20]).unwrap();
    scene.fails("larger than");
    std::fs::remove_file(&link).unwrap();
    // The folder is somewhere else: the SSH server follows the link.
    let moved = folder.with_file_name("moved");
    std::fs::rename(&folder, &moved).unwrap();
    std::os::unix::fs::symlink("moved", &folder).unwrap();
    scene.fails("sshd_config.d");
    std::fs::remove_file(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    scene.fails("Not a directory");
    std::fs::remove_file(&folder).unwrap();
    assert!(!scene.plan()[&HostArea::Firewall].steps.is_empty());
}

#[test]
fn settings_of_apt_that_win_are_seen() {
    let mut scene = Scene::new(r#"{"packages": {}}"#);
    let periodic = "APT::Periodic::Enable \"0\";\n";
    for (name, wins) in [
        ("50unattended-upgrades", false),
        ("99mine.dpkg-old", false),
        ("99mine~", false),
        ("99mine", true),
        ("99mine.conf", true),
    ] {
        let at = format!("etc/apt/apt.conf.d/{name}");
        scene.put(&at, periodic);
        let said = scene.plan()[&HostArea::Packages].report.message.clone();
        assert_eq!(said.is_some(), wins, "{name}: {said:?}");
        std::fs::remove_file(scene.ground.root.path().join(&at)).unwrap();
    }
}

impl Scene {
    fn fails(&mut self, why: &str) {
        for (area, plan) in self.plan() {
            let said = plan.report.message.clone().unwrap_or_default();
            assert!(said.contains(why), "{area}: {plan:?}");
            assert_eq!(
                (plan.steps.len(), plan.report.state),
                (0, AreaState::Failed)
            );
        }
    }
}

#[test]
fn everybody_whom_the_fleet_knows_is_looked_at() {
    let mut scene = Scene::new(r#"{"users": {}}"#);
    let line = |number: u32| {
        format!(
            "p{number}:x:{0}:{0}::/home/p{number}:/bin/sh\n",
            2000 + number
        )
    };
    let root = "root:x:0:0::/root:/bin/bash\n".to_owned();
    scene.put(
        "etc/passwd",
        &(0..300).map(line).fold(root, |all, line| all + &line),
    );
    let ours: Vec<_> = (100..200).map(|number| format!("p{number}")).collect();
    scene.put(
        "etc/group",
        &format!("tenantry-staff:x:999:{}\n", ours.join(",")),
    );
    let user = UserSpec {
        keys: Vec::new(),
        sudo: false,
    };
    scene.users = (200..300)
        .map(|number| {
            (
                StaffId::try_from(format!("p{number}")).unwrap(),
                user.clone(),
            )
        })
        .collect();
    let found = scene.look();
    let looked_at = |number: &u32| {
        let keys = format!("home/p{number}/.ssh/authorized_keys");
        found.files.contains_key(keys.as_str())
    };
    assert!((100..300).all(|number| looked_at(&number)));
    let others = (0..100).filter(looked_at).count();
    assert_eq!(
        others, 64,
        "no more than are needed to find somebody who gets in"
    );
}

#[tokio::test]
async fn a_file_that_others_keep_is_not_replaced_by_way_of_a_link() {
    let mut scene = Scene::new(r#"{"docker": {}}"#);
    let etc = scene.ground.root.path().join("etc/docker");
    std::fs::create_dir_all(&etc).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", etc.join("daemon.json")).unwrap();
    let plan = &scene.plan()[&HostArea::Docker];
    assert_eq!(plan.report.state, AreaState::Failed);
    assert!(
        plan.steps.is_empty()
            && plan
                .report
                .message
                .as_ref()
                .unwrap()
                .contains("not a plain file")
    );
}
