//! Documents: the YAML files of the fleet as they are written, one type a kind. What they mean together is worked out by the planner crate.

mod customer;
mod decision;
mod hub;
mod kind;
mod order;
mod server;
mod stack;
mod staff;

pub use customer::{Brand, Customer};
pub use decision::{DomainClaim, Fulfilled, Pin, ServerAssignment, ToolDecision};
pub use hub::{Activation, Hub, HubKeys, MAX_FLOOR, Plan, Trust};
pub use kind::{Kind, Scope, classify};
pub use order::{Automation, EnvValue, Order, State, Tool};
pub use server::{Manage, Provider, Server, WebPorts};
pub use stack::{
    Alphabet, Backup, Licence, Parameter, Rotate, SecretSpec, Site, Stack, Upgrade, UpgradeRollback,
};
pub use staff::{Person, Role, Staff};
