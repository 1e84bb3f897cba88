//! Whether the gateway runs, and whether it can do its work. No key is asked for: probes have none.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use http::StatusCode;
use mayfly_common::api::{Health, HealthStatus};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::query;
use crate::gateway::Gateway;

/// How long the orchestrator may take to answer a probe: less than whoever probes the gateway waits.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// When to ask again for readiness, in seconds.
const RETRY_AFTER: u64 = 5;

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(livez)).routes(routes!(readyz))
}

/// A service that runs, and says no more than that.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Alive {
    /// Always `healthy`: a process that is not does not answer.
    status: HealthStatus,
    /// `api-gateway`.
    #[schema(example = "api-gateway")]
    service: &'static str,
    /// The version of this build.
    version: &'static str,
}

const ALIVE: Alive = Alive {
    status: HealthStatus::Healthy,
    service: "api-gateway",
    version: mayfly_common::VERSION,
};

/// Check health
///
/// 200 as long as the gateway serves; `status` says whether all of the platform does. 503 with the status `shutting_down` once it
/// stops, until the requests in flight are answered. For machines that need a status code, see `/livez` and `/readyz`.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "The health of the gateway and of what it depends on.", body = Health),
        (status = 503, description = "The gateway is shutting down.", body = Health),
        (status = "default", description = "An error.")
    )
)]
async fn health(
    State(gateway): State<Gateway>,
    RawQuery(parameters): RawQuery,
) -> Result<Json<Health>, HttpProblem> {
    query::none(parameters.as_deref())?;
    let answer = gateway.orchestrator.health(PROBE_LIMIT).await;
    let orchestrator =
        answer.as_ref().and_then(|(_, body)| serde_json::from_slice::<Health>(body).ok());
    let state = match (&answer, &orchestrator) {
        (None, _) => "unreachable",
        (Some((StatusCode::OK, _)), Some(Health { status: HealthStatus::Healthy, .. })) => {
            "healthy"
        }
        (_, Some(Health { status: HealthStatus::ShuttingDown, .. })) => "shutting_down",
        _ => "degraded",
    };
    Ok(Json(Health {
        status: if state == "healthy" { HealthStatus::Healthy } else { HealthStatus::Degraded },
        service: ALIVE.service.to_owned(),
        version: ALIVE.version.to_owned(),
        dependencies: BTreeMap::from([("orchestrator".to_owned(), state.to_owned())]),
        answered_seconds_ago: BTreeMap::new(),
        orchestrator: orchestrator.map(Box::new),
    }))
}

/// Check that the gateway runs
///
/// Asks nobody else. Restart the gateway if this does not answer.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "getLiveness",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "The gateway runs.", body = Alive),
        (status = "default", description = "An error.")
    )
)]
async fn livez(RawQuery(parameters): RawQuery) -> Result<Json<Alive>, HttpProblem> {
    query::none(parameters.as_deref())?;
    Ok(Json(ALIVE))
}

/// Check that the platform can serve
///
/// Send requests here only while this answers 200.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "getReadiness",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "The orchestrator is ready, and so is the gateway.", body = Alive),
        (status = 503, description = "The orchestrator is not ready, or the gateway is shutting down."),
        (status = "default", description = "An error.")
    )
)]
async fn readyz(
    State(gateway): State<Gateway>,
    RawQuery(parameters): RawQuery,
) -> Result<Json<Alive>, HttpProblem> {
    query::none(parameters.as_deref())?;
    match gateway.orchestrator.readiness(PROBE_LIMIT).await {
        Some((StatusCode::OK, _)) => Ok(Json(ALIVE)),
        _ => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "The platform is not ready",
        )
        .with_detail("The orchestrator does not answer, or is not ready itself.")
        .with_retry_after(RETRY_AFTER)
        .into()),
    }
}
