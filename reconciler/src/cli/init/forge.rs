//! Files for the forge that a fleet is reviewed on: the very texts of `examples/ci/`, so that what is shipped is what is tested.

use clap::ValueEnum;

/// Where pull or merge requests are reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Forge {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Gitea Actions and Forgejo Actions.
    Gitea,
    /// No files for a forge.
    None,
}

impl Forge {
    /// Path and content of each file.
    pub(super) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Github => &[
                (
                    ".github/workflows/tenantry.yml",
                    include_str!("../../../../examples/ci/github/tenantry.yml"),
                ),
                (
                    ".github/workflows/tenantry-comment.yml",
                    include_str!("../../../../examples/ci/github/tenantry-comment.yml"),
                ),
            ],
            Self::Gitlab => &[(
                ".gitlab-ci.yml",
                include_str!("../../../../examples/ci/gitlab/.gitlab-ci.yml"),
            )],
            Self::Gitea => &[(
                ".gitea/workflows/tenantry.yml",
                include_str!("../../../../examples/ci/gitea/tenantry.yml"),
            )],
            Self::None => &[],
        }
    }

    /// What is left to do there, for the end of `init`.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::None => {
                "no CI was written: `--forge github|gitlab|gitea` does that. To add it later, make another fleet with it and copy `.github/`, `.gitlab-ci.yml` or `.gitea/` from there"
            }
            Self::Gitlab => {
                "in .gitlab-ci.yml, say in TENANTRY_URL where the program is to be had; TENANTRY_COMMENT_TOKEN lets it comment plans"
            }
            Self::Github | Self::Gitea => {
                "in the workflow, say in TENANTRY_URL where the program is to be had"
            }
        }
    }
}
