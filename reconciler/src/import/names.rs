//! What names of variables tell: secrets, addresses; and names that variables may have.

/// A name of a variable as stacks may have it: upper case, digits, underscores.
pub(super) fn variable(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Ends of names that are about a secret and hold none.
const ABOUT: [&str; 11] = [
    "_FILE", "_LENGTH", "_POLICY", "_TTL", "_NAME", "_URL", "_PATH", "_ID", "_EXPIRES", "_EXPIRY",
    "_FIELD",
];

/// Whether a setting of this name, in whatever file, seems to hold a secret: all that [`is_secret`] says of variables, and what has a word for secrets in its
/// middle. Used where a person has a look at what is found.
pub(crate) fn seems_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ];
    // What refers to secrets, and lists of them.
    const WHOLE: [&str; 4] = ["SECRET", "SECRETS", "TOKENS", "CREDENTIALS"];
    let name = variable(name);
    let about = ABOUT.iter().any(|end| name.ends_with(end));
    let word = || WORDS.iter().any(|word| name.contains(word)) || name.contains("PRIVATEKEY");
    !WHOLE.contains(&name.as_str()) && !is_harmless(&name) && !about && (is_secret(&name) || word())
}

/// Whether a variable of this name, in upper case, has the look of a secret and is none.
fn is_harmless(name: &str) -> bool {
    const NOT: [&str; 9] = [
        "_PUBLIC_KEY",
        "_SITE_KEY",
        "_KEY_ID",
        "EMPTY_PASSWORD",
        "RANDOM_ROOT_PASSWORD",
        "_PUBLIC_TOKEN",
        "BYPASS",
        "COMPASS",
        "_PWD_PASS",
    ];
    // The name of an account at a storage service, for all that it is called a key.
    let account = name.ends_with("ACCESS_KEY") && !name.contains("SECRET");
    account
        || NOT
            .iter()
            .any(|end| name.ends_with(end) || name == end.trim_start_matches('_'))
}

/// Whether a variable of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = variable(name);
    const WHOLE: [&str; 7] = [
        "PASSWORD",
        "PASS",
        "SECRET",
        "TOKEN",
        "PASSWD",
        "PWD",
        "PASSPHRASE",
    ];
    const ENDS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "PASS",
        "PWD",
        "PASSPHRASE",
        "_SECRET",
        "_TOKEN",
        "_KEY",
        "_SALT",
    ];
    let ends = ENDS.iter().any(|end| name.ends_with(end)) || name.ends_with("_KEY_BASE");
    !is_harmless(&name) && (WHOLE.contains(&name.as_str()) || ends)
}

/// Whether a variable of this name may hold a secret that is known from elsewhere.
pub(super) fn may_be_secret(name: &str) -> bool {
    let name = variable(name);
    [
        "PASS", "PWD", "PW", "SECRET", "TOKEN", "KEY", "CRED", "AUTH",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Whether somebody outside gives the secret of this name, so that none can be generated.
pub(super) fn is_given_by_others(name: &str) -> bool {
    const OTHERS: [&str; 24] = [
        "SMTP",
        "MAIL",
        "EMAIL",
        "MAILER",
        "AWS",
        "STRIPE",
        "PAYPAL",
        "OPENAI",
        "ANTHROPIC",
        "OAUTH",
        "OIDC",
        "LDAP",
        "TWILIO",
        "SENDGRID",
        "MAILGUN",
        "GITHUB",
        "GITLAB",
        "GOOGLE",
        "SLACK",
        "TELEGRAM",
        "CLOUDFLARE",
        "LICENSE",
        "LICENCE",
        "MAXMIND",
    ];
    variable(name).split('_').any(|part| OTHERS.contains(&part))
}

/// Whether a value can be a secret at all: no switch, no path, no address without a password.
pub(crate) fn can_be_secret(value: &str) -> bool {
    let switch = [
        "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null",
    ];
    let path = value
        .strip_prefix('/')
        .is_some_and(|rest| rest.contains('/'));
    let is_switch = switch.contains(&value.to_ascii_lowercase().as_str());
    !(value.is_empty() || is_switch || path || value.contains("://"))
}

/// Whether data may be encrypted or sessions signed with a secret of this name, so that it must not change.
pub(super) fn never_rotates(name: &str) -> bool {
    let name = variable(name);
    ["_KEY", "_SECRET", "_SALT", "_KEY_BASE"]
        .iter()
        .any(|end| name.ends_with(end))
        || name == "SECRET"
}

/// Whether a variable of this name holds an address at which visitors reach the tool.
pub(super) fn is_own_address(name: &str) -> bool {
    let name = variable(name);
    const NOT: [&str; 16] = [
        "DB", "DATABASE", "REDIS", "SMTP", "MAIL", "MYSQL", "POSTGRES", "PG", "MONGO", "LISTEN",
        "BIND", "CACHE", "AMQP", "RABBITMQ", "S3", "PROXY",
    ];
    const ENDS: [&str; 9] = [
        "URL", "URI", "HOST", "DOMAIN", "HOSTNAME", "ORIGIN", "FQDN", "DOMAINS", "SITE",
    ];
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    let ends = |last: &str| {
        ENDS.contains(&last)
            || last.ends_with("URL")
            || last.ends_with("HOSTNAME")
            || last.ends_with("DOMAIN")
    };
    parts.last().is_some_and(|last| ends(last)) && !parts.iter().any(|part| NOT.contains(part))
}

/// Whether a host name only stands for the real one: this machine, or a name of documentation.
pub(super) fn is_placeholder_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host == "127.0.0.1"
        || ["example.com", "example.org", "example.net", "example"]
            .iter()
            .any(|domain| {
                host == *domain
                    || host
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.ends_with('.'))
            })
        || host.starts_with("your") && host.contains("domain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_name_and_value() {
        for secret in [
            "DB_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "APP_SECRET",
            "GF_SECURITY_ADMIN_PASSWORD",
            "N8N_ENCRYPTION_KEY",
            "ADMIN_TOKEN",
            "database__connection__password",
            "SECRET_KEY_BASE",
            "POSTGRES_PASS",
            "PASSWORD",
            "PAPERLESS_DBPASS",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in [
            "DB_USER",
            "PASSWORD_FILE",
            "POSTGRES_PASSWORD_FILE",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "TOKEN_TTL",
            "KEYCLOAK_ADMIN",
            "STRIPE_PUBLIC_KEY",
            "S3_ACCESS_KEY",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MONKEY",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert!(!is_secret(plain), "{plain}");
        }
        assert!(!can_be_secret("yes"));
        assert!(!can_be_secret("/certs/key.pem"));
        assert!(can_be_secret("/weird"));
        assert!(can_be_secret("hunter2"));
    }

    #[test]
    fn addresses() {
        for own in [
            "APP_URL",
            "OVERWRITECLIURL",
            "N8N_HOST",
            "url",
            "DOMAIN",
            "VIRTUAL_HOST",
            "KC_HOSTNAME",
        ] {
            assert!(is_own_address(own), "{own}");
        }
        for other in [
            "DB_HOST",
            "SMTP_HOST",
            "DATABASE_URL",
            "REDIS_URL",
            "LISTEN_HOST",
            "GHOST",
        ] {
            assert!(!is_own_address(other), "{other}");
        }
        assert!(is_placeholder_host("cloud.example.com"));
        assert!(!is_placeholder_host("myexample.com"));
    }
}
