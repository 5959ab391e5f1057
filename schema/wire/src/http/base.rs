//! The signature base of RFC 9421, section 2.5, and its parameters. Which components are covered is decided by request and answer.

use super::{HttpError, SIGNATURE_INPUT};
use std::fmt::Write as _;

/// The label of our signature in a message that may carry others' too.
pub(super) const LABEL: &str = "tenantry";

/// Parameters of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Params<'a> {
    /// Seconds since 1970.
    pub(super) created: i64,
    /// The key's fingerprint.
    pub(super) key_id: &'a str,
}

/// A component and its value.
pub(super) type Component<'a> = (&'static str, &'a str);

/// The text that is signed. `params` is the value of `@signature-params`. Refuses values that could pretend to be another line.
pub(super) fn signature_base(
    components: &[Component<'_>],
    params: &str,
) -> Result<String, HttpError> {
    let mut base = String::with_capacity(512);
    for (name, value) in components {
        if value.bytes().any(|b| !(0x20..0x7f).contains(&b)) {
            return Err(HttpError::Malformed(name));
        }
        let _ = writeln!(base, "\"{name}\": {value}");
    }
    let _ = write!(base, "\"@signature-params\": {params}");
    Ok(base)
}

/// The value of `@signature-params` for these components.
pub(super) fn params(components: &[Component<'_>], params: Params<'_>) -> String {
    let mut text = String::with_capacity(256);
    text.push('(');
    for (at, (name, _)) in components.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        let _ = write!(text, "{space}\"{name}\"");
    }
    let _ = write!(
        text,
        ");created={};keyid=\"{}\";alg=\"ed25519\"",
        params.created, params.key_id
    );
    text
}

/// Splits `tenantry=(…);created=…;keyid="…";alg="ed25519"` into the list of components and the parameters. Nothing else is accepted.
pub(super) fn parse(input: &str) -> Result<(&str, Params<'_>), HttpError> {
    split(input).ok_or(HttpError::Malformed(SIGNATURE_INPUT))
}

fn split(input: &str) -> Option<(&str, Params<'_>)> {
    let (_, value) = input.split_once('=').filter(|(label, _)| *label == LABEL)?;
    let (list, rest) = value.split_at_checked(value.find(')')? + 1)?;
    let (created, rest) = rest.strip_prefix(";created=")?.split_once(';')?;
    let digits = (1..=15).contains(&created.len()) && created.bytes().all(|b| b.is_ascii_digit());
    let key_id = rest
        .strip_prefix("keyid=\"")?
        .strip_suffix("\";alg=\"ed25519\"")?;
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'+' | b'/' | b'=' | b'-' | b'_');
    if !digits || key_id.is_empty() || key_id.len() > 100 || !key_id.bytes().all(plain) {
        return None;
    }
    Some((
        list,
        Params {
            created: created.parse().ok()?,
            key_id,
        },
    ))
}

/// The list of components as [`params`] begins.
pub(super) fn covers(list: &str, components: &[Component<'_>]) -> bool {
    let expected = components.iter().map(|(name, _)| *name);
    let Some(inner) = list
        .strip_prefix('(')
        .and_then(|list| list.strip_suffix(')'))
    else {
        return false;
    };
    let quoted = |name: &str| Some(name.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    inner
        .split(' ')
        .map(quoted)
        .eq(expected.map(|name| Some(name.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::VerifyingKey;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    /// RFC 9421, appendix B.2.6, with the key of B.1.4.
    #[test]
    fn example_of_the_rfc() {
        let components = [
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@method", "POST"),
            ("@path", "/foo"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ];
        let rfc = r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
        let base = signature_base(&components, rfc).unwrap();
        assert_eq!(
            base,
            [
                r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
                r#""@method": POST"#,
                r#""@path": /foo"#,
                r#""@authority": example.com"#,
                r#""content-type": application/json"#,
                r#""content-length": 18"#,
                &format!(r#""@signature-params": {rfc}"#),
            ]
            .join("\n")
        );
        // Our own parameters are the RFC's and `alg`.
        let ours = params(
            &components,
            Params {
                created: 1_618_884_473,
                key_id: "test-key-ed25519",
            },
        );
        assert_eq!(ours, format!("{rfc};alg=\"ed25519\""));

        let der = STANDARD
            .decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
            .unwrap();
        let key = VerifyingKey::from_bytes(der[der.len() - 32..].try_into().unwrap());
        let signature = STANDARD
            .decode("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")
            .unwrap();
        assert!(key.verifies(base.as_bytes(), &signature));
        assert!(!key.verifies(base.replace("18", "19").as_bytes(), &signature));
    }

    #[test]
    fn a_value_cannot_pretend_to_be_another_line() {
        let base = signature_base(&[("@path", "/a\n\"@query\": ?b")], "()");
        assert_eq!(base, Err(HttpError::Malformed("@path")));
    }

    #[test]
    fn only_our_own_form_is_parsed() {
        let components = [("@method", ""), ("tenantry-nonce", "")];
        let wanted = Params {
            created: 7,
            key_id: "SHA256:abc+/",
        };
        let text = format!("tenantry={}", params(&components, wanted));
        let (list, read) = parse(&text).unwrap();
        assert_eq!(read, wanted);
        assert!(covers(list, &components));
        assert!(!covers(list, &components[..1]));
        for bad in [
            "",
            "tenantry=",
            "other=()",
            "tenantry=();created=-1;keyid=\"a\";alg=\"ed25519\"",
            "tenantry=();created=1;keyid=\"a\"",
            "tenantry=();created=1;keyid=\"a\";alg=\"hmac-sha256\"",
            "tenantry=();created=1;keyid=\"a\\\"\";alg=\"ed25519\"",
            "tenantry=();created=1;expires=2;keyid=\"a\";alg=\"ed25519\"",
            "tenantry=();created=99999999999999999999;keyid=\"a\";alg=\"ed25519\"",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
