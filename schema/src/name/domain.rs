//! Domain names: fully qualified, in the form in which DNS has them.

use super::NameError;
use crate::json::text_schema;
use serde::{Deserialize, Serialize};
use std::fmt;

text_type!(
    /// A fully qualified host name, lower case, without the final dot. International names are written in their `xn--` form.
    DomainName,
    NameError
);

text_schema!(
    DomainName,
    r"^(?=.{1,253}$)(?!.*\.[0-9]+$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    ["acme.example"]
);

impl TryFrom<String> for DomainName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        match judge(&text) {
            Ok(()) => Ok(Self(text.into())),
            Err(why) => {
                let why = match nearest(&text) {
                    Some(near) => format!("{why}; did you mean `{near}`?"),
                    None => why.to_owned(),
                };
                Err(NameError::Domain(text, why))
            }
        }
    }
}

/// What keeps a text from being a domain name.
fn judge(text: &str) -> Result<(), &'static str> {
    if text.len() > 253 {
        return Err("longer than 253 characters");
    }
    let mut labels = 0;
    for label in text.split('.') {
        labels += 1;
        if label.is_empty() || label.len() > 63 {
            return Err("each part between dots has 1 to 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part cannot begin or end with a hyphen");
        }
        if label.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("write it in lower case");
        }
        if !label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err("only letters, digits and hyphens; international names in their xn-- form");
        }
    }
    if labels < 2 {
        return Err("at least two parts are needed, such as acme.example");
    }
    if text
        .rsplit('.')
        .next()
        .is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err("that is an address, not a name");
    }
    Ok(())
}

/// The domain name in what people copy from the address line of a browser: without scheme, port and path, in lower case and in its `xn--` form
/// (the URL Standard's "domain to ASCII").
fn nearest(text: &str) -> Option<String> {
    /// No address is longer.
    const LONGEST: usize = 2_000;
    if text.len() > LONGEST {
        return None;
    }
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let url = url::Url::parse(&format!("https://{rest}")).ok()?;
    let host = url.domain()?.trim_end_matches('.');
    judge(host).ok().map(|()| host.to_owned())
}

impl DomainName {
    /// `<label>.<self>`; fails if the result is not a domain name.
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        Self::try_from(format!("{label}.{self}"))
    }

    /// The name and each name above it, nearest first: `a.b.c` gives `a.b.c`, `b.c`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let mut rest = Some(self.as_str());
        std::iter::from_fn(move || {
            let now = rest?;
            rest = now
                .split_once('.')
                .map(|(_, up)| up)
                .filter(|up| up.contains('.'));
            Some(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn domains() {
        for good in [
            "acme.example",
            "a.b.c.example",
            "xn--mnchen-3ya.de",
            "1.example",
        ] {
            assert!(DomainName::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "acme",
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "Acme.example",
            "a b.c",
            "10.0.0.1",
            "a.b;",
            "a.b\n",
            "münchen.de",
            "*.a.b",
        ] {
            assert!(DomainName::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_copied_from_a_browser_leads_to_the_name_in_it() {
        for (text, near) in [
            ("https://acme.example/", "acme.example"),
            ("http://www.acme.example/shop?a=1", "www.acme.example"),
            ("ACME.example:8080", "acme.example"),
            ("acme.example.", "acme.example"),
            ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
            ("https://M\u{dc}NCHEN.example", "xn--mnchen-3ya.example"),
        ] {
            let why = DomainName::try_from(text).unwrap_err().to_string();
            assert!(why.ends_with(&format!("did you mean `{near}`?")), "{why}");
        }
        for text in ["acme..example", "acme", "10.0.0.1", "a b.c", ""] {
            let why = DomainName::try_from(text).unwrap_err().to_string();
            assert!(!why.contains("did you mean"), "{why}");
        }
    }

    #[test]
    fn ancestors_stop_before_the_top_level() {
        let domain = DomainName::try_from("shop.acme.co.example").unwrap();
        assert_eq!(
            domain.ancestors().collect::<Vec<_>>(),
            ["shop.acme.co.example", "acme.co.example", "co.example"]
        );
    }

    proptest! {
        #[test]
        fn what_is_proposed_is_a_domain_name(text in "(https?://)?[a-zA-Z.\u{e4}\u{fc}:/0-9-]{0,30}") {
            if let Some(near) = nearest(&text) {
                prop_assert!(DomainName::try_from(near).is_ok());
            }
        }
    }
}
