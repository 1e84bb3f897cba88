//! The fields of GitHub's payloads that are read.
//!
//! Invariant: nothing is demanded here. Unknown fields are passed over, a field that is missing, null or of another type is
//! `None`; what an event cannot do without is demanded by `parse`, which can say so by name. Real payloads, older and newer
//! than the published schemas, break those schemas.

use serde::Deserialize;

use crate::lenient;

/// Any event's payload.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    #[serde(deserialize_with = "lenient::option")]
    pub(super) action: Option<String>,
    /// Of a push: `refs/heads/…` or `refs/tags/…`.
    #[serde(rename = "ref", deserialize_with = "lenient::option")]
    pub(super) reference: Option<String>,
    /// Of a push: whether it deletes the reference.
    #[serde(deserialize_with = "lenient::option")]
    pub(super) deleted: Option<bool>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) repository: Option<Repository>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) workflow_job: Option<Job>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) organization: Option<Organization>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) enterprise: Option<Enterprise>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    #[serde(deserialize_with = "lenient::option")]
    pub(super) id: Option<i64>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) full_name: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) default_branch: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) private: Option<bool>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) fork: Option<bool>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) archived: Option<bool>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    #[serde(deserialize_with = "lenient::option")]
    pub(super) id: Option<i64>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) conclusion: Option<String>,
    /// Those that are texts and not blank; none if they cannot be read.
    #[serde(deserialize_with = "lenient::texts_if_readable")]
    pub(super) labels: Option<Vec<String>>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) created_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) started_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) completed_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient::option")]
    pub(super) runner_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Organization {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Enterprise {
    pub(super) slug: String,
}
