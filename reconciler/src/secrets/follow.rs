//! What a value that people give to a secret of a stack means for those that follow it (`share_with`, `derive` in `stack.yaml`).

use super::uses::Declared;
use super::{SecretsError, Target};
use crate::generate::{self, Values, fits};
use tenantry_sops::{ExposeSecret as _, SecretString};

/// The values that are to be written where `name` gets `value`: its own, and those of what follows it. `there` is what the file holds.
pub fn given(
    declared: &Declared,
    target: &Target,
    name: &str,
    value: SecretString,
    there: &Values,
) -> Result<Values, SecretsError> {
    if let Some(source) = declared.source(name)
        && declared.secrets[name].derive.is_none()
    {
        return Err(SecretsError::refused(format!(
            "`{name}` has the value of `{source}` and none of its own: set that one, and `{name}` goes with it \
             (`tenantry secrets set {target} {source}`)"
        )));
    }
    generate::given(&declared.secrets, name, value, there, &mut rand::rng())
        .map_err(|error| SecretsError::refused(error.to_string()))
}

/// The names of those among `values` that are not `there`, or differ.
pub fn changed(values: &Values, there: &Values) -> Vec<String> {
    let new = values.iter().filter(|(name, value)| {
        let before = there.get(*name).map(SecretString::expose_secret);
        before != Some(value.expose_secret())
    });
    new.map(|(name, _)| name.clone()).collect()
}

/// A secret whose value is not made of that which it follows.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale {
    /// Which one.
    pub name: String,
    /// What it follows.
    pub source: String,
    /// How it would be made.
    pub how: &'static str,
}

impl Stale {
    /// What is wrong, and the way out.
    pub fn sentence(&self, target: &Target) -> String {
        let Self { name, source, how } = self;
        format!(
            "`{name}` follows `{source}` ({how}) and was not made from its value: `tenantry secrets set {target} {source}` makes it anew"
        )
    }
}

/// Those among `values` that have to do with the `changed` ones.
pub fn stale(declared: &Declared, values: &Values, changed: &[String]) -> Vec<Stale> {
    let concerned = |name: &str, source: &str| {
        let mut changed = changed.iter();
        changed.any(|changed| changed == name || changed == source)
    };
    let each = values.iter().filter_map(|(name, value)| {
        let spec = declared.secrets.get(name)?;
        let source = declared.source(name)?;
        let from = values.get(source)?;
        let stale = concerned(name, source) && !fits(spec, Some(from), Some(value));
        stale.then(|| Stale {
            name: name.clone(),
            source: source.to_owned(),
            how: Declared::how(spec),
        })
    });
    each.collect()
}
