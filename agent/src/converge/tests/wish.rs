//! What is asked for in these tests: instances that differ in a few things.

use super::*;

/// A web server that needs a healthy database with a volume.
pub(super) fn container_input(project: &str, state: Wanted) -> InstanceInput {
    let text = "
services:
  web: { image: 'busybox:1', restart: always, depends_on: { db: { condition: service_healthy } } }
  db: { image: 'busybox:2', restart: always, volumes: ['data:/data'], healthcheck: { test: [CMD, 'true'] } }
volumes: { data: {} }
";
    let loaded = tenantry_compose::Project::load(text, &|_| None).unwrap();
    let place = Place {
        instance: project,
        keeper: KEEPER,
        state,
        folder: std::path::Path::new("/srv"),
        secrets: std::path::Path::new("/run/s"),
        configs: std::path::Path::new("/run/c"),
        digests: &BTreeMap::new(),
        key: &key(),
        rules: &spec::Rules::default(),
    };
    spec::instance(&loaded, &place).unwrap().input
}

/// A wish for one instance, as far as the tests vary it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) running: bool,
    pub(super) file: Option<u8>,
    pub(super) secret: Option<u8>,
    pub(super) site: Option<u8>,
    pub(super) smoke: bool,
}

pub(super) const PLAIN: Wish = Wish {
    running: true,
    file: Some(1),
    secret: Some(1),
    site: Some(1),
    smoke: true,
};

pub(super) fn desired(wishes: &[(&str, Wish)]) -> Desired {
    let mut desired = Desired {
        backups: None,
        reference: SliceRef {
            generation: 1,
            content: digest(format!("{wishes:?}").as_bytes()),
            commit: String::new(),
        },
        keeper: KEEPER.into(),
        host: HostSpec {
            server: crate::config::parse_server("acme/acme-1").unwrap(),
            manage: Manage::Full,
            window: None,
            registries: BTreeMap::new(),
            web: WebPorts::default(),
            certificates: None,
            host: None,
            users: BTreeMap::new(),
            agent: None,
            instances: BTreeMap::new(),
            error_rules: BTreeMap::new(),
        },
        instances: BTreeMap::new(),
        sites: BTreeMap::new(),
        fallback: None,
        secrets: BTreeMap::new(),
        logins: BTreeMap::new(),
    };
    for (project, wish) in wishes {
        add(&mut desired, project, wish);
    }
    desired
}

pub(super) fn add(desired: &mut Desired, project: &str, wish: &Wish) {
    let site = host(&format!("{project}.example"));
    let spec = InstanceSpec {
        order: "web".try_into().unwrap(),
        tool: "html".try_into().unwrap(),
        state: if wish.running {
            State::Running
        } else {
            State::Stopped
        },
        smoke: wish.smoke.then(|| "GET /".to_owned().try_into().unwrap()),
        sites: wish
            .site
            .map(|_| {
                (
                    "site".try_into().unwrap(),
                    SiteSpec {
                        host: site.clone(),
                        redirect_from: Vec::new(),
                        port: 20_000,
                    },
                )
            })
            .into_iter()
            .collect(),
        has_data: false,
        upgrade: UpgradeRule::default(),
        drift: Drift::Repair,
        trusted: false,
        memory: None,
        relax: BTreeMap::new(),
        reload: BTreeMap::new(),
    };
    let containers = container_input(
        project,
        if wish.running {
            Wanted::Running
        } else {
            Wanted::Stopped
        },
    );
    let files = wish.file.map(|content| {
        let data: Arc<[u8]> = Arc::from([content].as_slice());
        (
            path(&format!("{project}/files/a")),
            LiveFile {
                digest: digest(&data),
                data,
            },
        )
    });
    if let Some(content) = wish.secret {
        let file = SecretFile {
            value: Secret::new(content.to_string()),
            access: crate::files::Access::mode(0o600),
        };
        desired.secrets.insert(path(&format!("{project}/DB")), file);
    }
    if let Some(version) = wish.site {
        let text = format!("version {version}");
        desired.sites.insert(
            site,
            Site {
                instance: name(project),
                also: Vec::new(),
                port: 20_000,
                digest: digest(text.as_bytes()),
                text,
            },
        );
    }
    desired.host.instances.insert(name(project), spec.clone());
    let instance = Instance {
        spec,
        digest: digest(format!("{wish:?}").as_bytes()),
        files: files.into_iter().collect(),
        containers: Ok(containers),
    };
    desired.instances.insert(name(project), instance);
}
