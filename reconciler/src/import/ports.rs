//! Published ports become sites: one service answers to visitors, through the server's web server; nothing else is published.

mod guess;

use super::draft::Draft;
use super::images;
use super::tree::Service;
use guess::{Published, guess, read};
use std::fmt;
use std::str::FromStr;
use tenantry_schema::id::SiteName;
use tenantry_yaml::{Node, Span};

/// A service and port that visitors are to reach, by `service:port` or `name=service:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteWish {
    /// The site, where there are several.
    pub name: Option<SiteName>,
    /// The service.
    pub service: String,
    /// Its port in the container.
    pub port: u16,
}

impl FromStr for SiteWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not `service:port`, such as `web:80`; a second site has a name: `admin=web:8080`"
            )
        };
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) => (
                Some(SiteName::try_from(name).map_err(|error| error.to_string())?),
                rest,
            ),
            None => (None, text),
        };
        let (service, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?;
        if service.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            name,
            service: service.to_owned(),
            port,
        })
    }
}

/// A service and port that may be meant for visitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The service.
    pub service: String,
    /// Its port in the container.
    pub port: u16,
    /// Its image.
    pub image: String,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.port)
    }
}

/// A site of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: SiteName,
    pub(super) service: String,
    pub(super) port: u16,
}

impl Site {
    /// `SITE` or `SITE_ADMIN`: what variables of the site begin with.
    pub(super) fn prefix(&self) -> String {
        tenantry_planner::render::site_prefix(&self.name)
    }
}

/// Which sites the stack has.
pub(super) enum Choice {
    Sites(Vec<Site>),
    Ask(Vec<Candidate>),
}

/// Chooses sites and takes every other port away.
pub(super) fn take(draft: &mut Draft<'_>) -> Choice {
    let services = draft.tree.services();
    let published: Vec<Published<'_>> = services
        .iter()
        .flat_map(|service| read(draft, *service))
        .collect();
    let sites = if draft.input.sites.is_empty() {
        match guess(draft, &services, &published) {
            Choice::Ask(candidates) => return Choice::Ask(candidates),
            Choice::Sites(sites) => sites,
        }
    } else {
        wished(draft, &services)
    };
    publish(draft, &services, &published, &sites);
    Choice::Sites(sites)
}

fn wished(draft: &mut Draft<'_>, services: &[Service<'_>]) -> Vec<Site> {
    let mut sites = Vec::new();
    for wish in draft.input.sites {
        if !services.iter().any(|service| service.name == wish.service) {
            let names: Vec<&str> = services.iter().map(|service| service.name).collect();
            let message = format!("the file has no service `{}` for a site", wish.service);
            let root = draft.tree.root;
            draft.refuse(root, message, format!("services are: {}", names.join(", ")));
            continue;
        }
        let fallback = || SiteName::try_from("site").ok();
        if let Some(name) = wish.name.clone().or_else(fallback) {
            sites.push(Site {
                name,
                service: wish.service.clone(),
                port: wish.port,
            });
        }
    }
    sites
}

/// Publishes sites on this server's own address, and nothing else.
fn publish(
    draft: &mut Draft<'_>,
    services: &[Service<'_>],
    published: &[Published<'_>],
    sites: &[Site],
) {
    let tree = draft.tree;
    for service in services {
        let mut wanted: Vec<&Site> = sites
            .iter()
            .filter(|site| site.service == service.name)
            .collect();
        let mut gone = Vec::new();
        for port in published
            .iter()
            .filter(|port| port.service.name == service.name)
        {
            let at = wanted
                .iter()
                .position(|site| port.tcp && port.target == Some(site.port));
            if let Some(at) = at {
                let site = wanted.remove(at);
                let written = port.node.span.of(tree.text);
                let shown = if written.contains('\n') {
                    site.port.to_string()
                } else {
                    written.trim_matches(['"', '\'']).to_owned()
                };
                draft
                    .edits
                    .replace(port.node.span, format!("\"{}\"", binding(site)));
                draft.changed(
                    port.node,
                    format!(
                        "the published port `{shown}` is the site `{}`: HTTPS in front of `{}:{}`",
                        site.name, site.service, site.port
                    ),
                );
            } else {
                gone.push(port.index);
                removed(draft, port);
            }
        }
        let entry = service.node.entry("ports");
        if let Some((key, list)) = entry.filter(|_| !gone.is_empty()) {
            let all = list
                .as_sequence()
                .is_some_and(|items| items.len() == gone.len());
            if all && !wanted.is_empty() {
                let lines = lines(draft, *service, &wanted);
                draft.edits.insert(tree.lines(key.span).start, lines);
                wanted.clear();
            }
            draft.edits.remove(tree, key, list, &gone);
        }
        let kept = entry
            .and_then(|(_, list)| list.as_sequence()?.first())
            .filter(|_| !wanted.is_empty());
        if let Some(first) = kept {
            // Another port of the same service, beside one that stays.
            let flow = draft.brackets.contains(&first.span);
            let indent = tree.indent(first.span.start);
            for site in &wanted {
                let (binding, at) = (binding(site), first.span.start);
                if flow {
                    draft
                        .edits
                        .replace(Span::point(at), format!("\"{binding}\", "));
                } else {
                    draft.edits.insert(
                        tree.lines(Span::point(at)).start,
                        format!("{indent}- \"{binding}\"\n"),
                    );
                }
            }
            wanted.clear();
        }
        if !wanted.is_empty() {
            let text = lines(draft, *service, &wanted);
            let place = after_image(draft, *service);
            draft.edits.insert(place, text);
            let ports: Vec<String> = wanted.iter().map(|site| site.port.to_string()).collect();
            draft.changed(
                service.key,
                format!(
                    "published port {} of `{}` for its site",
                    ports.join(" and "),
                    service.name
                ),
            );
        }
    }
}

fn removed(draft: &mut Draft<'_>, port: &Published<'_>) {
    let image = draft.image(port.service.node);
    let why = match (images::database(&image), port.target) {
        (Some(database), _) => format!(
            "{} is for the other services of the stack alone",
            database.title()
        ),
        (None, Some(443 | 8443)) => "HTTPS is the work of the server's web server".to_owned(),
        _ => "visitors reach sites alone".to_owned(),
    };
    if images::is_helper(&image) {
        draft.warn(port.service.key, format!("nothing reaches `{}` any more: leave the service out, or give it a site with --site", port.service.name));
    }
    let target = port
        .target
        .map_or_else(|| "a port".to_owned(), |target| format!("port {target}"));
    draft.changed(
        port.node,
        format!(
            "`{}` no longer publishes {target}: {why}",
            port.service.name
        ),
    );
}

/// `127.0.0.1:${SITE_PORT}:80`
fn binding(site: &Site) -> String {
    format!("127.0.0.1:${{{}_PORT}}:{}", site.prefix(), site.port)
}

fn lines(draft: &Draft<'_>, service: Service<'_>, sites: &[&Site]) -> String {
    let indent = indent_of(draft, service);
    let items = sites.iter().fold(String::new(), |all, site| {
        all + indent + "  - \"" + &binding(site) + "\"\n"
    });
    format!("{indent}ports:\n{items}")
}

/// The indentation of the keys of a service.
pub(super) fn indent_of<'a>(draft: &Draft<'a>, service: Service<'a>) -> &'a str {
    let own = service.node.as_mapping().unwrap_or_default().iter();
    let first = own
        .map(|(key, _)| key.span.start)
        .find(|at| *at > service.key.span.start);
    draft.tree.indent(first.unwrap_or(service.key.span.start))
}

/// Where the line after `image` of a service begins.
pub(super) fn after_image(draft: &Draft<'_>, service: Service<'_>) -> usize {
    let entries = service.node.as_mapping().unwrap_or_default();
    // A key that an anchor brought stands elsewhere.
    let within = |key: &Node| {
        key.span.start >= service.node.span.start && key.span.end <= service.node.span.end
    };
    let entry = service.node.entry("image").filter(|(key, _)| within(key));
    let entry = entry.or_else(|| {
        entries
            .iter()
            .find(|(key, _)| within(key))
            .map(|(key, value)| (key, value))
    });
    let span = entry.map_or(service.key.span, |(key, value)| {
        Span::new(key.span.start, value.span.end.max(key.span.end))
    });
    draft.tree.lines(span).end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes() {
        let wish: SiteWish = "admin=web:8080".parse().unwrap();
        assert_eq!(
            (
                wish.name.unwrap().as_str(),
                wish.service.as_str(),
                wish.port
            ),
            ("admin", "web", 8080)
        );
        assert!("web:80".parse::<SiteWish>().unwrap().name.is_none());
        for bad in ["web", "web:0", ":80", "Admin=web:80", "web:http"] {
            assert!(bad.parse::<SiteWish>().is_err(), "{bad}");
        }
    }
}
