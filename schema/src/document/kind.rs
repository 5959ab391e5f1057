//! Which document a path is: the place of a file gives its kind and id, and the scope that an error in it freezes.

use crate::id::{CustomerId, OperationId, OrderId, PoolId, RolloutId, ServerId, ToolName};

/// What a path of the fleet repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `fleet/hub.yaml`
    Hub,
    /// `fleet/staff.yaml`
    Staff,
    /// `fleet/activation.yaml`
    Activation,
    /// `fleet/acknowledged.yaml`
    Acknowledged,
    /// `fleet/secrets.yaml`: the hub's own secrets.
    HubSecrets,
    /// `fleet/hub-key.yaml`: the hub's signing key.
    HubKey,
    /// `fleet/customers/<id>/customer.yaml`
    Customer(CustomerId),
    /// `fleet/customers/<id>/person.yaml`
    PersonalData(CustomerId),
    /// `fleet/customers/<id>/secrets.yaml`
    CustomerSecrets(CustomerId),
    /// `fleet/customers/<id>/orders/<id>.yaml`
    Order(CustomerId, OrderId),
    /// `fleet/customers/<id>/servers/<id>.yaml`
    Server(CustomerId, ServerId),
    /// `fleet/customers/<id>/overrides/<order>.<tool>.yaml`: a Compose file on top of the stack's. No id has a dot in it.
    Override(CustomerId, OrderId, ToolName),
    /// `fleet/customers/<id>/operations/<id>.yaml`
    Operation(CustomerId, OperationId),
    /// `fleet/pools/<id>.yaml`
    Pool(PoolId),
    /// `fleet/rollouts/<id>.yaml`
    Rollout(RolloutId),
    /// `fleet/decisions/<customer>/<order>/server.yaml`
    ServerAssignment(CustomerId, OrderId),
    /// `fleet/decisions/<customer>/<order>/domain.yaml`
    DomainClaim(CustomerId, OrderId),
    /// `fleet/decisions/<customer>/<order>/fulfilled.yaml`
    Fulfilled(CustomerId, OrderId),
    /// `fleet/decisions/<customer>/erased.yaml`
    Erased(CustomerId),
    /// `fleet/decisions/<customer>/<order>/tools/<tool>.yaml`
    ToolDecision(CustomerId, OrderId, ToolName),
    /// `fleet/decisions/<customer>/<order>/tools/<tool>.secrets.yaml`
    ToolSecrets(CustomerId, OrderId, ToolName),
    /// `fleet/decisions/<customer>/backups.secrets.yaml`
    BackupSecrets(CustomerId),
    /// `fleet/decisions/<customer>/operations.d/<id>.yaml`. No order has a dot in its id.
    OperationRecord(CustomerId, OperationId),
    /// Any file below `stacks/<tool>/`
    StackFile(ToolName),
    /// `nginx/<name>.conf`
    NginxTemplate(String),
    /// Not ours: README, CI files, `.sops.yaml`.
    Other,
    /// Inside a folder of ours, but nothing that belongs there; with what would.
    Misplaced(&'static str),
}

/// What an error freezes at its last good version (law 11).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All of it: `hub.yaml`, `staff.yaml`.
    Fleet,
    /// One customer.
    Customer(CustomerId),
    /// The users of a stack that are not pinned to an earlier tree.
    Stack(ToolName),
    /// Web server templates.
    Nginx,
    /// Nothing.
    Nothing,
}

impl Kind {
    /// What an error in it freezes.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Hub | Self::Staff | Self::Activation | Self::HubSecrets | Self::HubKey => {
                Scope::Fleet
            }
            Self::Customer(id)
            | Self::PersonalData(id)
            | Self::CustomerSecrets(id)
            | Self::Order(id, _)
            | Self::Server(id, _)
            | Self::Override(id, ..)
            | Self::Operation(id, _)
            | Self::ServerAssignment(id, _)
            | Self::DomainClaim(id, _)
            | Self::Fulfilled(id, _)
            | Self::Erased(id)
            | Self::ToolDecision(id, ..)
            | Self::ToolSecrets(id, ..)
            | Self::BackupSecrets(id)
            | Self::OperationRecord(id, _) => Scope::Customer(id.clone()),
            Self::StackFile(tool) => Scope::Stack(tool.clone()),
            Self::NginxTemplate(_) => Scope::Nginx,
            Self::Acknowledged
            | Self::Pool(_)
            | Self::Rollout(_)
            | Self::Other
            | Self::Misplaced(_) => Scope::Nothing,
        }
    }
}

/// Which document `path` (relative to the repository, with `/`) is.
pub fn classify(path: &str) -> Kind {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.last().is_some_and(|name| is_left_over(name)) && parts.first() == Some(&"fleet") {
        return Kind::Other;
    }
    match parts.as_slice() {
        ["fleet", ..] if path.ends_with(".yml") => Kind::Misplaced("documents end in .yaml"),
        ["fleet", rest @ ..] => fleet(rest).unwrap_or(Kind::Misplaced(
            "file names are ids: lower-case letters, digits and single hyphens",
        )),
        ["stacks", tool, _, ..] => ToolName::try_from(*tool).map_or(
            Kind::Misplaced("the folder of a stack is its id"),
            Kind::StackFile,
        ),
        ["nginx", file] => match file.strip_suffix(".conf") {
            Some(name) => Kind::NginxTemplate(name.to_owned()),
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// Whether editors, merges and file managers leave files of such a name beside those that people write: `.website.yaml.swp`, `hub.yaml~`,
/// `website.yaml.orig`, `.DS_Store`. Never the name of a document, whatever its case.
pub fn is_left_over(name: &str) -> bool {
    const ENDS: [&str; 8] = ["~", ".orig", ".rej", ".bak", ".swp", ".swo", ".swx", ".tmp"];
    let document = name.ends_with(".yaml") || name.ends_with(".yml");
    let emacs = name.starts_with(".#") || name.starts_with('#') && name.ends_with('#');
    emacs || !document && (name.starts_with('.') || ENDS.iter().any(|end| name.ends_with(end)))
}

fn fleet(parts: &[&str]) -> Option<Kind> {
    let yaml = |name: &str| name.strip_suffix(".yaml").map(str::to_owned);
    Some(match parts {
        ["hub.yaml"] => Kind::Hub,
        ["staff.yaml"] => Kind::Staff,
        ["acknowledged.yaml"] => Kind::Acknowledged,
        ["activation.yaml"] => Kind::Activation,
        ["secrets.yaml"] => Kind::HubSecrets,
        ["hub-key.yaml"] => Kind::HubKey,
        ["customers", id, "customer.yaml"] => Kind::Customer((*id).try_into().ok()?),
        ["customers", id, "person.yaml"] => Kind::PersonalData((*id).try_into().ok()?),
        ["customers", id, "secrets.yaml"] => Kind::CustomerSecrets((*id).try_into().ok()?),
        ["customers", id, "orders", name] => {
            Kind::Order((*id).try_into().ok()?, yaml(name)?.try_into().ok()?)
        }
        ["customers", id, "servers", name] => {
            Kind::Server((*id).try_into().ok()?, yaml(name)?.try_into().ok()?)
        }
        ["customers", id, "operations", name] => {
            Kind::Operation((*id).try_into().ok()?, yaml(name)?.try_into().ok()?)
        }
        ["customers", id, "overrides", name] => {
            let id = (*id).try_into().ok()?;
            let named = name.strip_suffix(".yaml").and_then(|name| {
                let (order, tool) = name.split_once('.')?;
                Some((order.try_into().ok()?, tool.try_into().ok()?))
            });
            match named {
                Some((order, tool)) => Kind::Override(id, order, tool),
                None => Kind::Misplaced(
                    "an override file is called <order>.<tool>.yaml, such as website.umami.yaml",
                ),
            }
        }
        ["customers", ..] => Kind::Misplaced(
            "expected customer.yaml, person.yaml, secrets.yaml, orders/<id>.yaml, servers/<id>.yaml, overrides/<order>.<tool>.yaml or operations/<id>.yaml",
        ),
        ["pools", name] => Kind::Pool(yaml(name)?.try_into().ok()?),
        ["rollouts", name] => Kind::Rollout(yaml(name)?.try_into().ok()?),
        ["decisions", id, "erased.yaml"] => Kind::Erased((*id).try_into().ok()?),
        ["decisions", id, "backups.secrets.yaml"] => Kind::BackupSecrets((*id).try_into().ok()?),
        ["decisions", id, "operations.d", name] => {
            Kind::OperationRecord((*id).try_into().ok()?, yaml(name)?.try_into().ok()?)
        }
        ["decisions", id, order, "server.yaml"] => {
            Kind::ServerAssignment((*id).try_into().ok()?, (*order).try_into().ok()?)
        }
        ["decisions", id, order, "domain.yaml"] => {
            Kind::DomainClaim((*id).try_into().ok()?, (*order).try_into().ok()?)
        }
        ["decisions", id, order, "fulfilled.yaml"] => {
            Kind::Fulfilled((*id).try_into().ok()?, (*order).try_into().ok()?)
        }
        ["decisions", id, order, "tools", name] => {
            let (id, order) = ((*id).try_into().ok()?, (*order).try_into().ok()?);
            match name.strip_suffix(".secrets.yaml") {
                Some(tool) => Kind::ToolSecrets(id, order, tool.try_into().ok()?),
                None => Kind::ToolDecision(id, order, yaml(name)?.try_into().ok()?),
            }
        }
        [name] if !name.ends_with(".yaml") => Kind::Other,
        _ => Kind::Misplaced("no document has its place here"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places() {
        assert_eq!(classify("fleet/hub.yaml"), Kind::Hub);
        let order = classify("fleet/customers/acme/orders/website.yaml");
        assert_eq!(
            order,
            Kind::Order("acme".try_into().unwrap(), "website".try_into().unwrap())
        );
        assert_eq!(order.scope(), Scope::Customer("acme".try_into().unwrap()));
        assert_eq!(
            classify("fleet/customers/acme/overrides/website.umami.yaml"),
            Kind::Override(
                "acme".try_into().unwrap(),
                "website".try_into().unwrap(),
                "umami".try_into().unwrap()
            )
        );
        for slip in [
            "umami.yaml",
            "website.umami.pro.yaml",
            "website.Umami.yaml",
            ".umami.yaml",
        ] {
            let path = format!("fleet/customers/acme/overrides/{slip}");
            assert!(matches!(classify(&path), Kind::Misplaced(_)), "{slip}");
        }
        assert!(matches!(
            classify("fleet/decisions/acme/website/tools/umami.secrets.yaml"),
            Kind::ToolSecrets(..)
        ));
        assert!(matches!(
            classify("fleet/decisions/acme/operations.d/server.yaml"),
            Kind::OperationRecord(..)
        ));
        assert!(matches!(
            classify("fleet/customers/Acme/customer.yaml"),
            Kind::Misplaced(_)
        ));
        assert!(matches!(
            classify("fleet/customers/acme/order.yaml"),
            Kind::Misplaced(_)
        ));
        assert_eq!(classify("README.md"), Kind::Other);
        for left in [
            ".website.yaml.swp",
            "website.yaml.orig",
            "website.yaml~",
            ".DS_Store",
            ".#website.yaml",
        ] {
            let path = format!("fleet/customers/acme/orders/{left}");
            assert_eq!(classify(&path), Kind::Other, "{left}");
        }
        // Written by a person, with a slip.
        for slip in [".website.yaml", "website.yml", "Website.yaml", "website"] {
            let path = format!("fleet/customers/acme/orders/{slip}");
            assert!(matches!(classify(&path), Kind::Misplaced(_)), "{slip}");
        }
        assert!(matches!(
            classify("stacks/html/files/a/b.html"),
            Kind::StackFile(_)
        ));
    }

    proptest! {
        #[test]
        fn every_path_has_an_answer(path in "(fleet|stacks|nginx|.{0,5})(/.{0,8}){0,6}") {
            let _ = classify(&path).scope();
        }
    }
}
