//! `!reset` and `!override`: what a file or a service takes away from the one below it before the two are merged. Compose Specification,
//! "Merge and override". Works on trees; nothing is typed.

use std::collections::{BTreeMap, HashMap, HashSet};
use tenantry_yaml::{Kind, Marked, Node, Problem, Span};

/// What the one below loses, by the keys that lead there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    lost: Option<Loss>,
    beneath: BTreeMap<String, Patch>,
}

/// That something goes, and what said so.
#[derive(Debug, Clone)]
struct Loss {
    keys: Vec<String>,
    span: Span,
    tag: &'static str,
}

impl Patch {
    /// Reads the tags of a file. What stands under `!reset` leaves its tree: it only says where something goes.
    pub(crate) fn take(root: &mut Node, marked: &[Marked], problems: &mut Vec<Problem>) -> Self {
        let mut patch = Self::default();
        if marked.is_empty() {
            return patch;
        }
        let mut walk = Walk {
            marked: marked
                .iter()
                .map(|marked| (marked.span, marked.tag))
                .collect(),
            used: HashSet::new(),
            keys: Vec::new(),
            patch: &mut patch,
            problems,
        };
        if let Some(tag) = walk.marked.get(&root.span).copied() {
            walk.misplaced(root.span, tag);
        }
        walk.node(root);
        walk.unused(marked);
        patch
    }

    /// Takes everything away from the file below.
    pub(crate) fn apply(&self, below: &mut Node, problems: &mut Vec<Problem>) {
        self.apply_at(0, below, problems);
    }

    /// Takes away from the service below what is said of `service`.
    pub(crate) fn apply_to_service(
        &self,
        service: &str,
        below: &mut Node,
        problems: &mut Vec<Problem>,
    ) {
        let services = self.beneath.get("services");
        if let Some(patch) = services.and_then(|services| services.beneath.get(service)) {
            patch.apply_at(2, below, problems);
        }
    }

    /// `depth` is how many keys led here.
    fn apply_at(&self, depth: usize, below: &mut Node, problems: &mut Vec<Problem>) {
        match &mut below.kind {
            Kind::Mapping(entries) => entries.retain_mut(|(key, value)| {
                let patch = self.beneath.get(key.as_str().unwrap_or_default());
                match patch {
                    Some(Self { lost: Some(_), .. }) => return false,
                    Some(patch) => patch.apply_at(depth + 1, value, problems),
                    None => {}
                }
                true
            }),
            Kind::Sequence(_) => self.each_loss(&mut |loss| problems.push(loss.in_a_list(depth))),
            // Nothing is there that could be taken away.
            Kind::Scalar { .. } => {}
        }
    }

    /// The losses beneath, without those inside of others.
    fn each_loss(&self, tell: &mut dyn FnMut(&Loss)) {
        for patch in self.beneath.values() {
            match &patch.lost {
                Some(loss) => tell(loss),
                None => patch.each_loss(tell),
            }
        }
    }

    fn add(&mut self, loss: Loss) {
        let mut at = self;
        for key in &loss.keys {
            at = at.beneath.entry(key.clone()).or_default();
        }
        at.lost = Some(loss);
    }
}

impl Loss {
    /// It would go out of a list that so many keys lead to.
    fn in_a_list(&self, depth: usize) -> Problem {
        let (list, rest) = self.keys.split_at(depth.min(self.keys.len()));
        let message = format!(
            "`{}` takes away `{}` of a list, whose entries have no names",
            self.tag,
            rest.join(".")
        );
        let help = format!(
            "below this file `{}` is a list: put the tag at the whole of it, with all that should be there",
            list.join(".")
        );
        Problem::invalid(self.span, message)
            .with_help(help)
            .with_path(self.keys.join("."))
    }
}

struct Walk<'p> {
    marked: HashMap<Span, &'static str>,
    /// Those that were acted on, or told.
    used: HashSet<Span>,
    keys: Vec<String>,
    patch: &'p mut Patch,
    problems: &'p mut Vec<Problem>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.kind {
            Kind::Scalar { .. } => {}
            Kind::Sequence(items) => items.iter().for_each(|item| self.item(item)),
            Kind::Mapping(entries) => entries.retain_mut(|(key, value)| self.entry(key, value)),
        }
    }

    /// Whether it stays.
    fn entry(&mut self, key: &Node, value: &mut Node) -> bool {
        let tag = self.marked.get(&value.span).copied();
        self.keys.push(key.as_str().unwrap_or_default().to_owned());
        if let Some(tag) = tag {
            self.used.insert(value.span);
            self.patch.add(Loss {
                keys: self.keys.clone(),
                span: value.span,
                tag,
            });
        }
        let stays = tag != Some("!reset");
        if stays {
            self.node(value);
        } else {
            // All of it goes.
            let inside = |span: &Span| value.span.start <= span.start && span.end <= value.span.end;
            self.used
                .extend(self.marked.keys().filter(|span| inside(span)));
        }
        self.keys.pop();
        stays
    }

    /// Nothing in a list has a name by which it could be found below.
    fn item(&mut self, item: &Node) {
        if let Some(tag) = self.marked.get(&item.span).copied() {
            self.misplaced(item.span, tag);
        }
        match &item.kind {
            Kind::Scalar { .. } => {}
            Kind::Sequence(items) => items.iter().for_each(|item| self.item(item)),
            Kind::Mapping(entries) => entries.iter().for_each(|(_, value)| self.item(value)),
        }
    }

    /// What stands at a key, or at the value of a merge key, is nothing's value.
    fn unused(&mut self, marked: &[Marked]) {
        for Marked { span, tag } in marked {
            if !self.used.contains(span) {
                self.misplaced(*span, tag);
            }
        }
    }

    fn misplaced(&mut self, span: Span, tag: &str) {
        self.used.insert(span);
        let message = format!("`{tag}` cannot stand here");
        self.problems.push(
            Problem::invalid(span, message)
                .with_help("it stands behind the name of a key, as in `ports: !reset []`; nothing inside of a list can be taken away"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge;
    use proptest::prelude::*;
    use tenantry_yaml::{Limits, Partial, parse_marked};

    /// Both, as text of a sort.
    fn merged(below: &str, own: &str) -> (String, Vec<String>) {
        let below = parse_marked(below, &Limits::compose());
        let Partial {
            root,
            marked,
            mut problems,
        } = parse_marked(own, &Limits::compose());
        let (mut below, mut own) = (below.root.unwrap(), root.unwrap());
        let patch = Patch::take(&mut own, &marked, &mut problems);
        patch.apply(&mut below, &mut problems);
        let told = problems.into_iter().map(|problem| problem.message);
        (shown(&merge::files(&below, &own)), told.collect())
    }

    fn shown(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { value, .. } => value.to_string(),
            Kind::Sequence(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(" "))
            }
            Kind::Mapping(entries) => {
                let entries = entries.iter();
                let entries =
                    entries.map(|(key, value)| format!("{}:{}", shown(key), shown(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    const BELOW: &str = "services: {a: {image: x, ports: [1, 2], environment: {A: 1, B: 2}, labels: [L=1]}, b: {image: y}}\nvolumes: {v: }";

    #[test]
    fn what_is_reset_goes_and_what_overrides_takes_its_place() {
        for (own, whole) in [
            (
                "services: {a: {ports: !reset [], environment: {A: !reset null}}}",
                "{services:{a:{image:x environment:{B:2} labels:[L=1]} b:{image:y}} volumes:{v:}}",
            ),
            (
                "services:\n  a:\n    ports: !override\n      - 3\n    environment: !override {C: 3}\n    labels: !override [M=2]\n",
                "{services:{a:{image:x ports:[3] environment:{C:3} labels:[M=2]} b:{image:y}} volumes:{v:}}",
            ),
            (
                "services: {b: !reset {}, a: !override {image: z}}\nvolumes: !reset\n",
                "{services:{a:{image:z}}}",
            ),
            // What is not there cannot go.
            (
                "services: {a: {image: !reset x, nothing: !reset x, c: {d: !reset x}}, c: {e: !reset x}}",
                "{services:{a:{ports:[1 2] environment:{A:1 B:2} labels:[L=1] c:{}} b:{image:y} c:{}} volumes:{v:}}",
            ),
            // By an alias and by a merge key as well.
            (
                "x-a: &a !reset null\nx-b: &b {ports: !override [4]}\nservices: {a: {<<: *b, labels: *a}}",
                "{services:{a:{image:x environment:{A:1 B:2} ports:[4]} b:{image:y}} volumes:{v:} x-b:{ports:[4]}}",
            ),
        ] {
            assert_eq!(merged(BELOW, own), (whole.to_owned(), Vec::new()), "{own}");
        }
    }

    #[test]
    fn nothing_goes_out_of_a_list_in_silence() {
        for (own, told) in [
            (
                "services: {a: {labels: {L: !reset null}}}",
                "`!reset` takes away `L` of a list, whose entries have no names",
            ),
            (
                "services: {a: {ports: [!reset 1]}}",
                "`!reset` cannot stand here",
            ),
            (
                "services: {a: {ports: [{target: !override 1}]}}",
                "`!override` cannot stand here",
            ),
            ("!reset {}", "`!reset` cannot stand here"),
            // Nor at keys, where nothing would come of it.
            (
                "services: {a: {!reset ports: []}}",
                "`!reset` cannot stand here",
            ),
            (
                "services: {a: {environment: {!override A: 3}}}",
                "`!override` cannot stand here",
            ),
            (
                "services: {a: {<<: !reset {ports: []}}}",
                "`!reset` cannot stand here",
            ),
        ] {
            assert_eq!(merged(BELOW, own).1, [told], "{own}");
        }
    }

    proptest! {
        /// Whatever is tagged: it is read or refused, and what has no tag stays.
        #[test]
        fn any_tags_are_read_or_refused(own in "services: \\{a: \\{(image|ports|labels): (!reset|!override)? ?[a-z\\[\\]{}:, ]{0,12}\\}\\}") {
            let parsed = parse_marked(&own, &Limits::compose());
            if parsed.root.is_some() && parsed.problems.is_empty() {
                let (whole, _) = merged(BELOW, &own);
                prop_assert!(whole.contains("b:{image:y}"), "{}", whole);
            }
        }
    }
}
