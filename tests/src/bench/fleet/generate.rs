//! Writes the generated fleet: a bare repository, packed as `git gc` leaves it, in which everything is decided and fulfilled.
//!
//! Every customer has one server and one order of ten tools. No two files of decisions are alike, so that nothing is read once that a real
//! fleet would read many times; secrets are real SOPS files.

use super::super::{BenchError, Doing};
use super::import::{BRANCH, Import, git};
use super::settings::{Keys, Public};
use super::stacks::{self, File};
use rayon::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use tenantry::git::{Fleet, Location};
use tenantry::load::{Loader, Revision};
use tenantry_planner::catalogue::CompiledStack;
use tenantry_planner::decision::{Choice, Decision};
use tenantry_schema::document::{DomainClaim, Fulfilled, Pin, ServerAssignment, ToolDecision};
use tenantry_schema::id::{OrderKey, ToolName};
use tenantry_sops::{Map, Value, encrypt};

/// Customers of one commit.
const A_COMMIT: usize = 100;
/// Ports that sites are published at.
const PORTS: usize = 10_000;
const FIRST_PORT: u16 = 20_000;
/// The order of every customer.
pub(super) const ORDER: &str = "website";

/// What was made.
pub(super) struct Made {
    pub(super) files: usize,
    pub(super) commits: usize,
    pub(super) pack_mb: f64,
}

/// The catalogue as customers' decisions need it.
struct Catalogue {
    stacks: Vec<Arc<CompiledStack>>,
    nginx: String,
}

/// Makes the fleet at `repository`; stacks come from the repository at `root`.
pub(super) fn generate(
    repository: &Path,
    root: &Path,
    customers: usize,
) -> Result<Made, BenchError> {
    std::fs::create_dir_all(repository).doing("making a folder")?;
    git(
        repository,
        &["init", "--quiet", "--bare", "--initial-branch", BRANCH],
    )?;
    let keys = Keys::generate();
    let mut head = keys.files()?;
    head.extend(stacks::files(root)?);
    let mut import = Import::begin(repository, true)?;
    import.commit("init: settings and catalogue", &head)?;
    import.end()?;
    let catalogue = catalogue(repository)?;

    let mut import = Import::begin(repository, false)?;
    let (mut files, mut commits) = (head.len(), 1);
    let all: Vec<usize> = (0..customers).collect();
    for batch in all.chunks(A_COMMIT) {
        let written: Vec<Vec<File>> = batch
            .par_iter()
            .map(|number| customer(*number, &catalogue, &keys))
            .collect::<Result<_, _>>()?;
        let written = written.concat();
        import.commit(&format!("{} customers", batch.len()), &written)?;
        files += written.len();
        commits += 1;
    }
    import.end()?;
    git(repository, &["gc", "--quiet"])?;
    Ok(Made {
        files,
        commits,
        pack_mb: pack_size(repository),
    })
}

/// Compiles the catalogue that was just committed.
fn catalogue(repository: &Path) -> Result<Catalogue, BenchError> {
    let data = tempfile::tempdir().doing("making a folder")?;
    let fleet = Fleet::open(Location::Direct(repository.to_owned()), BRANCH, data.path())
        .doing("compiling the catalogue")?;
    let commit = fleet
        .head()
        .doing("compiling the catalogue")?
        .ok_or_else(|| BenchError::Wrong("the first commit is not there".into()))?;
    let tree = fleet
        .objects()
        .root_tree(commit)
        .doing("compiling the catalogue")?;
    let loaded = Loader::new(fleet.objects().clone())
        .load(Revision {
            tree,
            commit,
            generation: 1,
        })
        .doing("compiling the catalogue")?;
    let nginx = loaded
        .catalogue
        .nginx
        .as_ref()
        .map(|templates| templates.tree.to_string());
    let stacks: Vec<_> = loaded
        .catalogue
        .branch
        .values()
        .filter_map(|stack| stack.compiled.clone())
        .collect();
    match nginx {
        Some(nginx) if stacks.len() == stacks::tools().len() => Ok(Catalogue { stacks, nginx }),
        _ => Err(BenchError::Wrong(format!(
            "the catalogue has errors: {:?}",
            loaded.diagnostics
        ))),
    }
}

/// The id of a customer by number.
pub(super) fn name(number: usize) -> String {
    format!("c{number:05}")
}

/// The document of a customer's order, with the number of its edition in it.
pub(super) fn order(number: usize, edition: usize) -> File {
    let id = name(number);
    let mut text =
        format!("# Ordered by {id} on the web site.\nplan: pro\ndomain: {id}.example\ntools:\n");
    for tool in stacks::tools() {
        let _ = writeln!(
            text,
            "  {tool}:\n    parameters: {{ TITLE: \"{tool} of {id}, edition {edition}\" }}"
        );
    }
    (format!("fleet/customers/{id}/orders/{ORDER}.yaml"), text)
}

/// All files of a customer.
fn customer(number: usize, catalogue: &Catalogue, keys: &Keys) -> Result<Vec<File>, BenchError> {
    let id = name(number);
    let Public { sign, age } = Public::generate();
    let address = format!(
        "10.{}.{}.{}",
        number >> 16 & 255,
        number >> 8 & 255,
        number & 255
    );
    let server = format!(
        "provider: static\naddress: {address}\nmemory: 8G\nagent:\n  sign: {sign}\n  age: {age}\n"
    );
    let settings = format!(
        "language: en\nbrand: {{ name: \"Company {number}\" }}\nnotes: Customer number {number}.\n"
    );
    let mut files = vec![
        (format!("fleet/customers/{id}/customer.yaml"), settings),
        (format!("fleet/customers/{id}/servers/{id}-1.yaml"), server),
        order(number, 0),
    ];
    for decision in decisions(number, catalogue)? {
        match (&decision.choice, decision.content()) {
            (_, Some(text)) => files.push((decision.path(), text)),
            (Choice::Secrets(_, names), None) => {
                let mut map = Map::new();
                for (name, spec) in names {
                    map.insert(
                        name.as_str(),
                        Value::text(tenantry::generate::generate(spec, &mut rand::rng())),
                    );
                }
                let text = encrypt(&map, &keys.options()?, &mut rand::rng())
                    .doing("encrypting secrets")?;
                files.push((decision.path(), text));
            }
            _ => {}
        }
    }
    Ok(files)
}

/// All decisions about a customer's order, as the hub would write them.
fn decisions(number: usize, catalogue: &Catalogue) -> Result<Vec<Decision>, BenchError> {
    let id = name(number);
    let key = OrderKey {
        customer: id.as_str().try_into().doing("naming a customer")?,
        order: ORDER.try_into().doing("naming a customer")?,
    };
    let server = format!("{id}-1")
        .as_str()
        .try_into()
        .doing("naming a customer")?;
    let domain = format!("{id}.example")
        .try_into()
        .doing("naming a customer")?;
    let at = "2026-11-20T10:00:00Z".parse().doing("a time")?;
    let fulfilled = Fulfilled {
        order: Some(at),
        tools: catalogue
            .stacks
            .iter()
            .map(|stack| (stack.tool.clone(), at))
            .collect(),
    };
    let mut choices = vec![
        Choice::Server(ServerAssignment {
            server,
            because: "only server of the customer".into(),
        }),
        Choice::Domain(DomainClaim {
            domain,
            generation: 1,
        }),
        Choice::Fulfilled(fulfilled),
    ];
    for (place, stack) in catalogue.stacks.iter().enumerate() {
        let tool: ToolName = stack.tool.clone();
        // Steps that have no factor in common with the number of ports: each customer has others, each tool of a customer its own.
        let port = FIRST_PORT + ((number * 7 + place * 911) % PORTS) as u16;
        let ports = stack
            .sites
            .keys()
            .map(|site| (site.clone(), port))
            .collect();
        let pin = Pin {
            tree: stack.tree.to_string(),
            nginx: catalogue.nginx.clone(),
        };
        choices.push(Choice::Tool(tool.clone(), ToolDecision { pin, ports }));
        if !stack.document.secrets.is_empty() {
            choices.push(Choice::Secrets(tool, stack.document.secrets.clone()));
        }
    }
    Ok(choices
        .into_iter()
        .map(|choice| Decision {
            order: key.clone(),
            choice,
        })
        .collect())
}

fn pack_size(repository: &Path) -> f64 {
    let packs = std::fs::read_dir(repository.join("objects/pack"))
        .into_iter()
        .flatten()
        .flatten();
    let packs = packs.filter(|file| {
        file.path()
            .extension()
            .is_some_and(|ending| ending == "pack")
    });
    packs
        .filter_map(|file| file.metadata().ok())
        .map(|about| about.len() as f64 / 1e6)
        .sum()
}
