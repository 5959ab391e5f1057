//! From what should be to the files of a slice. All rendering happens here, on the hub; agents only put things in place.
//!
//! A pure function of the input and the plaintext of the secrets. Signing and encryption come afterwards and elsewhere.

mod fallback;
mod instance;
mod variables;

use crate::slice_input::{BackupsInput, InstanceInput, SliceInput};
use instance::Instance;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tenantry_schema::Secret;
use tenantry_schema::document::State;
use tenantry_schema::id::InstanceName;
use tenantry_schema::name::{DomainName, NameError, RelativePath, VariableName};
use tenantry_schema::wire::{APPEND_PASSWORD, ErrorRules, HostSpec, REPOSITORY_KEY, RegistrySpec};

pub use fallback::text as fallback_site;
pub use tenantry_schema::wire::env_file::{parse as parse_env_file, write as write_env_file};
pub(crate) use variables::of_customer;
pub use variables::{CUSTOMER_NAMES, builtin_names, prefix as site_prefix};

/// Secrets in plain text, as far as one slice needs them.
#[derive(Debug, Default)]
pub struct Plaintext {
    /// The customer's own, by name.
    pub customer: BTreeMap<String, Secret>,
    /// Generated ones, by instance and name.
    pub generated: BTreeMap<InstanceName, BTreeMap<String, Secret>>,
    /// Those of the customer's backups, by name.
    pub backups: BTreeMap<String, Secret>,
}

/// The content of a slice before encryption and signature.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Files in clear.
    pub files: BTreeMap<RelativePath, Vec<u8>>,
    /// Secrets by instance, each to become `stacks/<instance>/secrets.yaml`.
    pub secrets: BTreeMap<InstanceName, BTreeMap<VariableName, Secret>>,
    /// Passwords of registries, to become [`REGISTRY_SECRETS`].
    pub registry_secrets: BTreeMap<VariableName, Secret>,
    /// Secrets of backups, to become `backups.secrets.yaml`.
    pub backup_secrets: BTreeMap<VariableName, Secret>,
}

/// Why a slice cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A secret that documents name has no value.
    #[error("{instance}: the secret `{name}` has no value")]
    MissingSecret {
        /// Whose.
        instance: InstanceName,
        /// Which.
        name: String,
    },
    /// A template failed.
    #[error("{instance}: template `{file}` failed: {reason}")]
    Template {
        /// Whose.
        instance: InstanceName,
        /// Which.
        file: String,
        /// What minijinja says.
        reason: String,
    },
    /// A path that cannot be part of a slice.
    #[error("{instance}: {source}")]
    Path {
        /// Whose.
        instance: InstanceName,
        /// Why.
        source: NameError,
    },
    /// `host.yaml` could not be written.
    #[error("host.yaml: {0}")]
    Host(String),
    /// A password of a registry has no value.
    #[error(
        "the password of registry {registry} is `{secret}` of the customer's secrets.yaml, which has no such value; `tenantry secrets set` adds it"
    )]
    MissingRegistry {
        /// Which registry.
        registry: String,
        /// Which value.
        secret: String,
    },
    /// Backups could not be written down.
    #[error("backups.yaml: {0}")]
    Backups(String),
}

/// Renders one slice.
pub fn render(input: &SliceInput, plaintext: &Plaintext) -> Result<Rendered, RenderError> {
    let mut rendered = Rendered::default();
    let mut host = HostSpec {
        server: input.server.clone(),
        manage: input.manage,
        window: input.window,
        registries: registries(input, plaintext, &mut rendered)?,
        web: input.web,
        certificates: input.certificates.clone(),
        host: input.host.clone(),
        users: input.users.clone(),
        agent: input.agent_release.clone(),
        instances: BTreeMap::new(),
        error_rules: error_rules(input),
    };
    for (name, instance) in &input.instances {
        let instance = Instance {
            name,
            input: instance,
            web: input.web,
            drift: input.drift,
            trusted: input.certificates.is_some(),
        };
        instance.render(plaintext, &mut rendered)?;
        host.instances.insert(name.clone(), instance.spec());
    }
    fallback::render(input, &mut rendered)?;
    let yaml = serde_yaml::to_string(&host).map_err(|why| RenderError::Host(why.to_string()))?;
    let path =
        RelativePath::try_from("host.yaml").map_err(|why| RenderError::Host(why.to_string()))?;
    rendered.files.insert(path, yaml.into_bytes());
    if let Some(backups) = &input.backups {
        self::backups(backups, plaintext, &mut rendered)?;
    }
    Ok(rendered)
}

/// The rules of every tool that has some: those of the stack, and of all tools where the stack has none of that name.
fn error_rules(input: &SliceInput) -> ErrorRules {
    let all = input.instances.iter().map(|(name, instance)| {
        let mut rules = input.error_rules.as_ref().clone();
        rules.extend(instance.stack.document.error_rules.clone());
        (name.clone(), rules)
    });
    all.filter(|(_, rules)| !rules.is_empty()).collect()
}

/// Log-ins of registries; their passwords are numbered in the order of the registries' names.
fn registries(
    input: &SliceInput,
    plaintext: &Plaintext,
    out: &mut Rendered,
) -> Result<BTreeMap<String, RegistrySpec>, RenderError> {
    let mut all = BTreeMap::new();
    for (number, (registry, login)) in input.registries.iter().enumerate() {
        let secret = &login.password.secret;
        let missing = || RenderError::MissingRegistry {
            registry: registry.clone(),
            secret: secret.clone(),
        };
        let value = plaintext.customer.get(secret).ok_or_else(missing)?;
        let password = VariableName::try_from(format!("PASSWORD_{number}"))
            .map_err(|why| RenderError::Host(why.to_string()))?;
        out.registry_secrets.insert(password.clone(), value.clone());
        let user = login.user.clone();
        all.insert(registry.clone(), RegistrySpec { user, password });
    }
    Ok(all)
}

fn backups(
    input: &BackupsInput,
    plaintext: &Plaintext,
    out: &mut Rendered,
) -> Result<(), RenderError> {
    let failed = |why: String| RenderError::Backups(why);
    let yaml = serde_yaml::to_string(&input.spec).map_err(|why| failed(why.to_string()))?;
    let path = RelativePath::try_from("backups.yaml").map_err(|why| failed(why.to_string()))?;
    out.files.insert(path, yaml.into_bytes());
    for (id, spec) in &input.restores {
        let yaml = serde_yaml::to_string(spec).map_err(|why| failed(why.to_string()))?;
        let path = RelativePath::try_from(format!("operations/{id}.yaml"));
        let path = path.map_err(|why| failed(why.to_string()))?;
        out.files.insert(path, yaml.into_bytes());
    }
    for name in [REPOSITORY_KEY, APPEND_PASSWORD] {
        let value = plaintext.backups.get(name);
        let value = value.ok_or_else(|| failed(format!("the secret `{name}` has no value")))?;
        let name = VariableName::try_from(name).map_err(|why| failed(why.to_string()))?;
        out.backup_secrets.insert(name, value.clone());
    }
    Ok(())
}

/// One tool, rendered, before anything is put into a slice.
pub(crate) struct Parts {
    /// Its Compose file.
    pub(crate) compose: String,
    /// The plain variables of that file. What is not among them is secret.
    pub(crate) variables: BTreeMap<String, String>,
    /// Its files, by path from its folder.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Configuration of the web server, by public name.
    pub(crate) sites: BTreeMap<DomainName, String>,
}

/// Renders one tool of a slice for being compared.
pub(crate) fn parts(
    slice: &SliceInput,
    name: &InstanceName,
    input: &InstanceInput,
    plaintext: &Plaintext,
) -> Result<Parts, RenderError> {
    let instance = Instance {
        name,
        input,
        web: slice.web,
        drift: slice.drift,
        trusted: slice.certificates.is_some(),
    };
    let (plain, _) = variables::gather(name, input, slice.web, plaintext)?;
    let mut rendered = Rendered::default();
    instance.render(plaintext, &mut rendered)?;
    let folder = format!("stacks/{name}/");
    let files = rendered.files.iter().filter_map(|(path, content)| {
        let path = path.as_str().strip_prefix(&folder)?;
        Some((path.to_owned(), content.clone()))
    });
    let files = files.collect();
    let mut sites = BTreeMap::new();
    if input.state == State::Running {
        for (site, host) in &input.hosts {
            sites.insert(host.clone(), instance.site(site, host)?);
        }
    }
    let variables = plain
        .into_iter()
        .map(|(name, value)| (String::from(name), value));
    Ok(Parts {
        compose: input.stack.compose.to_string(),
        variables: variables.collect(),
        files,
        sites,
    })
}

/// The argument of nginx's `listen`. Where no address is given it is for IPv4 alone; see [`listen6`].
fn listen(address: Option<IpAddr>, port: u16) -> String {
    match address {
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Some(IpAddr::V4(address)) => format!("{address}:{port}"),
        None => port.to_string(),
    }
}

/// The argument of a second `listen` for visitors who come by IPv6, where no address is given. The agent leaves such a line out on a machine
/// without IPv6, where nginx would refuse it.
fn listen6(address: Option<IpAddr>, port: u16) -> Option<String> {
    address.is_none().then(|| format!("[::]:{port}"))
}
