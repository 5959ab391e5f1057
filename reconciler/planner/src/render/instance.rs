//! One instance: its Compose file, variables, files and sites.

use super::{Plaintext, RenderError, Rendered, listen, listen6, variables};
use crate::slice_input::InstanceInput;
use minijinja::{Value, context};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_compose::OVERRIDE_FILE;
use tenantry_schema::document::{Drift, Protection, Site, State, UpgradeRollback, WebPorts};
use tenantry_schema::id::{InstanceName, SiteName};
use tenantry_schema::name::{DomainName, RelativePath, VariableName};
use tenantry_schema::wire::{InstanceSpec, SiteSpec, UpgradeRule, env_file};

/// An instance, with what of its server its files depend on.
pub(super) struct Instance<'a> {
    pub(super) name: &'a InstanceName,
    pub(super) input: &'a InstanceInput,
    pub(super) web: WebPorts,
    /// Of the server.
    pub(super) drift: Drift,
    /// Whether visitors' browsers will trust its certificates.
    pub(super) trusted: bool,
}

impl Instance<'_> {
    pub(super) fn render(
        &self,
        plaintext: &Plaintext,
        out: &mut Rendered,
    ) -> Result<(), RenderError> {
        let (plain, secret) = variables::gather(self.name, self.input, self.web, plaintext)?;
        let folder = format!("stacks/{}", self.name);
        self.put(
            out,
            format!("{folder}/compose.yaml"),
            self.input.stack.compose.as_bytes().to_vec(),
        )?;
        self.put(
            out,
            format!("{folder}/.env"),
            env_file::write(&plain).into_bytes(),
        )?;
        if let Some(over) = &self.input.stack.over {
            let text = over.text.as_bytes().to_vec();
            self.put(out, format!("{folder}/{OVERRIDE_FILE}"), text)?;
        }
        for (path, content) in self.input.stack.files.iter() {
            match path.strip_suffix(".j2") {
                Some(target) => {
                    let text = self.template(path, &plain)?;
                    self.put(out, format!("{folder}/{target}"), text.into_bytes())?;
                }
                None => self.put(out, format!("{folder}/{path}"), content.to_vec())?,
            }
        }
        if self.input.state == State::Running {
            for (site, host) in &self.input.hosts {
                let text = self.site(site, host)?;
                self.put(out, format!("sites/{host}.conf"), text.into_bytes())?;
            }
        }
        if !secret.is_empty() {
            out.secrets.insert(self.name.clone(), secret);
        }
        Ok(())
    }

    pub(super) fn spec(&self) -> InstanceSpec {
        let sites = self.input.hosts.iter().filter_map(|(site, host)| {
            let port = *self.input.ports.get(site)?;
            Some((
                site.clone(),
                SiteSpec {
                    host: host.clone(),
                    redirect_from: self.redirects(site).to_vec(),
                    port,
                },
            ))
        });
        InstanceSpec {
            order: self.input.order.clone(),
            tool: self.input.tool.clone(),
            state: self.input.state,
            smoke: self.input.stack.document.smoke.clone(),
            sites: sites.collect(),
            has_data: self.input.stack.has_data,
            upgrade: self.upgrade(),
            drift: self.input.document.drift.unwrap_or(self.drift),
            trusted: self.input.trusted,
            memory: self.input.stack.document.memory,
            relax: self.relaxed(),
            reload: self.input.stack.document.reload.clone(),
        }
    }

    fn upgrade(&self) -> UpgradeRule {
        let Some(rule) = &self.input.stack.document.upgrade else {
            return UpgradeRule::default();
        };
        let timeout = rule.timeout.map(|span| span.minutes.saturating_mul(60));
        UpgradeRule {
            timeout: timeout.unwrap_or(UpgradeRule::TIMEOUT),
            rollback: rule.rollback,
            // What goes back with its data needs the data of before.
            backup_before: rule.backup.is_some() || rule.rollback == UpgradeRollback::ImageAndData,
        }
    }

    /// Which protections services do without; the reasons are for people.
    fn relaxed(&self) -> BTreeMap<String, BTreeSet<Protection>> {
        let relax = self.input.stack.document.relax.iter();
        relax
            .map(|(service, relax)| {
                let without = relax.reasons().map(|(protection, _)| protection);
                (service.clone(), without.collect())
            })
            .collect()
    }

    fn put(&self, out: &mut Rendered, path: String, content: Vec<u8>) -> Result<(), RenderError> {
        let path = RelativePath::try_from(path).map_err(|source| RenderError::Path {
            instance: self.name.clone(),
            source,
        })?;
        out.files.insert(path, content);
        Ok(())
    }

    fn template(
        &self,
        file: &str,
        variables: &BTreeMap<VariableName, String>,
    ) -> Result<String, RenderError> {
        let values = Value::from_pairs(
            variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone())),
        );
        self.input
            .stack
            .templates
            .render(file, values)
            .map_err(|why| self.failed(file, &why))
    }

    pub(super) fn site(&self, site: &SiteName, host: &DomainName) -> Result<String, RenderError> {
        let input = self.input;
        let Some(spec) = input.stack.sites.get(site) else {
            return Ok(String::new());
        };
        let file = format!("nginx/{}.conf", spec.template);
        let port = input.ports.get(site).copied().unwrap_or_default();
        let headers = self.headers(spec);
        let redirects: Vec<String> = self
            .redirects(site)
            .iter()
            .map(ToString::to_string)
            .collect();
        let values = context! {
            host => host.as_str(),
            upstream => format!("127.0.0.1:{port}"),
            listen => listens(self.web),
            https_port_suffix => if self.web.https == 443 { String::new() } else { format!(":{}", self.web.https) },
            certificate => format!("tenantry/certificates/{host}"),
            headers => headers,
            stack => self.name.as_str(),
            max_body => spec.max_body.0,
            redirects,
            timeout => spec.timeout.minutes * 60,
            websocket => spec.websocket,
            streaming => spec.streaming,
            // Behind a port of its own a browser would ask that very port in clear, which does not answer.
            hsts => self.trusted && self.web.https == 443,
        };
        input
            .templates
            .render(&spec.template, values)
            .map_err(|why| self.failed(&file, &why))
    }

    fn redirects(&self, site: &SiteName) -> &[DomainName] {
        self.input.redirects.get(site).map_or(&[], Vec::as_slice)
    }

    /// Those of the stack, then those of the order; of two that differ in capitals only, the later.
    fn headers(&self, site: &Site) -> Value {
        let all = site.headers.iter().chain(&self.input.document.headers);
        let named = all.map(|(name, value)| (name.as_str().to_ascii_lowercase(), (name, value)));
        let headers: BTreeMap<_, _> = named.collect();
        let pairs = headers.into_values();
        Value::from_pairs(pairs.map(|(name, value)| (name.to_string(), value.to_string())))
    }

    fn failed(&self, file: &str, why: &minijinja::Error) -> RenderError {
        RenderError::Template {
            instance: self.name.clone(),
            file: file.to_owned(),
            reason: why.to_string(),
        }
    }
}

/// Where a site listens, as its template is given it.
fn listens(web: WebPorts) -> Value {
    context! {
        http => listen(web.address, web.http),
        https => listen(web.address, web.https),
        http6 => listen6(web.address, web.http),
        https6 => listen6(web.address, web.https),
    }
}
