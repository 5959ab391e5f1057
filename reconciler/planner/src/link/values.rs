//! An order's values against the stack that they are for.

use super::{Linker, hint, overrides};
use crate::catalogue::{CompiledStack, Templates};
use crate::codes;
use crate::policy;
use tenantry_schema::Diagnostic;
use tenantry_schema::document::{EnvValue, Kind, Tool};
use tenantry_schema::id::ToolName;
use tenantry_schema::name::VariableName;

impl Linker<'_, '_> {
    /// Parameters, variables and secrets of one tool.
    pub(super) fn check_values(
        &mut self,
        name: &ToolName,
        document: &Tool,
        stack: &CompiledStack,
        templates: Option<&Templates>,
    ) {
        self.check_parameters(name, document, stack);
        self.check_env(name, document, stack);
        self.check_policy(name, document, stack);
        for (site, spec) in &stack.sites {
            if templates.is_some_and(|templates| !templates.names().contains(&spec.template)) {
                let message = format!(
                    "the site `{site}` of {name} needs the template `{}`",
                    spec.template
                );
                let note = format!(
                    "add nginx/{}.conf, or choose another revision",
                    spec.template
                );
                self.error(
                    codes::UNKNOWN_TEMPLATE,
                    &["tools", name.as_str()],
                    true,
                    message,
                    "template missing",
                    note,
                );
            }
        }
    }

    /// What the policy does not let this stack do with these values. It freezes the customer, so no slice has it.
    fn check_policy(&mut self, name: &ToolName, document: &Tool, stack: &CompiledStack) {
        let policy = &self.context.head.hub.policy;
        let named = document.stack(name);
        let (label, note) = (
            "not allowed by the policy",
            "an owner can change `policy:` of fleet/hub.yaml",
        );
        for refused in policy::refused(policy, named, stack, document) {
            // What the stack itself may do is no matter of what lies on top of it.
            if let Some(place) = stack.over.as_ref().and_then(|over| {
                let name = refused.name.as_deref()?;
                overrides::named(over, name)
            }) {
                let found = Diagnostic::error(codes::NOT_ALLOWED, place, refused.message);
                self.findings.push(found.label(label).note(note));
                continue;
            }
            let keys = ["tools", name.as_str()];
            self.error(
                codes::NOT_ALLOWED,
                &keys,
                true,
                refused.message,
                label,
                note.into(),
            );
        }
    }

    fn check_parameters(&mut self, name: &ToolName, document: &Tool, stack: &CompiledStack) {
        let declared = &stack.document.parameters;
        for (parameter, value) in &document.parameters {
            if self.findings.full() {
                return;
            }
            let keys = ["tools", name.as_str(), "parameters", parameter.as_str()];
            if !declared.contains_key(parameter) {
                let hint = hint(
                    parameter.as_str(),
                    declared.keys().map(ToString::to_string),
                    "the stack has no parameters",
                );
                self.error(
                    codes::UNKNOWN_PARAMETER,
                    &keys,
                    true,
                    format!("{name} has no parameter `{parameter}`"),
                    "unknown parameter",
                    hint,
                );
            }
            self.check_text(&keys, parameter, value);
        }
        for (parameter, spec) in declared {
            if spec.default.is_none() && !document.parameters.contains_key(parameter) {
                let note = spec
                    .description
                    .clone()
                    .unwrap_or_else(|| format!("add `parameters: {{ {parameter}: ... }}`"));
                let message = format!("{name} needs the parameter `{parameter}`");
                self.error(
                    codes::MISSING_PARAMETER,
                    &["tools", name.as_str()],
                    true,
                    message,
                    "parameter missing",
                    note,
                );
            }
        }
    }

    fn check_env(&mut self, name: &ToolName, document: &Tool, stack: &CompiledStack) {
        for (variable, value) in &document.env {
            if self.findings.full() {
                return;
            }
            let keys = ["tools", name.as_str(), "env", variable.as_str()];
            if stack.document.secrets.contains_key(variable) || stack.is_builtin(variable.as_str())
            {
                let message = format!("`{variable}` is set by the stack itself");
                self.error(
                    codes::RESERVED_VARIABLE,
                    &keys,
                    true,
                    message,
                    "cannot be set here",
                    "remove it".into(),
                );
            } else if stack.document.parameters.contains_key(variable) {
                let message = format!("`{variable}` is a parameter of {name}");
                self.error(
                    codes::RESERVED_VARIABLE,
                    &keys,
                    true,
                    message,
                    "cannot be set here",
                    "write it under `parameters:`".into(),
                );
            } else if !stack.variables.contains(variable.as_str()) {
                let message = format!("the stack {name} does not use the variable `{variable}`");
                let settable = stack.settable();
                let uses = if settable.is_empty() {
                    "none".to_owned()
                } else {
                    settable.join(", ")
                };
                let note = format!(
                    "its compose.yaml has to refer to it, such as `${{{variable}:-default}}`; an order may set: {uses}"
                );
                self.error(
                    codes::UNKNOWN_VARIABLE,
                    &keys,
                    true,
                    message,
                    "would have no effect",
                    note,
                );
            }
            match value {
                EnvValue::Secret { secret } => self.check_secret(&keys, secret),
                EnvValue::Plain(text) => self.check_text(&keys, variable, text),
            }
        }
    }

    fn check_secret(&mut self, keys: &[&str], secret: &str) {
        let customer = &self.documents.id;
        if self.unread(|| Kind::CustomerSecrets(customer.clone())) {
            return;
        }
        let names = self.documents.secrets.as_ref().map(|file| &file.names);
        if !names.is_some_and(|names| names.contains(secret)) {
            let path = format!("fleet/customers/{}/secrets.yaml", self.documents.id);
            let hint = hint(
                secret,
                names.into_iter().flatten().cloned(),
                &format!("add it: `sops {path}`"),
            );
            self.error(
                codes::UNKNOWN_SECRET,
                keys,
                false,
                format!("unknown secret `{secret}`"),
                "not in the customer's secrets.yaml",
                hint,
            );
        }
    }

    /// A control character has no place in a variable, and a NUL cannot be in one at all.
    fn check_text(&mut self, keys: &[&str], name: &VariableName, text: &str) {
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            let message = format!("the value of `{name}` holds control characters");
            self.error(
                codes::BAD_VALUE,
                keys,
                false,
                message,
                "not a text",
                "remove them; line ends and tabs are possible".into(),
            );
        }
    }
}
