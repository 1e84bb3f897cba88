//! GitHub, as the orchestrator needs it: registrations, repositories, workflow files, queued jobs.
//!
//! Facts are from GitHub's REST documentation: "Self-hosted runners", "Workflow runs", "Workflow jobs", "Repositories",
//! "Repository contents", "Rate limits for the REST API", "Best practices for using the REST API".
//!
//! | module | what |
//! |---|---|
//! | [`client`](GitHubClient) | one request: credentials, conditional requests, limits, errors |
//! | `registration` | runners: list, register, deregister |
//! | `demand` | repositories, workflow files, queued jobs |
//! | `held` | answers kept for conditional requests, bounded in bytes |
//! | `refusal` | what an answer that is no success means |
//! | `wire` | GitHub's JSON, converted here and known nowhere else |

mod client;
mod demand;
mod error;
mod held;
mod refusal;
mod registration;
mod wire;

pub use client::{GitHubClient, GitHubSettings};
pub use demand::{DiscoveryMode, Repository, WorkflowFile};
pub use error::GitHubError;
pub use registration::{Deregistered, JitConfig};
