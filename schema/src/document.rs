//! Documents: the YAML files of the fleet as they are written, one type a kind. What they mean together is worked out by the planner crate.

mod acknowledged;
mod agent_release;
mod backup;
mod backups;
mod certificates;
mod customer;
mod decision;
mod error_rule;
mod forge;
mod history;
mod host;
mod hub;
mod kind;
mod operation;
mod order;
mod outside;
mod policy;
mod pool;
mod protection;
mod rollout;
mod secret_relations;
mod secret_spec;
mod server;
mod stack;
mod staff;

pub use acknowledged::{
    Acknowledged, Acknowledgement, Anew, AnewError, CommitId, CommitIdError, LossMark, MarkError,
};
pub use agent_release::{AgentRelease, Architecture, Release, ReleaseError, Sha256};
pub use backup::{Backup, Database, During, KeptVolume, SqliteFile};
pub use backups::{BackupPlace, Backups, Keep, PlaceError, PlaceKind, RepositoryCheck};
pub use certificates::{Certificates, CertificatesError, DirectoryUrl, Pem, WeeklyBudget};
pub use customer::{Brand, Customer, CustomerSecret, Notice, RegistryLogin, Standing};
pub use decision::{
    DomainClaim, Erased, Fulfilled, OperationDone, OperationOutcome, OperationRecord, Pin,
    ServerAssignment, ToolDecision,
};
pub use error_rule::{ErrorRule, ErrorRules, MOST_CONTEXT};
pub use forge::{Forge, ForgeKind, SecretName};
pub use history::History;
pub use host::{
    ContainerCommand, Destination, Docker, Fail2ban, Firewall, Host, HostAction, HostArea,
    HostError, HostNameError, Job, Moment, PackageName, Packages, Protocol, Schedule, Ssh,
    SysctlName, SysctlValue, TimeZone, Timer, Users,
};
pub use hub::{Activation, FORMAT, Format, Hub, HubKeys, MAX_FLOOR, Plan, PlanLimits, Trust};
pub use kind::{Kind, Scope, classify, is_left_over};
pub use operation::{BackupChoice, Data, Erase, Operation, OrderTool, ServerTool};
pub use order::{Automation, EnvValue, Order, State, Tool};
pub use outside::{Alerts, Mail, MailTls, ProviderAccount, Providers};
pub use policy::{Policy, fits};
pub use pool::Pool;
pub use protection::{Protection, Relax, Reload, ReloadSignal, memory_bound};
pub use rollout::{Rollout, StopWhen, Wave};
pub use secret_relations::{LeadsNowhere, drawn_for, followers, on_both_sides};
pub use secret_spec::{Alphabet, Derivation, Rotate, SecretKind, SecretSpec};
pub use server::{Drift, Manage, Provider, Server, WebPorts};
pub use stack::{
    Licence, Light, Parameter, Site, Stack, Step, Upgrade, UpgradeBackup, UpgradeRollback,
};
pub use staff::{Login, Person, Role, ServerLogin, Staff};
