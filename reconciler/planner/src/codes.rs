//! The numbers of diagnostics. A number never changes its meaning and is never used again.

/// Not YAML, or YAML that is refused (duplicate keys, aliases beyond the budget, ...).
pub const SYNTAX: u16 = 101;
/// A key that does not exist.
pub const UNKNOWN_KEY: u16 = 102;
/// A key that must be there is missing.
pub const MISSING_KEY: u16 = 103;
/// A value of the wrong type, or one that is not possible.
pub const BAD_VALUE: u16 = 104;
/// A file where none belongs.
pub const MISPLACED: u16 = 105;
/// A file that must be there is missing.
pub const MISSING_FILE: u16 = 106;
/// A tool that the catalogue does not have.
pub const UNKNOWN_TOOL: u16 = 107;
/// A server that the customer does not have.
pub const UNKNOWN_SERVER: u16 = 108;
/// A plan that `hub.yaml` does not have.
pub const UNKNOWN_PLAN: u16 = 109;
/// A tool that the plan does not include.
pub const TOOL_NOT_IN_PLAN: u16 = 110;
/// A parameter that the stack does not have.
pub const UNKNOWN_PARAMETER: u16 = 111;
/// A parameter without default that the order does not set.
pub const MISSING_PARAMETER: u16 = 112;
/// A secret that the customer's `secrets.yaml` does not have.
pub const UNKNOWN_SECRET: u16 = 113;
/// `revision:` names nothing that can be found.
pub const UNKNOWN_REVISION: u16 = 114;
/// More memory than the plan allows.
pub const OVER_PLAN_MEMORY: u16 = 115;
/// A site whose name is not a domain name below the order's domain.
pub const BAD_SITE_HOST: u16 = 116;
/// A variable of an order that the stack sets itself.
pub const RESERVED_VARIABLE: u16 = 117;
/// A file that should be SOPS-encrypted and is not, or cannot be read as such.
pub const NOT_ENCRYPTED: u16 = 118;
/// A text that is not UTF-8, a link, or a file beyond the limit.
pub const UNREADABLE: u16 = 119;
/// A variable of an order that the stack does not use.
pub const UNKNOWN_VARIABLE: u16 = 120;
/// Two sites of one customer under one name.
pub const SAME_HOST: u16 = 121;
/// Two tools of one customer whose Compose projects would have one name.
pub const SAME_INSTANCE: u16 = 122;
/// More is wrong than is listed.
pub const MORE: u16 = 123;
/// An agent's key that speaks for another server.
pub const AGENT_KEY_TAKEN: u16 = 124;
/// A domain that another order has.
pub const DOMAIN_TAKEN: u16 = 125;
/// A Compose file that is wrong.
pub const COMPOSE: u16 = 201;
/// A variable of a Compose file that has no source.
pub const UNSET_VARIABLE: u16 = 202;
/// A declared secret that nothing uses.
pub const UNUSED_SECRET: u16 = 203;
/// A site that points at no service or port.
pub const SITE_TARGET: u16 = 204;
/// A template that does not exist.
pub const UNKNOWN_TEMPLATE: u16 = 205;
/// A template that does not parse.
pub const TEMPLATE: u16 = 206;
/// `site:` and `sites:` together.
pub const SITE_TWICE: u16 = 207;
/// A backup that names a service or volume that does not exist.
pub const BACKUP_TARGET: u16 = 208;
/// A name of a stack that has two sources.
pub const NAME_TWICE: u16 = 209;
/// A smoke check of a stack that has no site.
pub const SMOKE_WITHOUT_SITE: u16 = 210;
/// A file of a stack that cannot become part of a slice.
pub const STACK_FILE: u16 = 211;
/// The fleet's id was changed.
pub const FLEET_ID_CHANGED: u16 = 301;
