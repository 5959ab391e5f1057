//! The numbers of diagnostics, each with a page that explains it. A number never changes its meaning and is never used again.

mod page;
#[cfg(test)]
mod tests;

pub use page::{Example, Page, reference};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        $($(#[$doc])* pub const $name: u16 = $number;)*

        /// Every code, with the text of its page.
        const PAGES: &[(u16, &str)] = &[$(($number, include_str!(concat!("codes/T0", $number, ".md")))),*];
    };
}

codes! {
    /// Not YAML, or YAML that is refused (duplicate keys, aliases beyond the budget, ...).
    SYNTAX = 101,
    /// A key that does not exist.
    UNKNOWN_KEY = 102,
    /// A key that must be there is missing.
    MISSING_KEY = 103,
    /// A value of the wrong type, or one that is not possible.
    BAD_VALUE = 104,
    /// A file where none belongs.
    MISPLACED = 105,
    /// A file that must be there is missing.
    MISSING_FILE = 106,
    /// A tool that the catalogue does not have.
    UNKNOWN_TOOL = 107,
    /// A server that the customer does not have.
    UNKNOWN_SERVER = 108,
    /// A plan that `hub.yaml` does not have.
    UNKNOWN_PLAN = 109,
    /// A tool that the plan does not include.
    TOOL_NOT_IN_PLAN = 110,
    /// A parameter that the stack does not have.
    UNKNOWN_PARAMETER = 111,
    /// A parameter without default that the order does not set.
    MISSING_PARAMETER = 112,
    /// A secret that the customer's `secrets.yaml` does not have.
    UNKNOWN_SECRET = 113,
    /// `revision:` names nothing that can be found.
    UNKNOWN_REVISION = 114,
    /// More memory than the plan allows.
    OVER_PLAN_MEMORY = 115,
    /// A site whose name is not a domain name below the order's domain.
    BAD_SITE_HOST = 116,
    /// A variable of an order that the stack sets itself.
    RESERVED_VARIABLE = 117,
    /// A file that should be SOPS-encrypted and is not, or cannot be read as such.
    NOT_ENCRYPTED = 118,
    /// A text that is not UTF-8, a link, or a file beyond the limit.
    UNREADABLE = 119,
    /// A variable of an order that the stack does not use.
    UNKNOWN_VARIABLE = 120,
    /// Two sites of one customer under one name.
    SAME_HOST = 121,
    /// Two tools of one customer whose Compose projects would have one name.
    SAME_INSTANCE = 122,
    /// More is wrong than is listed.
    MORE = 123,
    /// An agent's key that speaks for another server.
    AGENT_KEY_TAKEN = 124,
    /// A domain that another order has.
    DOMAIN_TAKEN = 125,
    /// A fleet in a newer format than this release reads.
    NEWER_FORMAT = 126,
    /// A customer that the fleet does not have.
    UNKNOWN_CUSTOMER = 127,
    /// `moved_from:` names what it cannot.
    MOVED_FROM = 128,
    /// A document that nothing acts on yet.
    NOT_YET = 129,
    /// An order that the customer does not have.
    UNKNOWN_ORDER = 130,
    /// A tool that is not ordered where it is looked for.
    NOT_ORDERED = 131,
    /// An order of a domain below which anybody can have a name.
    PUBLIC_SUFFIX = 132,
    /// Something that the policy does not allow.
    NOT_ALLOWED = 133,
    /// More goes at once than the policy lets go.
    TOO_MUCH_GOES = 134,
    /// An operation that loses data and that no owner has approved.
    UNAPPROVED = 135,
    /// An approval that does not count.
    BAD_APPROVAL = 136,
    /// An operation whose last day is over.
    EXPIRED = 137,
    /// Decisions that people took away.
    DECISIONS_LOST = 138,
    /// A port that was decided twice.
    PORT_TWICE = 139,
    /// `.sops.yaml` is wrong.
    SEALING_RULES = 140,
    /// A merge of secrets that nobody has settled.
    UNSETTLED_SECRET = 141,
    /// Somebody who cannot log in is named where people may.
    UNKNOWN_PERSON = 142,
    /// Two servers at one address.
    SAME_ADDRESS = 143,
    /// A place for backups that holds nobody to appending.
    BACKUPS_NOT_HELD = 144,
    /// An override file that is about nothing, or the second of one tool.
    OVERRIDE = 145,
    /// A Compose file that is wrong.
    COMPOSE = 201,
    /// A variable of a Compose file that has no source.
    UNSET_VARIABLE = 202,
    /// A declared secret that nothing uses.
    UNUSED_SECRET = 203,
    /// A site that points at no service or port.
    SITE_TARGET = 204,
    /// A template that does not exist.
    UNKNOWN_TEMPLATE = 205,
    /// A template that does not parse.
    TEMPLATE = 206,
    /// `site:` and `sites:` together.
    SITE_TWICE = 207,
    /// A backup that names a service or volume that does not exist.
    BACKUP_TARGET = 208,
    /// A name of a stack that has two sources.
    NAME_TWICE = 209,
    /// A smoke check of a stack that has no site.
    SMOKE_WITHOUT_SITE = 210,
    /// A file of a stack that cannot become part of a slice.
    STACK_FILE = 211,
    /// `reload` or `relax` name a service that does not exist.
    UNKNOWN_SERVICE = 212,
    /// A protection that is taken away without a reason.
    UNPROTECTED = 213,
    /// Secrets of a stack that do not go together.
    SECRET_RELATION = 214,
    /// A backup that no restore takes and no drill tries out.
    BACKUP_BY_HAND = 215,
    /// The fleet's id was changed.
    FLEET_ID_CHANGED = 301,
}

/// Every page, by code.
pub fn pages() -> impl Iterator<Item = Page> {
    PAGES.iter().map(|(code, text)| Page::parse(*code, text))
}

/// The page of a code.
pub fn page(code: u16) -> Option<Page> {
    PAGES
        .iter()
        .find(|(number, _)| *number == code)
        .map(|(code, text)| Page::parse(*code, text))
}
