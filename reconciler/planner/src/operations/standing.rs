//! How an operation stands, in words.

use super::approval::MOST_DAYS;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use tenantry_schema::document::Role;
use tenantry_schema::id::{OrderId, StaffId};

/// Whether an operation may be started, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Standing {
    /// It loses nothing, so nobody has to approve it.
    Ready,
    /// An owner approved exactly this.
    Approved {
        /// Who.
        by: StaffId,
    },
    /// Nobody approved it yet.
    Unapproved,
    /// Its last day is over.
    Expired {
        /// Which that was.
        on: Date,
    },
    /// Somebody signed it who may not approve.
    NotAnOwner {
        /// Who.
        who: StaffId,
        /// What they are.
        role: Role,
    },
    /// A key signed it that nobody of the staff has.
    Foreign {
        /// Its fingerprint.
        key: String,
    },
    /// Something was changed after it was approved, or the approval was for another operation.
    Altered,
    /// The server is another machine than the one that it was approved for.
    OtherMachine {
        /// Which it was. None: the approval names none.
        was: Option<String>,
        /// Which it is. None: there is no such server.
        now: Option<String>,
    },
    /// The tool is another order's than it was approved for.
    OtherOrder {
        /// Whose it was. None: the approval names nobody.
        was: Option<OrderId>,
        /// Whose it is.
        now: Vec<OrderId>,
    },
    /// Several orders have the tool there, and it does not say which is meant.
    Ambiguous {
        /// Which.
        orders: Vec<OrderId>,
    },
    /// It could be started for longer than an approval may count.
    TooLong {
        /// Its last day.
        on: Date,
        /// The last day that it may have.
        most: Date,
    },
    /// What stands there is no approval.
    Damaged {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// Whether it may be started.
    pub fn may_start(&self) -> bool {
        matches!(self, Self::Ready | Self::Approved { .. })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "nobody has to approve it"),
            Self::Approved { by } => write!(f, "approved by {by}"),
            Self::Unapproved => write!(f, "no owner has approved it"),
            Self::Expired { on } => write!(f, "it expired: {on} was its last day"),
            Self::NotAnOwner { who, role } => {
                write!(
                    f,
                    "approved by {who}, who is {}: it takes an owner",
                    word(*role)
                )
            }
            Self::Foreign { key } => {
                write!(
                    f,
                    "approved with a key that nobody of the staff has ({key})"
                )
            }
            Self::Altered => write!(
                f,
                "the approval is for something else: it was changed after it was signed, or signed for another operation"
            ),
            Self::OtherMachine { was, now } => {
                let was = was.as_deref().unwrap_or("none that it names");
                let now = now.as_deref().unwrap_or("not there");
                write!(
                    f,
                    "the server is another machine than it was approved for: it was {was}, and is {now}"
                )
            }
            Self::OtherOrder { was, now } => {
                let was = was
                    .as_ref()
                    .map_or("of no order that it names".to_owned(), |was| {
                        format!("of order {was}")
                    });
                let now = listed(now);
                write!(
                    f,
                    "the tool is another order's than it was approved for: it was {was}, and is of order {now}"
                )
            }
            Self::Ambiguous { orders } => write!(
                f,
                "orders {} have this tool there: say whose is meant, with `order:`",
                listed(orders)
            ),
            Self::TooLong { on, most } => write!(
                f,
                "what loses data ends within {MOST_DAYS} days: {on} is too late, {most} is the last day"
            ),
            Self::Damaged { why } => write!(f, "the approval cannot be read: {why}"),
        }
    }
}

fn listed(orders: &[OrderId]) -> String {
    let names: Vec<&str> = orders.iter().map(OrderId::as_str).collect();
    names.join(" and ")
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Manager => "a manager",
        Role::Support => "of support",
    }
}
