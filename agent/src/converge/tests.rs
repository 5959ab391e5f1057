//! Decisions are tested on a model of a server, by example and by law.

mod examples;
mod hands_off;
mod held;
mod images;
mod laws;
mod put_back;
mod rollout_laws;
mod rollouts;
mod server;
mod standstill;
mod version_before;
mod web;
mod wish;

use self::server::Server;
use self::wish::{PLAIN, Wish, add, desired};
use super::*;
use crate::certificates::CertificateFacts;
use crate::certificates::memory::Memory;
use crate::containers::desired::Wanted;
use crate::containers::spec::{self, Place};
use crate::containers::tests::model::Model;
use crate::containers::{InstanceInput, state::State as Running};
use crate::desired::{Instance, LiveFile, Site};
use crate::files::digest;
use crate::rollout::{Backups, PuttingBack, Version, Versions, effective, rolled_back};
use crate::secrets::SecretFile;
use crate::step::SmokeStep;
use crate::web_server::{Target, WebState};
use jiff::SignedDuration;
use std::sync::Arc;
use tenantry_schema::Secret;
use tenantry_schema::document::{Drift, State, WebPorts};
use tenantry_schema::id::OperationId;
use tenantry_schema::name::RelativePath;
use tenantry_schema::wire::{
    FALLBACK_SITE, HostSpec, InstanceSpec, SiteSpec, SliceRef, SmokeResult, UpgradeRule,
};

const KEEPER: &str = "f1";

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn path(text: &str) -> RelativePath {
    text.try_into().unwrap()
}

fn host(name: &str) -> DomainName {
    name.try_into().unwrap()
}

fn key() -> InputsKey {
    InputsKey::new(Secret::new(vec![7; 32]))
}

fn name(text: &str) -> InstanceName {
    InstanceName::try_from(text.to_owned()).unwrap()
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.all_steps().map(|(_, step)| step.to_string()).collect()
}
