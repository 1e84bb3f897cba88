//! From a payload to what it tells: pure, and as tolerant as can be.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::payload::Payload;
use super::{Content, Delivery, EventJob, EventRepository, Head, Hook, HookTarget, JobStatus};
use crate::foreign_text::name;
use crate::scope::{InvalidScope, RepoSlug};

/// The actions of `workflow_job`, each named as the status it leads to (docs: "Webhook events and payloads").
const ACTIONS: [&str; 4] = ["queued", "waiting", "in_progress", "completed"];

/// Why a delivery cannot be read. GitHub shows it to whoever looks at the hook's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// Where it stops being JSON, from 1.
        line: usize,
        /// The byte in that line, from 1.
        column: usize,
    },
    /// The body is not UTF-8, so it is not JSON either.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body is JSON, but something other than the event's object stands there.
    #[error("the body is not the object of a {0} event")]
    Shape(String),
    /// A field that the event cannot do without is missing, or of another type.
    #[error("the body lacks {0}, or it is of another type than it should be")]
    Lacks(&'static str),
    /// The repository's name is none.
    #[error("repository.full_name: {0}")]
    Repository(#[from] InvalidScope),
}

/// What a delivery tells; `None` if that is nothing that matters here.
///
/// Ignored are events the platform does not act on, actions it does not know (GitHub adds some), and pushes that leave the
/// default branch as it is.
pub fn parse(head: &Head, body: &[u8]) -> Result<Option<Delivery>, ParseError> {
    let read: fn(&Payload) -> Read = match head.event.as_str() {
        "workflow_job" => job,
        "push" => push,
        "repository" | "public" | "installation" | "installation_repositories" => repositories,
        "ping" => ping,
        "meta" => meta,
        event => return object::<IgnoredAny>(event, body).map(|_| None),
    };
    let payload: Payload = object(&head.event, body)?;
    let content = read(&payload)?;
    Ok(content.map(|content| Delivery {
        id: head.id.clone(),
        event: head.event.clone(),
        hook: head.hook.map(|(id, target)| Hook {
            id,
            target,
            target_name: target_name(target, payload),
        }),
        content,
    }))
}

fn object<T: DeserializeOwned>(event: &str, body: &[u8]) -> Result<T, ParseError> {
    // A list would pass for an object whose fields come in order.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    let text = std::str::from_utf8(body).map_err(|_| ParseError::NotUtf8)?;
    match serde_json::from_str(text) {
        Ok(object) if is_object => Ok(object),
        Err(error) if !error.is_data() => {
            Err(ParseError::NotJson { line: error.line(), column: error.column() })
        }
        // The reason is left out: it may repeat any length of the body.
        _ => Err(ParseError::Shape(event.to_owned())),
    }
}

type Read = Result<Option<Content>, ParseError>;

fn job(payload: &Payload) -> Read {
    let action = payload.action.as_deref();
    if action.is_some_and(|action| !ACTIONS.contains(&action)) {
        return Ok(None);
    }
    let by_action = action.and_then(status);
    let job = payload.workflow_job.as_ref().ok_or(ParseError::Lacks("workflow_job"))?;
    let by_status = job.status.as_deref().and_then(status);
    let status = furthest(by_action, by_status).ok_or(ParseError::Lacks("action"))?;
    let taken = status >= JobStatus::InProgress;
    let ended = status == JobStatus::Completed;
    let job = EventJob {
        id: job.id.ok_or(ParseError::Lacks("workflow_job.id"))?,
        // Nothing hangs on it.
        name: job.name.as_deref().map(name).unwrap_or_default(),
        status,
        conclusion: job.conclusion.as_deref().map(name).filter(|_| ended),
        labels: job.labels.clone().unwrap_or_default(),
        labels_unread: job.labels.is_none(),
        created_at: job.created_at,
        started_at: job.started_at,
        completed_at: job.completed_at.filter(|_| ended),
        // GitHub's own example of a queued job names a runner.
        runner_name: job.runner_name.as_deref().map(name).filter(|it| taken && !it.is_empty()),
    };
    Ok(Some(Content::Job { repository: repository(payload)?, job }))
}

/// What a status, or an action, says. `pending` and `requested` jobs wait for a concurrency group or a protection rule.
fn status(text: &str) -> Option<JobStatus> {
    match text {
        "waiting" | "pending" | "requested" => Some(JobStatus::Waiting),
        "queued" => Some(JobStatus::Queued),
        "in_progress" => Some(JobStatus::InProgress),
        "completed" => Some(JobStatus::Completed),
        _ => None,
    }
}

/// The later of what action and status say, as a job only goes forward. But before it has a runner its status alone
/// tells whether one may take it: a job that waits for an approval is announced as `queued` with the status `waiting`.
fn furthest(action: Option<JobStatus>, status: Option<JobStatus>) -> Option<JobStatus> {
    match (action, status) {
        (Some(action), Some(status)) if action.max(status) <= JobStatus::Queued => Some(status),
        (action, status) => action.max(status),
    }
}

fn push(payload: &Payload) -> Read {
    let reference = payload.reference.as_deref().ok_or(ParseError::Lacks("ref"))?;
    let repository = repository(payload)?;
    let default = payload.repository.as_ref().and_then(|it| it.default_branch.as_deref());
    let branch = reference.strip_prefix("refs/heads/");
    // Where the default branch is not said, any branch may be it: one look too many costs little.
    let touches = branch.is_some_and(|branch| default.is_none_or(|default| default == branch));
    let kept = payload.deleted != Some(true);
    Ok((touches && kept).then_some(Content::Push { repository }))
}

/// Any action: each changes which repositories there are, what they are called, or whether we may see them.
#[expect(clippy::unnecessary_wraps, reason = "one of a kind with those that can fail")]
fn repositories(_: &Payload) -> Read {
    Ok(Some(Content::Repositories))
}

#[expect(clippy::unnecessary_wraps, reason = "one of a kind with those that can fail")]
fn ping(_: &Payload) -> Read {
    Ok(Some(Content::Ping))
}

#[expect(clippy::unnecessary_wraps, reason = "one of a kind with those that can fail")]
fn meta(payload: &Payload) -> Read {
    Ok((payload.action.as_deref() == Some("deleted")).then_some(Content::HookDeleted))
}

fn repository(payload: &Payload) -> Result<EventRepository, ParseError> {
    let repository = payload.repository.as_ref().ok_or(ParseError::Lacks("repository"))?;
    let full_name = repository.full_name.as_deref();
    let full_name = full_name.ok_or(ParseError::Lacks("repository.full_name"))?;
    RepoSlug::parse(full_name)?;
    Ok(EventRepository {
        id: repository.id.ok_or(ParseError::Lacks("repository.id"))?,
        full_name: full_name.to_owned(),
        private: repository.private,
        fork: repository.fork.unwrap_or_default(),
        archived: repository.archived.unwrap_or_default(),
        disabled: repository.disabled.unwrap_or_default(),
    })
}

fn target_name(target: HookTarget, payload: Payload) -> Option<String> {
    let found = match target {
        HookTarget::Repository => payload.repository.and_then(|it| it.full_name),
        HookTarget::Organization => payload.organization.map(|it| it.login),
        HookTarget::Business => payload.enterprise.map(|it| it.slug),
        HookTarget::Integration => None,
    };
    found.as_deref().map(name)
}
