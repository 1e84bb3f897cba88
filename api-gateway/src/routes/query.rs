//! Query strings: every parameter is known and checked, or the request is refused with all that is wrong.
//!
//! Invariant: what is sent on was checked here and is encoded anew, so the orchestrator reads what was checked.

use std::collections::BTreeSet;

use mayfly_common::pool::PoolName;
use mayfly_common::problem::{FieldError, Problem};
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::JobStatus;

/// Longest name of a scope: a login, a slash and a repository's name.
const MAX_SCOPE_NAME: usize = 140;

/// Says what a value must be, if it is not that.
type Check = fn(&str) -> Result<(), String>;

/// `GET /runners`, as [`ListQuery`](mayfly_common::api::ListQuery).
pub(super) fn list(query: Option<&str>) -> Result<String, Problem> {
    checked(
        query,
        &[
            ("state", state),
            ("scope", |text| one_of(text, &["repo", "org", "enterprise"])),
            ("scope_name", scope_name),
            ("page", |text| whole(text, 1_000_000)),
            ("per_page", |text| whole(text, mayfly_common::api::MAX_PER_PAGE)),
        ],
    )
}

/// `DELETE /runners/{id}`, as [`DeleteQuery`](mayfly_common::api::DeleteQuery).
pub(super) fn remove(query: Option<&str>) -> Result<String, Problem> {
    checked(query, &[("force", |text| one_of(text, &["true", "false"]))])
}

/// `POST /runners/cleanup`, as [`CleanupQuery`](mayfly_common::api::CleanupQuery).
pub(super) fn cleanup(query: Option<&str>) -> Result<String, Problem> {
    checked(query, &[("dry_run", |text| one_of(text, &["true", "false"]))])
}

/// `GET /jobs`, as [`JobQuery`](mayfly_common::api::JobQuery).
pub(super) fn jobs(query: Option<&str>) -> Result<String, Problem> {
    checked(
        query,
        &[
            ("repository", repository),
            ("status", |text| {
                let known: Vec<&str> = JobStatus::ALL.iter().map(|(_, name)| *name).collect();
                one_of(text, &known)
            }),
            ("page", |text| whole(text, 1_000_000)),
            ("per_page", |text| whole(text, mayfly_common::api::MAX_PER_PAGE)),
        ],
    )
}

/// `GET /finished-runners`, as [`FinishedQuery`](mayfly_common::api::FinishedQuery).
pub(super) fn finished(query: Option<&str>) -> Result<String, Problem> {
    checked(
        query,
        &[
            ("pool", pool),
            ("state", |text| one_of(text, &["finished", "failed", "gone"])),
            ("scope_name", scope_name),
            ("page", |text| whole(text, 1_000_000)),
            ("per_page", |text| whole(text, mayfly_common::api::MAX_PER_PAGE)),
        ],
    )
}

/// `GET /events`, as [`EventQuery`](mayfly_common::api::EventQuery).
pub(super) fn events(query: Option<&str>) -> Result<String, Problem> {
    checked(
        query,
        &[("after", event_id), ("limit", |text| whole(text, mayfly_common::api::MAX_EVENTS))],
    )
}

/// `GET /jobs/stats`.
pub(super) fn stats(query: Option<&str>) -> Result<String, Problem> {
    checked(query, &[("days", |text| whole(text, 365))])
}

/// `GET /jobs/{id}/explain`.
pub(super) fn explain(query: Option<&str>) -> Result<String, Problem> {
    checked(query, &[("repository", repository)])
}

fn pool(text: &str) -> Result<(), String> {
    PoolName::parse(text).map(drop).map_err(|error| error.to_string())
}

fn event_id(text: &str) -> Result<(), String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(_) if digits => Ok(()),
        _ => Err("must be the id of an event, or 0".to_owned()),
    }
}

fn repository(text: &str) -> Result<(), String> {
    RepoSlug::parse(text).map(drop).map_err(|error| error.to_string())
}

/// A route without parameters.
pub(super) fn none(query: Option<&str>) -> Result<(), Problem> {
    checked(query, &[]).map(|_| ())
}

/// The query encoded anew, with its question mark; empty if there is none.
fn checked(query: Option<&str>, known: &[(&str, Check)]) -> Result<String, Problem> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(String::new()) };
    let mut encoded = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let check = known.iter().find(|(known, _)| *known == name).map(|(_, check)| check);
        let wrong = match check {
            None if known.is_empty() => {
                Some("is not known; there are no parameters here".to_owned())
            }
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                Some(format!("is not known; known are {}", names.join(", ")))
            }
            Some(_) if seen.contains(&name) => Some("must be given once".to_owned()),
            Some(check) => check(&value).err(),
        };
        encoded.append_pair(&name, &value);
        if let Some(detail) = wrong {
            errors.push(FieldError { pointer: format!("?{name}"), detail });
        }
        seen.insert(name);
    }
    if errors.is_empty() { Ok(encoded.finish()) } else { Err(Problem::invalid(errors)) }
}

fn state(text: &str) -> Result<(), String> {
    use RunnerState::{Busy, Draining, Failed, Finished, Gone, Idle, Starting};
    let states = [Starting, Idle, Busy, Draining, Finished, Failed, Gone];
    one_of(text, &states.map(RunnerState::as_str))
}

fn one_of(text: &str, values: &[&str]) -> Result<(), String> {
    if values.contains(&text) {
        Ok(())
    } else {
        Err(format!("must be one of {}", values.join(", ")))
    }
}

fn scope_name(text: &str) -> Result<(), String> {
    match text.chars().count() {
        0..=MAX_SCOPE_NAME => Ok(()),
        _ => Err(format!("must have at most {MAX_SCOPE_NAME} characters")),
    }
}

fn whole(text: &str, max: u32) -> Result<(), String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(number) if digits && (1..=max).contains(&number) => Ok(()),
        _ => Err(format!("must be a whole number from 1 to {max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(result: Result<String, Problem>) -> Vec<String> {
        result.unwrap_err().errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn good_queries_are_encoded_anew() {
        assert_eq!(list(None).unwrap(), "");
        assert_eq!(list(Some("")).unwrap(), "");
        let query = "state=idle&scope=repo&scope_name=o/r&page=1&per_page=100";
        let expected = "?state=idle&scope=repo&scope_name=o%2Fr&page=1&per_page=100";
        assert_eq!(list(Some(query)).unwrap(), expected);
        assert_eq!(list(Some("scope_name=a%26state%3Dx")).unwrap(), "?scope_name=a%26state%3Dx");
        assert_eq!(cleanup(Some("dry_run=true")).unwrap(), "?dry_run=true");
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let query = "state=happy&scope=user&page=0&per_page=101&api_key=x&page=2&scope_name=";
        let expected = ["?state", "?scope", "?page", "?per_page", "?api_key", "?page"];
        assert_eq!(pointers(list(Some(query))), expected);
        for bad in ["page=+1", "page=", "page=1.0", "page=1000001", "page=-1", "page=99999999999"] {
            assert_eq!(pointers(list(Some(bad))), ["?page"], "{bad}");
        }
        for bad in ["dry_run=1", "dry_run=TRUE", "dry_run"] {
            assert_eq!(pointers(cleanup(Some(bad))), ["?dry_run"], "{bad}");
        }
        assert_eq!(none(Some("x")).unwrap_err().errors[0].pointer, "?x");
    }

    #[test]
    fn each_parameter_has_its_bounds_and_its_words() {
        type Route = fn(Option<&str>) -> Result<String, Problem>;
        type Row<'a> = (Route, &'a str, &'a [&'a str], &'a [&'a str], &'a str);
        let states = "must be one of starting, idle, busy, draining, finished, failed, gone";
        let rows: [Row<'_>; 21] = [
            (list, "state", &["starting", "gone"], &["", "Idle", "queued"], states),
            (
                list,
                "scope",
                &["repo", "org", "enterprise"],
                &["user", "Repo"],
                "must be one of repo, org, enterprise",
            ),
            (
                list,
                "page",
                &["1", "1000000"],
                &["0", "1000001"],
                "must be a whole number from 1 to 1000000",
            ),
            (
                list,
                "per_page",
                &["1", "100"],
                &["0", "101"],
                "must be a whole number from 1 to 100",
            ),
            (remove, "force", &["true", "false"], &["1", ""], "must be one of true, false"),
            (cleanup, "dry_run", &["true", "false"], &["1", ""], "must be one of true, false"),
            (
                jobs,
                "status",
                &["waiting", "queued", "in_progress", "completed"],
                &["done", ""],
                "must be one of waiting, queued, in_progress, completed",
            ),
            (
                jobs,
                "page",
                &["1", "1000000"],
                &["0", "1000001"],
                "must be a whole number from 1 to 1000000",
            ),
            (
                jobs,
                "per_page",
                &["1", "100"],
                &["0", "101"],
                "must be a whole number from 1 to 100",
            ),
            (jobs, "repository", &["octo/hello"], &["octo", "o/r/x", ""], ""),
            (finished, "pool", &["ci"], &["a b", ""], ""),
            (
                finished,
                "state",
                &["finished", "failed", "gone"],
                &["idle", ""],
                "must be one of finished, failed, gone",
            ),
            (
                finished,
                "page",
                &["1", "1000000"],
                &["0", "1000001"],
                "must be a whole number from 1 to 1000000",
            ),
            (
                finished,
                "per_page",
                &["1", "100"],
                &["0", "101"],
                "must be a whole number from 1 to 100",
            ),
            (
                events,
                "after",
                &["0", "9223372036854775807"],
                &["-1", "+1", "", "x", "9223372036854775808"],
                "must be the id of an event, or 0",
            ),
            (
                events,
                "limit",
                &["1", "1000"],
                &["0", "1001", "+5", "-5", "5 ", ""],
                "must be a whole number from 1 to 1000",
            ),
            (stats, "days", &["1", "365"], &["0", "366"], "must be a whole number from 1 to 365"),
            (explain, "repository", &["octo/hello"], &["octo", "o/r/x", ""], ""),
            (
                list,
                "runner",
                &[],
                &["x"],
                "is not known; known are state, scope, scope_name, page, per_page",
            ),
            (jobs, "x", &[], &["x"], "is not known; known are repository, status, page, per_page"),
            (
                |query| none(query).map(|()| String::new()),
                "x",
                &[],
                &["x"],
                "is not known; there are no parameters here",
            ),
        ];
        for (route, name, good, bad, said) in rows {
            for value in good {
                let encoded = value.replace('/', "%2F");
                let query = format!("{name}={value}");
                assert_eq!(route(Some(&query)).unwrap(), format!("?{name}={encoded}"));
            }
            for value in bad {
                let errors = route(Some(&format!("{name}={value}"))).unwrap_err().errors;
                let [error] = &errors[..] else { panic!("{name}={value}: {errors:?}") };
                assert_eq!(error.pointer, format!("?{name}"));
                assert!(said.is_empty() || error.detail == said, "{name}={value}: {error:?}");
            }
        }
        let twice = list(Some("page=1&page=2")).unwrap_err().errors;
        assert_eq!(twice[0].detail, "must be given once");
        for route in [list, finished] {
            for (length, taken) in [(140, true), (141, false)] {
                // Characters count, not bytes.
                let query = format!("scope_name={}", "ä".repeat(length));
                assert_eq!(route(Some(&query)).is_ok(), taken, "{length}");
            }
        }
        let long = list(Some(&format!("scope_name={}", "x".repeat(141)))).unwrap_err().errors;
        assert_eq!(long[0].detail, "must have at most 140 characters");
    }

    /// The states are listed by hand here; the compiler says when one is missing in `as_str`, this says so here.
    #[test]
    fn every_state_can_be_filtered_by() {
        let schema =
            serde_json::to_value(<RunnerState as utoipa::PartialSchema>::schema()).unwrap();
        let states = schema["enum"].as_array().unwrap();
        assert_eq!(states.len(), 7);
        for name in states {
            state(name.as_str().unwrap()).unwrap();
        }
    }
}
