//! `/api/v1/pools`.
//!
//! Two who write at once do not undo each other: every pool has an `ETag`, and `If-Match` has a change refused (412) when the
//! pool was modified concurrently (RFC 9110, section 13.1.1).

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mayfly_common::api::{Pool, PoolList, PoolSource, PoolStatus};
use mayfly_common::pool::{PoolName, PoolSpec};
use mayfly_common::problem::{FieldError, Problem};
use mayfly_common::runner::RunnerState;
use serde_json::Value;

use super::Api;
use super::error::{Failure, too_large};
use crate::book::{BookError, Entry};

pub(super) async fn list(State(api): State<Api>) -> Result<Json<PoolList>, Failure> {
    let entries = api.handle.book().all();
    let pools = entries.iter().map(|entry| shown(&api, entry)).collect::<Result<Vec<Pool>, _>>()?;
    Ok(Json(PoolList { total_count: pools.len(), pools }))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let found = PoolName::parse(&name).ok().and_then(|name| api.handle.book().get(&name));
    answer(&api, StatusCode::OK, &found.ok_or_else(no_such_pool)?)
}

/// 201 with the new pool.
pub(super) async fn create(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let spec = PoolSpec::from_body(&body.map_err(|_| too_large())?)?;
    let entry = api.handle.book().create(spec, api.handle.now()).await?;
    api.handle.nudge();
    answer(&api, StatusCode::CREATED, &entry)
}

/// Puts another description in the place of the one there is.
pub(super) async fn replace(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let spec = PoolSpec::from_body(&body.map_err(|_| too_large())?)?;
    write(&api, &name, spec, &headers).await
}

/// Changes some fields: JSON Merge Patch (RFC 7396), so `null` has a field be as the environment says.
pub(super) async fn change(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let patch: Value = serde_json::from_slice(&body.map_err(|_| too_large())?)
        .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
    if !patch.is_object() {
        let detail = "must be an object".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: String::new(), detail }]).into());
    }
    let parsed = PoolName::parse(&name).map_err(|_| no_such_pool())?;
    if parsed.is_reserved() {
        return Err(BookError::Reserved.into());
    }
    let entry = api.handle.book().get(&parsed).ok_or_else(no_such_pool)?;
    let mut value = described(&entry)?;
    merge(&mut value, patch);
    let spec = PoolSpec::from_json(&value, "").map_err(Problem::invalid)?;
    // What the patch was laid over must still be there when it is written.
    let revision = revision(&headers).unwrap_or(entry.revision);
    named(&parsed, &spec)?;
    let entry = api.handle.book().replace(spec, Some(revision), api.handle.now()).await?;
    api.handle.nudge();
    answer(&api, StatusCode::OK, &entry)
}

pub(super) async fn delete(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let name = PoolName::parse(&name).map_err(|_| no_such_pool())?;
    api.handle.book().delete(&name, revision(&headers)).await?;
    api.handle.nudge();
    Ok(StatusCode::NO_CONTENT)
}

/// Has every waiting runner of the pool replaced by a fresh one.
pub(super) async fn rotate(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let name = PoolName::parse(&name).map_err(|_| no_such_pool())?;
    let entry = api.handle.book().rotate(&name, api.handle.now()).await?;
    api.handle.nudge();
    answer(&api, StatusCode::OK, &entry)
}

async fn write(
    api: &Api,
    name: &str,
    spec: PoolSpec,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let name = PoolName::parse(name).map_err(|_| no_such_pool())?;
    if name.is_reserved() {
        return Err(BookError::Reserved.into());
    }
    named(&name, &spec)?;
    let entry = api.handle.book().replace(spec, revision(headers), api.handle.now()).await?;
    api.handle.nudge();
    answer(api, StatusCode::OK, &entry)
}

/// A pool keeps its name: its runners carry it.
fn named(name: &PoolName, spec: &PoolSpec) -> Result<(), Problem> {
    if spec.name == *name {
        return Ok(());
    }
    let detail = format!("must be {name}, as in the path: a pool keeps its name");
    Err(Problem::invalid(vec![FieldError { pointer: "/name".to_owned(), detail }]))
}

fn answer(api: &Api, status: StatusCode, entry: &Entry) -> Result<Response, Failure> {
    let tag = HeaderValue::try_from(format!("\"{}\"", entry.revision));
    let mut response = (status, Json(shown(api, entry)?)).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The revision that `If-Match` names; none if any will do.
fn revision(headers: &HeaderMap) -> Option<i64> {
    let value = headers.get(header::IF_MATCH)?;
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return None;
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    // A tag that was never given out fits no pool.
    Some(number.and_then(|number| number.parse().ok()).unwrap_or(-1))
}

/// Lays `patch` over `value` (RFC 7396).
fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = value else { return };
    for (name, change) in patch {
        if change.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

fn described(entry: &Entry) -> Result<Value, Problem> {
    serde_json::to_value(&entry.pool.spec).map_err(|_| Problem::internal())
}

fn shown(api: &Api, entry: &Entry) -> Result<Pool, Problem> {
    let (snapshot, pool) = (api.handle.snapshot(), &entry.pool);
    let now = pool.policy(&snapshot.installation, entry.rotate_before, api.handle.now());
    let name = &pool.spec.name;
    let seen = snapshot.pools.get(name);
    let mut runners = std::collections::BTreeMap::new();
    for runner in snapshot.runners.iter().filter(|runner| runner.pool == name.as_str()) {
        *runners.entry(runner.state.as_str().to_owned()).or_default() += 1;
    }
    let idle = runners.get(RunnerState::Idle.as_str()).copied().unwrap_or_default();
    let wanting = pool.spec.enabled && now.min_idle > idle;
    let automatic_off = (wanting && !api.config.auto_create).then(|| {
        "AUTO_CREATE_RUNNERS is not true in the orchestrator's environment, so no runner starts by itself".to_owned()
    });
    let state = match (pool.spec.enabled, pool.spec.paused) {
        (false, _) => "disabled",
        (true, true) => "paused",
        (true, false) => "active",
    };
    Ok(Pool {
        name: name.to_string(),
        source: if entry.created_at.is_some() { PoolSource::Api } else { PoolSource::Environment },
        revision: entry.revision,
        spec: described(entry)?,
        status: PoolStatus {
            state: state.to_owned(),
            labels: pool.labels.to_strings(),
            image: pool.material.image.clone(),
            image_state: api.handle.image_state(pool),
            image_pull: api.handle.image_pull(pool),
            runners,
            min_idle: now.min_idle,
            max: now.max,
            queued_jobs: seen.map_or(0, |seen| seen.queued_jobs),
            short: seen.and_then(|seen| seen.short.clone()).or(automatic_off),
        },
        created_at: entry.created_at,
        updated_at: entry.updated_at,
    })
}

fn no_such_pool() -> Problem {
    Problem::not_found("There is no pool of that name.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_is_laid_over_field_by_field() {
        // The examples of RFC 7396, appendix A, that have objects.
        let rows = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut value, patch, expected) in rows {
            merge(&mut value, patch.clone());
            assert_eq!(value, expected, "{patch}");
        }
    }

    #[test]
    fn a_tag_names_a_revision() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::try_from(text).unwrap());
            revision(&headers)
        };
        assert_eq!(
            (of("\"17\""), of("*"), of("17"), of("W/\"17\"")),
            (Some(17), None, Some(-1), Some(-1))
        );
        assert_eq!(revision(&HeaderMap::new()), None);
    }
}
