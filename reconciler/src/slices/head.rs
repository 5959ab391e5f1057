//! The message of a slice's commit: what the slice is, for people and for reading back.

use jiff::Timestamp;

/// The head of a published slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its generation.
    pub generation: u64,
    /// Digest of its content.
    pub content: String,
    /// The fleet commit.
    pub commit: String,
    /// Digest of what it was rendered from.
    pub inputs: String,
    /// When it was published.
    pub at: Timestamp,
    /// How many slices the history holds, this one included.
    pub(super) depth: usize,
}

impl Current {
    pub(super) fn message(&self) -> String {
        format!(
            "generation {}\n\nGeneration: {}\nContent: {}\nFleet-commit: {}\nInputs: {}\nPublished: {}\nDepth: {}\n",
            self.generation,
            self.generation,
            self.content,
            self.commit,
            self.inputs,
            self.at,
            self.depth
        )
    }

    /// Reads a message back; none where it is not one of ours.
    pub(super) fn parse(message: &str) -> Option<Self> {
        let field = |name: &str| {
            message
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        Some(Self {
            generation: field("Generation")?.parse().ok()?,
            content: field("Content")?.to_owned(),
            commit: field("Fleet-commit")?.to_owned(),
            inputs: field("Inputs")?.to_owned(),
            at: field("Published")?.parse().ok()?,
            depth: field("Depth")?.parse().ok()?,
        })
    }
}
