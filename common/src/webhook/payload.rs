//! The fields of GitHub's payloads that are read.
//!
//! Invariant: nothing is demanded here. Unknown fields are passed over, a field that is missing, null or of another type is
//! `None`; what an event cannot do without is demanded by `parse`, which can say so by name. Real payloads, older and newer
//! than the published schemas, break those schemas.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// Any event's payload.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    #[serde(deserialize_with = "lenient")]
    pub(super) action: Option<String>,
    /// Of a push: `refs/heads/…` or `refs/tags/…`.
    #[serde(rename = "ref", deserialize_with = "lenient")]
    pub(super) reference: Option<String>,
    /// Of a push: whether it deletes the reference.
    #[serde(deserialize_with = "lenient")]
    pub(super) deleted: Option<bool>,
    pub(super) repository: Option<Repository>,
    pub(super) workflow_job: Option<Job>,
    #[serde(deserialize_with = "lenient")]
    pub(super) organization: Option<Organization>,
    #[serde(deserialize_with = "lenient")]
    pub(super) enterprise: Option<Enterprise>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) full_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) default_branch: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) private: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) fork: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) archived: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) run_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) conclusion: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) labels: Option<Vec<Label>>,
    #[serde(deserialize_with = "lenient")]
    pub(super) created_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient")]
    pub(super) started_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient")]
    pub(super) completed_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "lenient")]
    pub(super) runner_name: Option<String>,
}

/// A label; what is not text is none.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Label(#[serde(deserialize_with = "lenient")] pub(super) Option<String>);

#[derive(Debug, Deserialize)]
pub(super) struct Organization {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Enterprise {
    pub(super) slug: String,
}

/// A value, or `None` where something else stands.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Fitting(T),
        Other(IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Fitting(value) => Some(value),
        Either::Other(IgnoredAny) => None,
    })
}
