//! The catalogue: stacks and web server templates, compiled and proven. A stack is identified by its Git tree, so compiling is done once a tree.

use crate::codes;
use crate::documents::read;
use crate::input::{NginxFiles, SourceFile, StackFiles, diagnose};
use crate::object::ObjectId;
use crate::render::builtin_names;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use tenantry_compose::Project;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Site, Stack};
use tenantry_schema::id::{SiteName, ToolName};

/// Steps that one template may take: hostile or wrong templates end instead of running on.
pub const TEMPLATE_FUEL: u64 = 200_000;

/// Everything that customers are resolved against.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Stacks as they are on the branch.
    pub branch: BTreeMap<ToolName, BranchStack>,
    /// Stacks by tree: those of the branch and those that are pinned.
    pub trees: HashMap<ObjectId, Arc<CompiledStack>>,
    /// Templates as they are on the branch; none where they have errors.
    pub nginx: Option<Arc<Templates>>,
    /// Templates by tree.
    pub nginx_trees: HashMap<ObjectId, Arc<Templates>>,
    /// What `revision:` texts were resolved to; none where they name nothing.
    pub revisions: HashMap<(ToolName, String), Option<ObjectId>>,
}

/// A stack as it is on the branch.
#[derive(Debug, Clone)]
pub struct BranchStack {
    /// Its tree.
    pub tree: ObjectId,
    /// None where it has errors.
    pub compiled: Option<Arc<CompiledStack>>,
}

/// A stack that was proven to fit together.
#[derive(Debug)]
pub struct CompiledStack {
    /// The tool.
    pub tool: ToolName,
    /// Its tree.
    pub tree: ObjectId,
    /// `stack.yaml`
    pub document: Stack,
    /// Its sites, the shorthand resolved.
    pub sites: BTreeMap<SiteName, Site>,
    /// `compose.yaml`
    pub compose: Arc<str>,
    /// Everything under `files/`, by path from the stack's folder.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// Whether it has volumes.
    pub has_data: bool,
    /// Variables that its Compose file refers to.
    pub variables: BTreeSet<String>,
}

impl CompiledStack {
    /// Variables that an order may set: those that the Compose file uses and nothing else provides.
    pub fn settable(&self) -> Vec<String> {
        let taken = |name: &str| self.is_builtin(name) || self.document.secrets.contains_key(name) || self.document.parameters.contains_key(name);
        self.variables.iter().filter(|name| !taken(name)).cloned().collect()
    }

    /// Whether the hub sets this variable itself.
    pub fn is_builtin(&self, variable: &str) -> bool {
        builtin_names(self.sites.keys()).iter().any(|name| name == variable)
    }
}

/// Web server templates, parsed.
pub struct Templates {
    /// Their tree.
    pub tree: ObjectId,
    environment: Environment<'static>,
    names: BTreeSet<String>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("tree", &self.tree).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Templates {
    /// Renders one of them.
    pub fn render(&self, name: &str, values: minijinja::Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(values)
    }

    /// Names, without `.conf`.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }
}

/// An environment in which an unknown variable is an error and every template ends.
pub(crate) fn template_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment
}

/// Parses the templates of one tree.
pub fn compile_templates(files: &NginxFiles) -> (Option<Templates>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut environment = template_environment();
    for (name, text) in &files.templates {
        if let Err(why) = environment.add_template_owned(name.clone(), text.to_string()) {
            let path = format!("nginx/{name}.conf");
            let start = why.range().map_or(0, |range| range.start);
            let end = why.range().map_or(0, |range| range.end);
            let place = Place::of(path, text, start, end);
            let reason = why.detail().unwrap_or("it does not parse").to_owned();
            found.push(Diagnostic::error(codes::TEMPLATE, place, format!("the template has an error: {reason}")));
        }
    }
    let good = found.is_empty();
    let names = files.templates.keys().cloned().collect();
    (good.then_some(Templates { tree: files.tree, environment, names }), found)
}

/// Reads a stack and proves that it fits together. `templates` are those it will be served with.
pub fn compile_stack(stack: &StackFiles, templates: Option<&Templates>) -> (Option<CompiledStack>, Vec<Diagnostic>) {
    let mut compiler = Compiler { stack, templates, found: Vec::new() };
    let compiled = compiler.compile();
    let good = !compiler.found.iter().any(Diagnostic::is_error);
    (compiled.filter(|_| good), compiler.found)
}

struct Compiler<'a> {
    stack: &'a StackFiles,
    templates: Option<&'a Templates>,
    found: Vec<Diagnostic>,
}

const MANIFEST: &str = "stack.yaml";
const COMPOSE: &str = "compose.yaml";

impl Compiler<'_> {
    fn compile(&mut self) -> Option<CompiledStack> {
        for (path, why) in &self.stack.refused {
            self.found.push(Diagnostic::error(codes::UNREADABLE, Place::file(self.path(path)), format!("the file cannot be taken: {why}")));
        }
        let manifest = self.file(MANIFEST);
        let compose = self.file(COMPOSE);
        let (manifest, compose) = (manifest?, compose?);
        let document: Stack = read(&manifest, &mut self.found)?;
        let compose = compose.text.ok()?;
        let sites = self.sites(&document, manifest.text.as_deref().unwrap_or_default());
        let builtins = builtin_names(sites.keys());
        let known = |name: &str| {
            builtins.iter().any(|builtin| builtin == name)
                || document.parameters.contains_key(name)
                || document.secrets.contains_key(name)
        };
        let path = self.path(COMPOSE);
        for problem in tenantry_compose::check(&compose, &known) {
            let code = if problem.message.contains("variable") { codes::UNSET_VARIABLE } else { codes::COMPOSE };
            self.found.push(diagnose(&path, &compose, code, &problem));
        }
        let (source, _) = Project::parse(&compose);
        let used = source.map(|source| source.variables()).unwrap_or_default();
        let variables: BTreeSet<String> = used.into_iter().map(|used| used.name).collect();
        let manifest_text = manifest.text.as_deref().unwrap_or_default();
        for secret in document.secrets.keys().filter(|secret| !variables.contains(secret.as_str())) {
            let place = place_in(&self.path(MANIFEST), manifest_text, &["secrets", secret.as_str()]);
            let note = format!("use it in {COMPOSE} as `${{{secret}}}` or `secrets: {{ name: {{ environment: {secret} }} }}`, or remove it");
            self.found.push(Diagnostic::error(codes::UNUSED_SECRET, place, format!("the secret `{secret}` is declared and nothing uses it")).note(note));
        }
        let sample = |name: &str| Some(sample(name, &sites));
        let project = Project::load(&compose, &sample).ok()?;
        self.check_targets(&document, &sites, &project, manifest_text);
        let files = self.stack.files.iter().filter(|(path, _)| path.starts_with("files/"));
        Some(CompiledStack {
            tool: self.stack.tool.clone(),
            tree: self.stack.tree,
            has_data: !project.volumes.is_empty(),
            files: files.map(|(path, content)| (path.clone(), content.clone())).collect(),
            sites,
            compose,
            variables,
            document,
        })
    }

    fn path(&self, file: &str) -> String {
        format!("stacks/{}/{file}", self.stack.tool)
    }

    fn file(&mut self, name: &str) -> Option<SourceFile> {
        let path = self.path(name);
        let Some(content) = self.stack.files.get(name) else {
            let message = format!("the stack {} has no `{name}`", self.stack.tool);
            self.found.push(Diagnostic::error(codes::MISSING_FILE, Place::file(path), message));
            return None;
        };
        match std::str::from_utf8(content) {
            Ok(text) => Some(SourceFile { path, id: self.stack.tree, text: Ok(text.into()) }),
            Err(_) => {
                self.found.push(Diagnostic::error(codes::UNREADABLE, Place::file(path), "the file is not UTF-8"));
                None
            }
        }
    }

    fn sites(&mut self, document: &Stack, text: &str) -> BTreeMap<SiteName, Site> {
        let mut sites = document.sites.clone();
        if let Some(site) = &document.site {
            if !sites.is_empty() {
                let place = place_in(&self.path(MANIFEST), text, &["site"]);
                self.found.push(Diagnostic::error(codes::SITE_TWICE, place, "`site:` and `sites:` together").note("`site:` is short for one entry of `sites:`"));
            }
            if let Ok(name) = SiteName::try_from("site") {
                sites.insert(name, site.clone());
            }
        }
        sites
    }

    fn check_targets(&mut self, document: &Stack, sites: &BTreeMap<SiteName, Site>, project: &Project, text: &str) {
        let manifest = self.path(MANIFEST);
        for (name, site) in sites {
            let keys: &[&str] = if document.site.is_some() { &["site"] } else { &["sites", name.as_str()] };
            let place = || place_in(&manifest, text, keys);
            let prefix = crate::render::site_prefix(name);
            let Some(service) = project.services.get(site.service.as_str()) else {
                let message = format!("the site points at the service `{}`, which {COMPOSE} does not have", site.service);
                let note = tenantry_yaml::suggest(&site.service, project.services.keys().map(ToString::to_string).collect::<Vec<_>>().iter())
                    .map(|near| format!("did you mean `{near}`?"));
                let mut diagnostic = Diagnostic::error(codes::SITE_TARGET, place(), message);
                diagnostic.notes.extend(note);
                self.found.push(diagnostic);
                continue;
            };
            let wanted = sample(&format!("{prefix}_PORT"), sites);
            let published = service.ports.iter().any(|port| {
                port.target == site.port
                    && port.published.as_ref().is_some_and(|published| published.to_string() == wanted)
                    && port.host_ip.as_ref().is_some_and(|address| address.to_string() == "127.0.0.1")
            });
            if !published {
                let message = format!("the service `{}` does not publish port {} for the site", site.service, site.port);
                let note = format!("add to it in {COMPOSE}: ports: [\"127.0.0.1:${{{prefix}_PORT}}:{}\"]", site.port);
                self.found.push(Diagnostic::error(codes::SITE_TARGET, place(), message).note(note));
            }
            if let Some(templates) = self.templates.filter(|templates| !templates.names().contains(&site.template)) {
                let known: Vec<&str> = templates.names().iter().map(String::as_str).collect();
                let message = format!("unknown template `{}`", site.template);
                self.found.push(Diagnostic::error(codes::UNKNOWN_TEMPLATE, place(), message).note(format!("nginx/ has: {}", known.join(", "))));
            }
        }
        let Some(backup) = &document.backup else { return };
        if let Some(service) = backup.postgres.as_ref().filter(|service| !project.services.contains_key(service.as_str())) {
            let place = place_in(&manifest, text, &["backup", "postgres"]);
            self.found.push(Diagnostic::error(codes::BACKUP_TARGET, place, format!("the backup names the service `{service}`, which {COMPOSE} does not have")));
        }
        for volume in backup.volumes.iter().filter(|volume| !project.volumes.contains_key(volume.as_str())) {
            let place = place_in(&manifest, text, &["backup", "volumes"]);
            self.found.push(Diagnostic::error(codes::BACKUP_TARGET, place, format!("the backup names the volume `{volume}`, which {COMPOSE} does not have")));
        }
    }
}

/// A stand-in for the value of a variable: a port of its own for each site, and something harmless otherwise.
fn sample(name: &str, sites: &BTreeMap<SiteName, Site>) -> String {
    let port = sites.keys().position(|site| format!("{}_PORT", crate::render::site_prefix(site)) == name);
    match port {
        Some(index) => (20_000 + index).to_string(),
        None if name.ends_with("PORT") => "19999".to_owned(),
        None => "x".to_owned(),
    }
}

fn place_in(path: &str, text: &str, keys: &[&str]) -> Place {
    let text: Arc<str> = text.into();
    crate::input::locate(&|_| Some(text.clone()), path, keys, true)
}
