//! Requests and answers of the HTTP interface, the same at the gateway and at the orchestrator.

mod create;
mod drain;
mod events;
pub(crate) mod fields;
mod jobs;
mod list;
mod pools;
mod report;

pub use create::{CreateRunners, CreateRunnersBody, MAX_COUNT, MAX_NUMBERED_NAME_LENGTH};
pub use drain::{DrainStatus, UninstallReport};
pub use events::{Event, EventKind, EventList, EventQuery, MAX_EVENTS};
pub use jobs::{
    ExplainQuery, Explanation, Job, JobList, JobQuery, JobStats, Reason, RepositoryStats,
    StatsQuery,
};
pub use list::{
    CleanupQuery, DeleteQuery, ListQuery, MAX_PER_PAGE, RegistrationLeft, Runner, RunnerList,
    RunnerLogs, matches,
};
pub use pools::{ImagePull, Pool, PoolList, PoolSource, PoolSpecBody, PoolStatus};
pub use report::{
    CleanupReport, ConfigInfo, ConfigPlaceholders, ConfigValidation, Finished, FinishedList,
    FinishedQuery, GitHubStatus, Health, HealthStatus, LimitStatus, PassReport, Status, UnmetJob,
};
