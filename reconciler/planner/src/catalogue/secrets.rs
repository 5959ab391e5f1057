//! `secrets:` of `stack.yaml`: what is asked for can be drawn, and what follows from something else leads to something that is drawn.

use super::services::Finding;
use crate::codes;
use std::collections::BTreeMap;
use tenantry_schema::document::{
    Derivation, LeadsNowhere, Rotate, SecretKind, SecretSpec, Stack, drawn_for,
};
use tenantry_schema::name::VariableName;
use tenantry_yaml::suggest;

/// bcrypt looks at no more bytes than these.
const BCRYPT: usize = 72;

type Secrets = BTreeMap<VariableName, SecretSpec>;

/// Everything that is wrong with the secrets of a stack.
pub(super) fn check(document: &Stack) -> Vec<Finding> {
    let secrets = &document.secrets;
    let all = secrets.iter().flat_map(|(name, spec)| {
        let mut of_one = OfOne {
            name,
            found: Vec::new(),
        };
        match spec.follows() {
            Some(source) => of_one.follower(secrets, spec, source),
            None => of_one.drawn(spec),
        }
        of_one.differs(secrets, spec);
        of_one.found
    });
    all.collect()
}

struct OfOne<'a> {
    name: &'a VariableName,
    found: Vec<Finding>,
}

impl OfOne<'_> {
    fn say(&mut self, code: u16, key: &str, message: String, note: &str) {
        self.found.push(Finding {
            code,
            keys: vec!["secrets".into(), self.name.to_string(), key.into()],
            message,
            note: note.to_owned(),
        });
    }

    /// What is drawn has to be possible, and what does not fit its kind would say something that is not done.
    fn drawn(&mut self, spec: &SecretSpec) {
        let name = self.name;
        let kind = spec.kind.unwrap_or_default();
        if let Some(length) = spec.length.filter(|it| !SecretSpec::LENGTHS.contains(it)) {
            let message = format!(
                "the secret `{name}` has a length of {length}; 8 to 512 characters are possible"
            );
            self.say(codes::BAD_VALUE, "length", message, "");
        }
        if let Some(bytes) = spec.bytes.filter(|it| !SecretSpec::SIZES.contains(it)) {
            let message = format!("the secret `{name}` has {bytes} bytes; 8 to 256 are possible");
            self.say(codes::BAD_VALUE, "bytes", message, "");
        }
        let printable = |c: char| c.is_ascii_graphic();
        if let Some(prefix) = &spec.prefix
            && (prefix.len() > SecretSpec::PREFIX || !prefix.chars().all(printable))
        {
            let message = format!("the prefix of `{name}` is not up to 32 printable characters");
            self.say(codes::BAD_VALUE, "prefix", message, "");
        }
        let password = kind == SecretKind::Password;
        let encoded = !password && kind != SecretKind::Uuid;
        let idle = [
            (
                spec.length.is_some() && !password,
                "length",
                "`bytes` says how long it is",
            ),
            (
                spec.alphabet.is_some() && !password,
                "alphabet",
                "its kind says which characters it has",
            ),
            (
                spec.bytes.is_some() && !encoded,
                "bytes",
                "`length` says how long a password is, and a UUID has one length",
            ),
        ];
        for (_, key, note) in idle.into_iter().filter(|(idle, ..)| *idle) {
            let message = format!("`{key}` means nothing for this kind of secret");
            self.say(codes::BAD_VALUE, key, message, note);
        }
    }

    /// A value that comes from another secret is not drawn.
    fn follower(&mut self, secrets: &Secrets, spec: &SecretSpec, source: &VariableName) {
        let key = match &spec.share_with {
            Some(_) => "share_with",
            None => "derive",
        };
        let said = [
            (spec.kind.is_some(), "kind"),
            (spec.length.is_some(), "length"),
            (spec.alphabet.is_some(), "alphabet"),
            (spec.bytes.is_some(), "bytes"),
            (spec.prefix.is_some(), "prefix"),
            (spec.derive.is_some() && spec.share_with.is_some(), "derive"),
            (spec.rotate == Rotate::Never, "rotate"),
        ];
        for (_, other) in said.into_iter().filter(|(said, _)| *said) {
            let message = format!("`{}` takes its value from `{source}`", self.name);
            let note = format!("remove `{other}`, or say it of `{source}`");
            self.say(codes::BAD_VALUE, other, message, &note);
        }
        let Some(target) = secrets.get(source) else {
            self.unknown(secrets, key, source);
            return;
        };
        let drawn = match drawn_for(secrets, self.name.as_str()) {
            Ok(drawn) => drawn,
            Err(nowhere) => {
                let (message, note) = self.leads_nowhere(&nowhere, key);
                self.say(codes::SECRET_RELATION, key, message, &note);
                return;
            }
        };
        if target.derive.is_some() || spec.share_with.is_some() && target.follows().is_some() {
            let message = format!("`{source}` follows another secret itself");
            let note = format!("name `{drawn}`, which is drawn");
            self.say(codes::SECRET_RELATION, key, message, &note);
            return;
        }
        if matches!(spec.derive, Some(Derivation::Bcrypt(_)))
            && secrets
                .get(drawn)
                .is_some_and(|drawn| drawn.characters() > BCRYPT)
        {
            let message =
                format!("`{source}` is longer than the {BCRYPT} bytes that bcrypt looks at");
            self.say(codes::SECRET_RELATION, key, message, "make it shorter");
        }
    }

    /// Why nothing is drawn for it, and what to do.
    fn leads_nowhere(&self, nowhere: &LeadsNowhere<'_>, key: &str) -> (String, String) {
        let name = self.name;
        match nowhere {
            LeadsNowhere::Missing { last, missing } => (
                format!(
                    "`{name}` leads to `{missing}`, which the stack does not have, so nothing is drawn for it"
                ),
                format!("`{last}` names it: mend it there"),
            ),
            LeadsNowhere::Circle => (
                format!("`{name}` follows itself, so nothing is drawn for it"),
                format!(
                    "take `{key}` away from one of those that follow each other: that one is drawn"
                ),
            ),
        }
    }

    fn differs(&mut self, secrets: &Secrets, spec: &SecretSpec) {
        for other in &spec.must_differ {
            if !secrets.contains_key(other) {
                self.unknown(secrets, "must_differ", other);
                continue;
            }
            let hashed =
                |name: &VariableName| secrets.get(name).is_some_and(|spec| spec.derive.is_some());
            if hashed(self.name) || hashed(other) {
                // A hash never is what it was made from, nor another hash.
                continue;
            }
            let ends = [self.name, other].map(|name| drawn_for(secrets, name.as_str()));
            if ends[0].is_ok() && ends[0] == ends[1] {
                let message = format!(
                    "`{}` and `{other}` have one value and must differ",
                    self.name
                );
                let note = "take away `share_with`, or what must differ";
                self.say(codes::SECRET_RELATION, "must_differ", message, note);
            }
        }
    }

    fn unknown(&mut self, secrets: &Secrets, key: &str, other: &VariableName) {
        let names: Vec<&str> = secrets.keys().map(VariableName::as_str).collect();
        let note = suggest(other.as_str(), &names).map_or_else(
            || format!("its secrets: {}", names.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("the stack has no secret `{other}`");
        self.say(codes::SECRET_RELATION, key, message, &note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(secrets: &str) -> Vec<String> {
        let text = format!("title: T\nsecrets: {secrets}\n");
        let document: Stack = tenantry_yaml::from_str(&text, &tenantry_yaml::Limits::default())
            .unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let found = check(&document).into_iter();
        found
            .map(|found| match found.note.as_str() {
                "" => format!("{}: {}", found.keys[1..].join("."), found.message),
                note => format!("{}: {} ({note})", found.keys[1..].join("."), found.message),
            })
            .collect()
    }

    #[test]
    fn what_can_be_drawn_and_followed_is_good() {
        let good = "
  A: {}
  B: { kind: base64, bytes: 32, prefix: 'base64:', must_differ: [A, HASH] }
  C: { kind: hex, bytes: 16, rotate: never }
  D: { kind: uuid }
  SAME: { share_with: A }
  HASH: { derive: { bcrypt: SAME } }
  PHC: { derive: { argon2: A } }
  DJANGO: { derive: { pbkdf2: C } }";
        assert_eq!(found(good), Vec::<String>::new());
    }

    #[test]
    fn what_leads_nowhere_is_told_at_its_line() {
        for (secrets, told) in [
            (
                "{ A: { length: 7 } }",
                "A.length: the secret `A` has a length of 7; 8 to 512 characters are possible",
            ),
            (
                "{ A: { kind: hex, length: 16 } }",
                "A.length: `length` means nothing for this kind of secret",
            ),
            (
                "{ A: { kind: uuid, bytes: 16 } }",
                "A.bytes: `bytes` means nothing for this kind of secret",
            ),
            (
                "{ A: { kind: hex, bytes: 7 } }",
                "A.bytes: the secret `A` has 7 bytes; 8 to 256 are possible",
            ),
            (
                "{ A: { prefix: 'a b' } }",
                "A.prefix: the prefix of `A` is not up to 32 printable characters",
            ),
            (
                "{ A: {}, B: { share_with: C } }",
                "B.share_with: the stack has no secret `C`",
            ),
            (
                "{ A: { share_with: A } }",
                "A.share_with: `A` follows itself, so nothing is drawn for it (take `share_with` away from one of those that follow each other: that one is drawn)",
            ),
            (
                "{ A: { derive: { bcrypt: B } }, B: { share_with: C } }",
                "A.derive: `A` leads to `C`, which the stack does not have, so nothing is drawn for it (`B` names it: mend it there)",
            ),
            (
                "{ A: {}, B: { share_with: A }, C: { share_with: B }, D: { share_with: C }, E: { share_with: D } }",
                "E.share_with: `D` follows another secret itself (name `A`, which is drawn)",
            ),
            (
                "{ A: { derive: { bcrypt: B } }, B: { share_with: A } }",
                "A.derive: `A` follows itself, so nothing is drawn for it",
            ),
            (
                "{ A: {}, B: { share_with: A }, C: { share_with: B } }",
                "C.share_with: `B` follows another secret itself",
            ),
            (
                "{ A: {}, B: { derive: { argon2: A } }, C: { derive: { argon2: B } } }",
                "C.derive: `B` follows another secret itself",
            ),
            (
                "{ A: {}, B: { share_with: A, length: 9 } }",
                "B.length: `B` takes its value from `A`",
            ),
            (
                "{ A: {}, B: { derive: { bcrypt: A }, rotate: never } }",
                "B.rotate: `B` takes its value from `A`",
            ),
            (
                "{ A: { length: 73 }, B: { derive: { bcrypt: A } } }",
                "B.derive: `A` is longer than the 72 bytes that bcrypt looks at",
            ),
            (
                "{ A: {}, B: { share_with: A, must_differ: [A] } }",
                "B.must_differ: `B` and `A` have one value and must differ",
            ),
            (
                "{ A: { must_differ: [A] } }",
                "A.must_differ: `A` and `A` have one value and must differ",
            ),
            (
                "{ A: { must_differ: [AB] } }",
                "A.must_differ: the stack has no secret `AB`",
            ),
        ] {
            assert!(
                found(secrets).iter().any(|found| found.starts_with(told)),
                "{secrets}: {:?}",
                found(secrets)
            );
        }
    }

    proptest! {
        /// Whoever follows whom: checking ends, and where nothing is wrong every secret leads to one that is drawn.
        #[test]
        fn what_is_good_leads_to_something_drawn(targets in proptest::collection::vec((0usize..8, 0u8..4), 1..8)) {
            let name = |at: usize| VariableName::try_from(format!("S{at}")).unwrap();
            let secrets: Secrets = targets.iter().enumerate().map(|(at, (target, how))| {
                let spec = match how {
                    0 => SecretSpec { share_with: Some(name(*target)), ..SecretSpec::default() },
                    1 => SecretSpec { derive: Some(Derivation::Argon2(name(*target))), ..SecretSpec::default() },
                    _ => SecretSpec::default(),
                };
                (name(at), spec)
            }).collect();
            let text = serde_json::json!({ "title": "T", "secrets": secrets });
            let document: Stack = serde_json::from_value(text).unwrap();
            if check(&document).is_empty() {
                for name in secrets.keys() {
                    let end = drawn_for(&secrets, name.as_str());
                    prop_assert!(end.is_ok_and(|end| secrets[end].follows().is_none()));
                }
            }
        }
    }
}
