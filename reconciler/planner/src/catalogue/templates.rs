//! Templates of the web server and of the files of stacks: parsed, and every name in them known, before anything is rendered from them.

use crate::codes;
use crate::input::NginxFiles;
use crate::object::ObjectId;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};
use std::collections::BTreeSet;
use std::fmt;
use tenantry_schema::Diagnostic;
use tenantry_schema::diagnostic::Place;

/// Steps that one template may take: hostile or wrong templates end instead of running on.
pub const TEMPLATE_FUEL: u64 = 200_000;

/// What a template of `nginx/` is given.
const SITE_VALUES: [&str; 13] = [
    "host",
    "upstream",
    "listen",
    "https_port_suffix",
    "certificate",
    "headers",
    "stack",
    "max_body",
    "redirects",
    "timeout",
    "websocket",
    "streaming",
    "hsts",
];

/// Web server templates, parsed.
pub struct Templates {
    /// Their tree.
    pub tree: ObjectId,
    environment: Environment<'static>,
    names: BTreeSet<String>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("tree", &self.tree)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Templates {
    /// Renders one of them.
    pub fn render(&self, name: &str, values: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(values)
    }

    /// Names, without `.conf`.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }
}

/// The templates among the files of a stack, parsed.
pub struct FileTemplates {
    environment: Environment<'static>,
    used: BTreeSet<String>,
}

impl Default for FileTemplates {
    fn default() -> Self {
        Self {
            environment: environment(),
            used: BTreeSet::new(),
        }
    }
}

impl fmt::Debug for FileTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTemplates").finish_non_exhaustive()
    }
}

impl FileTemplates {
    /// Parses the template `path` (with `.j2`), which may use the variables `known`. `shown` is its path in the repository.
    pub(super) fn add(
        &mut self,
        path: &str,
        shown: &str,
        text: &str,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<(), Vec<Diagnostic>> {
        // The name's ending decides the escaping: values are escaped in HTML files.
        let name = target(path);
        parse(&mut self.environment, name, shown, text, known)?;
        if let Ok(template) = self.environment.get_template(name) {
            self.used.extend(template.undeclared_variables(false));
        }
        Ok(())
    }

    /// Whether one of them uses a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.used.contains(variable)
    }

    /// Renders the template `path` (with `.j2`).
    pub fn render(&self, path: &str, values: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(target(path))?.render(values)
    }
}

/// The file that a template becomes.
pub(super) fn target(path: &str) -> &str {
    path.strip_suffix(".j2").unwrap_or(path)
}

/// An environment in which an unknown variable is an error and every template ends.
fn environment() -> Environment<'static> {
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
    let mut environment = environment();
    for (name, text) in &files.templates {
        let known = |name: &str| SITE_VALUES.contains(&name);
        let path = format!("nginx/{name}.conf");
        match parse(&mut environment, name, &path, text, &known) {
            Ok(()) => found.extend(try_out(&environment, name, &path, text, &[sample_site()])),
            Err(why) => found.extend(why),
        }
    }
    let good = found.is_empty();
    let names = files.templates.keys().cloned().collect();
    (
        good.then_some(Templates {
            tree: files.tree,
            environment,
            names,
        }),
        found,
    )
}

fn parse(
    environment: &mut Environment<'static>,
    name: &str,
    path: &str,
    text: &str,
    known: &dyn Fn(&str) -> bool,
) -> Result<(), Vec<Diagnostic>> {
    if let Err(why) = environment.add_template_owned(name.to_owned(), text.to_owned()) {
        let range = why.range().unwrap_or(0..0);
        let reason = why.detail().unwrap_or("it does not parse");
        let place = Place::of(path, text, range.start, range.end);
        return Err(vec![Diagnostic::error(
            codes::TEMPLATE,
            place,
            format!("the template has an error: {reason}"),
        )]);
    }
    let Ok(template) = environment.get_template(name) else {
        return Ok(());
    };
    let mut used: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    used.sort_unstable();
    let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    let unknown = used
        .iter()
        .filter(|name| !known(name) && !globals.contains(name.as_str()));
    let found: Vec<Diagnostic> = unknown
        .map(|name| unknown_variable(path, text, name))
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// What is wrong with a template that cannot be rendered with any of some values that it may get.
fn try_out(
    environment: &Environment<'_>,
    name: &str,
    path: &str,
    text: &str,
    samples: &[Value],
) -> Option<Diagnostic> {
    let template = environment.get_template(name).ok()?;
    let mut failed = None;
    for sample in samples {
        match template.render(sample) {
            Ok(_) => return None,
            Err(why) => failed = Some(why),
        }
    }
    let why = failed?;
    let place = match why.range() {
        Some(range) if why.name() == Some(name) => Place::of(path, text, range.start, range.end),
        _ => Place::file(path),
    };
    let message = if why.kind() == ErrorKind::OutOfFuel {
        format!("the template does not end: it takes more than {TEMPLATE_FUEL} steps")
    } else {
        format!("the template cannot be rendered: {why}")
    };
    let found = Diagnostic::error(codes::TEMPLATE, place, message);
    Some(found.note("tried with values as they come for a site of `acme.example`"))
}

/// What a site might be given. The real values are of the same types.
fn sample_site() -> Value {
    context! {
        host => "www.acme.example",
        upstream => "127.0.0.1:20000",
        listen => context! { http => "80", https => "443", http6 => "[::]:80", https6 => "[::]:443" },
        https_port_suffix => "",
        certificate => "tenantry/certificates/www.acme.example",
        headers => context! { Example => "value" },
        stack => "acme-website",
        max_body => 1_048_576_u64,
        redirects => ["old.acme.example"],
        timeout => 300,
        websocket => true,
        streaming => true,
        hsts => true,
    }
}

fn unknown_variable(path: &str, text: &str, name: &str) -> Diagnostic {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let whole =
        |at: &usize| !text[..*at].ends_with(word) && !text[at + name.len()..].starts_with(word);
    // A mention before the first `{{` or `{%` is text, not the variable.
    let code = text
        .find("{{")
        .into_iter()
        .chain(text.find("{%"))
        .min()
        .unwrap_or(0);
    let at = text
        .match_indices(name)
        .map(|(at, _)| at)
        .filter(|at| *at >= code)
        .find(whole);
    let place = at.map_or_else(
        || Place::file(path),
        |at| Place::of(path, text, at, at + name.len()),
    );
    Diagnostic::error(
        codes::TEMPLATE,
        place,
        format!("the template uses `{name}`, which nothing sets"),
    )
    .label("unknown variable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn found(text: &str) -> Vec<Diagnostic> {
        let template: Arc<str> = text.into();
        let files = NginxFiles {
            tree: ObjectId([7; 20]),
            templates: BTreeMap::from([("default".to_owned(), template)]),
        };
        let (templates, found) = compile_templates(&files);
        assert_eq!(templates.is_some(), found.is_empty());
        found
    }

    #[test]
    fn templates_that_cannot_be_rendered_are_refused() {
        assert_eq!(found("server_name {{ host }};\n"), []);
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ host }}{% endfor %}{% endfor %}";
        assert!(found(endless)[0].message.contains("does not end"));
        let wrong = found("a;\nlisten {{ listen.htps.port }};\n");
        assert!(wrong[0].message.contains("cannot be rendered"), "{wrong:?}");
        assert_eq!(wrong[0].place.line, 2);
    }
}
