//! Values that are drawn, shared, hashed and given.

use super::*;
use proptest::prelude::*;
use std::process::Command;
use tenantry_schema::document::Derivation;
use tenantry_schema::name::VariableName;

fn name(text: &str) -> VariableName {
    VariableName::try_from(text).unwrap()
}

fn shown(values: &Values, name: &str) -> String {
    values[name].expose_secret().to_owned()
}

#[test]
fn what_follows_is_the_same_or_a_hash_that_others_take() {
    let derived = |derive| SecretSpec {
        derive: Some(derive),
        ..SecretSpec::default()
    };
    let specs = BTreeMap::from([
        ("PASSWORD".to_owned(), SecretSpec::default()),
        (
            "SAME".to_owned(),
            SecretSpec {
                share_with: Some(name("PASSWORD")),
                ..SecretSpec::default()
            },
        ),
        (
            "BCRYPT".to_owned(),
            derived(Derivation::Bcrypt(name("SAME"))),
        ),
        (
            "ARGON2".to_owned(),
            derived(Derivation::Argon2(name("PASSWORD"))),
        ),
        (
            "DJANGO".to_owned(),
            derived(Derivation::Pbkdf2(name("PASSWORD"))),
        ),
    ]);
    let values = draw(&specs, &Values::new(), &mut rand::rng()).unwrap();
    let password = shown(&values, "PASSWORD");
    assert_eq!(shown(&values, "SAME"), password);
    assert!(bcrypt::verify(&password, &shown(&values, "BCRYPT")).unwrap());
    let argon2 = shown(&values, "ARGON2");
    assert!(
        argon2.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{argon2}"
    );
    // The C library and Python know the two others by themselves.
    let script = "import sys,hashlib,base64,warnings\nwarnings.simplefilter('ignore')\nimport crypt\np,b,d=sys.argv[1:]\nassert crypt.crypt(p,b)==b\n_,n,s,k=d.split('$')\nassert base64.b64encode(hashlib.pbkdf2_hmac('sha256',p.encode(),s.encode(),int(n))).decode()==k";
    let checked = Command::new("python3")
        .args(["-c", script])
        .args([
            &password,
            &shown(&values, "BCRYPT"),
            &shown(&values, "DJANGO"),
        ])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn what_is_there_is_what_hashes_are_made_of() {
    let there = Values::from([("OLD".to_owned(), SecretString::from("known"))]);
    let spec = |source| SecretSpec {
        derive: Some(Derivation::Bcrypt(name(source))),
        ..SecretSpec::default()
    };
    let one = |spec| BTreeMap::from([("NEW".to_owned(), spec)]);
    let values = draw(&one(spec("OLD")), &there, &mut rand::rng()).unwrap();
    assert!(bcrypt::verify("known", &shown(&values, "NEW")).unwrap());
    assert_eq!(values.len(), 1, "what is there is not given out again");
    let error = draw(&one(spec("GONE")), &there, &mut rand::rng()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`NEW` follows the secret `GONE`, which has no value: generate `GONE` as well, or set it, and `NEW` goes with it"
    );
}

#[test]
fn what_is_given_takes_with_it_what_follows_and_is_not_what_must_differ() {
    let specs: BTreeMap<String, SecretSpec> = serde_json::from_str(
        r#"{"PASSWORD": {}, "SAME": {"share_with": "PASSWORD"}, "HASH": {"derive": {"bcrypt": "SAME"}}, "PHC": {"derive": {"argon2": "PASSWORD"}},
            "DJANGO": {"derive": {"pbkdf2": "PASSWORD"}}, "KEY": {"must_differ": ["SAME"]}, "OTHER": {}}"#,
    )
    .unwrap();
    let there = draw(&specs, &Values::new(), &mut rand::rng()).unwrap();
    let give = |name: &str, value: &str, there: &Values| {
        let value = SecretString::from(value);
        given(&specs, name, value, there, &mut rand::rng())
    };
    let names = |values: &Values| values.keys().cloned().collect::<Vec<_>>().join(" ");
    let new = give("PASSWORD", "given by hand", &there).unwrap();
    assert_eq!(names(&new), "DJANGO HASH PASSWORD PHC SAME");
    assert_eq!(shown(&new, "SAME"), "given by hand");
    assert!(bcrypt::verify("given by hand", &shown(&new, "HASH")).unwrap());
    assert_eq!(names(&give("OTHER", "x", &there).unwrap()), "OTHER");
    // Once more: hashes that were made of it stay, one that was not is made anew.
    let mut after = there.clone();
    after.extend(new.clone());
    let again = give("PASSWORD", "given by hand", &after).unwrap();
    assert_eq!(names(&again), "PASSWORD SAME");
    after.insert("PHC".to_owned(), there["PHC"].clone());
    let again = give("PASSWORD", "given by hand", &after).unwrap();
    assert_eq!(names(&again), "PASSWORD PHC SAME");
    // From both sides, and by what it is shared with.
    let key = shown(&after, "KEY");
    assert_eq!(
        give("PASSWORD", &key, &after).unwrap_err(),
        GenerateError::Taken("SAME".into(), "KEY".into())
    );
    assert_eq!(
        give("KEY", "given by hand", &after).unwrap_err(),
        GenerateError::Taken("KEY".into(), "SAME".into())
    );
    let long = give("PASSWORD", &"x".repeat(73), &after).unwrap_err();
    assert!(
        long.to_string()
            .starts_with("`HASH` cannot be worked out: ")
    );
}

/// Dice that always fall the same.
struct Stuck;

impl rand::RngCore for Stuck {
    fn next_u32(&mut self) -> u32 {
        7
    }
    fn next_u64(&mut self) -> u64 {
        7
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
impl rand::CryptoRng for Stuck {}

#[test]
fn two_that_must_differ_never_come_out_the_same() {
    let specs = BTreeMap::from([
        ("A".to_owned(), SecretSpec::default()),
        (
            "B".to_owned(),
            SecretSpec {
                must_differ: vec![name("A")],
                ..SecretSpec::default()
            },
        ),
    ]);
    let error = draw(&specs, &Values::new(), &mut Stuck).unwrap_err();
    assert_eq!(error, GenerateError::Same("B".into(), "A".into()));
    let values = draw(&specs, &Values::new(), &mut rand::rng()).unwrap();
    assert_ne!(shown(&values, "A"), shown(&values, "B"));
    // Also where the other one is there, and the one that is drawn says nothing of it.
    let later = on_both_sides(&specs, |name| name == "A");
    let stuck = SecretString::from(generate(&SecretSpec::default(), &mut Stuck));
    let there = Values::from([("B".to_owned(), stuck)]);
    let error = draw(&later, &there, &mut Stuck).unwrap_err();
    assert_eq!(error, GenerateError::Same("A".into(), "B".into()));
    assert!(draw(&later, &there, &mut rand::rng()).is_ok());
}

proptest! {
    #[test]
    fn every_kind_is_what_it_says(
        kind in 0usize..5, length in 0u16..600, bytes in 0u16..300, hex in any::<bool>(), prefix in "(base64:|)"
    ) {
        let kind = [SecretKind::Password, SecretKind::Hex, SecretKind::Base64, SecretKind::Base64url, SecretKind::Uuid][kind];
        let spec = SecretSpec {
            kind: Some(kind),
            length: Some(length),
            bytes: Some(bytes),
            alphabet: hex.then_some(Alphabet::Hex),
            prefix: (!prefix.is_empty()).then(|| prefix.clone()),
            ..SecretSpec::default()
        };
        let secret = generate(&spec, &mut rand::rng());
        let drawn = secret.strip_prefix(&prefix).unwrap();
        let size = usize::from(bytes.clamp(8, 256));
        match kind {
            SecretKind::Password => {
                prop_assert_eq!(drawn.len(), usize::from(length.clamp(8, 512)));
                prop_assert!(drawn.bytes().all(|b| b.is_ascii_alphanumeric() && (!hex || b.is_ascii_hexdigit())));
            }
            SecretKind::Hex => prop_assert_eq!(hex::decode(drawn).unwrap().len(), size),
            SecretKind::Base64 => prop_assert_eq!(STANDARD.decode(drawn).unwrap().len(), size),
            SecretKind::Base64url => prop_assert_eq!(URL_SAFE_NO_PAD.decode(drawn).unwrap().len(), size),
            SecretKind::Uuid => {
                let dashes: Vec<usize> = drawn.match_indices('-').map(|(at, _)| at).collect();
                prop_assert_eq!(dashes, [8, 13, 18, 23]);
                prop_assert!(drawn.len() == 36 && &drawn[14..15] == "4" && "89ab".contains(&drawn[19..20]));
            }
        }
        if SecretSpec::LENGTHS.contains(&length) && SecretSpec::SIZES.contains(&bytes) {
            prop_assert_eq!(secret.len(), spec.characters());
        }
        prop_assert_ne!(generate(&spec, &mut rand::rng()), secret);
    }
}
