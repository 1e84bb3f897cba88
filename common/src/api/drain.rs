//! `/api/v1/drain` and `/api/v1/uninstall`: taking an installation out of service.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrainStatus {
    /// True if nothing new is started, waiting runners leave and busy ones finish.
    pub draining: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// True if a restart finds the same. A drain and its end count at once, also where the database cannot be written; without one, a
    /// restart ends a drain.
    pub stored: bool,
    /// How many runners are left; not there until a pass has looked since the drain began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<usize>,
    /// How many of them are at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<usize>,
}

/// `POST /api/v1/uninstall`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UninstallReport {
    /// What was removed, in words.
    pub removed: Vec<String>,
    /// What of this installation is still there, and why, in words. Ask again until there is nothing.
    pub left: Vec<String>,
}
