//! `/api/v1/status`: what the last pass saw and did.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use mayfly_common::api::Status;

use super::Api;

pub(super) async fn status(State(api): State<Api>) -> Json<Status> {
    let snapshot = api.handle.snapshot();
    let mut runners: BTreeMap<String, usize> = BTreeMap::new();
    for runner in &snapshot.runners {
        *runners.entry(runner.state.as_str().to_owned()).or_default() += 1;
    }
    Json(Status {
        version: mayfly_common::VERSION.to_owned(),
        instance: snapshot.instance,
        auto_create: api.config.auto_create,
        max_runners: api.config.runner.max,
        labels: api.config.runner.labels.to_strings(),
        image: api.config.runner.image.clone(),
        image_state: api.handle.image_state(&api.config.runner.image),
        runners,
        held_back: snapshot.held_back,
        github: snapshot.github,
        last_pass: snapshot.report,
        finished: snapshot.finished,
    })
}
