//! `tenantry diagnose`: asks a server something through a running hub. Signed with the key of whoever asks; nothing that can be asked changes
//! anything.

use super::Outcome;
use super::approve::key;
use super::output::{json, say};
use super::status::{HubUrl, client, fetch, no_answer};
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use tenantry_schema::id::{InstanceName, ServerKey};
use tenantry_schema::name::DomainName;
use tenantry_schema::wire::{ASK_NAMESPACE, AnswerOutcome, Ask, Inquiry, MOST_LINES, SignedAsk};

/// The hub gives a server forty seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Arguments of `diagnose`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The question is signed with your key (`ssh-keygen -Y sign -n tenantry-diagnose`), which `fleet/staff.yaml` must name, so that keys in agents and on
hardware work. The hub writes down who asked what. Secrets are cut out of answers on the server; everything else of a log is as it was written,
personal data included.")]
pub(super) struct Args {
    /// `CUSTOMER/SERVER`.
    server: String,
    #[command(subcommand)]
    what: What,
    /// Address of the hub.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        env = "TENANTRY_HUB",
        global = true
    )]
    hub: String,
    /// Your signing key, private or public (its private half in an agent). Default: the one that Git signs with.
    #[arg(long, value_name = "FILE", global = true)]
    key: Option<PathBuf>,
    /// For programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The end of a container's log.
    Logs {
        /// `INSTANCE/SERVICE`, such as `website-umami/db`.
        of: String,
        /// How many lines.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LINES)))]
        lines: u32,
    },
    /// The end of the web server's error log of a site.
    SiteLog {
        /// Its name.
        host: String,
        /// How many lines.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LINES)))]
        lines: u32,
    },
    /// How a container was made and how it is, without values of its environment.
    Inspect {
        /// `INSTANCE/SERVICE`.
        of: String,
    },
    /// Whether the service behind a site answers (`HEAD /`), and how fast.
    Probe {
        /// The site's name.
        host: String,
    },
    /// Bytes that volumes take.
    Volumes,
    /// Ports that programs listen at.
    Ports,
    /// Lines that error rules found in logs lately, with what was around them.
    Matches,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let server = server(&args.server)?;
    let inquiry = inquiry(&args.what)?;
    let key = key::find(args.key.as_deref())?;
    let hub = HubUrl {
        hub: args.hub.clone(),
    };
    let fleet_id = fetch(&hub)?.fleet_id;
    let ask = Ask {
        fleet_id,
        server,
        inquiry,
        at: Timestamp::now(),
        nonce: hex::encode(rand::random::<[u8; 16]>()),
    };
    let ask = serde_json::to_string(&ask)?;
    let signature = key::sign(&key, ASK_NAMESPACE, &ask)?;
    let outcome = put(&hub, &SignedAsk { ask, signature })?;
    if args.json {
        json(&outcome)?;
    }
    match outcome {
        AnswerOutcome::Answered { text, cut } => {
            if !args.json {
                say(text);
                if cut {
                    eprintln!("note: there is more than fits into an answer");
                }
            }
            Ok(Outcome::Clean)
        }
        AnswerOutcome::Refused { .. } if args.json => Ok(Outcome::Errors),
        AnswerOutcome::Refused { reason } => bail!("{}: {reason}", args.server),
    }
}

fn server(text: &str) -> anyhow::Result<ServerKey> {
    let (customer, server) = text
        .split_once('/')
        .with_context(|| format!("`{text}` is not CUSTOMER/SERVER"))?;
    Ok(ServerKey {
        customer: customer.try_into()?,
        server: server.try_into()?,
    })
}

fn inquiry(what: &What) -> anyhow::Result<Inquiry> {
    let container = |text: &str| -> anyhow::Result<(InstanceName, String)> {
        let (instance, service) = text.split_once('/').with_context(|| {
            format!("`{text}` is not INSTANCE/SERVICE, such as website-umami/db")
        })?;
        Ok((
            InstanceName::try_from(instance.to_owned())?,
            service.to_owned(),
        ))
    };
    let host = |text: &str| DomainName::try_from(text);
    Ok(match what {
        What::Logs { of, lines } => {
            let (instance, service) = container(of)?;
            Inquiry::Logs {
                instance,
                service,
                lines: *lines,
            }
        }
        What::SiteLog { host: name, lines } => Inquiry::SiteLog {
            host: host(name)?,
            lines: *lines,
        },
        What::Inspect { of } => {
            let (instance, service) = container(of)?;
            Inquiry::Inspect { instance, service }
        }
        What::Probe { host: name } => Inquiry::Probe { host: host(name)? },
        What::Volumes => Inquiry::Volumes {},
        What::Ports => Inquiry::Ports {},
        What::Matches => Inquiry::Matches {},
    })
}

/// Puts a question to the hub, and waits.
fn put(hub: &HubUrl, ask: &SignedAsk) -> anyhow::Result<AnswerOutcome> {
    let url = format!("{}/operator/v1/diagnose", hub.hub.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = client(hub, PATIENCE)?;
        let answer = client.post(&url).json(ask).send().await;
        let answer = answer.with_context(|| no_answer(hub))?;
        let status = answer.status();
        if status.is_success() {
            return answer
                .json()
                .await
                .context("the hub's answer makes no sense; is it another release?");
        }
        let body: serde_json::Value = answer.json().await.unwrap_or_default();
        match body["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => bail!(
                "the hub at {} answers {status}; is it another release?",
                hub.hub
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_questions() {
        let of = |of: &str| {
            inquiry(&What::Logs {
                of: of.into(),
                lines: 7,
            })
        };
        assert_eq!(
            of("website-umami/db").unwrap().to_string(),
            "logs website-umami/db --lines 7"
        );
        assert!(of("website-umami").is_err() && of("UPPER/db").is_err());
        assert!(
            inquiry(&What::Probe {
                host: "no domain".into()
            })
            .is_err()
        );
        assert_eq!(server("acme/acme-1").unwrap().to_string(), "acme/acme-1");
        assert!(server("acme").is_err() && server("a/b/c").is_err());
    }
}
