//! What servers of a change have in common, told once, with who they are: data that is touched, sites that go, settings, and what cannot be
//! compared. A list of servers that is too long to be read must not hide these. Pure.

use super::report::NAMED;
use super::words::{beyond, facts};
use std::collections::{BTreeMap, BTreeSet};
use tenantry_planner::change::{InstanceChange, ServerChange, SiteChange};

/// Lines under one heading.
pub(crate) struct Part {
    pub(crate) title: &'static str,
    /// The most common first.
    pub(crate) lines: Vec<String>,
}

/// All parts that have something to say, the gravest first.
pub(crate) fn parts(changes: &[ServerChange]) -> Vec<Part> {
    let part = |title, lines| Part { title, lines };
    let mut parts = vec![
        part("Data that is touched", lines(risks(changes))),
        part("Sites that no longer answer", lost_sites(changes)),
        part("Servers", lines(servers(changes))),
        part("What cannot be compared", lines(unknown(changes))),
    ];
    parts.retain(|part| !part.lines.is_empty());
    parts
}

/// Equal sentences, and where each of them is true.
type Alike = BTreeMap<String, Vec<String>>;

/// A line a sentence: `a new image …: acme/one web, globex/one web, initech/one web and 27 more`.
fn lines(alike: Alike) -> Vec<String> {
    let mut alike: Vec<(String, Vec<String>)> = alike.into_iter().collect();
    alike.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    let lines = alike.into_iter().map(|(words, places)| {
        let more = beyond(places.len(), NAMED).map(|more| format!(" and {more} more"));
        let named: Vec<String> = places.into_iter().take(NAMED).collect();
        format!("{words}: {}{}", named.join(", "), more.unwrap_or_default())
    });
    lines.collect()
}

/// Data of tools, where something happens to it.
fn risks(changes: &[ServerChange]) -> Alike {
    let acted_on = changes.iter().filter(|change| change.is_acted_on());
    of_tools(acted_on, |instance| instance.at_risk.clone())
}

fn unknown(changes: &[ServerChange]) -> Alike {
    of_tools(changes.iter(), |instance| {
        instance.unknown.iter().cloned().collect()
    })
}

fn of_tools<'a>(
    changes: impl Iterator<Item = &'a ServerChange>,
    said: impl Fn(&InstanceChange) -> Vec<String>,
) -> Alike {
    let mut alike = Alike::new();
    for change in changes {
        for (name, instance) in &change.instances {
            for words in said(instance) {
                let place = format!("{} {name}", change.server);
                alike.entry(words).or_default().push(place);
            }
        }
    }
    alike
}

/// Servers themselves: which come, go, are only observed, have a window; and their settings.
fn servers(changes: &[ServerChange]) -> Alike {
    let mut alike = Alike::new();
    for change in changes {
        for words in facts(change).into_iter().chain(change.settings.clone()) {
            let place = change.server.to_string();
            alike.entry(words).or_default().push(place);
        }
    }
    alike
}

/// Names that answer nowhere afterwards, one that moves to another server not among them.
fn lost_sites(changes: &[ServerChange]) -> Vec<String> {
    let with = |wanted: SiteChange| {
        let acted_on = changes.iter().filter(|change| change.is_acted_on());
        let sites = acted_on.flat_map(|change| {
            let instances = change.instances.values();
            instances.flat_map(|instance| &instance.sites)
        });
        let sites = sites.filter(|(_, site)| **site == wanted);
        sites.map(|(host, _)| host).collect::<BTreeSet<_>>()
    };
    let (gone, new) = (with(SiteChange::Removed), with(SiteChange::Added));
    let lost = gone.difference(&new);
    lost.map(|host| format!("https://{host}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_planner::change::Presence;
    use tenantry_schema::id::{CustomerId, OrderId, ServerId, ServerKey, ToolName};

    fn id<T: TryFrom<String, Error: std::fmt::Debug>>(text: &str) -> T {
        T::try_from(text.to_owned()).unwrap()
    }

    /// A server with one tool that runs and stays.
    fn server(
        number: usize,
        change: impl Fn(&mut ServerChange, &mut InstanceChange),
    ) -> ServerChange {
        let mut instance = InstanceChange {
            order: id::<OrderId>("web"),
            tool: id::<ToolName>("shop"),
            presence: Presence::Kept,
            ran: true,
            runs: None,
            version: None,
            customised: false,
            services: BTreeMap::new(),
            sites: BTreeMap::new(),
            volumes: BTreeMap::new(),
            networks: std::collections::BTreeSet::new(),
            at_risk: Vec::new(),
            unknown: None,
        };
        let mut server = ServerChange {
            server: ServerKey {
                customer: id::<CustomerId>(&format!("c{number:02}")),
                server: id::<ServerId>("one"),
            },
            presence: Presence::Kept,
            settings: Vec::new(),
            window: None,
            observed_only: false,
            begins: false,
            instances: BTreeMap::new(),
        };
        change(&mut server, &mut instance);
        server.instances.insert(id("web-shop"), instance);
        server
    }

    fn said(changes: &[ServerChange]) -> String {
        let parts = parts(changes).into_iter();
        let parts = parts.map(|part| format!("{}\n  {}", part.title, part.lines.join("\n  ")));
        parts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_many_have_in_common_is_one_line_with_the_first_of_them() {
        let changes: Vec<ServerChange> = (0..30)
            .map(|number| {
                server(number, |server, instance| {
                    instance
                        .at_risk
                        .push("a new image opens the data".to_owned());
                    if number % 10 == 0 {
                        server.settings.push("window any time → daily".to_owned());
                    }
                    if number == 7 {
                        instance.unknown = Some("the stack cannot be read".to_owned());
                    }
                })
            })
            .collect();
        assert_eq!(
            said(&changes),
            "Data that is touched
  a new image opens the data: c00/one web-shop, c01/one web-shop, c02/one web-shop and 27 more
Servers
  window any time → daily: c00/one, c10/one, c20/one
What cannot be compared
  the stack cannot be read: c07/one web-shop"
        );
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn a_site_is_lost_only_if_it_answers_nowhere() {
        let site = |number, host: &'static str, change| {
            server(number, move |_, instance| {
                instance.sites.insert(id(host), change);
            })
        };
        let changes = [
            site(1, "gone.example", SiteChange::Removed),
            site(2, "moves.example", SiteChange::Removed),
            site(3, "moves.example", SiteChange::Added),
            site(4, "same.example", SiteChange::Changed),
        ];
        assert_eq!(
            said(&changes),
            "Sites that no longer answer\n  https://gone.example"
        );
    }

    #[test]
    fn where_nothing_happens_nothing_is_touched() {
        let touch = |instance: &mut InstanceChange| {
            instance.at_risk.push("its volume".to_owned());
            instance.sites.insert(id("a.example"), SiteChange::Removed);
        };
        let changes = [
            server(1, |server, instance| {
                server.observed_only = true;
                touch(instance);
            }),
            server(2, |server, instance| {
                server.presence = Presence::Removed;
                touch(instance);
            }),
        ];
        assert_eq!(
            said(&changes),
            "Servers
  manage: observe, so its agent only reports: c01/one
  no longer in the fleet; the machine stays as it is: c02/one"
        );
    }
}
