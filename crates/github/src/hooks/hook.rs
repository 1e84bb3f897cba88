//! What GitHub tells of a hook and of its deliveries.

use jiff::Timestamp;
use serde::Serialize;

/// Where a hook sends what it tells, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookConfig {
    /// Where to; an App may have none.
    pub url: Option<String>,
    /// `json` or `form`.
    pub content_type: String,
    /// True if the receiver's certificate goes unchecked.
    pub insecure_ssl: bool,
    /// True if deliveries are signed.
    pub has_secret: bool,
}

/// A hook of a repository, an organisation or the App.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// GitHub's id; GitHub does not tell that of an App's hook.
    pub id: Option<i64>,
    /// True if it sends anything; GitHub does not tell that of an App's hook.
    pub active: Option<bool>,
    /// The events it sends; `*` is every one.
    pub events: Vec<String>,
    /// Where to, and how.
    pub config: HookConfig,
}

/// What GitHub tells of one attempt to deliver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookDelivery {
    /// GitHub's id of the attempt.
    pub id: i64,
    /// `X-GitHub-Delivery`: the same for every attempt to deliver the same event.
    pub guid: String,
    /// When it was sent.
    pub delivered_at: Timestamp,
    /// True if somebody asked for it.
    pub redelivery: bool,
    /// How long the answer took, in seconds.
    pub duration: f64,
    /// What came of it, in GitHub's words.
    pub status: String,
    /// The status of the receiver's answer. Where none came it is 0, 502 (no connection) or 504 (no answer in time).
    pub status_code: u16,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's `action`, if it has one.
    pub action: Option<String>,
}
