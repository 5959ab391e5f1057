//! What a text may cost before it is refused, and what it may say beyond YAML 1.2; nothing here reads anything.

/// Bounds on one YAML text, and the extensions that some formats want.
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
    /// Tags of the format's own (`!reset`), which say something of a value beside its type. Default none.
    pub tags: &'static [&'static str],
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 64,
            max_alias_nodes: 10_000,
            merge_keys: false,
            tags: &[],
        }
    }
}

impl Limits {
    /// The defaults with merge keys and the tags of Compose files: what is taken away of the file below, and what takes its place.
    pub fn compose() -> Self {
        Self {
            merge_keys: true,
            tags: &["!reset", "!override"],
            ..Self::default()
        }
    }
}
