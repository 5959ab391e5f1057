//! What a text may cost before it is refused; nothing here reads anything.

/// Bounds on one YAML text, and the one extension (`<<`) that some formats want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest text in bytes. Default 1 MiB.
    pub max_bytes: usize,
    /// Deepest nesting of sequences and mappings, aliases expanded. Default 64.
    pub max_depth: usize,
    /// How many nodes anchors and aliases may copy together. Default 10,000.
    pub max_alias_nodes: usize,
    /// Whether `<<: *base` merges (YAML 1.1; Compose files use it). Default off: `<<` is a located problem.
    pub merge_keys: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 64,
            max_alias_nodes: 10_000,
            merge_keys: false,
        }
    }
}

impl Limits {
    /// The defaults with merge keys on, as Compose files need.
    pub fn with_merge_keys() -> Self {
        Self {
            merge_keys: true,
            ..Self::default()
        }
    }
}
