//! Proving that a stack fits together: every variable has a source, every secret is used, every site points at a real service and port.

use super::samples::with_samples;
use super::secrets;
use super::services;
use super::targets;
use super::templates::{FileTemplates, Templates, target};
use super::{CompiledStack, SiteName};
use crate::codes;
use crate::documents::read;
use crate::input::{SourceFile, StackFiles, diagnose};
use crate::render::builtin_names;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use tenantry_compose::{ComposeFile, OVERRIDE_FILE};
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;
use tenantry_schema::document::{Site, Stack};
use tenantry_schema::name::{DomainName, RelativePath};
use tenantry_schema::wire::can_run;
use tenantry_yaml::ProblemKind;

/// Reads a stack and proves that it fits together. `templates` are those it will be served with.
pub fn compile_stack(
    stack: &StackFiles,
    templates: Option<&Templates>,
) -> (Option<CompiledStack>, Vec<Diagnostic>) {
    let mut compiler = Compiler {
        stack,
        templates,
        manifest: "".into(),
        found: Vec::new(),
    };
    let compiled = compiler.compile();
    let good = !compiler.found.iter().any(Diagnostic::is_error);
    (compiled.filter(|_| good), compiler.found)
}

struct Compiler<'a> {
    stack: &'a StackFiles,
    templates: Option<&'a Templates>,
    /// Text of `stack.yaml`.
    manifest: Arc<str>,
    found: Vec<Diagnostic>,
}

const MANIFEST: &str = "stack.yaml";
const COMPOSE: &str = "compose.yaml";

impl Compiler<'_> {
    /// The bit does not travel: a server goes by how a file begins.
    fn executables(&mut self) {
        let travels = |path: &&String| path.starts_with("files/");
        for path in self.stack.executable.iter().filter(travels) {
            let content = self.stack.files.get(path);
            if content.is_none_or(|content| can_run(content)) {
                continue;
            }
            let message = "the file is executable here and will not be on a server";
            let why = "only scripts that begin with `#!` and ELF programs can be executed there; begin it with such a line, or take the bit away (`git update-index --chmod=-x`)";
            let place = Place::file(self.path(path));
            self.found
                .push(Diagnostic::warning(codes::STACK_FILE, place, message).note(why));
        }
    }

    fn compile(&mut self) -> Option<CompiledStack> {
        for (path, why) in &self.stack.refused {
            self.found.push(Diagnostic::error(
                codes::UNREADABLE,
                Place::file(self.path(path)),
                format!("the file cannot be taken: {why}"),
            ));
        }
        self.executables();
        let (manifest, compose) = (self.file(MANIFEST), self.file(COMPOSE));
        let (manifest, compose) = (manifest?, compose?);
        self.manifest = manifest.text.clone().ok()?;
        let document: Stack = read(&manifest, &mut self.found)?;
        let compose = compose.text.ok()?;
        let sites = self.sites(&document);
        let builtins: BTreeSet<String> = builtin_names(sites.keys()).into_iter().collect();
        self.tell(services::names(&document, &builtins));
        self.tell(secrets::check(&document));
        let plain = |name: &str| builtins.contains(name) || document.parameters.contains_key(name);
        let templates = self.file_templates(&plain);
        let known = |name: &str| plain(name) || document.secrets.contains_key(name);
        let path = self.path(COMPOSE);
        let file = ComposeFile::new(&compose, &self.stack.files);
        let (outline, problems) = file.outline(&known);
        let sound = problems.is_empty();
        for problem in problems {
            let code = match problem.kind {
                ProblemKind::UnsetVariable => codes::UNSET_VARIABLE,
                _ => codes::COMPOSE,
            };
            self.found.push(diagnose(&path, &compose, code, &problem));
        }
        let variables = file.variables();
        self.tell(services::unused(&document, &variables));
        let project = with_samples(&file, &document, &sites, &known);
        let exact = project.is_some();
        let project = project.or(outline)?;
        // What is left of a file with mistakes lacks things that were written.
        if exact || sound {
            self.check_sites(&document, &sites);
            self.tell(targets::check(&document, &sites, &project, exact));
            self.tell(services::check(&document, &project));
            self.warn(targets::by_hand(&document, &project));
        }
        let referred = file.referred();
        self.check_paths(&referred);
        let files = self
            .stack
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("files/") || referred.contains(*path));
        Some(CompiledStack {
            tool: self.stack.tool.clone(),
            tree: self.stack.tree,
            has_data: !project.volumes.is_empty(),
            files: Arc::new(
                files
                    .map(|(path, content)| (path.clone(), content.clone()))
                    .collect(),
            ),
            templates: Arc::new(templates),
            over: None,
            sites,
            compose,
            variables,
            demands: OnceLock::new(),
            document,
        })
    }

    fn path(&self, file: &str) -> String {
        format!("stacks/{}/{file}", self.stack.tool)
    }

    /// An error in `stack.yaml`.
    fn error(&mut self, code: u16, keys: &[&str], message: String, note: Option<String>) {
        let text = self.manifest.clone();
        let place = crate::input::locate(&|_| Some(text.clone()), &self.path(MANIFEST), keys, true);
        let mut diagnostic = Diagnostic::error(code, place, message);
        diagnostic.notes.extend(note);
        self.found.push(diagnostic);
    }

    fn tell(&mut self, found: Vec<services::Finding>) {
        for found in found {
            let keys: Vec<&str> = found.keys.iter().map(String::as_str).collect();
            let note = Some(found.note).filter(|note| !note.is_empty());
            self.error(found.code, &keys, found.message, note);
        }
    }

    /// The same for what keeps nothing from running.
    fn warn(&mut self, found: Vec<services::Finding>) {
        let first = self.found.len();
        self.tell(found);
        for warning in self.found.iter_mut().skip(first) {
            warning.severity = tenantry_schema::Severity::Warning;
        }
    }

    fn file(&mut self, name: &str) -> Option<SourceFile> {
        let path = self.path(name);
        let Some(content) = self.stack.files.get(name) else {
            if !self.stack.refused.contains_key(name) {
                let message = format!("the stack {} has no `{name}`", self.stack.tool);
                self.found.push(Diagnostic::error(
                    codes::MISSING_FILE,
                    Place::file(path),
                    message,
                ));
            }
            return None;
        };
        let Ok(text) = std::str::from_utf8(content) else {
            self.found.push(Diagnostic::error(
                codes::UNREADABLE,
                Place::file(path),
                "the file is not UTF-8",
            ));
            return None;
        };
        Some(SourceFile {
            path,
            id: self.stack.tree,
            text: Ok(text.into()),
        })
    }

    fn sites(&mut self, document: &Stack) -> BTreeMap<SiteName, Site> {
        let mut sites = document.sites.clone();
        if let Some(site) = &document.site {
            if !sites.is_empty() {
                let note = "`site:` is short for one entry of `sites:`".to_owned();
                self.error(
                    codes::SITE_TWICE,
                    &["site"],
                    "`site:` and `sites:` together".into(),
                    Some(note),
                );
            }
            if let Ok(name) = SiteName::try_from("site") {
                sites.insert(name, site.clone());
            }
        }
        sites
    }

    /// Files become part of slices under their own names, templates without `.j2`.
    fn file_templates(&mut self, known: &dyn Fn(&str) -> bool) -> FileTemplates {
        let mut templates = FileTemplates::default();
        let stack = self.stack;
        for (path, content) in stack
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("files/"))
        {
            let shown = self.path(path);
            let target = target(path);
            if let Err(why) = RelativePath::try_from(format!("stacks/x/{target}")) {
                self.found.push(Diagnostic::error(
                    codes::STACK_FILE,
                    Place::file(shown),
                    format!("the file cannot be part of a slice: {why}"),
                ));
                continue;
            }
            if target == path {
                continue;
            }
            if stack.files.contains_key(target) {
                let message = format!("both this template and `{target}` would become {target}");
                self.found.push(
                    Diagnostic::error(codes::STACK_FILE, Place::file(shown), message)
                        .note("remove one of them"),
                );
                continue;
            }
            match std::str::from_utf8(content) {
                Ok(text) => self.found.extend(
                    templates
                        .add(path, &shown, text, known)
                        .err()
                        .into_iter()
                        .flatten(),
                ),
                Err(_) => self.found.push(Diagnostic::error(
                    codes::UNREADABLE,
                    Place::file(shown),
                    "the template is not UTF-8",
                )),
            }
        }
        templates
    }

    /// Files that the Compose file refers to become part of slices under their own names.
    fn check_paths(&mut self, paths: &BTreeSet<String>) {
        if paths.contains(OVERRIDE_FILE) {
            let place = Place::file(self.path(OVERRIDE_FILE));
            let message =
                format!("`{OVERRIDE_FILE}` is the name of what an order lays on top of a stack");
            self.found.push(
                Diagnostic::error(codes::STACK_FILE, place, message)
                    .note("give the file another name"),
            );
        }
        for path in paths.iter().filter(|path| !path.starts_with("files/")) {
            if let Err(why) = RelativePath::try_from(format!("stacks/x/{path}")) {
                let message = format!("the file cannot be part of a slice: {why}");
                let place = Place::file(self.path(path));
                self.found
                    .push(Diagnostic::error(codes::STACK_FILE, place, message));
            }
        }
    }

    fn check_sites(&mut self, document: &Stack, sites: &BTreeMap<SiteName, Site>) {
        for (name, site) in sites {
            let keys = targets::keys(document, name);
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.check_template(&keys, site);
            self.check_host(&keys, name, site, sites);
        }
        if document.smoke.is_some() && sites.is_empty() {
            let note = "the check is a request to the first site; add a site, or remove the check"
                .to_owned();
            self.error(
                codes::SMOKE_WITHOUT_SITE,
                &["smoke"],
                "a smoke check without a site".into(),
                Some(note),
            );
        }
    }

    fn check_template(&mut self, keys: &[&str], site: &Site) {
        if let Some(templates) = self
            .templates
            .filter(|templates| !templates.names().contains(&site.template))
        {
            let known: Vec<&str> = templates.names().iter().map(String::as_str).collect();
            let note = format!("nginx/ has: {}", known.join(", "));
            self.error(
                codes::UNKNOWN_TEMPLATE,
                keys,
                format!("unknown template `{}`", site.template),
                Some(note),
            );
        }
    }

    fn check_host(
        &mut self,
        keys: &[&str],
        name: &SiteName,
        site: &Site,
        sites: &BTreeMap<SiteName, Site>,
    ) {
        let Ok(example) = DomainName::try_from("example.com") else {
            return;
        };
        let labels = site.host.iter().chain(&site.redirect_from);
        for label in labels.filter(|label| *label != "@") {
            if let Err(why) = example.child(label) {
                self.error(
                    codes::BAD_SITE_HOST,
                    keys,
                    format!("the site `{name}` has no valid name: {why}"),
                    None,
                );
            }
        }
        let own = site.host.as_deref().unwrap_or(self.stack.tool.as_str());
        if site.redirect_from.iter().any(|label| label == own) {
            let note = "take the name out of `redirect_from:`".to_owned();
            self.error(
                codes::SAME_HOST,
                keys,
                format!("the site `{name}` would redirect to itself"),
                Some(note),
            );
        }
        if let Some((other, _)) = sites
            .iter()
            .take_while(|(other, _)| *other != name)
            .find(|(_, other)| other.host == site.host)
        {
            let note = "give one of them another `host:`".to_owned();
            self.error(
                codes::SAME_HOST,
                keys,
                format!("the sites `{other}` and `{name}` have the same name"),
                Some(note),
            );
        }
    }
}
