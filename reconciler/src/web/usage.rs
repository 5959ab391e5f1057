//! `/api/v1/servers/{customer}/{server}/usage?range=24h`: what a server and its containers used, for programs. Read-only.

mod recent;

use super::app::App;
use crate::store::{UsageHistory, UsageSpan};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tenantry_planner::status::{FleetStatus, ServerStatus};
use tenantry_schema::id::ServerKey;

/// A server of the fleet, by the words in an address.
pub(super) fn find<'a>(
    status: &'a FleetStatus,
    customer: &str,
    server: &str,
) -> Option<&'a ServerStatus> {
    let found = status
        .servers
        .iter()
        .find(|known| known.customer.as_str() == customer && known.server.as_str() == server)?;
    Some(found)
}

/// What is asked for: `range=` of a query, else a day.
pub(super) fn span(query: Option<&str>) -> Option<UsageSpan> {
    let word = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("range="));
    word.map_or(Some(UsageSpan::default()), UsageSpan::parse)
}

pub(super) use recent::Recent;

/// What is said where the diary does not answer.
pub(super) const UNREADABLE: &str = "what was used cannot be read now; the hub's log says why";

/// The diary does not answer. The log says why.
#[derive(Debug)]
pub(super) struct Unreadable;

/// What a server used, up to a minute ago. None: the fleet has no such server.
pub(super) async fn of(
    app: &App,
    customer: &str,
    server: &str,
    span: UsageSpan,
) -> Result<Option<Arc<UsageHistory>>, Unreadable> {
    let status = app.state.status.borrow().clone();
    let Some(found) = find(&status, customer, server) else {
        return Ok(None);
    };
    let key = ServerKey {
        customer: found.customer.clone(),
        server: found.server.clone(),
    };
    let now = (app.state.clock)();
    let diary = &app.state.servers.diary;
    let read = || diary.usage(key.clone(), span, now);
    let history = app.usage.get((key.clone(), span), now, read).await;
    history.map(Some).map_err(|error| {
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "what a server used cannot be read"
        );
        Unreadable
    })
}

/// 200 with a [`UsageHistory`]. 503 where it is not known.
pub(super) async fn usage(
    State(app): State<App>,
    Path((customer, server)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(span) = span(query.as_deref()) else {
        let words = UsageSpan::WORDS.map(|(_, word)| word).join(", ");
        return (
            StatusCode::BAD_REQUEST,
            format!("range is one of {words}\n"),
        )
            .into_response();
    };
    match of(&app, &customer, &server, span).await {
        Ok(Some(history)) => Json(&*history).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "there is no such server\n").into_response(),
        Err(Unreadable) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{UNREADABLE}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_in_the_query() {
        assert_eq!(span(None), Some(UsageSpan::Day));
        assert_eq!(span(Some("x=1&range=7d")), Some(UsageSpan::Week));
        assert_eq!(span(Some("range=all")), Some(UsageSpan::All));
        assert_eq!(span(Some("range=9y")), None);
    }
}
