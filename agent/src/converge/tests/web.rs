//! The web server and certificates of an authority, by example.

use super::*;
use crate::certificates::memory::SiteMemory;
use crate::desired::Fallback;
use crate::step::Step;
use crate::web_server::Complaints;
use tenantry_schema::document::Certificates;
use tenantry_schema::wire::CertificateWait;

/// A server whose fleet asks an authority, with one site and an answer for strange names.
fn certified() -> Desired {
    let mut desired = desired(&[("one", PLAIN)]);
    let authority: Certificates = serde_json::from_str(r#"{"terms_agreed":true}"#).unwrap();
    desired.host.certificates = Some(Arc::new(authority));
    desired.fallback = Some(Fallback {
        host: host(FALLBACK_SITE),
        text: "nobody".into(),
        digest: digest(b"nobody"),
    });
    desired
}

fn lane() -> Lane {
    Lane::Certificate(host("one.example"))
}

fn issued(from: Timestamp, days: i64) -> CertificateFacts {
    let until = from + SignedDuration::from_hours(24 * days);
    CertificateFacts {
        from,
        until,
        self_signed: false,
        names: [host("one.example")].into(),
        issuer: "Authority".into(),
        id: None,
    }
}

#[test]
fn strange_names_are_answered_first_and_certificates_asked_for_before_the_tool_is_up() {
    let (mut server, desired) = (Server::new(), certified());
    let first = server.plan(&desired);
    assert!(
        matches!(&first.steps[&Lane::Web][..], [Step::Publish { sites, .. }] if sites.len() == 1)
    );
    assert!(
        !first.steps.contains_key(&lane()),
        "nobody would answer the challenge"
    );
    let report = &first.certificates[&host("one.example")];
    assert_eq!(report.waiting, Some(CertificateWait::Served));
    for step in &first.steps[&Lane::Web] {
        server.apply(step);
    }
    let second = server.plan(&desired);
    assert!(matches!(&second.steps[&lane()][..], [Step::Issue(_)]));
    assert!(!second.sites[&host("one.example")].live);
}

#[test]
fn an_authority_holds_up_nothing() {
    let (mut server, desired) = (Server::new(), certified());
    for _ in 0..10 {
        let plan = server.plan(&desired);
        for (lane, step) in plan.all_steps() {
            if lane.decides() {
                server.apply(step);
            }
        }
        server.engine.settle(&[], &["db", "web"]);
        server.now += SignedDuration::from_secs(1);
    }
    let plan = server.plan(&desired);
    assert!(plan.converged && plan.sites[&host("one.example")].live);
    assert!(server.web.certificates[&host("one.example")].self_signed);
    assert!(plan.steps.contains_key(&lane()), "it is still asked for");
}

#[test]
fn what_an_authority_issued_is_never_replaced_by_our_own() {
    let mut server = Server::new();
    let plain = desired(&[("one", PLAIN)]);
    server.settle(&plain);
    let old = server.now - SignedDuration::from_hours(24 * 400);
    server
        .web
        .certificates
        .insert(host("one.example"), issued(old, 90));
    assert!(server.plan(&plain).steps.is_empty(), "however old it is");
    server.now = old - SignedDuration::from_hours(24);
    assert!(
        server.plan(&plain).steps.is_empty(),
        "nor when the clock is behind"
    );
}

#[test]
fn a_name_more_makes_our_own_certificate_anew() {
    let mut server = Server::new();
    let mut plain = desired(&[("one", PLAIN)]);
    server.settle(&plain);
    let site = plain.sites.get_mut(&host("one.example")).unwrap();
    site.also = vec![host("old.one.example")];
    let plan = server.plan(&plain);
    assert!(
        matches!(&plan.steps[&Lane::Web][..], [Step::Certificate { also, .. }, Step::ReloadWebServer] if also.len() == 1),
        "{:?}",
        texts(&plan)
    );
    server.settle(&plain);
}

#[test]
fn a_certificate_that_was_not_read_yet_is() {
    let (mut server, desired) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&desired);
    server.web.stale = true;
    let plan = server.plan(&desired);
    assert!(matches!(
        &plan.steps[&Lane::Web][..],
        [Step::ReloadWebServer]
    ));
    server.settle(&desired);
}

#[test]
fn a_site_that_was_put_in_place_and_not_read_is_not_live() {
    let (mut server, desired) = (Server::new(), desired(&[("one", PLAIN)]));
    server.settle(&desired);
    (server.web.stale, server.web.unread) = (true, true);
    let plan = server.plan(&desired);
    assert!(!plan.converged && plan.sites.values().all(|site| !site.live));
    let steps = &plan.steps[&Lane::Web][..];
    assert!(matches!(steps, [Step::ReloadWebServer]), "{steps:?}");
    server.history.busy.insert(Lane::Web);
    let plan = server.plan(&desired);
    assert!(plan.sites.values().all(|site| site.live), "in a moment");
    server.history.busy.clear();
    server.settle(&desired);
    assert!(server.plan(&desired).converged);
}

#[test]
fn a_web_server_with_a_default_of_its_own_serves_the_sites_all_the_same() {
    let (mut server, desired) = (Server::new(), certified());
    let complaint = "a duplicate default server".to_owned();
    let complaints = Complaints::from([(host(FALLBACK_SITE), complaint)]);
    let refused = digest(b"nobody");
    let tried = [(&host(FALLBACK_SITE), refused.as_str())];
    server.history.published(tried, &complaints, server.now);
    let plan = server.plan(&desired);
    assert!(!plan.steps.contains_key(&Lane::Web), "not again at once");
    assert!(plan.next.unwrap() <= server.now + SignedDuration::from_secs(1));
}

#[test]
fn while_it_is_asked_for_that_is_what_is_told() {
    let (mut server, desired) = (Server::new(), certified());
    server.web.running = true;
    server
        .web
        .sites
        .insert(host(FALLBACK_SITE), digest(b"nobody"));
    let Step::Issue(order) = &server.plan(&desired).steps[&lane()][0] else {
        panic!("not asked for");
    };
    let mut memory = Memory::default();
    *memory.site(&host("one.example")) = SiteMemory {
        of: order.of.clone(),
        attempts: 1,
        next: Some(server.now + SignedDuration::from_mins(1)),
        ..SiteMemory::default()
    };
    server.memory = Arc::new(memory);
    let told = |server: &Server| server.plan(&desired).certificates[&host("one.example")].clone();
    assert!(matches!(
        told(&server).waiting,
        Some(CertificateWait::Retry { .. })
    ));
    server.history.busy.insert(lane());
    let now = told(&server);
    assert_eq!(
        (now.waiting, now.attempts),
        (Some(CertificateWait::Requested), 0)
    );
}

#[test]
fn nothing_is_asked_for_where_nothing_may_be_done() {
    let (mut server, mut desired) = (Server::new(), certified());
    desired.host.manage = Manage::Observe;
    server.web.running = true;
    server
        .web
        .sites
        .insert(host(FALLBACK_SITE), digest(b"nobody"));
    let plan = server.plan(&desired);
    assert!(plan.steps.is_empty());
    assert!(plan.would.contains_key(&lane()), "it is told");
}

#[test]
fn whatever_changes_at_once_is_published_at_once_and_read_once() {
    let mut first = desired(&[("one", PLAIN), ("two", PLAIN), ("three", PLAIN)]);
    let mut server = Server::new();
    server.settle(&first);
    let reads = |plan: &Plan| {
        let reads = |step: &Step| matches!(step, Step::Publish { .. } | Step::ReloadWebServer);
        let steps = plan.all_steps().map(|(_, step)| step);
        steps.filter(|step| reads(step)).count()
    };
    for name in ["one.example", "two.example"] {
        let site = first.sites.get_mut(&host(name)).unwrap();
        site.text = "changed".into();
        site.digest = digest(b"changed");
    }
    first.sites.remove(&host("three.example"));
    first.reference.content = digest(b"changed");
    // A certificate that has to be read again, too.
    server.web.stale = true;
    let plan = server.plan(&first);
    assert_eq!(reads(&plan), 1, "{:?}", texts(&plan));
    for (_, step) in plan.all_steps() {
        server.apply(step);
    }
    assert_eq!(reads(&server.plan(&first)), 0);
}
