//! Short texts with a grammar: e-mail addresses, languages, colours, and what documents refer to by a text of their own.

use crate::json::text_schema;
use crate::name::text_type;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The text is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not {what}")]
pub struct TextError {
    text: String,
    what: &'static str,
}

/// Longest of these texts, in bytes.
const MAX_TEXT: usize = 320;

/// `text` as it is, where it is short and `good`.
fn checked(
    text: String,
    what: &'static str,
    good: impl FnOnce(&str) -> bool,
) -> Result<Box<str>, TextError> {
    let plain = text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    if plain && good(&text) {
        Ok(text.into())
    } else {
        // What was meant to be a password is not repeated.
        let text = if what.starts_with("a password") {
            "this".to_owned()
        } else {
            format!("`{}`", text.chars().take(MAX_TEXT).collect::<String>())
        };
        Err(TextError { text, what })
    }
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $good:expr, $pattern:literal, $examples:expr) => {
        text_type!($(#[$doc])* $name, TextError);
        text_schema!($name, $pattern, $examples);
        impl TryFrom<String> for $name {
            type Error = TextError;
            fn try_from(text: String) -> Result<Self, TextError> {
                checked(text, $what, $good).map(Self)
            }
        }
    };
}

checked_text!(
    /// An e-mail address: `local@domain`, without a name. Only its shape is checked; whether mail arrives is known when it did.
    EmailAddress,
    "an e-mail address, such as jo@example.com",
    is_email,
    r"^[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+$",
    ["jo@example.com"]
);

fn is_email(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@<>,;".contains(c))
    };
    text.split_once('@').is_some_and(|(local, domain)| {
        let (host, top) = domain.rsplit_once('.').unwrap_or_default();
        plain(local) && plain(host) && plain(top)
    })
}

checked_text!(
    /// A sender of mails: an e-mail address, or `Name <address>`.
    Sender,
    "a sender, such as `Acme Team <hello@acme.example>`",
    |text| match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => !name.trim().is_empty() && !name.contains(['<', '>']) && is_email(address),
        None => is_email(text),
    },
    r"^([^<>]*[^<>\s][^<>]*<[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+>|[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+)$",
    ["Acme Team <hello@acme.example>"]
);

checked_text!(
    /// A mail server: `host:port`.
    MailServer,
    "a mail server with its port, such as smtp.example.com:587",
    |text| {
        let host = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
        text.rsplit_once(':').is_some_and(|(name, port)| {
            let plain = !name.is_empty() && name.bytes().all(host) && !name.starts_with(['.', '-']);
            let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
            plain && digits && port.parse::<u16>().is_ok()
        })
    },
    r"^[A-Za-z0-9][A-Za-z0-9.-]*:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
    ["smtp.example.com:587"]
);

checked_text!(
    /// A language as a BCP 47 tag: two or three letters, then perhaps script and region.
    Language,
    "a language tag, such as `de` or `pt-BR`",
    |text| {
        let mut parts = text.split('-');
        let first = parts.next().unwrap_or_default();
        let letters = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_lowercase());
        letters && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    },
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
    ["de", "pt-BR"]
);

checked_text!(
    /// A colour as `#rrggbb`. YAML takes `#` for a comment: it needs quotes.
    Colour,
    "a colour, such as \"#0a7d62\" in quotes",
    |text| text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit())),
    r"^#[0-9A-Fa-f]{6}$",
    ["#0a7d62"]
);

checked_text!(
    /// A repository at a forge, as it stands in its address: owner and name; at GitLab perhaps with groups between them.
    RepositoryPath,
    "a repository at a forge, such as acme/fleet",
    |text| {
        let part = |part: &str| {
            let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            plain && !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".git")
        };
        text.contains('/') && text.split('/').all(part)
    },
    r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$",
    ["acme/fleet"]
);

checked_text!(
    /// The id of a price at Stripe: `price_…`.
    StripePrice,
    "the id of a price at Stripe, such as price_1QxYz2",
    |text| text.strip_prefix("price_").is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric())),
    r"^price_[A-Za-z0-9]+$",
    ["price_1QxYz2"]
);

checked_text!(
    /// A password, hashed with Argon2id, in PHC string format.
    PasswordHash,
    "a password hash: expected `$argon2id$v=19$m=...,t=...,p=...$salt$hash`",
    |text| {
        let parts: Vec<&str> = text.split('$').collect();
        let base64 = |part: &str| part.len() >= 8 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
        matches!(parts.as_slice(), ["", "argon2id", "v=19", costs, salt, hash]
            if costs.starts_with("m=") && base64(salt) && base64(hash))
    },
    r"^\$argon2id\$v=19\$m=[^$]*\$[A-Za-z0-9+/]{8,}\$[A-Za-z0-9+/]{8,}$",
    ["$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nKb2kl9qCxMq7VZ4AbJ7mYJH2bYyL0RrFbyj0rYDf0Y"]
);

checked_text!(
    /// A place where images come from: a registry's host name, perhaps with a path below it.
    Registry,
    "an image registry, such as docker.io or ghcr.io/acme",
    |text| {
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-:".contains(&b);
        let parts = || text.split('/');
        parts().all(|part| !part.is_empty() && part.bytes().all(name)) && parts().next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost")
    },
    r"^(localhost|[a-z0-9_-]*[.:][a-z0-9._:-]*)(/[a-z0-9._:-]+)*$",
    ["docker.io", "ghcr.io/acme"]
);

checked_text!(
    /// Files of the fleet: a path, in which `*` stands for anything within one name and `**` for any folders.
    PathPattern,
    "a pattern of paths, such as fleet/customers/**",
    |text| !text.is_empty() && !text.starts_with('/') && !text.contains(['\\', ' ']) && text.split('/').all(|part| !matches!(part, "" | "." | "..")),
    r"^(?!.*(^|/)\.{1,2}(/|$))[^/\\\s]+(/[^/\\\s]+)*$",
    ["fleet/customers/**", "stacks/**"]
);

checked_text!(
    /// A version of a stack: the id of a commit, 40 hexadecimal digits, or `main` for what the branch has.
    Revision,
    "a revision: write the id of a commit (40 digits), or `main`",
    |text| text == "main" || text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
    r"^(main|[0-9a-f]{40})$",
    ["main", "9fb09ce15d23aa3d629a3d210a891dc8d580aed9"]
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits<T: TryFrom<String>>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(T::try_from((*text).to_owned()).is_ok(), "{text}");
        }
        for text in bad {
            assert!(T::try_from((*text).to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_fits_and_what_does_not() {
        fits::<EmailAddress>(
            &["jo@example.com", "a.b+c@x.co.example"],
            &[
                "",
                "jo",
                "jo@",
                "@a.b",
                "jo@localhost",
                "a b@c.d",
                "a@b@c.d",
                "a@b.c\n",
            ],
        );
        fits::<Sender>(
            &["a@b.example", "Acme <a@b.example>", "Ä <a@b.c>"],
            &[
                "",
                "<a@b.c>",
                "Acme <a>",
                "Acme a@b.c",
                "A <a@b.c>, B <b@c.d>",
            ],
        );
        fits::<Language>(
            &["de", "pt-BR", "zh-Hant-TW", "no"],
            &["", "german", "DE", "d", "de_DE", "de-"],
        );
        fits::<Colour>(
            &["#0a7d62", "#FFFFFF"],
            &["", "#fff", "0a7d62", "#0a7d6g", "green"],
        );
        fits::<StripePrice>(&["price_1QxYz2"], &["", "price_", "prod_1", "price_1-2"]);
        fits::<PasswordHash>(
            &["$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2g"],
            &[
                "",
                "hunter2",
                "$2b$12$abcdefghijklmnop",
                "$argon2id$v=19$m=1$short$short",
            ],
        );
        fits::<Registry>(
            &["docker.io", "ghcr.io/acme", "127.0.0.1:5000", "localhost/a"],
            &["", "acme", "https://ghcr.io", "ghcr.io/", "GHCR.io"],
        );
        fits::<PathPattern>(
            &["fleet/**", "stacks/*/stack.yaml", "README.md"],
            &["", "/fleet", "a/../b", "a//b", "a b"],
        );
        fits::<Revision>(
            &["main", "9fb09ce15d23aa3d629a3d210a891dc8d580aed9"],
            &[
                "",
                "v1",
                "9fb09ce",
                "9FB09CE15D23AA3D629A3D210A891DC8D580AED9",
            ],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = EmailAddress::try_from(text.clone());
            let _ = Sender::try_from(text.clone());
            let _ = PathPattern::try_from(text);
        }
    }
}
