//! Health, readiness and metrics.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use mayfly_common::VERSION;
use mayfly_common::api::{Health, HealthStatus};
use mayfly_common::problem::Problem;

use super::Api;
use crate::reconcile::handle::Snapshot;

/// 200 whatever it says: degraded is a finding, not an error of this request.
pub(super) async fn health(State(api): State<Api>) -> Json<Health> {
    let image_state = api.handle.image_state(&api.config.runner.image);
    Json(judge(&api.handle.snapshot(), image_state))
}

pub(super) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "healthy" }))
}

/// Ready once a pass has seen the containers.
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<serde_json::Value>, Problem> {
    let snapshot = api.handle.snapshot();
    if snapshot.report.number > 0 && snapshot.blind.is_none() {
        return Ok(Json(serde_json::json!({ "status": "ready" })));
    }
    let detail = "No pass has seen the containers yet; GET /health tells why.";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready")
        .with_detail(detail)
        .with_retry_after(5))
}

pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        api.metrics.render(),
    )
}

fn judge(snapshot: &Snapshot, image_state: String) -> Health {
    let docker = match (&snapshot.blind, snapshot.report.number) {
        (Some(why), _) => why.clone(),
        (None, 0) => "not asked yet".to_owned(),
        (None, _) => "reachable".to_owned(),
    };
    let github = snapshot.report.github_error.clone().unwrap_or_else(|| "reachable".to_owned());
    let healthy = docker == "reachable" && github == "reachable";
    Health {
        status: if healthy { HealthStatus::Healthy } else { HealthStatus::Degraded },
        service: "orchestrator".to_owned(),
        version: VERSION.to_owned(),
        dependencies: BTreeMap::from([
            ("docker".to_owned(), docker),
            ("github".to_owned(), github),
            ("image".to_owned(), image_state),
        ]),
        orchestrator: None,
    }
}
