//! Shared by the tests of this crate: random trees, keys, fixed times. No assertions live here.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part"
)]

pub mod sops;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tenantry_sops::{
    Change, EncryptOptions, Identities, Map, Path, Recipient, Rule, Timestamp, Value,
};

/// A key pair.
pub struct Keys {
    pub identities: Identities,
    pub recipient: Recipient,
    pub secret: String,
}

pub fn keys() -> Keys {
    use age::secrecy::ExposeSecret as _;
    let identity = age::x25519::Identity::generate();
    Keys {
        recipient: identity.to_public().to_string().parse().unwrap(),
        secret: identity.to_string().expose_secret().to_owned(),
        identities: identity.into(),
    }
}

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(1_795_222_800 + seconds).unwrap()
}

pub fn options(recipients: &[&Keys], rule: Rule, mac_only_encrypted: bool) -> EncryptOptions {
    EncryptOptions {
        recipients: recipients
            .iter()
            .map(|keys| keys.recipient.clone())
            .collect(),
        rule,
        mac_only_encrypted,
        last_modified: at(0),
    }
}

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{0,20}",
        2 => any::<String>(),
        2 => "[a-z \n\t#:-]{0,30}",
        1 => prop::sample::select(vec![
            "", "yes", "null", "~", "0x1f", "1.5", "1e3", "2001-01-01", "<<", "=", "- a", "a: b", "ENC[AES256_GCM,data:x]", "\u{feff}", "\u{85}x",
        ]).prop_map(str::to_owned),
    ]
}

pub fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::Int),
        1 => any::<f64>().prop_filter("finite", |float| float.is_finite())
            // `sops` writes a clear -0.0 as the integer -0 and then refuses its own MAC.
            .prop_map(|float| if float == 0.0 { 0.0 } else { float }).prop_map(Value::Float),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => (0_i64..4_000_000_000).prop_map(|seconds| Value::Time(Timestamp::from_unix(seconds).unwrap())),
    ]
}

pub fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z_][a-zA-Z0-9_]{0,8}",
        1 => "[a-z]{1,3}_unencrypted",
        1 => text(),
    ]
    // `sops` writes the key `<<` without quotes and cannot read it any more.
    .prop_filter("reserved", |key| key != "sops" && key != "<<")
}

pub fn tree() -> impl Strategy<Value = Map> {
    let node = scalar().prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            entries(inner).prop_map(Value::Map),
        ]
    });
    entries(node)
}

fn entries(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map> {
    prop::collection::vec((key(), value), 0..5).prop_map(Map::from_iter)
}

pub fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::default()),
        Just(Rule::all()),
        Just(Rule::EncryptedRegex("^[a-m]".into())),
        Just(Rule::UnencryptedRegex("^[a-m]".into())),
        Just(Rule::EncryptedSuffix("a".into())),
    ]
}

/// A small tree with a bit of everything.
pub fn sample() -> Map {
    Map::new()
        .with("token", "s3cret")
        .with("user", "root")
        .with("port", 5432)
        .with("note_unencrypted", "clear")
        .with(
            "db",
            Map::new()
                .with("password", "pw")
                .with("hosts", vec![Value::from("a"), Value::from("b")]),
        )
}

pub fn set(path: Path, value: impl Into<Value>) -> Change {
    Change::Set {
        path,
        value: value.into(),
    }
}
