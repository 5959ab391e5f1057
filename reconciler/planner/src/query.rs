//! Questions about the fleet and, where a hub was asked, about what really runs: `nextcloud<34`, `plan=pro state=stopped`, `image=ghcr.io/*`. All words of a question must hold.

use crate::catalogue::CompiledStack;
use crate::desired::{CustomerDesired, Desired, OrderDesired, ToolDesired};
use crate::explain::word;
use crate::status::{FleetStatus, ServerStatus};
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use tenantry_compose::ImageRef;
use tenantry_schema::document::State;
use tenantry_schema::id::{CustomerId, InstanceName, OrderId, ServerId, ToolName};
use tenantry_schema::wire::InstancePhase;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<Term>);

/// Why a question cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` cannot be understood: {why}")]
pub struct QueryError {
    /// The word.
    pub word: String,
    /// Why.
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// A tool, and how its version compares.
    Tool(ToolName, Option<(Sign, Version)>),
    /// A property and the pattern that it has to fit, or not.
    Field(Field, bool, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    Equal,
    Other,
    AtLeast,
    More,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Customer,
    Order,
    Server,
    Plan,
    Domain,
    State,
    Image,
    Stack,
    Health,
}

const FIELDS: [(&str, Field); 9] = [
    ("customer", Field::Customer),
    ("order", Field::Order),
    ("server", Field::Server),
    ("plan", Field::Plan),
    ("domain", Field::Domain),
    ("state", Field::State),
    ("image", Field::Image),
    ("stack", Field::Stack),
    ("health", Field::Health),
];

/// Signs, the longer ones first.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("!=", Sign::Other),
    ("<", Sign::Less),
    (">", Sign::More),
    ("=", Sign::Equal),
];

/// The numbers at the beginning of a version: `33.0.2-apache` is 33.0.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads a tag. None where it does not begin with a number (`latest`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let numbers = text[..end].trim_end_matches('.').split('.');
        let numbers: Result<Vec<u64>, _> = numbers.map(str::parse).collect();
        numbers.ok().map(Self)
    }

    /// Compares as far as `other` says: 33.0.2 equals 33.
    fn compare(&self, other: &Self) -> Ordering {
        let numbers = other.0.iter().enumerate();
        numbers
            .map(|(at, wanted)| self.0.get(at).copied().unwrap_or_default().cmp(wanted))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}

/// Where a question holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whose.
    pub customer: CustomerId,
    /// Which order.
    pub order: OrderId,
    /// Where it runs. None: not decided yet.
    pub server: Option<ServerId>,
    /// The tool.
    pub tool: ToolName,
    /// The tag of its image: of the service behind its site, else of its first.
    pub version: Option<String>,
    /// All its images.
    pub images: BTreeSet<String>,
    /// Whether it is to run.
    pub state: State,
    /// What really runs, where a hub was asked and the server's agent has reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// What runs of a tool, as its agent last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// What the agent says of it. None: it is not there.
    pub phase: Option<InstancePhase>,
    /// The tag of its image, of the service that [`Found::version`] is about.
    pub version: Option<String>,
    /// All its images.
    pub images: BTreeSet<String>,
    /// When the agent last said so.
    pub seen: Timestamp,
}

impl TryFrom<&str> for Query {
    type Error = QueryError;

    fn try_from(text: &str) -> Result<Self, QueryError> {
        text.split_whitespace()
            .map(term)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn term(word: &str) -> Result<Term, QueryError> {
    let fail = |why: String| QueryError {
        word: word.to_owned(),
        why,
    };
    let at = word.find(['<', '>', '=', '!']);
    let (name, rest) = at.map_or((word, ""), |at| word.split_at(at));
    let sign = SIGNS
        .iter()
        .find_map(|(text, sign)| Some((*sign, rest.strip_prefix(text)?)));
    let field = FIELDS
        .iter()
        .find(|(field, _)| *field == name)
        .map(|(_, field)| *field);
    if let Some(field) = field {
        return match sign {
            Some((Sign::Equal, value)) if !value.is_empty() => {
                Ok(Term::Field(field, true, value.to_owned()))
            }
            Some((Sign::Other, value)) if !value.is_empty() => {
                Ok(Term::Field(field, false, value.to_owned()))
            }
            _ => Err(fail(format!(
                "write {name}=VALUE or {name}!=VALUE; `*` stands for anything"
            ))),
        };
    }
    let names = FIELDS.map(|(name, _)| name);
    if let (Some((sign @ (Sign::Equal | Sign::Other), value)), Some(near)) =
        (sign, tenantry_yaml::suggest(name, &names))
        && Version::parse(value).is_none()
    {
        let sign = if sign == Sign::Equal { "=" } else { "!=" };
        return Err(fail(format!("did you mean `{near}{sign}{value}`?")));
    }
    let known = || FIELDS.map(|(name, _)| name).join(", ");
    let tool = ToolName::try_from(name)
        .map_err(|_| fail(format!("neither a tool nor one of {}", known())))?;
    match sign {
        None if rest.is_empty() => Ok(Term::Tool(tool, None)),
        Some((sign, version)) => Version::parse(version)
            .map(|version| Term::Tool(tool, Some((sign, version))))
            .ok_or_else(|| fail("a version begins with a number, such as 34 or 33.0.2".to_owned())),
        None => Err(fail("compare with <, <=, =, !=, >= or >".to_owned())),
    }
}

impl Query {
    /// The tools that it names.
    pub fn tools(&self) -> impl Iterator<Item = &ToolName> {
        self.0.iter().filter_map(|term| match term {
            Term::Tool(tool, _) => Some(tool),
            Term::Field(..) => None,
        })
    }

    /// The word that only a hub can answer, if there is one.
    pub fn needs_a_hub(&self) -> Option<&'static str> {
        let asks = |term: &Term| matches!(term, Term::Field(Field::Health, ..));
        self.0.iter().any(asks).then_some("health")
    }
}

/// What a hub says of servers, by customer and id.
type Seen<'a> = HashMap<(&'a CustomerId, &'a ServerId), &'a ServerStatus>;

/// Every tool of the fleet for which the question holds. With what a hub says, a version or image holds as well where it is what really runs.
pub fn find(desired: &Desired, query: &Query, hub: Option<&FleetStatus>) -> Vec<Found> {
    let servers = hub.into_iter().flat_map(|status| &status.servers);
    let seen: Seen<'_> = servers
        .map(|server| ((&server.customer, &server.server), &**server))
        .collect();
    // Many run the same stack, whose Compose file is read once.
    let mut images = HashMap::new();
    let mut found = Vec::new();
    for customer in desired.customers.values() {
        for (id, order) in &customer.orders {
            for (name, tool) in &order.tools {
                let images = tool.stack.as_ref().map(|stack| {
                    images
                        .entry(stack.tree)
                        .or_insert_with(|| images_of(stack))
                        .as_slice()
                });
                let mut this =
                    describe(customer, id, order, name, tool, images.unwrap_or_default());
                this.running = running(&seen, &this, images.unwrap_or_default());
                if query.0.iter().all(|term| holds(term, &this, order, tool)) {
                    found.push(this);
                }
            }
        }
    }
    found
}

fn describe(
    customer: &CustomerDesired,
    id: &OrderId,
    order: &OrderDesired,
    name: &ToolName,
    tool: &ToolDesired,
    images: &[String],
) -> Found {
    let main = images.first().and_then(|image| ImageRef::parse(image).ok());
    Found {
        customer: customer.id.clone(),
        order: id.clone(),
        server: order.server.clone(),
        tool: name.clone(),
        version: main.and_then(|image| image.tag().map(ToOwned::to_owned)),
        images: images.iter().cloned().collect(),
        state: tool.document.wanted_state(),
        running: None,
    }
}

/// What runs of `this`. None: nothing is known.
fn running(seen: &Seen<'_>, this: &Found, images: &[String]) -> Option<Running> {
    let server = seen.get(&(&this.customer, this.server.as_ref()?))?;
    let at = server.last_seen?;
    let name = InstanceName::new(&this.order, &this.tool);
    let instance = server.instances.iter().find(|each| each.name == name);
    let containers = instance.map_or(&[][..], |instance| &instance.containers);
    let repository = |image: &str| {
        let image = ImageRef::parse(image).ok()?;
        Some(image.repository().to_owned())
    };
    let main = images.first().and_then(|image| repository(image));
    let behind = containers
        .iter()
        .find(|container| main.is_some() && repository(&container.image) == main)
        .or(containers.first())
        .and_then(|container| ImageRef::parse(&container.image).ok());
    Some(Running {
        phase: instance.map(|instance| instance.phase),
        version: behind.and_then(|image| image.tag().map(ToOwned::to_owned)),
        images: containers
            .iter()
            .map(|container| container.image.clone())
            .collect(),
        seen: at,
    })
}

/// Images of a stack, that of the service behind its site first.
fn images_of(stack: &CompiledStack) -> Vec<String> {
    let any = |_: &str| Some("1".to_owned());
    let Ok(project) = stack.compose_file().load_with(&any, &["*"]) else {
        return Vec::new();
    };
    let behind = stack.sites.values().next().map(|site| site.service.clone());
    let mut services: Vec<_> = project.services.iter().collect();
    services.sort_by_key(|(name, _)| behind.as_deref() != Some(name.as_str()));
    services
        .into_iter()
        .map(|(_, service)| service.image.as_str().to_owned())
        .collect()
}

fn holds(term: &Term, this: &Found, order: &OrderDesired, tool: &ToolDesired) -> bool {
    match term {
        Term::Tool(name, wanted) => {
            *name == this.tool
                && wanted.as_ref().is_none_or(|(sign, wanted)| {
                    let runs = this
                        .running
                        .as_ref()
                        .and_then(|runs| runs.version.as_deref());
                    let versions = this.version.as_deref().into_iter().chain(runs);
                    versions
                        .filter_map(Version::parse)
                        .any(|version| sign.holds(version.compare(wanted)))
                })
        }
        Term::Field(field, wanted, pattern) => {
            let fits = |text: &str| like(pattern, text);
            let state = match this.state {
                State::Running => "running",
                State::Stopped => "stopped",
            };
            let holds = match field {
                Field::Customer => fits(this.customer.as_str()),
                Field::Order => fits(this.order.as_str()),
                Field::Server => this
                    .server
                    .as_ref()
                    .is_some_and(|server| fits(server.as_str())),
                Field::Plan => fits(&order.document.plan),
                Field::Domain => fits(order.document.domain.as_str()),
                Field::State => fits(state),
                Field::Image => {
                    let runs = this.running.iter().flat_map(|runs| &runs.images);
                    this.images.iter().chain(runs).any(|image| fits(image))
                }
                Field::Health => {
                    let phase = this.running.as_ref().map(|runs| runs.phase);
                    fits(&match phase {
                        None => "unknown".to_owned(),
                        Some(None) => "absent".to_owned(),
                        Some(Some(phase)) => word(&phase),
                    })
                }
                Field::Stack => tool.stack.as_ref().is_some_and(|stack| {
                    let id = stack.tree.to_string();
                    id.starts_with(pattern.as_str()) || fits(&id)
                }),
            };
            holds == *wanted
        }
    }
}

impl Sign {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::Other => order != Ordering::Equal,
            Self::AtLeast => order != Ordering::Less,
            Self::More => order == Ordering::Greater,
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else {
        return left.is_empty();
    };
    for part in rest {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_compare_as_far_as_the_question_goes() {
        assert_eq!(
            version("33.0.2-apache").compare(&version("33")),
            Ordering::Equal
        );
        assert_eq!(
            version("v33.1").compare(&version("33.0.2")),
            Ordering::Greater
        );
        assert_eq!(version("9").compare(&version("10.1")), Ordering::Less);
        assert_eq!(version("10").compare(&version("10.0")), Ordering::Equal);
        assert_eq!(Version::parse("latest"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn patterns() {
        assert!(like("a*c", "abc") && like("*", "") && like("abc", "abc"));
        assert!(!like("a*c", "ab") && !like("abc", "abcd") && !like("a*a", "a"));
    }

    #[test]
    fn questions_that_mean_nothing_say_why() {
        let why = |text: &str| Query::try_from(text).unwrap_err().to_string();
        assert!(why("nextcloud<latest").contains("begins with a number"));
        assert!(why("plan").contains("plan=VALUE"));
        assert!(why("paln=pro").contains("did you mean `plan=pro`?"));
        assert!(why("ordr!=web").contains("did you mean `order!=web`?"));
        assert!(why("Plan=x").contains("did you mean `plan=x`?"));
        assert!(why("Colour=x").contains("neither a tool nor one of customer, order"));
        assert!(Query::try_from("nextcloud<34 plan=pro state!=stopped").is_ok());
    }

    proptest! {
        #[test]
        fn any_question_is_answered(text in "\\PC{0,30}") {
            let _ = Query::try_from(text.as_str());
        }
    }
}
