//! A pretended forge: keeps the comments of one request, as the three forges do alike.

use axum::extract::{Path as UrlPath, State};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What a pretended forge keeps.
#[derive(Clone, Default)]
pub(super) struct Forge(pub(super) Arc<Mutex<Vec<Value>>>);

impl Forge {
    pub(super) fn bodies(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|comment| comment["body"].as_str().unwrap().to_owned())
            .collect()
    }
}

async fn list(State(forge): State<Forge>) -> Json<Value> {
    Json(Value::Array(forge.0.lock().unwrap().clone()))
}

async fn add(State(forge): State<Forge>, body: String) -> Json<Value> {
    let mut comment: Value = serde_json::from_str(&body).unwrap();
    let mut all = forge.0.lock().unwrap();
    comment["id"] = json!(1000 + all.len());
    all.push(comment.clone());
    Json(comment)
}

async fn change(
    State(forge): State<Forge>,
    UrlPath(id): UrlPath<u64>,
    body: String,
) -> Json<Value> {
    let new: Value = serde_json::from_str(&body).unwrap();
    let mut all = forge.0.lock().unwrap();
    let comment = all.iter_mut().find(|comment| comment["id"] == id).unwrap();
    comment["body"] = new["body"].clone();
    Json(comment.clone())
}

/// Serves what the three forges have in common; the address, and what is kept.
pub(super) fn forge(runtime: &tokio::runtime::Runtime) -> (String, Forge) {
    let forge = Forge::default();
    let router = Router::new()
        .route("/repos/o/r/issues/7/comments", get(list).post(add))
        .route("/repos/o/r/issues/comments/{id}", patch(change))
        .route(
            "/repos/o/r/pulls/7",
            get(|| async { Json(json!({ "head": { "sha": "abc" } })) }),
        )
        .route("/projects/1/merge_requests/7/notes", get(list).post(add))
        .route(
            "/projects/1/merge_requests/7/notes/{id}",
            axum::routing::put(change),
        )
        .with_state(forge.clone());
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await });
    (address, forge)
}
