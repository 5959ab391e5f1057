//! `forge:` of `hub.yaml`: where the fleet's repository is reviewed, so that the hub can say there what it thinks of a commit.

use crate::text::RepositoryPath;
use crate::url::ForgeUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the fleet's repository is reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forge {
    /// Whose API it speaks.
    pub kind: ForgeKind,
    /// Its address, as people open it in a browser.
    pub url: ForgeUrl,
    /// The fleet's repository there.
    pub repository: RepositoryPath,
    /// A token that may write commit statuses, and nothing else if the forge can say so.
    pub token: SecretName,
    /// The secret that the forge signs its webhooks with. Absent: webhooks are refused, and the hub looks at the repository as often as `--poll` says.
    #[serde(default)]
    pub webhook: Option<SecretName>,
}

/// Whose API a forge speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// github.com, or GitHub Enterprise Server.
    Github,
    /// gitlab.com, or a GitLab of one's own.
    Gitlab,
    /// Gitea, and Forgejo, which has the same API.
    Gitea,
}

impl ForgeKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
        }
    }
}

/// Where to find a secret of the hub's own: `{secret: name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretName {
    /// A key of `fleet/secrets.yaml`.
    #[schemars(example = &"forge_token")]
    pub secret: String,
}
