//! An order by itself: its domain, its server, what its plan allows.

use super::{Linker, hint};
use crate::codes;
use crate::desired::ToolDesired;
use crate::documents::CustomerDocuments;
use std::collections::BTreeMap;
use tenantry_schema::document::{Kind, Plan};
use tenantry_schema::id::{ServerId, ToolName};
use tenantry_schema::name::DomainName;
use tenantry_schema::size::ByteSize;

impl Linker<'_, '_> {
    pub(super) fn check_order(&mut self) {
        self.check_domain();
        let order = self.document;
        if let Some(server) = order
            .server
            .as_ref()
            .filter(|server| !self.has_server(server))
        {
            let hint = hint(
                server.as_str(),
                self.documents
                    .all_servers()
                    .into_iter()
                    .map(ToString::to_string),
                "the customer has no server; add one under servers/",
            );
            self.error(
                codes::UNKNOWN_SERVER,
                &["server"],
                false,
                format!("unknown server `{server}`"),
                "not among this customer's servers",
                hint,
            );
        }
        let plans = &self.context.head.hub.plans;
        match plans.get(&order.plan) {
            None => {
                let hint = hint(
                    &order.plan,
                    plans.keys().cloned(),
                    "`hub.yaml` has no plans yet; add it under `plans:`",
                );
                self.error(
                    codes::UNKNOWN_PLAN,
                    &["plan"],
                    false,
                    format!("unknown plan `{}`", order.plan),
                    "not in `plans:` of fleet/hub.yaml",
                    hint,
                );
            }
            Some(plan) => self.check_plan(plan),
        }
    }

    fn has_server(&self, id: &ServerId) -> bool {
        has_server(self.documents, id)
    }

    fn check_plan(&mut self, plan: &Plan) {
        for (name, tool) in &self.document.tools {
            let tool = tool.stack(name);
            if plan
                .tools
                .as_ref()
                .is_some_and(|allowed| !allowed.contains(tool))
            {
                let message = format!("plan `{}` does not include {tool}", self.document.plan);
                let note =
                    "choose another plan, or add the tool to the plan in fleet/hub.yaml".to_owned();
                self.error(
                    codes::TOOL_NOT_IN_PLAN,
                    &["tools", tool.as_str()],
                    true,
                    message,
                    "not in this plan",
                    note,
                );
            }
        }
    }

    /// A name below which strangers register names is nobody's to order: it would keep all of them from theirs. What was claimed before it
    /// became such a name stays.
    fn check_domain(&mut self) {
        let domain = &self.document.domain;
        let claim = self.decisions.domain.as_ref();
        let held = claim.is_some_and(|claim| claim.domain == *domain)
            || self.unread(|| Kind::DomainClaim(self.documents.id.clone(), self.id.clone()));
        if !held && is_public_suffix(domain) {
            self.error(
                codes::PUBLIC_SUFFIX,
                &["domain"],
                false,
                format!("`{domain}` is a public suffix, under which anybody can have a name"),
                "not a name that one customer can have",
                format!(
                    "order a name below it, such as `{}.{domain}`",
                    self.documents.id
                ),
            );
        }
    }

    pub(super) fn check_memory(&mut self, tools: &BTreeMap<ToolName, ToolDesired>) {
        let limit = self
            .context
            .head
            .hub
            .plans
            .get(&self.document.plan)
            .and_then(|plan| plan.memory);
        let sizes = tools
            .values()
            .filter_map(|tool| tool.stack.as_ref()?.document.memory);
        let wanted = sizes.fold(0_u64, |sum, size| sum.saturating_add(size.0));
        if let Some(limit) = limit.filter(|limit| wanted > limit.0) {
            let message = format!(
                "the tools ask for {} of memory, plan `{}` has {limit}",
                ByteSize(wanted),
                self.document.plan
            );
            self.error(
                codes::OVER_PLAN_MEMORY,
                &["tools"],
                true,
                message,
                "too much for the plan",
                "choose a larger plan or fewer tools".into(),
            );
        }
    }
}

/// Whether a server has a document, be it one with errors.
pub(super) fn has_server(documents: &CustomerDocuments, id: &ServerId) -> bool {
    let unread = || Kind::Server(documents.id.clone(), id.clone());
    documents.servers.contains_key(id) || documents.unread.contains(&unread())
}

/// Whether names are registered below this one, as with `co.uk` and `github.io`: the Public Suffix List (<https://publicsuffix.org>), both of
/// its sections, in the version that the crate `psl` was made from.
fn is_public_suffix(domain: &DomainName) -> bool {
    psl::suffix(domain.as_str().as_bytes())
        .is_some_and(|suffix| suffix.as_bytes() == domain.as_str().as_bytes())
}
