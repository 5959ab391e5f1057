//! Everything the hub says over HTTP: agents' endpoints, read-only JSON, status pages, metrics. It decides nothing and changes nothing:
//! what it shows comes in through [`WebState`], and the only things that go in are agents' reports and, from webhooks, that it is time to look.

pub mod agent;
mod api;
mod app;
mod assets;
mod events;
mod headers;
mod health;
pub mod metrics;
mod operator;
mod pages;
mod serve;
mod snapshot;
mod usage;
mod verdicts;
mod webhooks;

pub use agent::{
    AgentDirectory, AgentIdentity, CurrentSlice, DirectoryError, Limits, ReportError, ReportSink,
    SliceBoard, SliceSource, SourceError,
};
pub use app::WebState;
pub use operator::{Diary, ServerDoors, StaffDirectory};
pub use serve::{Closing, serve};
pub use webhooks::{ForgeDoors, Pushed};

use axum::routing::{get, post};
use axum::{Router, middleware};
use tower_http::compression::CompressionLayer;

/// Everything the hub answers to. All of it is GET but for what agents report and answer, what operators ask, and webhooks.
pub fn router(state: WebState) -> Router {
    let app = app::App::new(state);

    let machines = Router::new()
        .route("/agent/v1/next", get(agent::next))
        .route("/agent/v1/program", get(agent::program))
        .route("/agent/v1/reports", post(agent::reports))
        .route("/agent/v1/answers", post(agent::answers))
        .route("/operator/v1/diagnose", post(operator::diagnose))
        .route("/api/v1/events", get(events::events))
        .route("/webhooks/git/{kind}", post(webhooks::git));

    let readers = Router::new()
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/servers/{customer}/{server}", get(api::server))
        .route(
            "/api/v1/servers/{customer}/{server}/usage",
            get(usage::usage),
        )
        .route("/verdicts/{commit}", get(verdicts::verdict))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/assets/{name}", get(assets::asset))
        .merge(pages::routes(pages::Shape::Page))
        .nest("/fragment", pages::routes(pages::Shape::Fragment))
        .fallback(pages::missing)
        .layer(CompressionLayer::new());

    machines
        .merge(readers)
        .layer(middleware::from_fn(headers::secure))
        .with_state(app)
}
