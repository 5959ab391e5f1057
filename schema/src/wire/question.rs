//! What operators ask a server, and what its agent answers. Questions travel in answers to the long poll; nothing that is asked changes
//! anything.

use crate::id::{InstanceName, ServerKey};
use crate::name::DomainName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most lines of a log that are answered.
pub const MOST_LINES: u32 = 2000;
/// Largest text of an answer, in bytes.
pub const LARGEST_ANSWER: usize = 256 << 10;
/// Namespace of the signature over an [`Ask`] (`ssh-keygen -Y sign -n`).
pub const ASK_NAMESPACE: &str = "tenantry-diagnose";

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Inquiry {
    /// The end of a container's log.
    Logs {
        /// Whose.
        instance: InstanceName,
        /// Its service.
        service: String,
        /// How many lines, at most [`MOST_LINES`].
        lines: u32,
    },
    /// The end of the web server's error log of a site.
    SiteLog {
        /// Its name.
        host: DomainName,
        /// How many lines, at most [`MOST_LINES`].
        lines: u32,
    },
    /// How a container was made and how it is. Values of its environment are left out.
    Inspect {
        /// Whose.
        instance: InstanceName,
        /// Its service.
        service: String,
    },
    /// Whether the service behind a site answers to a request without a body, and how fast.
    Probe {
        /// The site's name.
        host: DomainName,
    },
    /// Bytes that volumes take.
    Volumes {},
    /// Ports that programs listen at.
    Ports {},
    /// Lines that rules found in logs lately. Answered by the hub.
    Matches {},
}

impl fmt::Display for Inquiry {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logs {
                instance,
                service,
                lines,
            } => write!(f, "logs {instance}/{service} --lines {lines}"),
            Self::SiteLog { host, lines } => write!(f, "site-log {host} --lines {lines}"),
            Self::Inspect { instance, service } => write!(f, "inspect {instance}/{service}"),
            Self::Probe { host } => write!(f, "probe {host}"),
            Self::Volumes {} => f.write_str("volumes"),
            Self::Ports {} => f.write_str("ports"),
            Self::Matches {} => f.write_str("matches"),
        }
    }
}

/// Questions to one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// At least one.
    pub questions: Vec<Question>,
}

/// A question to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Names it; random.
    pub id: String,
    /// Who asks: an id of `staff.yaml`.
    pub by: String,
    /// Nobody waits for the answer after this.
    pub until: Timestamp,
    /// An [`Inquiry`], as its own value: one that an agent does not know must not spoil the others.
    pub inquiry: serde_json::Value,
}

/// What an agent says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question.
    pub id: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: AnswerOutcome,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum AnswerOutcome {
    /// An answer. Secrets are cut out.
    Answered {
        /// For people, at most [`LARGEST_ANSWER`] bytes.
        text: String,
        /// Whether it is only a part of what there is.
        #[serde(default)]
        cut: bool,
    },
    /// It cannot be answered.
    Refused {
        /// Why, in a sentence.
        reason: String,
    },
}

/// What an operator signs with the key of theirs that `staff.yaml` names. The hub takes each once, for five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The fleet.
    pub fleet_id: String,
    /// Which server is asked.
    pub server: ServerKey,
    /// What.
    pub inquiry: Inquiry,
    /// When.
    pub at: Timestamp,
    /// Random: tells it from others.
    pub nonce: String,
}

/// An [`Ask`] on its way to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAsk {
    /// The [`Ask`] as JSON: these very bytes are signed.
    pub ask: String,
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_question_spoils_no_others() {
        let text = r#"{"questions":[{"id":"a","by":"jo","until":"2026-01-01T00:00:00Z","inquiry":{"kind":"reboot"}}]}"#;
        let questions: Questions = serde_json::from_str(text).unwrap();
        let inquiry = questions.questions[0].inquiry.clone();
        assert!(serde_json::from_value::<Inquiry>(inquiry).is_err());
        let known = serde_json::json!({"kind": "logs", "instance": "site-html", "service": "web", "lines": 5});
        let inquiry: Inquiry = serde_json::from_value(known).unwrap();
        assert_eq!(inquiry.to_string(), "logs site-html/web --lines 5");
        let more = serde_json::json!({"kind": "ports", "then": "reboot"});
        assert!(serde_json::from_value::<Inquiry>(more).is_err());
    }

    #[test]
    fn answers_are_flat() {
        let answer = Answer {
            id: "a".into(),
            outcome: AnswerOutcome::Refused {
                reason: "no".into(),
            },
        };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"id":"a","outcome":"refused","reason":"no"}"#);
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    }
}
