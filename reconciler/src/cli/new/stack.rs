//! `tenantry new stack`: a tool of the catalogue, from an image or from a Compose file.

use super::super::Outcome;
use super::ask::Asker;
use super::write::{Proposal, finish};
use super::{Common, Desk, takeover};
use crate::import::SiteWish;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tenantry_schema::id::ToolName;

/// Arguments of `new stack`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --from, any Compose file becomes a stack. Passwords and tokens become secrets that are generated for each order,
the port for visitors becomes a site with HTTPS, other published ports go, paths beside the file become files of the
stack, databases and volumes are backed up. What a stack cannot have (build, swarm, paths of one server, the engine's
socket) is refused with its line. Every change is listed; read both files before you commit them.

Examples:
  tenantry new stack umami --from docker-compose.yml
  tenantry new stack files --from compose.yaml --site app:80 --volume /srv/media
  tenantry new stack site --image nginx:1.30 --port 80")]
pub(super) struct Args {
    /// Its id: lower-case letters, digits and single hyphens. Orders name it so.
    #[arg(value_name = "NAME")]
    name: ToolName,
    /// Its name for people. Default: from the id.
    #[arg(long)]
    title: Option<String>,
    /// A Compose file to take over, in a folder with what it mounts and its `.env`; or that folder.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "port"])]
    from: Option<PathBuf>,
    /// What visitors reach: a service and its port in the container. Several have names: `--site web:80 --site admin=web:8080`.
    #[arg(long = "site", value_name = "[NAME=]SERVICE:PORT", requires = "from")]
    sites: Vec<SiteWish>,
    /// A path of the server in the Compose file that becomes a volume of the stack. May be given several times.
    #[arg(long = "volume", value_name = "PATH", requires = "from")]
    volumes: Vec<String>,
    /// The image, for a stack of one service.
    #[arg(long)]
    image: Option<String>,
    /// The port where the image answers.
    #[arg(long)]
    port: Option<u16>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let desk = Desk::open(&args.common)?;
    let name = &args.name;
    let folder = format!("stacks/{name}");
    if desk.root.join(&folder).exists() {
        bail!("the stack `{name}` is there already (`{folder}`): edit it, or choose another name");
    }
    let title = args.title.clone().unwrap_or_else(|| title(name));
    let mut asker = Asker::new();
    let mut proposal = Proposal {
        add: vec![folder.clone()],
        message: format!("stack {name}"),
        next: vec![
            format!("read {folder}/stack.yaml and {folder}/compose.yaml"),
            format!(
                "tenantry new order CUSTOMER/ID --tools {name}{}     or add it to an order's `tools:`",
                args.common.as_option()
            ),
        ],
        ..Proposal::default()
    };
    let files = match &args.from {
        Some(file) => {
            let file = &compose_file(file)?;
            let taken = takeover::take(name, &title, file, &args.sites, &args.volumes, &mut asker)?;
            proposal.notes = taken.notes;
            taken.files
        }
        None => {
            let written = from_image(args, &title, &mut asker)?;
            asker.done()?;
            written.into_iter().collect()
        }
    };
    proposal.files = files
        .into_iter()
        .map(|(path, content)| (format!("{folder}/{path}"), content))
        .collect();
    finish(desk, &args.common, &proposal)
}

/// The Compose file that is meant: itself, or the one in a folder, by the names that `docker compose` looks for, in its order.
fn compose_file(path: &Path) -> anyhow::Result<PathBuf> {
    const NAMES: [&str; 4] = [
        "compose.yaml",
        "compose.yml",
        "docker-compose.yaml",
        "docker-compose.yml",
    ];
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let found = NAMES
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file());
    found.with_context(|| {
        format!(
            "`{}` is a folder without a Compose file ({}): name the file",
            path.display(),
            NAMES.join(", ")
        )
    })
}

/// `my-tool` is `My tool`.
fn title(name: &ToolName) -> String {
    let text = name.as_str().replace('-', " ");
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn from_image(
    args: &Args,
    title: &str,
    asker: &mut Asker,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let read_image = |text: &str| match tenantry_compose::ImageRef::parse(text) {
        Ok(image) if image.tag().is_some() || image.digest().is_some() => Ok(text.to_owned()),
        Ok(_) => Err(format!("write a version, such as `{text}:1.2`")),
        Err(why) => Err(why.to_owned()),
    };
    let read_port = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| "a port from 1 to 65535".to_owned())
    };
    let image = match &args.image {
        Some(image) => Some(read_image(image).map_err(|why| anyhow::anyhow!("--image: {why}"))?),
        None => asker.text(
            "--image (or --from FILE)",
            "Image:",
            "with its version, such as nginx:1.30",
            read_image,
        )?,
    };
    let port = match args.port {
        Some(0) => bail!("--port: a port from 1 to 65535"),
        Some(port) => Some(port),
        None => asker.text(
            "--port",
            "Port where it answers:",
            "in the container",
            read_port,
        )?,
    };
    let Some((image, port)) = image.zip(port) else {
        return Ok(Vec::new());
    };
    let compose = format!(
        "services:
  web:
    image: {image}
    restart: unless-stopped
    ports:
      # Visitors come through the web server of the server; it knows the port.
      - \"127.0.0.1:${{SITE_PORT}}:{port}\"
    # environment:
    #   ADMIN_PASSWORD: ${{ADMIN_PASSWORD}}     # declare it under `secrets:` in stack.yaml
    #   BASE_URL: ${{SITE_URL}}
    # volumes:
    #   - data:/data                        # declare it at the end of this file
    #   - ./files/app:/etc/app:ro           # files beside this one; *.j2 are templates
# volumes:
#   data:
"
    );
    let manifest = format!(
        "# What Tenantry must know about the tool beside its Compose file.
title: {}

# What visitors reach, at <tool>.<domain of the order>.
site:
  service: web
  port: {port}
  # host: \"@\"              # at the domain itself instead

# What an order may set; the Compose file uses it as ${{TITLE}}.
# parameters:
#   TITLE: {{ default: Welcome, description: Headline of the page }}

# Generated once for each order: 32 letters and digits where nothing is said.
# secrets:
#   ADMIN_PASSWORD: {{}}

# What is worth keeping.
# backup: {{ postgres: db, volumes: [data] }}

# The tool works when this is answered with a status below 400.
smoke: GET /

upgrade: {{ step: minor }}

# What the containers need together; servers are chosen by it.
# memory: 128M

# May a hosting company offer it? green, yellow (read the note) or red.
# licence: {{ note: MIT, light: green }}
",
        super::customer::yaml(title)
    );
    Ok(vec![
        ("compose.yaml".to_owned(), compose.into_bytes()),
        ("stack.yaml".to_owned(), manifest.into_bytes()),
    ])
}
