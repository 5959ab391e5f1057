//! `extends`: each service written out, with what it takes from another one. Works on trees; nothing is typed.

use crate::assemble::{Assembler, MAX_COPIED, take};
use crate::merge::merge;
use crate::reader::is_opaque;
use crate::template::OPAQUE;
use std::collections::BTreeMap;
use tenantry_yaml::{Kind, Node, Span, suggest};

/// The longest chain of services that extend each other.
const MAX_CHAIN: usize = 32;

/// A service: the file that it is in (empty for the one that is read), and its name.
type Key = (String, String);

/// Writes out every service of a file.
pub(crate) fn apply(assembler: &mut Assembler<'_>, root: &mut Node, path: &str) {
    let uses = root
        .get("services")
        .and_then(Node::as_mapping)
        .unwrap_or_default()
        .iter()
        .any(|(_, service)| service.get("extends").is_some());
    if !uses {
        return;
    }
    let mut extender = Extender {
        assembler,
        trees: BTreeMap::from([(path.to_owned(), root.clone())]),
        done: BTreeMap::new(),
        chain: Vec::new(),
    };
    let Some(services) = crate::rebase::child(root, "services") else {
        return;
    };
    let Kind::Mapping(entries) = &mut services.kind else {
        return;
    };
    for (name, service) in entries {
        if service.get("extends").is_some()
            && let Some(name) = name.as_str()
        {
            let key = (path.to_owned(), name.to_owned());
            match extender.resolve(&key) {
                Some(whole) => *service = whole,
                None => stand_in(service),
            }
        }
    }
}

/// What it would have taken over is not known: no complaint that it is missing.
fn stand_in(service: &mut Node) {
    let span = service.span;
    let extends = take(service, "extends").map_or(span, |node| node.span);
    if let Kind::Mapping(entries) = &mut service.kind
        && !entries.iter().any(|(key, _)| key.as_str() == Some("image"))
    {
        let image = Node::scalar(extends, OPAQUE.to_string());
        entries.push((Node::scalar(extends, "image"), image));
    }
}

struct Extender<'e, 'a> {
    assembler: &'e mut Assembler<'a>,
    trees: BTreeMap<String, Node>,
    done: BTreeMap<Key, Option<Node>>,
    chain: Vec<Key>,
}

impl Extender<'_, '_> {
    /// A service without `extends`. `None` where something is wrong, which was reported.
    fn resolve(&mut self, key: &Key) -> Option<Node> {
        if let Some(known) = self.done.get(key) {
            return known.clone();
        }
        self.chain.push(key.clone());
        let resolved = self.resolve_new(key);
        self.chain.pop();
        self.done.insert(key.clone(), resolved.clone());
        resolved
    }

    fn resolve_new(&mut self, key: &Key) -> Option<Node> {
        let tree = self.trees.get(&key.0)?;
        let mut own = tree.get("services")?.get(&key.1)?.clone();
        let Some(extends) = take(&mut own, "extends") else {
            return Some(own);
        };
        let shown = format!("services.{}.extends", key.1);
        let (base, span) = self.target(&extends, &key.0, &shown)?;
        if self.chain.contains(&base) {
            let message = format!("the service `{}` extends itself", base.1);
            self.assembler.invalid(span, message, &shown);
            return None;
        }
        if self.chain.len() >= MAX_CHAIN {
            let message = "more than 32 services extend each other";
            self.assembler.invalid(span, message, &shown);
            return None;
        }
        let services = self.trees.get(&base.0)?.get("services");
        if services
            .and_then(|services| services.get(&base.1))
            .is_none()
        {
            self.unknown(&base, span, &shown);
            return None;
        }
        let base = self.resolve(&base)?;
        self.assembler.copied += base.count();
        if self.assembler.copied > MAX_COPIED {
            let message = "`extends` copies too much";
            self.assembler.invalid(span, message, &shown);
            return None;
        }
        let base = self.assembler.patched(&key.0, &key.1, base);
        Some(merge(&base, &own))
    }

    /// Which service is meant, its file read.
    fn target(&mut self, extends: &Node, path: &str, shown: &str) -> Option<(Key, Span)> {
        if let Some(name) = extends.as_str().filter(|_| !extends.is_null()) {
            return Some(((path.to_owned(), name.to_owned()), extends.span));
        }
        for (key, _) in extends.as_mapping().unwrap_or_default() {
            let name = key.as_str().unwrap_or_default();
            if !["file", "service"].contains(&name) {
                let message = format!("unknown key `{name}`");
                self.assembler.invalid(key.span, message, shown);
            }
        }
        let service = extends.get("service");
        let Some(name) = service.and_then(Node::as_str) else {
            let message = "`extends` names no `service`";
            self.assembler.invalid(extends.span, message, shown);
            return None;
        };
        let span = service?.span;
        let Some(file) = extends.get("file") else {
            return Some(((path.to_owned(), name.to_owned()), span));
        };
        let text = file.as_str().unwrap_or_default();
        let path = self.assembler.beneath(text, file.span, shown)?;
        if !self.trees.contains_key(&path) {
            let tree = self.assembler.open(&path, file.span, shown)?;
            self.trees.insert(path.clone(), tree);
        }
        Some(((path, name.to_owned()), span))
    }

    fn unknown(&mut self, base: &Key, span: Span, shown: &str) {
        let services = self
            .trees
            .get(&base.0)
            .and_then(|tree| tree.get("services"));
        let known: Vec<&str> = services
            .and_then(Node::as_mapping)
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, _)| key.as_str())
            .collect();
        let name = if is_opaque(&base.1) {
            "of this name"
        } else {
            &base.1
        };
        let place = if base.0.is_empty() {
            String::new()
        } else {
            format!(" in {}", base.0)
        };
        let near = suggest(&base.1, &known).map(|near| format!("; did you mean `{near}`?"));
        let message = format!(
            "there is no service `{name}`{place}{}",
            near.unwrap_or_default()
        );
        self.assembler.invalid(span, message, shown);
    }
}
