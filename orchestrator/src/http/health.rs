//! Health, readiness and metrics.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::VERSION;
use mayfly_common::api::{Health, HealthStatus};
use mayfly_common::problem::Problem;
use mayfly_service::exposition::Format;
use mayfly_service::problem::HttpProblem;

use super::Api;
use mayfly_backend::bounded::Seen;
use mayfly_planner::snapshot::Snapshot;

/// Said of what answers.
const REACHABLE: &str = "reachable";
/// The engine is asked every 15 s whether it answers. What is older than some of these times is not known any more.
const STALE: SignedDuration = SignedDuration::from_secs(60);

/// 200 whatever it says: degraded is a finding, not an error of this request.
pub(super) async fn health(State(api): State<Api>) -> Json<Health> {
    let image_state =
        api.handle.default_image_state(&api.config.runner.image, api.config.runner.pull);
    let (contact, github) = (api.handle.contact(), api.handle.github_answered_at());
    let snapshot = api.handle.snapshot();
    let mut health = judge(&snapshot, image_state, &contact, github, api.handle.now());
    health.dependencies.insert("ledger".to_owned(), api.handle.ledger());
    if api.handle.store().sound().is_err() {
        health.status = HealthStatus::Degraded;
    }
    if let Some(since) = api.handle.drain().since() {
        let draining = format!("draining since {since:.0}: none is started; mayfly resume ends it");
        health.dependencies.insert("runners".to_owned(), draining);
    }
    Json(health)
}

pub(super) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "healthy" }))
}

/// Ready once a pass has seen the containers, and as long as the engine answers.
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<serde_json::Value>, HttpProblem> {
    let snapshot = api.handle.snapshot();
    if docker(&snapshot, &api.handle.contact(), api.handle.now()) == REACHABLE {
        return Ok(Json(serde_json::json!({ "status": "ready" })));
    }
    let detail = "The containers cannot be seen just now; GET /health tells why.";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "Not ready")
        .with_detail(detail)
        .with_retry_after(5)
        .into())
}

pub(super) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> impl IntoResponse {
    let format = Format::preferred(&headers);
    let described = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
    (described, format.write(api.metrics.render()))
}

fn judge(
    snapshot: &Snapshot,
    image_state: String,
    contact: &Seen,
    github_answered_at: Option<Timestamp>,
    now: Timestamp,
) -> Health {
    let docker = docker(snapshot, contact, now);
    let github = github(snapshot, github_answered_at, now);
    let accounts = &snapshot.report.github_accounts;
    let healthy = docker == REACHABLE && github == REACHABLE && accounts.is_empty();
    let mut dependencies = BTreeMap::from([
        ("docker".to_owned(), docker),
        ("github".to_owned(), github),
        ("image".to_owned(), image_state),
    ]);
    dependencies.extend(accounts.iter().map(|(name, why)| (format!("github {name}"), why.clone())));
    let answered = [("docker", contact.answered_at), ("github", github_answered_at)];
    Health {
        status: if healthy { HealthStatus::Healthy } else { HealthStatus::Degraded },
        service: "orchestrator".to_owned(),
        version: VERSION.to_owned(),
        dependencies,
        answered_seconds_ago: answered
            .into_iter()
            .filter_map(|(name, at)| Some((name.to_owned(), seconds_since(at?, now))))
            .collect(),
        orchestrator: None,
    }
}

/// The engine in words: reachable only if it answered lately.
fn docker(snapshot: &Snapshot, contact: &Seen, now: Timestamp) -> String {
    if let Some(why) = snapshot.blind.as_ref().map(|blind| &blind.why).or(contact.silent.as_ref()) {
        return why.clone();
    }
    match contact.answered_at {
        _ if snapshot.report.number == 0 => "not asked yet".to_owned(),
        None => "unknown: it has not answered yet".to_owned(),
        Some(at) if now.duration_since(at) > STALE => {
            format!("unknown: the last answer is {} s old", seconds_since(at, now))
        }
        Some(_) => REACHABLE.to_owned(),
    }
}

/// GitHub in words: reachable only if it answered. While the engine is away no pass asks it, so that nothing is known of it after a
/// while.
fn github(snapshot: &Snapshot, answered_at: Option<Timestamp>, now: Timestamp) -> String {
    if let Some(why) = &snapshot.report.github_error {
        return why.clone();
    }
    let old = |at: Timestamp| now.duration_since(at) > STALE;
    match answered_at {
        None => "not asked yet".to_owned(),
        Some(at) if snapshot.blind.is_some() && old(at) => {
            format!("unknown: the last answer is {} s old", seconds_since(at, now))
        }
        _ => REACHABLE.to_owned(),
    }
}

/// A clock that was set back makes nothing older.
fn seconds_since(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(at).as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_common::api::PassReport;
    use mayfly_planner::snapshot::Blind;

    fn blind_for(why: &str) -> Blind {
        Blind { kind: "docker", why: why.to_owned(), hint: "look at it" }
    }

    #[test]
    fn only_an_engine_that_answered_lately_is_reachable() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let passed = |number, blind: Option<&str>| Snapshot {
            blind: blind.map(blind_for),
            report: PassReport { number, ..PassReport::default() },
            ..Snapshot::default()
        };
        let seen = |ago: Option<i64>, silent: Option<&str>| Seen {
            answered_at: ago.map(|ago| now - SignedDuration::from_secs(ago)),
            silent: silent.map(str::to_owned),
        };
        let rows = [
            (passed(0, None), seen(None, None), "not asked yet"),
            (passed(1, None), seen(Some(0), None), "reachable"),
            (passed(1, None), seen(Some(60), None), "reachable"),
            (passed(1, None), seen(Some(61), None), "unknown: the last answer is 61 s old"),
            (passed(1, None), seen(Some(-90), None), "reachable"),
            (passed(1, None), seen(Some(5), Some("no answer")), "no answer"),
            (passed(1, Some("refused")), seen(Some(0), None), "refused"),
            (passed(1, None), seen(None, None), "unknown: it has not answered yet"),
        ];
        for (snapshot, contact, expected) in rows {
            assert_eq!(docker(&snapshot, &contact, now), expected, "{contact:?}");
            let health = judge(&snapshot, String::new(), &contact, Some(now), now);
            let healthy = health.status == HealthStatus::Healthy;
            assert_eq!(healthy, expected == "reachable", "{health:?}");
        }
    }

    #[test]
    fn github_is_not_called_reachable_for_as_long_as_nobody_can_ask_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let rows = [
            (None, None, "not asked yet"),
            (None, Some(3_600), "reachable"),
            (Some("no engine"), None, "not asked yet"),
            (Some("no engine"), Some(60), "reachable"),
            (Some("no engine"), Some(61), "unknown: the last answer is 61 s old"),
            (Some("no engine"), Some(-5), "reachable"),
        ];
        for (blind, ago, expected) in rows {
            let snapshot = Snapshot { blind: blind.map(blind_for), ..Snapshot::default() };
            let answered_at = ago.map(|ago| now - SignedDuration::from_secs(ago));
            let health = judge(&snapshot, String::new(), &Seen::default(), answered_at, now);
            assert_eq!(health.dependencies["github"], expected, "{blind:?} {ago:?}");
        }
    }

    #[test]
    fn each_dependency_is_told_of_under_its_own_name() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let before = |seconds| Some(now - SignedDuration::from_secs(seconds));
        let contact = Seen { answered_at: before(7), silent: None };
        let told = |report: PassReport| {
            let snapshot = Snapshot { report, ..Snapshot::default() };
            let health = judge(&snapshot, "it is there".to_owned(), &contact, before(3), now);
            serde_json::to_value(health).unwrap()
        };
        let expected = |status: &str, dependencies: serde_json::Value| {
            serde_json::json!({
                "status": status, "service": "orchestrator", "version": VERSION,
                "dependencies": dependencies, "answered_seconds_ago": {"docker": 7, "github": 3},
            })
        };
        let passed = PassReport { number: 1, ..PassReport::default() };
        let all = serde_json::json!({"docker": "reachable", "github": "reachable", "image": "it is there"});
        assert_eq!(told(passed.clone()), expected("healthy", all.clone()));
        let silent = PassReport { github_error: Some("it is away".to_owned()), ..passed.clone() };
        let mut dependencies = all.clone();
        dependencies["github"] = "it is away".into();
        assert_eq!(told(silent), expected("degraded", dependencies));
        // An engine that never answered has no age, and GitHub's is told all the same.
        let snapshot = Snapshot { report: passed.clone(), ..Snapshot::default() };
        let never = Seen { answered_at: None, silent: None };
        let health = judge(&snapshot, String::new(), &never, before(3), now);
        let ages: Vec<(String, u64)> = health.answered_seconds_ago.into_iter().collect();
        assert_eq!(ages, [("github".to_owned(), 3)]);
        let accounts = [("octo-org".to_owned(), "not installed".to_owned())].into();
        let mut dependencies = all;
        dependencies["github octo-org"] = "not installed".into();
        let partly = PassReport { github_accounts: accounts, ..passed };
        assert_eq!(told(partly), expected("degraded", dependencies));
    }
}
