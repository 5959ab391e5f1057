//! More names of sites: those that a stack asks for below every domain, and those that a tool of an order had before.

use super::Linker;
use crate::catalogue::CompiledStack;
use crate::codes;
use std::collections::BTreeMap;
use tenantry_schema::SharedMap;
use tenantry_schema::document::Tool;
use tenantry_schema::id::{SiteName, ToolName};
use tenantry_schema::name::{DomainName, NameError};

/// The name that a stack calls `label`: `@` is the domain itself.
pub(super) fn below(domain: &DomainName, label: &str) -> Result<DomainName, NameError> {
    match label {
        "@" => Ok(domain.clone()),
        label => domain.child(label),
    }
}

impl Linker<'_, '_> {
    /// Names that lead to the sites of a tool, below `domain`. `report`: mistakes are found.
    ///
    /// A name outside the order's domain is refused: only the claim to a domain says whose it is, and a certificate is asked for each of
    /// these names.
    pub(super) fn redirects(
        &mut self,
        name: &ToolName,
        document: &Tool,
        stack: &CompiledStack,
        domain: &DomainName,
        report: bool,
    ) -> SharedMap<SiteName, Vec<DomainName>> {
        let mut redirects: BTreeMap<SiteName, Vec<DomainName>> = BTreeMap::new();
        for (site, spec) in &stack.sites {
            for label in &spec.redirect_from {
                match below(domain, label) {
                    Ok(host) => redirects.entry(site.clone()).or_default().push(host),
                    Err(why) if report => self.error(
                        codes::BAD_SITE_HOST,
                        &["domain"],
                        false,
                        format!("the site `{site}` of {name} has no valid name: {why}"),
                        "too long together with the site's name",
                        "choose a shorter domain".into(),
                    ),
                    Err(_) => {}
                }
            }
        }
        for host in &document.redirect_from {
            let Some(site) = stack.sites.keys().next() else {
                if report {
                    self.refuse(
                        name,
                        format!("{name} has no site that `{host}` could lead to"),
                    );
                }
                continue;
            };
            if host.ancestors().any(|above| above == domain.as_str()) {
                redirects
                    .entry(site.clone())
                    .or_default()
                    .push(host.clone());
            } else if report {
                self.refuse(
                    name,
                    format!("`{host}` is neither the order's domain nor below it"),
                );
            }
        }
        redirects.into()
    }

    fn refuse(&mut self, name: &ToolName, message: String) {
        self.error(
            codes::BAD_SITE_HOST,
            &["tools", name.as_str(), "redirect_from"],
            false,
            message,
            "cannot be redirected",
            "redirects lead from names at or below the order's own domain to the tool's first site"
                .into(),
        );
    }
}
