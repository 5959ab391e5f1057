//! `stack.yaml`, proposed: with comments that say what each part is for.

use super::draft::Draft;
use super::images::{self, Database};
use super::ports::Site;
use super::scalars::plain_or_quoted;
use super::secrets::Secrets;
use super::variables::Parameter;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Writes the manifest.
pub(super) fn write(
    draft: &Draft<'_>,
    sites: &[Site],
    parameters: &BTreeMap<String, Parameter>,
    secrets: &Secrets,
) -> String {
    let input = draft.input;
    let mut out = format!(
        "# Taken over from {}. Everything is a proposal: read it once, and keep what is right.\ntitle: {}\n",
        input.file,
        plain_or_quoted(input.title, false)
    );
    write_sites(&mut out, sites);
    write_parameters(&mut out, parameters);
    write_secrets(&mut out, secrets);
    let has_data = write_backup(&mut out, draft);
    if !sites.is_empty() {
        out.push_str("\n# The tool works when this is answered with a status below 400. Better: a page that asks the database.\nsmoke: GET /\n");
    }
    out.push_str("\nupgrade:\n  step: minor\n");
    if has_data {
        out.push_str("  backup: before\n");
    }
    out.push_str(
        "\n# What the containers need together; servers are chosen by it.\n# memory: 512M\n",
    );
    out.push_str("\n# May a hosting company offer it? green, yellow (read the note) or red.\n# licence: { note: MIT, light: green }\n");
    out
}

fn write_sites(out: &mut String, sites: &[Site]) {
    let lines = |out: &mut String, site: &Site, indent: &str| {
        let _ = writeln!(
            out,
            "{indent}service: {}\n{indent}port: {}",
            plain_or_quoted(&site.service, false),
            site.port
        );
    };
    match sites {
        [] => {}
        [site] if site.name.as_str() == "site" => {
            out.push_str("\n# What visitors reach, at <tool>.<domain of the order>.\nsite:\n");
            lines(out, site, "  ");
            out.push_str("  # host: \"@\"              # at the domain itself instead\n  # max_body: 512M         # largest upload; 64M where nothing is said\n");
        }
        sites => {
            out.push_str("\n# What visitors reach: each under a name of its own below the domain of the order.\nsites:\n");
            for (index, site) in sites.iter().enumerate() {
                let _ = writeln!(out, "  {}:", site.name);
                lines(out, site, "    ");
                if index > 0 {
                    let _ = writeln!(out, "    host: {}", site.name);
                }
            }
        }
    }
}

fn write_parameters(out: &mut String, parameters: &BTreeMap<String, Parameter>) {
    if parameters.is_empty() {
        return;
    }
    out.push_str("\n# What an order may set. Without a default, it must.\nparameters:\n");
    for (name, parameter) in parameters {
        match &parameter.default {
            Some(default) => {
                let _ = writeln!(
                    out,
                    "  {name}:\n    default: {}",
                    plain_or_quoted(default, false)
                );
            }
            None => {
                let _ = writeln!(out, "  {name}: {{}}");
            }
        }
    }
}

fn write_secrets(out: &mut String, secrets: &Secrets) {
    for secret in secrets.list.iter().filter(|secret| secret.given) {
        let key = secret.name.to_ascii_lowercase();
        let _ = write!(
            out,
            "\n# {name} comes from somebody else, so an order brings it: `env: {{ {name}: {{ secret: {key} }} }}`,\n# with `{key}` in the customer's secrets.yaml.\n",
            name = secret.name
        );
    }
    let generated: Vec<_> = secrets.list.iter().filter(|secret| !secret.given).collect();
    if generated.is_empty() {
        return;
    }
    out.push_str("\n# Generated once for each order: 32 letters and digits where nothing is said.\nsecrets:\n");
    for secret in generated {
        let mut fields = Vec::new();
        if let Some(length) = secret.length {
            fields.push(format!("length: {length}"));
        }
        if secret.hex {
            fields.push("alphabet: hex".to_owned());
        }
        if secret.never_rotates {
            fields.push("rotate: never".to_owned());
        }
        let value = if fields.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{ {} }}", fields.join(", "))
        };
        let uses: Vec<&str> = secret.uses.iter().map(String::as_str).collect();
        let _ = writeln!(out, "  # {}\n  {}: {value}", uses.join(", "), secret.name);
    }
}

/// Databases and volumes. Returns whether there are any.
fn write_backup(out: &mut String, draft: &Draft<'_>) -> bool {
    let databases: BTreeMap<&str, Database> = draft
        .tree
        .services()
        .into_iter()
        .filter_map(|service| Some((service.name, images::database(&draft.image(service.node))?)))
        .collect();
    let postgres: Vec<&str> = databases
        .iter()
        .filter(|(_, kind)| **kind == Database::Postgres)
        .map(|(name, _)| *name)
        .collect();
    // One database is dumped; the volumes of others are copied.
    let dumped = postgres.first().copied();
    let of = |services: &std::collections::BTreeSet<String>| {
        services
            .iter()
            .find_map(|service| databases.get(service.as_str()).copied())
    };
    let volumes: Vec<(&String, Option<Database>)> = draft
        .volumes
        .iter()
        .filter(|(_, services)| {
            !services.is_empty()
                && !services
                    .iter()
                    .all(|service| Some(service.as_str()) == dumped)
        })
        .map(|(name, services)| (name, of(services)))
        .collect();
    if dumped.is_none() && volumes.is_empty() {
        return false;
    }
    out.push_str(
        "\n# What is worth keeping. Leave out caches and what can be made again.\nbackup:\n",
    );
    if let Some(service) = dumped {
        let _ = writeln!(
            out,
            "  postgres: {}           # dumped while it runs",
            plain_or_quoted(service, false)
        );
    }
    if !volumes.is_empty() {
        out.push_str("  volumes:\n");
        for (name, database) in volumes {
            let note = match database {
                Some(Database::Redis) => "      # Redis: leave it out if it is a cache alone",
                Some(Database::Mysql | Database::Mariadb | Database::Mongo) => {
                    "      # a database: the files are copied as they are"
                }
                _ => "",
            };
            let _ = writeln!(out, "    - {}{note}", plain_or_quoted(name, false));
        }
    }
    true
}
