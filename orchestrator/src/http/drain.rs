//! `/api/v1/drain` and `/api/v1/uninstall`.

use axum::Json;
use axum::extract::State;
use mayfly_common::api::{DrainStatus, UninstallReport};
use mayfly_common::name::RunnerName;
use mayfly_common::problem::Problem;

use super::Api;
use super::error::{Failure, unavailable};

pub(super) async fn show(State(api): State<Api>) -> Json<DrainStatus> {
    Json(status(&api))
}

/// Begins a drain, unless there is one.
pub(super) async fn begin(State(api): State<Api>) -> Json<DrainStatus> {
    api.handle.drain().begin(api.handle.now()).await;
    api.handle.nudge();
    Json(status(&api))
}

/// Ends the drain, if there is one.
pub(super) async fn end(State(api): State<Api>) -> Json<DrainStatus> {
    api.handle.drain().end().await;
    api.handle.nudge();
    Json(status(&api))
}

/// Removes what is left of this installation at GitHub and on the host, once it is drained.
pub(super) async fn uninstall(State(api): State<Api>) -> Result<Json<UninstallReport>, Failure> {
    let status = status(&api);
    match (status.draining, status.left) {
        (true, Some(0)) => Ok(Json(api.handle.uninstall().await?)),
        (true, Some(left)) => Err(Problem::conflict(
            "not-drained",
            format!("Runners that are left: {left}. Wait until GET /api/v1/drain says that none is."),
        )
        .into()),
        (true, None) => Err(unavailable("No pass has looked since the drain began.").into()),
        (false, _) => Err(Problem::conflict(
            "not-drained",
            "The platform is not draining: PUT /api/v1/drain first, and wait until no runner is left.",
        )
        .into()),
    }
}

fn status(api: &Api) -> DrainStatus {
    let (drain, seen) = (api.handle.drain(), api.handle.snapshot());
    let since = drain.since();
    // What a pass saw before the drain began may have grown since.
    let is_seen = since.is_some() && seen.draining == since && seen.blind.is_none();
    let count = |busy: bool| {
        let is_busy = |state| state == mayfly_common::runner::RunnerState::Busy;
        seen.runners.iter().filter(|runner| !busy || is_busy(runner.state)).count()
    };
    // One that is being made when the drain begins is there soon.
    let listed = |name: &RunnerName| seen.runners.iter().any(|one| one.name == name.as_str());
    let being_made = seen.being_made.iter().filter(|name| !listed(name)).count();
    DrainStatus {
        draining: since.is_some(),
        since,
        stored: drain.is_stored(),
        left: is_seen.then(|| count(false) + being_made),
        busy: is_seen.then(|| count(true)),
    }
}
