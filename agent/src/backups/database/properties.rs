//! What a database of PostgreSQL is apart from what is in it: its owner, its locale, who may connect, its settings. A dump of one database does
//! not say that. Pure.
//!
//! Sources: PostgreSQL's manual, `pg_database`, `pg_db_role_setting`, `CREATE DATABASE`, `ALTER DATABASE`; what `pg_dump --create` writes.

use super::postgres::quoted;
use serde::{Deserialize, Serialize};

/// What `CREATE DATABASE` and the statements after it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// The account that it belongs to.
    pub owner: String,
    /// As `pg_encoding_to_char` names it.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Who compares texts, as `pg_database` marks it: `c` (the C library), `i` (ICU), `b` (PostgreSQL). Absent before PostgreSQL 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The locale of ICU or of PostgreSQL's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Rules on top of a locale of ICU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// Most connections; -1 for any number.
    pub connections: i64,
    /// Who may do what. Absent: what a new database begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Grant>>,
    /// What sessions begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The account. Absent: all of them.
    pub grantee: Option<String>,
    /// `CONNECT`, `CREATE` or `TEMPORARY`.
    pub privilege: String,
    /// Whether the account may pass it on.
    pub grantable: bool,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The account that it is for. Absent: all of them.
    pub role: Option<String>,
    /// `name=value`.
    pub setting: String,
}

/// One thing that is to be said to a server, and what is lost where it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// In words.
    pub what: String,
    /// Statements of one transaction.
    pub sql: String,
}

/// Settings whose value is a list of names, which is not the same as one text.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// As `quote_literal` writes it: the same whatever `standard_conforming_strings` says.
fn text(value: &str) -> String {
    let plain = format!("'{}'", value.replace('\'', "''"));
    if value.contains('\\') {
        format!("E{}", plain.replace('\\', r"\\"))
    } else {
        plain
    }
}

/// The query for those of a database: one object of JSON. Columns that only some releases have are asked for by name.
pub fn query(database: &str) -> String {
    format!(
        "SELECT json_build_object(\
            'owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding), \
            'collate', d.datcollate, 'ctype', d.datctype, 'connections', d.datconnlimit, \
            'provider', to_jsonb(d) ->> 'datlocprovider', \
            'locale', COALESCE(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), \
            'rules', to_jsonb(d) ->> 'daticurules', \
            'grants', CASE WHEN d.datacl IS NOT NULL THEN (SELECT COALESCE(json_agg(json_build_object(\
                'grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END, \
                'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]') FROM aclexplode(d.datacl) a) END, \
            'settings', (SELECT COALESCE(json_agg(json_build_object(\
                'role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, 'setting', one)), '[]') \
                FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) one WHERE s.setdatabase = d.oid)) \
        FROM pg_catalog.pg_database d WHERE d.datname = {}",
        text(database)
    )
}

impl Properties {
    /// Reads the answer to [`query`]. No answer: there is no such database.
    pub fn parse(answer: &str) -> Result<Option<Self>, serde_json::Error> {
        if answer.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(answer).map(Some)
    }

    /// The statement that makes a database like it.
    pub fn create(&self, name: &str) -> String {
        let mut all = format!(
            "CREATE DATABASE {} TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            quoted(name),
            quoted(&self.owner),
            text(&self.encoding),
            text(&self.collate),
            text(&self.ctype)
        );
        let (provider, locale) = match self.provider.as_deref() {
            Some("c") => (" LOCALE_PROVIDER libc", None),
            Some("i") => (" LOCALE_PROVIDER icu", Some("ICU_LOCALE")),
            Some("b") => (" LOCALE_PROVIDER builtin", Some("BUILTIN_LOCALE")),
            _ => ("", None),
        };
        all.push_str(provider);
        for (word, value) in [(locale, &self.locale), (Some("ICU_RULES"), &self.rules)] {
            if let (Some(word), Some(value)) = (word, value) {
                all.extend([" ", word, " ", text(value).as_str()]);
            }
        }
        all
    }

    /// What a database like it is told once its data is in it: some settings would keep that out.
    pub fn statements(&self, name: &str) -> Vec<Statement> {
        let database = quoted(name);
        let mut all = Vec::new();
        if self.connections != -1 {
            all.push(Statement {
                what: format!("its limit of {} connections", self.connections),
                sql: format!(
                    "ALTER DATABASE {database} CONNECTION LIMIT {}",
                    self.connections
                ),
            });
        }
        if let Some(grants) = &self.grants {
            let owner = quoted(&self.owner);
            all.push(Statement {
                what: "that only those may use it who are named".to_owned(),
                sql: format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC, {owner}"),
            });
            all.extend(grants.iter().filter_map(|grant| grant.statement(&database)));
        }
        all.extend(
            self.settings
                .iter()
                .filter_map(|setting| setting.statement(&database)),
        );
        all
    }
}

impl Grant {
    fn statement(&self, database: &str) -> Option<Statement> {
        let known = ["CONNECT", "CREATE", "TEMPORARY"];
        let privilege = known.iter().find(|known| **known == self.privilege)?;
        let (title, grantee) = match &self.grantee {
            Some(role) => (role.as_str(), quoted(role)),
            None => ("everybody", "PUBLIC".to_owned()),
        };
        let on = if self.grantable {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        Some(Statement {
            what: format!("the right {privilege} of {title}"),
            sql: format!("GRANT {privilege} ON DATABASE {database} TO {grantee}{on}"),
        })
    }
}

impl Setting {
    fn statement(&self, database: &str) -> Option<Statement> {
        let (name, value) = self.setting.split_once('=')?;
        let parts: Vec<String> = name.split('.').map(quoted).collect();
        let (title, target) = match &self.role {
            Some(role) => (
                format!(" of {role}"),
                format!("ROLE {} IN DATABASE {database}", quoted(role)),
            ),
            None => (String::new(), format!("DATABASE {database}")),
        };
        let set = format!("ALTER {target} SET {}", parts.join("."));
        let sql = if LISTS.contains(&name.to_lowercase().as_str()) {
            // A session takes the list apart, so that nobody has to do it here.
            let value = text(value);
            format!(
                "SELECT set_config({}, {value}, false); {set} FROM CURRENT",
                text(name)
            )
        } else {
            format!("{set} TO {}", text(value))
        };
        Some(Statement {
            what: format!("the setting {name}{title}"),
            sql,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn synapse() -> Properties {
        Properties {
            owner: "matrix".into(),
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "C".into(),
            provider: None,
            locale: None,
            rules: None,
            connections: -1,
            grants: None,
            settings: Vec::new(),
        }
    }

    #[test]
    fn a_database_is_made_like_the_one_that_was_dumped() {
        let like = |provider: &str, locale: Option<&str>, rules: Option<&str>| Properties {
            provider: Some(provider.into()),
            locale: locale.map(str::to_owned),
            rules: rules.map(str::to_owned),
            ..synapse()
        };
        let begin = "CREATE DATABASE \"a\"\"b\" TEMPLATE template0 OWNER \"matrix\" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
        for (made, end) in [
            (synapse(), ""),
            (like("c", None, None), " LOCALE_PROVIDER libc"),
            (
                like("i", Some("de-DE"), Some("&a < 'g'")),
                " LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' ICU_RULES '&a < ''g'''",
            ),
            (
                like("b", Some("C.UTF-8"), None),
                " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
            ),
        ] {
            assert_eq!(made.create("a\"b"), format!("{begin}{end}"));
        }
        assert_eq!(synapse().statements("x"), []);
    }

    #[test]
    fn rights_and_settings_are_said_one_by_one() {
        let grant = |grantee: Option<&str>, privilege: &str, grantable| Grant {
            grantee: grantee.map(str::to_owned),
            privilege: privilege.to_owned(),
            grantable,
        };
        let setting = |role: Option<&str>, setting: &str| Setting {
            role: role.map(str::to_owned),
            setting: setting.to_owned(),
        };
        let made = Properties {
            connections: 7,
            grants: Some(vec![
                grant(Some("matrix"), "CREATE", false),
                grant(None, "CONNECT", false),
                grant(Some("Reader"), "TEMPORARY", true),
                // Of a release that is not known here.
                grant(None, "CONNECT; DROP DATABASE x", false),
            ]),
            settings: vec![
                setting(None, "search_path=\"$user\", app"),
                setting(Some("reader"), "work_mem=64MB"),
                setting(None, "app.note=it's = so"),
                setting(None, "no value"),
            ],
            ..synapse()
        };
        let statements = made.statements("db");
        let all: Vec<&str> = statements.iter().map(|one| one.sql.as_str()).collect();
        assert_eq!(
            all,
            [
                "ALTER DATABASE \"db\" CONNECTION LIMIT 7",
                "REVOKE ALL ON DATABASE \"db\" FROM PUBLIC, \"matrix\"",
                "GRANT CREATE ON DATABASE \"db\" TO \"matrix\"",
                "GRANT CONNECT ON DATABASE \"db\" TO PUBLIC",
                "GRANT TEMPORARY ON DATABASE \"db\" TO \"Reader\" WITH GRANT OPTION",
                "SELECT set_config('search_path', '\"$user\", app', false); ALTER DATABASE \"db\" SET \"search_path\" FROM CURRENT",
                "ALTER ROLE \"reader\" IN DATABASE \"db\" SET \"work_mem\" TO '64MB'",
                "ALTER DATABASE \"db\" SET \"app\".\"note\" TO 'it''s = so'",
            ]
        );
        assert_eq!(statements[4].what, "the right TEMPORARY of Reader");
        assert_eq!(statements[6].what, "the setting work_mem of reader");
    }

    #[test]
    fn backslashes_are_the_same_whatever_the_server_makes_of_them() {
        assert_eq!(text(r"a\'b"), r"E'a\\''b'");
    }

    proptest! {
        #[test]
        fn whatever_a_server_answers_is_answered(answer in ".*") {
            let _ = Properties::parse(&answer);
        }

        #[test]
        fn what_is_written_in_a_receipt_is_read_again(owner in ".*", role in proptest::option::of(".*"), setting in ".*") {
            let made = Properties {
                owner,
                settings: vec![Setting { role, setting }],
                ..synapse()
            };
            let text = serde_json::to_string(&made).unwrap();
            prop_assert_eq!(Properties::parse(&text).unwrap(), Some(made));
        }

        #[test]
        fn no_value_ends_its_text(value in r"[^\\]*") {
            let sql = Setting { role: None, setting: format!("a={value}") }.statement("\"x\"").unwrap().sql;
            let rest = sql.strip_prefix("ALTER DATABASE \"x\" SET \"a\" TO '").unwrap();
            let inside = rest.strip_suffix('\'').unwrap();
            prop_assert_eq!(inside.replace("''", "").matches('\'').count(), 0);
            prop_assert_eq!(inside.replace("''", "'"), value);
        }
    }
}
