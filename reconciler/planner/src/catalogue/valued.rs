//! A stack with the values of one order, before anything is drawn or decided.

use super::CompiledStack;
use crate::policy::Demands;
use crate::render::builtin_names;
use std::collections::BTreeMap;
use tenantry_compose::template::OPAQUE;
use tenantry_compose::{PROFILES, Project};
use tenantry_schema::document::{EnvValue, Tool};

impl CompiledStack {
    /// What of it the policy has a word on.
    pub(crate) fn demands(&self) -> &Demands {
        self.demands.get_or_init(|| Demands::of(self))
    }

    /// Whether values of an order can change which images run.
    pub(crate) fn images_vary(&self) -> bool {
        self.demands().vary() || self.variables.contains(PROFILES)
    }

    /// What an order says of its variables, defaults included. Secrets are [`OPAQUE`].
    pub(crate) fn values(&self, document: &Tool) -> BTreeMap<String, String> {
        let opaque = || OPAQUE.to_string();
        let mut values = BTreeMap::new();
        for (name, spec) in &self.document.parameters {
            let value = document.parameters.get(name).or(spec.default.as_ref());
            values.insert(name.to_string(), value.cloned().unwrap_or_default());
        }
        for name in self.document.secrets.keys() {
            values.insert(name.to_string(), opaque());
        }
        for (name, value) in &document.env {
            let value = match value {
                EnvValue::Plain(text) => text.clone(),
                EnvValue::Secret { .. } => opaque(),
            };
            values.insert(name.to_string(), value);
        }
        values
    }

    /// The project with the values of an order, and something in the place of what the hub sets itself. None: it cannot be told with these values.
    pub(crate) fn with_values(&self, document: &Tool) -> Option<Project> {
        let values = self.values(document);
        let builtins = builtin_names(self.sites.keys());
        let lookup = |name: &str| {
            let Some(at) = builtins.iter().position(|builtin| builtin == name) else {
                return values.get(name).cloned();
            };
            // A port of its own for each site: two at one would be a mistake.
            Some(if name.ends_with("_PORT") {
                (20_000 + at).to_string()
            } else {
                "site.example".to_owned()
            })
        };
        self.compose_file().load(&lookup).ok()
    }
}
