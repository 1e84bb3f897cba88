//! `/api/v1/events`: what happened, in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened. What it does not concern is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Greater than that of every earlier event, also of those that a lost database held: it counts microseconds since 1970.
    #[schema(minimum = 1)]
    pub id: i64,
    /// When it was noticed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The pool that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// Where: `owner/repo`, the organisation's login or the enterprise's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// GitHub's id of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<i64>,
    /// The job's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What can happen.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum EventKind {
    /// A webhook told of a job that waits, or GitHub listed one.
    #[serde(rename = "job.queued")]
    JobQueued,
    /// A runner took a job; only where a webhook tells.
    #[serde(rename = "job.started")]
    JobStarted,
    /// A job ended; the message is its conclusion.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A runner's container was started; the message says for what.
    #[serde(rename = "runner.started")]
    RunnerStarted,
    /// A runner is online and waits.
    #[serde(rename = "runner.idle")]
    RunnerIdle,
    /// A runner works.
    #[serde(rename = "runner.busy")]
    RunnerBusy,
    /// A runner is ending.
    #[serde(rename = "runner.draining")]
    RunnerDraining,
    /// A runner is gone after its job.
    #[serde(rename = "runner.finished")]
    RunnerFinished,
    /// A runner failed and is gone; the message says why.
    #[serde(rename = "runner.failed")]
    RunnerFailed,
    /// A runner is gone without a job: nobody needed it, or somebody asked for its end.
    #[serde(rename = "runner.gone")]
    RunnerGone,
    /// A pool was made.
    #[serde(rename = "pool.created")]
    PoolCreated,
    /// A pool was changed.
    #[serde(rename = "pool.changed")]
    PoolChanged,
    /// A pool's waiting runners are to be replaced.
    #[serde(rename = "pool.rotated")]
    PoolRotated,
    /// A pool was deleted.
    #[serde(rename = "pool.deleted")]
    PoolDeleted,
    /// Something is in the way; the message says what.
    #[serde(rename = "problem.began")]
    ProblemBegan,
    /// It is not any more.
    #[serde(rename = "problem.ended")]
    ProblemEnded,
    /// The platform drains: nothing new is started.
    #[serde(rename = "drain.began")]
    DrainBegan,
    /// The drain was ended: runners are started again.
    #[serde(rename = "drain.ended")]
    DrainEnded,
}

impl EventKind {
    /// All there are, with how they are spelt.
    pub const ALL: [(Self, &str); 18] = [
        (Self::JobQueued, "job.queued"),
        (Self::JobStarted, "job.started"),
        (Self::JobCompleted, "job.completed"),
        (Self::RunnerStarted, "runner.started"),
        (Self::RunnerIdle, "runner.idle"),
        (Self::RunnerBusy, "runner.busy"),
        (Self::RunnerDraining, "runner.draining"),
        (Self::RunnerFinished, "runner.finished"),
        (Self::RunnerFailed, "runner.failed"),
        (Self::RunnerGone, "runner.gone"),
        (Self::PoolCreated, "pool.created"),
        (Self::PoolChanged, "pool.changed"),
        (Self::PoolRotated, "pool.rotated"),
        (Self::PoolDeleted, "pool.deleted"),
        (Self::ProblemBegan, "problem.began"),
        (Self::ProblemEnded, "problem.ended"),
        (Self::DrainBegan, "drain.began"),
        (Self::DrainEnded, "drain.ended"),
    ];

    /// How it is spelt.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, text)| text)
    }
}

/// `GET /api/v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventList {
    /// The events, the oldest first.
    pub events: Vec<Event>,
    /// Ask for what comes `after` this to go on from here.
    #[schema(minimum = 0)]
    pub last_id: i64,
}

/// The query of `GET /api/v1/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Only events with a greater id. Without, a page has the latest events, and a stream begins with the next one.
    #[param(minimum = 0)]
    pub after: Option<i64>,
    /// How many on a page; 100 if not given. A stream has no end.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Most events on a page.
pub const MAX_EVENTS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelt_as_they_travel() {
        for (kind, text) in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), text);
        }
        let schema = serde_json::to_value(<EventKind as utoipa::PartialSchema>::schema()).unwrap();
        assert_eq!(schema["enum"].as_array().unwrap().len(), EventKind::ALL.len());
    }

    #[test]
    fn a_kind_is_named_as_it_is_spelt_and_a_page_has_a_thousand() {
        let spelt = [
            "job.queued",
            "job.started",
            "job.completed",
            "runner.started",
            "runner.idle",
            "runner.busy",
            "runner.draining",
            "runner.finished",
            "runner.failed",
            "runner.gone",
            "pool.created",
            "pool.changed",
            "pool.rotated",
            "pool.deleted",
            "problem.began",
            "problem.ended",
            "drain.began",
            "drain.ended",
        ];
        assert_eq!(EventKind::ALL.map(|(kind, _)| kind.as_str()), spelt);
        assert_eq!(MAX_EVENTS, 1000);
    }
}
