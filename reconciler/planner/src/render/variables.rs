//! The variables of a Compose file: what the hub sets itself, parameters, the order's own, secrets.

use super::{Plaintext, RenderError};
use crate::slice_input::InstanceInput;
use std::collections::BTreeMap;
use tenantry_schema::Secret;
use tenantry_schema::document::{Customer, EnvValue, WebPorts};
use tenantry_schema::id::{InstanceName, SiteName};
use tenantry_schema::name::VariableName;

/// What a customer says about themselves, for stacks that use it: their language, and name and colour of their brand, empty where they have none.
pub const CUSTOMER_NAMES: [&str; 3] = ["CUSTOMER_LANGUAGE", "BRAND_NAME", "BRAND_COLOUR"];

/// Values of [`CUSTOMER_NAMES`].
pub(crate) fn of_customer(customer: &Customer) -> [(&'static str, String); 3] {
    let text = |value: Option<String>| value.unwrap_or_default();
    let [language, name, colour] = CUSTOMER_NAMES;
    let brand = &customer.brand;
    let spoken = customer.language.as_ref();
    [
        (
            language,
            spoken.map_or_else(|| "en".to_owned(), ToString::to_string),
        ),
        (name, text(brand.name.clone())),
        (colour, text(brand.colour.as_ref().map(ToString::to_string))),
    ]
}

/// Names that the hub sets itself for a stack with these sites: `DOMAIN`, [`CUSTOMER_NAMES`], and `PORT`, `HOST` and `URL` of each site.
///
/// A site called `site` gives `SITE_PORT`, `SITE_HOST`, `SITE_URL`; any other, such as `admin`, gives `SITE_ADMIN_PORT` and so on.
pub fn builtin_names<'s>(sites: impl Iterator<Item = &'s SiteName>) -> Vec<String> {
    let mut names = vec!["DOMAIN".to_owned()];
    names.extend(CUSTOMER_NAMES.map(str::to_owned));
    for site in sites {
        let prefix = prefix(site);
        names.extend(["PORT", "HOST", "URL"].map(|what| format!("{prefix}_{what}")));
    }
    names
}

/// `SITE` or `SITE_ADMIN`.
pub fn prefix(site: &SiteName) -> String {
    match site.as_str() {
        "site" => "SITE".to_owned(),
        name => format!("SITE_{}", name.to_ascii_uppercase().replace('-', "_")),
    }
}

type Variables = (
    BTreeMap<VariableName, String>,
    BTreeMap<VariableName, Secret>,
);

/// All variables of one instance: plain ones and secret ones.
pub(super) fn gather(
    name: &InstanceName,
    input: &InstanceInput,
    web: WebPorts,
    plaintext: &Plaintext,
) -> Result<Variables, RenderError> {
    let mut plain = BTreeMap::new();
    let mut secret = BTreeMap::new();
    for (parameter, spec) in &input.stack.document.parameters {
        let value = input
            .document
            .parameters
            .get(parameter)
            .or(spec.default.as_ref());
        plain.insert(parameter.clone(), value.cloned().unwrap_or_default());
    }
    for (variable, value) in &input.document.env {
        match value {
            EnvValue::Plain(text) => {
                plain.insert(variable.clone(), text.clone());
            }
            EnvValue::Secret { secret: key } => {
                let value = plaintext
                    .customer
                    .get(key)
                    .ok_or_else(|| missing(name, key))?;
                secret.insert(variable.clone(), value.clone());
            }
        }
    }
    for variable in input.stack.document.secrets.keys() {
        let generated = plaintext
            .generated
            .get(name)
            .and_then(|secrets| secrets.get(variable.as_str()));
        secret.insert(
            variable.clone(),
            generated
                .ok_or_else(|| missing(name, variable.as_str()))?
                .clone(),
        );
    }
    let suffix = if web.https == 443 {
        String::new()
    } else {
        format!(":{}", web.https)
    };
    let mut builtin = vec![("DOMAIN".to_owned(), input.domain.to_string())];
    builtin.extend(input.customer.clone());
    for (site, host) in &input.hosts {
        let prefix = prefix(site);
        builtin.push((format!("{prefix}_HOST"), host.to_string()));
        builtin.push((format!("{prefix}_URL"), format!("https://{host}{suffix}")));
        if let Some(port) = input.ports.get(site) {
            builtin.push((format!("{prefix}_PORT"), port.to_string()));
        }
    }
    for (variable, value) in builtin {
        let variable = VariableName::try_from(variable).map_err(|source| RenderError::Path {
            instance: name.clone(),
            source,
        })?;
        plain.insert(variable, value);
    }
    Ok((plain, secret))
}

fn missing(instance: &InstanceName, name: &str) -> RenderError {
    RenderError::MissingSecret {
        instance: instance.clone(),
        name: name.to_owned(),
    }
}
