//! The fleet that people check: a bare repository and a clone of it with files. Every customer has an order, a server and one SOPS file, which is
//! personal data for every second one, and everything is decided.

use super::super::fleet::{File, Import, Keys, Public, git, stack_files};
use super::super::{BenchError, Doing};
use crate::lab::Config;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use tenantry_planner::decision::{Choice, Decision};
use tenantry_schema::document::{DomainClaim, Pin, ServerAssignment, ToolDecision};
use tenantry_schema::id::OrderKey;
use tenantry_sops::{EncryptOptions, Map, Recipient, Rule, Value, encrypt};

/// Files that people write for a customer.
pub(super) const FILES_EACH: usize = 3;
const A_COMMIT: usize = 500;
const ORDER: &str = "website";
const TOOL: &str = "html";

/// A generated fleet.
pub(super) struct Checked {
    pub(super) customers: usize,
    pub(super) bare: PathBuf,
    pub(super) work: PathBuf,
    /// An age identity that opens its SOPS files.
    pub(super) key: PathBuf,
}

/// Trees that pins name.
struct Trees {
    stack: String,
    nginx: String,
}

impl Checked {
    /// The fleet in `folder`; made where it is not there yet.
    pub(super) fn open(folder: &Path, customers: usize) -> Result<Self, BenchError> {
        let place = folder.join(format!("checked-{customers}"));
        let checked = Self {
            customers,
            bare: place.join("fleet.git"),
            work: place.join("fleet"),
            key: place.join("person.agekey"),
        };
        if !checked.work.join(".git").is_dir() {
            eprintln!("  making a fleet of {customers} customers to check");
            if place.exists() {
                std::fs::remove_dir_all(&place).doing("removing an unfinished fleet")?;
            }
            std::fs::create_dir_all(&checked.bare).doing("making a folder")?;
            checked.generate()?;
        }
        Ok(checked)
    }

    fn generate(&self) -> Result<(), BenchError> {
        git(&self.bare, &["init", "--quiet", "--bare", "-b", "main"])?;
        let keys = Keys::generate();
        let mut head = keys.files()?;
        head.extend(stack_files(&Config::from_environment().repository)?);
        let mut import = Import::begin(&self.bare, true)?;
        import.commit("init: settings and catalogue", &head)?;
        import.end()?;
        let tree = |path: &str| {
            let name = format!("main:{path}");
            Ok::<_, BenchError>(git(&self.bare, &["rev-parse", &name])?.trim().to_owned())
        };
        let trees = Trees {
            stack: tree(&format!("stacks/{TOOL}"))?,
            nginx: tree("nginx")?,
        };
        let identity = age::x25519::Identity::generate();
        let options = options(&identity)?;
        let mut import = Import::begin(&self.bare, false)?;
        let all: Vec<usize> = (0..self.customers).collect();
        for batch in all.chunks(A_COMMIT) {
            let files: Vec<Vec<File>> = batch
                .par_iter()
                .map(|number| customer(*number, &trees, &options))
                .collect::<Result<_, _>>()?;
            import.commit(&format!("{} customers", batch.len()), &files.concat())?;
        }
        import.end()?;
        git(&self.bare, &["gc", "--quiet"])?;
        let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        std::fs::write(&self.key, secret).doing("writing a key")?;
        let (bare, work) = (self.bare.to_string_lossy(), self.work.to_string_lossy());
        git(&self.bare, &["clone", "--quiet", &bare, &work])?;
        // A moment later, so that Git knows files by their times and need not look into them.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        git(&self.work, &["update-index", "-q", "--really-refresh"])?;
        git(&self.work, &["status", "--porcelain"])?;
        Ok(())
    }

    /// Where the SOPS files are, in the work tree.
    pub(super) fn sealed(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.customers).map(|number| self.work.join(sealed(number)))
    }
}

fn options(identity: &age::x25519::Identity) -> Result<EncryptOptions, BenchError> {
    let recovery = Public::generate().age;
    let recipients = [identity.to_public().to_string(), recovery];
    let recipients: Result<Vec<Recipient>, _> = recipients.iter().map(|age| age.parse()).collect();
    Ok(EncryptOptions {
        recipients: recipients.doing("preparing encryption")?,
        rule: Rule::all(),
        mac_only_encrypted: true,
        last_modified: tenantry_sops::Timestamp::parse_rfc3339("2026-11-20T10:00:00Z")
            .doing("preparing encryption")?,
    })
}

/// The id of a customer by number.
pub(super) fn name(number: usize) -> String {
    format!("c{number:05}")
}

fn sealed(number: usize) -> String {
    let file = if number.is_multiple_of(2) {
        "secrets"
    } else {
        "person"
    };
    format!("fleet/customers/{}/{file}.yaml", name(number))
}

/// An edition of a customer's order.
pub(super) fn order(number: usize, edition: usize) -> File {
    let id = name(number);
    let text = format!(
        "# Ordered by {id} on the web site.\nplan: pro\ndomain: {id}.example\ntools:\n  {TOOL}:\n    parameters: {{ TITLE: \"Welcome to {id}, edition {edition}\" }}\n"
    );
    (format!("fleet/customers/{id}/orders/{ORDER}.yaml"), text)
}

fn customer(
    number: usize,
    trees: &Trees,
    options: &EncryptOptions,
) -> Result<Vec<File>, BenchError> {
    let id = name(number);
    let Public { sign, age } = Public::generate();
    let [_, a, b, c] = u32::try_from(number).unwrap_or_default().to_be_bytes();
    let server = format!(
        "provider: static\naddress: 10.{a}.{b}.{c}\nmemory: 8G\nagent:\n  sign: {sign}\n  age: {age}\n"
    );
    let map = if number.is_multiple_of(2) {
        Map::new().with("SMTP_PASSWORD", Value::text(format!("secret of {id}")))
    } else {
        Map::new()
            .with("name", Value::text(format!("Jo {id}")))
            .with("email", Value::text(format!("jo@{id}.example")))
            .with("phone", Value::text("+49 30 0000000"))
    };
    let secrets = encrypt(&map, options, &mut rand::rng()).doing("encrypting secrets")?;
    let mut files = vec![
        order(number, 0),
        (format!("fleet/customers/{id}/servers/{id}-1.yaml"), server),
        (sealed(number), secrets),
    ];
    files.extend(decisions(number, trees)?);
    Ok(files)
}

/// As the hub would write them.
fn decisions(number: usize, trees: &Trees) -> Result<Vec<File>, BenchError> {
    let (id, naming) = (name(number), "naming a customer");
    let key = OrderKey {
        customer: id.as_str().try_into().doing(naming)?,
        order: ORDER.try_into().doing(naming)?,
    };
    let port = 20_000 + u16::try_from(number % 10_000).unwrap_or_default();
    let site = "site".try_into().doing(naming)?;
    let choices = [
        Choice::Server(ServerAssignment {
            server: format!("{id}-1").as_str().try_into().doing(naming)?,
            because: "only server of the customer".into(),
        }),
        Choice::Domain(DomainClaim {
            domain: format!("{id}.example").try_into().doing(naming)?,
            generation: 1,
        }),
        Choice::Tool(
            TOOL.try_into().doing(naming)?,
            ToolDecision {
                pin: Pin {
                    tree: trees.stack.clone(),
                    nginx: trees.nginx.clone(),
                },
                ports: [(site, port)].into_iter().collect(),
            },
        ),
    ];
    let decisions = choices.into_iter().map(|choice| Decision {
        order: key.clone(),
        choice,
    });
    let written = decisions.filter_map(|decision| Some((decision.path(), decision.content()?)));
    Ok(written.collect())
}
