//! Short names of files of secrets, as people type them.

use super::SecretsError;
use std::fmt;
use tenantry_schema::document::{Kind, classify};
use tenantry_schema::id::{CustomerId, OrderId, ToolName};

/// One file of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `hub`: the hub's own, `fleet/secrets.yaml`.
    Hub,
    /// `acme`: what people gave for a customer.
    Customer(CustomerId),
    /// `acme/person`: personal data of a customer.
    Person(CustomerId),
    /// `acme/website/umami`: what was generated for a tool of an order.
    Tool(CustomerId, OrderId, ToolName),
    /// Any other file, by its path from the top of the fleet.
    Path(String),
}

impl Target {
    /// Reads a short name, or a path from the top of the fleet.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let refused = || {
            SecretsError::refused(format!(
                "`{text}` names no file of secrets: write `hub`, a customer (`acme`), `acme/person`, a tool (`acme/website/umami`), or a path"
            ))
        };
        let text = text.strip_prefix("./").unwrap_or(text);
        if text.ends_with(".yaml") || text.ends_with(".yml") {
            if text.starts_with('/') || text.split('/').any(|part| part == ".." || part.is_empty())
            {
                return Err(SecretsError::refused(format!(
                    "`{text}`: write the path from the top of the fleet"
                )));
            }
            return Ok(Self::of_path(text));
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["hub"] => Ok(Self::Hub),
            [customer] => Ok(Self::Customer(
                (*customer).try_into().map_err(|_| refused())?,
            )),
            [customer, "person"] => {
                Ok(Self::Person((*customer).try_into().map_err(|_| refused())?))
            }
            [customer, order, tool] => Ok(Self::Tool(
                (*customer).try_into().map_err(|_| refused())?,
                (*order).try_into().map_err(|_| refused())?,
                (*tool).try_into().map_err(|_| refused())?,
            )),
            _ => Err(refused()),
        }
    }

    /// What stands at a path.
    pub fn of_path(path: &str) -> Self {
        match classify(path) {
            Kind::HubSecrets => Self::Hub,
            Kind::CustomerSecrets(id) => Self::Customer(id),
            Kind::PersonalData(id) => Self::Person(id),
            Kind::ToolSecrets(customer, order, tool) => Self::Tool(customer, order, tool),
            _ => Self::Path(path.to_owned()),
        }
    }

    /// Its path from the top of the fleet.
    pub fn path(&self) -> String {
        match self {
            Self::Hub => "fleet/secrets.yaml".to_owned(),
            Self::Customer(id) => format!("fleet/customers/{id}/secrets.yaml"),
            Self::Person(id) => format!("fleet/customers/{id}/person.yaml"),
            Self::Tool(customer, order, tool) => {
                format!("fleet/decisions/{customer}/{order}/tools/{tool}.secrets.yaml")
            }
            Self::Path(path) => path.clone(),
        }
    }

    /// Whether it is personal data.
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Person(_))
    }

    /// Whose it is, if a customer's.
    pub fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Customer(id) | Self::Person(id) | Self::Tool(id, ..) => Some(id),
            Self::Hub | Self::Path(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Customer(id) => write!(f, "{id}"),
            Self::Person(id) => write!(f, "{id}/person"),
            Self::Tool(customer, order, tool) => write!(f, "{customer}/{order}/{tool}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_and_paths_mean_the_same() {
        for (short, path) in [
            ("hub", "fleet/secrets.yaml"),
            ("acme", "fleet/customers/acme/secrets.yaml"),
            ("acme/person", "fleet/customers/acme/person.yaml"),
            (
                "acme/website/umami",
                "fleet/decisions/acme/website/tools/umami.secrets.yaml",
            ),
            ("stacks/x/keys.yaml", "stacks/x/keys.yaml"),
        ] {
            let target = Target::parse(short).unwrap();
            assert_eq!(target.path(), path);
            assert_eq!(target.to_string(), short);
            assert_eq!(Target::parse(path).unwrap(), target);
        }
        for wrong in [
            "",
            "Acme",
            "acme/website",
            "a/b/c/d",
            "../x.yaml",
            "/etc/x.yaml",
            "acme//x.yaml",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
