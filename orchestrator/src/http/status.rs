//! `/api/v1/status`: what the last pass saw and did.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use mayfly_common::api::Status;
use mayfly_common::pool::PoolName;

use super::Api;
use mayfly_planner::backoff::Place;

pub(super) async fn status(State(api): State<Api>) -> Json<Status> {
    let snapshot = api.handle.snapshot();
    let mut runners: BTreeMap<String, usize> = BTreeMap::new();
    for runner in &snapshot.runners {
        *runners.entry(runner.state.as_str().to_owned()).or_default() += 1;
    }
    let held_back = snapshot.held_back.iter().map(|(place, until)| {
        let streak = snapshot.failures.get(place);
        let reason = streak.map(|streak| format!(": {}", streak.reason)).unwrap_or_default();
        (name(place), format!("until {until:.0}{reason}"))
    });
    let held_back = held_back.collect();
    Json(Status {
        version: mayfly_common::VERSION.to_owned(),
        installation: snapshot.installation,
        auto_create: api.config.auto_create,
        draining_since: api.handle.drain().since(),
        max_runners: api.config.runner.max,
        labels: api.config.runner.labels.to_strings(),
        image: api.config.runner.image.clone(),
        image_state: api
            .handle
            .default_image_state(&api.config.runner.image, api.config.runner.pull),
        runners,
        held_back,
        github: snapshot.github,
        last_pass: snapshot.report,
        finished: snapshot.finished,
    })
}

/// A place in words: the scope, and the pool unless it is the environment's.
fn name((pool, scope): &Place) -> String {
    if *pool == PoolName::default_pool() { scope.to_string() } else { format!("{scope} ({pool})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_different_pools_have_different_names() {
        let names = [PoolName::default_pool(), PoolName::manual(), PoolName::parse("ci").unwrap()]
            .map(|pool| name(&(pool, "repo:o/r".parse().unwrap())));
        assert_eq!(names, ["repo:o/r", "repo:o/r (manual)", "repo:o/r (ci)"]);
    }
}
