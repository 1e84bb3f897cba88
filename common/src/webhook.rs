//! What a webhook delivery tells, reduced to what the platform reads (docs: "Webhook events and payloads").
//!
//! The gateway makes a [`Delivery`] of a request whose signature is right; the orchestrator keeps it in its ledger. It is a
//! hint, never a command: a lost, late or repeated one costs latency only.
//!
//! Here is the one place of this crate that reads GitHub's wire format ([`parse()`]), because the payload must not travel
//! further than the signature over it.

mod head;
mod parse;
mod payload;
pub mod signature;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

pub use head::{BadHead, Head, single};
pub use parse::{ParseError, parse};

use crate::foreign_text;
use crate::label::LabelSet;

/// A name that comes over a wire, cut and cleaned: who sends is not known there.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| foreign_text::name(&text))
}

/// The same of a name that may be missing.
fn name_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().map(foreign_text::name))
}

/// The same of the labels of a job, as far as they count.
fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Ok(LabelSet::requested(texts).to_strings())
}

/// A delivery whose signature was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `X-GitHub-Delivery`: the same again when GitHub redelivers.
    #[serde(deserialize_with = "name")]
    pub id: String,
    /// `X-GitHub-Event`, such as `workflow_job`.
    #[serde(deserialize_with = "name")]
    pub event: String,
    /// The hook that sent it, if its headers say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// What it tells.
    pub content: Content,
}

/// The hook of a delivery, from the headers `X-GitHub-Hook-*` (docs: "Webhook events and payloads", "Delivery headers").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// `X-GitHub-Hook-ID`.
    pub id: i64,
    /// What it is installed on.
    pub target: HookTarget,
    /// `owner/repo` or the organisation's login, from the payload; none for an App.
    #[serde(default, deserialize_with = "name_if_any", skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
}

/// What a hook is installed on (`X-GitHub-Hook-Installation-Target-Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookTarget {
    /// A repository.
    Repository,
    /// An organisation.
    Organization,
    /// A GitHub App, for all its installations.
    Integration,
    /// An enterprise.
    Business,
}

impl HookTarget {
    /// The target that `text` names as the header does; `None` for one that is not known here.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "repository" => Some(Self::Repository),
            "organization" => Some(Self::Organization),
            "integration" => Some(Self::Integration),
            "business" => Some(Self::Business),
            _ => None,
        }
    }
}

/// What a delivery tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// `workflow_job`: a job was queued, waits, began or ended.
    Job {
        /// Where.
        repository: EventRepository,
        /// Which, and how it stands.
        job: EventJob,
    },
    /// `push`: the default branch of a repository moved, so its workflows may have changed.
    Push {
        /// Where.
        repository: EventRepository,
    },
    /// `repository`, `installation`, `installation_repositories`, `public`: which repositories there are has changed.
    Repositories,
    /// `ping`: the hook works.
    Ping,
    /// `meta`, action `deleted`: the hook is gone.
    HookDeleted,
}

/// A repository in a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRepository {
    /// GitHub's id; stays when the repository is renamed.
    pub id: i64,
    /// `owner/repo`.
    #[serde(deserialize_with = "name")]
    pub full_name: String,
    /// True if not everybody sees it; none if GitHub does not say.
    pub private: Option<bool>,
    /// Whether it is a fork.
    pub fork: bool,
    /// Whether it is archived.
    pub archived: bool,
    /// Whether GitHub disabled it.
    pub disabled: bool,
}

/// A job in a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventJob {
    /// GitHub's id of the job; another one in every attempt.
    pub id: i64,
    /// Its name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// How it stands.
    pub status: JobStatus,
    /// `success`, `failure`, … once completed, as GitHub spells it.
    #[serde(default, deserialize_with = "name_if_any", skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<String>,
    /// The labels of its `runs-on`.
    #[serde(deserialize_with = "labels")]
    pub labels: Vec<String>,
    /// True if GitHub sent labels that could not be read: that there are none proves nothing then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub labels_unread: bool,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it began; GitHub also sets it on queued jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// The runner that has it.
    #[serde(default, deserialize_with = "name_if_any", skip_serializing_if = "Option::is_none")]
    pub runner_name: Option<String>,
}

/// How a job stands, in the only order it can go: forward.
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
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for an approval or for another job; no runner may take it.
    Waiting,
    /// Waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// It has ended.
    Completed,
}

impl JobStatus {
    /// All there are, with how the API and the store spell them.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Waiting, "waiting"),
        (Self::Queued, "queued"),
        (Self::InProgress, "in_progress"),
        (Self::Completed, "completed"),
    ];

    /// The status as the API and the store spell it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, text)| text)
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is in the ledger, and the orchestrator looks.
    Accepted,
    /// It was there already.
    Duplicate,
    /// It tells nothing that matters here.
    Ignored,
}

/// The answer to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// What became of it.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests;
