//! What hub and agent say to each other: the slice and the report. How they are packed and signed is the `tenantry-wire` crate.

mod backups;
mod certificate;
pub mod env_file;
mod error_rule;
mod host;
mod machine;
mod news;
mod question;
mod report;
mod rollout;
mod slice;
mod snapshots;
mod usage;

pub use backups::{
    APPEND_PASSWORD, BackupFailure, BackupItem, BackupsReport, BackupsSpec, CheckResult,
    DatabaseEngine, DrillResult, GoodBackup, InstanceBackups, REPOSITORY_KEY, RestoreBegun,
    RestoreResult, RestoreSpec, SnapshotRef,
};
pub use certificate::{CertificateReport, CertificateWait};
pub use error_rule::{ErrorRules, LogMatch};
pub use host::{
    FALLBACK_SITE, HostSpec, InstanceSpec, REGISTRY_SECRETS, RegistrySpec, SiteSpec, UserSpec,
};
pub use machine::{AgentUpdate, AreaReport, AreaState, PROGRAM_PIECE};
pub use news::{Event, EventKind, Refusal, RefusalKind};
pub use question::{
    ASK_NAMESPACE, Answer, AnswerOutcome, Ask, Inquiry, LARGEST_ANSWER, MOST_LINES, Question,
    Questions, SignedAsk,
};
pub use report::{
    AgentWait, ContainerHealth, ContainerReport, ContainerState, HostFacts, InstancePhase,
    InstanceReport, Receipt, Report, ReportBatch, SiteReport, SliceRef, SmokeResult,
};
pub use rollout::{ContainerEvidence, Evidence, RolloutReport, RolloutState, UpgradeRule};
pub use slice::{
    MANIFEST_FILE, Manifest, SIGNATURE_FILE, SIGNATURE_NAMESPACE, SLICE_FORMAT, can_run,
};
pub use snapshots::{
    DATA, GoodSnapshot, RECEIPT, Snapshot, data_tags, good_snapshots, parse_snapshots, receipt_tags,
};
pub use usage::{ContainerUsage, HostUsage, Spread, UsageWindow};
