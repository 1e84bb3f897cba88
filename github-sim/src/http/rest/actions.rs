//! Workflows, runs, jobs.

use axum::extract::Path;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::sha;
use crate::http::answer::{Answer, ApiError, ok};
use crate::http::call::{Call, id, slug};
use crate::http::render::runs as render;
use crate::world::World;
use crate::world::model::{Job, Run};

/// Most runs a filtered search gives (GitHub docs, REST "List workflow runs for a repository").
const MAX_SEARCHED: usize = 1000;

pub(crate) async fn workflows(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(&owner, &repo)?).ok_or_else(ApiError::not_found)?;
    let found: Vec<(&String, &u64)> = repo.workflow_ids.iter().collect();
    call.page(
        &found,
        |&(path, &id)| render::workflow(repo, path, id, &call.urls),
        |total, page| json!({"total_count": total, "workflows": page}),
    )
}

pub(crate) async fn workflow(
    call: Call,
    Path((owner, repo, wanted)): Path<(String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let repo = world.repo(&slug(&owner, &repo)?).ok_or_else(ApiError::not_found)?;
    // By id or by file name.
    let found = repo.workflow_ids.iter().find(|(path, id)| {
        id.to_string() == wanted || path.rsplit('/').next() == Some(wanted.as_str())
    });
    let (path, id) = found.ok_or_else(ApiError::not_found)?;
    ok(render::workflow(repo, path, *id, &call.urls))
}

pub(crate) async fn runs(call: Call, Path((owner, repo)): Path<(String, String)>) -> Answer {
    let world = call.shared.look();
    let slug = slug(&owner, &repo)?;
    let repo = world.repo(&slug).ok_or_else(ApiError::not_found)?;
    let created = call.parameter("created").map(Period::parse).transpose()?;
    let filters = ["status", "event", "branch", "created", "actor", "head_sha"];
    let filtered = filters.iter().any(|name| call.parameter(name).is_some());
    let is = |name: &str, value: &str| call.parameter(name).is_none_or(|wanted| wanted == value);
    let mut found: Vec<&Run> = world
        .runs()
        .rev()
        .filter(|run| run.repo == repo.slug)
        .filter(|run| is("event", &run.event) && is("branch", &repo.default_branch))
        .filter(|run| {
            is("actor", crate::world::tokens::DEFAULT_USER) && is("head_sha", &sha::head(&run.repo))
        })
        .filter(|run| created.as_ref().is_none_or(|period| period.holds(run.created_at)))
        .filter(|run| {
            call.parameter("status").is_none_or(|wanted| {
                let (status, conclusion) = world.run_status(run);
                wanted == status.as_str()
                    || conclusion.is_some_and(|conclusion| wanted == conclusion.as_str())
            })
        })
        .collect();
    if filtered {
        found.truncate(MAX_SEARCHED);
    }
    call.page(
        &found,
        |run| render::run(&world, run, &call.urls),
        |total, page| json!({"total_count": total, "workflow_runs": page}),
    )
}

pub(crate) async fn run(
    call: Call,
    Path((owner, repo, run)): Path<(String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let run = find_run(&world, &owner, &repo, &run)?;
    ok(render::run(&world, run, &call.urls))
}

pub(crate) async fn run_jobs(
    call: Call,
    Path((owner, repo, run)): Path<(String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let run = find_run(&world, &owner, &repo, &run)?;
    let found: Vec<&Job> = match call.parameter("filter") {
        Some("all") => world.jobs().filter(|job| job.run_id == run.id).collect(),
        _ => world.jobs_of(run, None).collect(),
    };
    jobs(&call, &world, &found)
}

pub(crate) async fn attempt_jobs(
    call: Call,
    Path((owner, repo, run, attempt)): Path<(String, String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let run = find_run(&world, &owner, &repo, &run)?;
    let attempt = id(&attempt)?;
    if attempt == 0 || attempt > run.attempt {
        return Err(ApiError::not_found());
    }
    let found: Vec<&Job> = world.jobs_of(run, Some(attempt)).collect();
    jobs(&call, &world, &found)
}

pub(crate) async fn job(
    call: Call,
    Path((owner, repo, job)): Path<(String, String, String)>,
) -> Answer {
    let world = call.shared.look();
    let (slug, id) = (slug(&owner, &repo)?, id(&job)?);
    let job = world.job(id).filter(|job| job.repo == slug).ok_or_else(ApiError::not_found)?;
    ok(render::job(&world, job, &call.urls))
}

fn jobs(call: &Call, world: &World, found: &[&Job]) -> Answer {
    call.page(
        found,
        |job| render::job(world, job, &call.urls),
        |total, page| json!({"total_count": total, "jobs": page}),
    )
}

fn find_run<'a>(world: &'a World, owner: &str, repo: &str, run: &str) -> Result<&'a Run, ApiError> {
    let (slug, id) = (slug(owner, repo)?, id(run)?);
    world.run(id).filter(|run| run.repo == slug).ok_or_else(ApiError::not_found)
}

/// A time range of the search syntax: `>=T`, `>T`, `<=T`, `<T`, `A..B`, `T`; a `T` without a time of day is that whole day.
struct Period {
    from: Timestamp,
    until: Timestamp,
}

impl Period {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let all = Self { from: Timestamp::MIN, until: Timestamp::MAX };
        if let Some((from, until)) = text.split_once("..") {
            let from = if from == "*" { all.from } else { moment(from)?.0 };
            let until = if until == "*" { all.until } else { moment(until)?.1 };
            return Ok(Self { from, until });
        }
        let next = SignedDuration::from_nanos(1);
        let after = |at: Timestamp, by| at.saturating_add(by).unwrap_or(at);
        Ok(if let Some(rest) = text.strip_prefix(">=") {
            Self { from: moment(rest)?.0, ..all }
        } else if let Some(rest) = text.strip_prefix('>') {
            Self { from: after(moment(rest)?.1, next), ..all }
        } else if let Some(rest) = text.strip_prefix("<=") {
            Self { until: moment(rest)?.1, ..all }
        } else if let Some(rest) = text.strip_prefix('<') {
            Self { until: after(moment(rest)?.0, -next), ..all }
        } else {
            let (from, until) = moment(text)?;
            Self { from, until }
        })
    }

    fn holds(&self, at: Timestamp) -> bool {
        // The API shows whole seconds, so they are what is compared.
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        self.from <= at && at <= self.until
    }
}

/// The first and last instant that `text` means.
fn moment(text: &str) -> Result<(Timestamp, Timestamp), ApiError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok((at, at));
    }
    let day = text.parse::<Date>().ok().and_then(|day| {
        let start = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let end = start.checked_add(SignedDuration::from_hours(24)).ok()?;
        Some((start, end.checked_sub(SignedDuration::from_nanos(1)).ok()?))
    });
    day.ok_or_else(|| ApiError::invalid(format!("{text:?} is not a date.")))
}

#[cfg(test)]
mod tests {
    use super::Period;

    #[test]
    fn periods_of_the_search_syntax() {
        let noon = "2026-11-21T12:00:00Z".parse().unwrap();
        let cases = [
            (">=2026-11-21", true),
            (">2026-11-21", false),
            ("<=2026-11-21T12:00:00Z", true),
            ("<2026-11-21", false),
            ("2026-11-21", true),
            ("2026-11-20..2026-11-21", true),
            ("*..2026-11-20", false),
            ("2026-11-21T12:00:00Z..*", true),
            (">2026-11-21T12:00:00Z", false),
        ];
        for (text, holds) in cases {
            assert_eq!(Period::parse(text).unwrap().holds(noon), holds, "{text}");
        }
        assert!(Period::parse("yesterday").is_err());
    }
}
