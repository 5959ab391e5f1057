//! Status pages: one whole page, or its changing part alone for `live.js`. They show a [`tenantry_planner::status::FleetStatus`] and write nothing.

mod backups;
mod charts;
mod diagnostics;
mod index;
mod operations;
mod order;
mod overview;
mod rollout;
mod rows;
mod server;
mod sites;
mod templates;
mod words;

pub(super) use index::Index;
pub(super) use templates::{Shape, Templates};

use super::app::App;
use super::snapshot::Snapshot;
use super::usage;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use index::Filter;
use jiff::Timestamp;
use minijinja::value::{Serde, Value};
use std::sync::Arc;

/// The pages in one shape.
pub(super) fn routes(shape: Shape) -> Router<App> {
    Router::new()
        .route("/", get(overview))
        .route("/orders/{customer}/{order}", get(order))
        .route("/servers/{customer}/{server}", get(server))
        .layer(Extension(shape))
}

/// What a page shows: title, template and its values. None: there is no such page.
type Content = Option<(String, &'static str, Value)>;

async fn overview(
    State(app): State<App>,
    Extension(shape): Extension<Shape>,
    RawQuery(query): RawQuery,
) -> Response {
    show(app, shape, move |snapshot, now| {
        let filter = Filter::parse(query.as_deref().unwrap_or_default());
        let view = overview::view(&snapshot.status, snapshot.index(), &filter, now);
        Some((
            snapshot.status.fleet_id.clone(),
            "overview.html",
            Serde(view).into(),
        ))
    })
    .await
}

async fn order(
    State(app): State<App>,
    Extension(shape): Extension<Shape>,
    Path((customer, order)): Path<(String, String)>,
) -> Response {
    show(app, shape, move |snapshot, now| {
        let status = &snapshot.status;
        let found = status
            .orders
            .iter()
            .find(|o| o.customer.as_str() == customer && o.order.as_str() == order)?;
        Some((
            format!("{customer}/{order}"),
            "order.html",
            Serde(order::view(status, found, now)).into(),
        ))
    })
    .await
}

async fn server(
    State(app): State<App>,
    Extension(shape): Extension<Shape>,
    Path((customer, server)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let span = usage::span(query.as_deref()).unwrap_or_default();
    let used = usage::of(&app, &customer, &server, span).await;
    show(app, shape, move |snapshot, now| {
        let status = &snapshot.status;
        let found = usage::find(status, &customer, &server)?;
        let used = match &used {
            Ok(history) => Ok(history.as_ref().map(|history| charts::view(history, span))),
            Err(usage::Unreadable) => Err(usage::UNREADABLE),
        };
        Some((
            format!("{customer}/{server}"),
            "server.html",
            Serde(server::view(status, found, used, now)).into(),
        ))
    })
    .await
}

/// There is no such page.
pub(super) async fn missing(State(app): State<App>) -> Response {
    show(app, Shape::Page, |_, _| None).await
}

/// Draws a page on a thread of its own, since a large fleet takes a while.
async fn show(
    app: App,
    shape: Shape,
    content: impl FnOnce(&Snapshot, Timestamp) -> Content + Send + 'static,
) -> Response {
    let drawn = tokio::task::spawn_blocking(move || {
        let snapshot: Arc<Snapshot> = app.snapshots.newest();
        let now = (app.state.clock)();
        match content(&snapshot, now) {
            Some((title, template, values)) => app
                .templates
                .draw(shape, &snapshot, &title, template, values)
                .map(|html| (StatusCode::OK, html)),
            None => app
                .templates
                .draw(
                    shape,
                    &snapshot,
                    "Not found",
                    "missing.html",
                    Value::UNDEFINED,
                )
                .map(|html| (StatusCode::NOT_FOUND, html)),
        }
    })
    .await;
    match drawn {
        Ok(Ok((code, html))) => (code, Html(html)).into_response(),
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a page cannot be drawn"
            );
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "this page cannot be drawn; the hub's log says why\n",
            )
                .into_response()
        }
        Err(error) => {
            tracing::error!(%error, "drawing a page broke off");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "this page cannot be drawn; the hub's log says why\n",
            )
                .into_response()
        }
    }
}
