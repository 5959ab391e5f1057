//! Addresses: of the hub, and of a forge.

use crate::json::text_schema;
use crate::name::text_type;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not the address of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the address of a hub: {1}; expected `https://hub.example.com`, without a path"
)]
pub struct UrlError(String, &'static str);

text_type!(
    /// Where a hub is reached: scheme, host and perhaps a port, without a path and without a final `/`.
    HubUrl,
    UrlError
);

text_schema!(
    HubUrl,
    r"^https?://[^/@?#\s]+/?$",
    ["https://hub.example.com"]
);

impl TryFrom<String> for HubUrl {
    type Error = UrlError;
    fn try_from(text: String) -> Result<Self, UrlError> {
        let fail = |why| Err(UrlError(text.clone(), why));
        let Ok(url) = url::Url::parse(&text) else {
            return fail("it is not a URL");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return fail("it begins with neither `https://` nor `http://`");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return fail("it names no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return fail("it holds a user name or password");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return fail("it has a path");
        }
        Ok(Self(url.as_str().trim_end_matches('/').into()))
    }
}

/// Why a text is not the address of a forge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a forge: {1}; expected `https://git.example.com`")]
pub struct ForgeUrlError(String, &'static str);

text_type!(
    /// Where a forge is reached, `https://…`, perhaps with a path, without a final `/`. A token goes there, so it is encrypted; `http://` is for the same
    /// machine.
    ForgeUrl,
    ForgeUrlError
);

text_schema!(
    ForgeUrl,
    r"^(https://[^@?#\s/]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)(/[^@?#\s]*)?$",
    ["https://github.com", "https://git.example.com"]
);

impl TryFrom<String> for ForgeUrl {
    type Error = ForgeUrlError;
    fn try_from(text: String) -> Result<Self, ForgeUrlError> {
        let fail = |why| Err(ForgeUrlError(text.clone(), why));
        let Ok(url) = url::Url::parse(&text) else {
            return fail("it is not a URL");
        };
        let on_this_machine = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => return fail("it names no host"),
        };
        match url.scheme() {
            "https" => {}
            "http" if on_this_machine => {}
            "http" => return fail("a token would go there unencrypted"),
            _ => return fail("it does not begin with `https://`"),
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return fail("it holds a user name or password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return fail("it has a query");
        }
        Ok(Self(url.as_str().trim_end_matches('/').into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_hubs_and_others() {
        let read = |text: &str| HubUrl::try_from(text).map(String::from);
        assert_eq!(
            read("https://hub.example.com").unwrap(),
            "https://hub.example.com"
        );
        assert_eq!(
            read("http://127.0.0.1:8080/").unwrap(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(read("https://[::1]:1").unwrap(), "https://[::1]:1");
        let others = [
            "",
            "hub.example.com",
            "ftp://hub",
            "https://",
            "https://jo@hub",
            "https://hub/path",
            "https://hub?x",
            "https://hub#x",
            "file:///etc/passwd",
            "https://hub:99999",
        ];
        for other in others {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn addresses_of_forges_and_others() {
        let read = |text: &str| ForgeUrl::try_from(text).map(String::from);
        assert_eq!(read("https://github.com/").unwrap(), "https://github.com");
        assert_eq!(
            read("https://example.com/git/").unwrap(),
            "https://example.com/git"
        );
        for local in [
            "http://127.0.0.1:3000",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert_eq!(read(local).unwrap(), local);
        }
        let others = [
            "",
            "github.com",
            "http://git.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "https://jo:pass@git.example.com",
            "https://git.example.com?token=x",
            "https://git.example.com#x",
            "ssh://git@git.example.com",
        ];
        for other in others {
            assert!(read(other).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_of_forges_is_stable(text in "(https?://(localhost)?)?[ -~]{0,24}") {
            if let Ok(url) = ForgeUrl::try_from(text) {
                prop_assert_eq!(ForgeUrl::try_from(url.as_str()), Ok(url));
            }
        }

        #[test]
        fn what_is_accepted_is_stable(text in "(https?://)?[ -~]{0,24}") {
            if let Ok(url) = HubUrl::try_from(text) {
                prop_assert_eq!(HubUrl::try_from(url.as_str()), Ok(url));
            }
        }
    }
}
