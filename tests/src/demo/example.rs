//! An example of the folder `examples`: one server with everything that its fleet orders, up, answering and backed up.

use super::story::copy;
use super::tell::Teller;
use crate::lab::{Lab, LabError};
use crate::rig::{Fleet, Hub, Place, Server, page_until, trouble};
use std::time::Duration;
use tenantry_planner::status::{FleetStatus, Phase};

const SETUP: Duration = Duration::from_mins(5);

/// What every site of the example shows.
const SITES: [(&str, &str); 6] = [
    ("acme.test", "Six stacks"),
    ("guestbook.acme.test", "html"),
    ("counter.acme.test", "Visit counter"),
    ("notes.acme.test", "Notes"),
    ("downloads.acme.test", "Index of"),
    ("links.acme.test", "Short links"),
];

/// The example's parts while they run.
pub(super) struct Example {
    pub(super) hub: Hub,
    pub(super) server: Server,
}

/// Sets `name` up. The server is enrolled; nothing runs yet.
pub(super) async fn tell(
    teller: &mut Teller,
    lab: &Lab,
    fleet: &Fleet,
    place: &Place,
    mut server: Server,
    name: &str,
) -> Result<Example, LabError> {
    let folder = lab.config().repository.join("examples").join(name);
    if !folder.join("fleet").is_dir() {
        return Err(trouble(
            "demo",
            format!("there is no example `{name}` with a fleet in examples/"),
        ));
    }
    teller.begin("the example's files become a commit: one order, six tools, backups");
    fleet.activate()?;
    copy(&folder.join("fleet"), &fleet.work().join("fleet"))?;
    copy(&folder.join("stacks"), &fleet.work().join("stacks"))?;
    let document = server.document("");
    fleet.write("fleet/customers/acme/servers/acme-1.yaml", &document)?;
    let settings = fleet.read("fleet/hub.yaml")?;
    let backups = server.dir().join("backups");
    fleet.write(
        "fleet/hub.yaml",
        &format!(
            "{}\nbackups:\n  repository: {}\n",
            settings.trim_end(),
            backups.display()
        ),
    )?;
    let hub = Hub::start(fleet, place, &[]).await?;
    server.start()?;
    teller.show(&fleet.read("fleet/customers/acme/orders/everything.yaml")?);
    fleet.commit("an order of six tools")?;
    let fulfilled = |status: &FleetStatus| {
        !status.orders.is_empty()
            && status
                .orders
                .iter()
                .all(|order| order.phase == Phase::Fulfilled)
    };
    hub.wait_for(SETUP, "fulfilment", fulfilled).await?;
    teller.done("six tools run: databases healthy, smoke checks passed");

    teller.begin("every site answers by HTTPS");
    for (host, text) in SITES {
        let url = page_until(&server, host, text, SETUP).await?;
        teller.show(&url);
    }
    teller.done("six sites");

    teller.begin("what they keep is backed up, each backup with a receipt");
    let status = hub
        .wait_for(SETUP, "backups of all that is kept", backed_up)
        .await?;
    teller.show(&receipts(&status));
    teller.done("PostgreSQL, MariaDB, SQLite and a volume");
    Ok(Example { hub, server })
}

fn backed_up(status: &FleetStatus) -> bool {
    let reports = status.servers.iter().filter_map(|it| it.backups.as_ref());
    let mut instances = reports
        .flat_map(|report| report.instances.values())
        .peekable();
    instances.peek().is_some() && instances.all(|one| one.last.is_some())
}

fn receipts(status: &FleetStatus) -> String {
    let reports = status.servers.iter().filter_map(|it| it.backups.as_ref());
    let lines = reports.flat_map(|report| {
        report.instances.iter().filter_map(|(name, one)| {
            let last = one.last.as_ref()?;
            let rows = last.rows.map(|rows| format!(", {rows} rows"));
            Some(format!(
                "{name}: {} bytes in {} s{}",
                last.bytes,
                last.seconds,
                rows.unwrap_or_default()
            ))
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}
