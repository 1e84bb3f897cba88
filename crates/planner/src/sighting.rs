//! What earlier passes saw of one runner.

use jiff::Timestamp;

/// What earlier passes saw of a runner.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sighting {
    /// True if it was ever online.
    pub was_online: bool,
    /// True if GitHub ever told of it to this process, be it that it is not listed.
    pub was_told: bool,
    /// True if GitHub ever said that it runs a job, or a job's process was seen inside.
    pub was_busy: bool,
    /// True if GitHub said that it runs a job, or had one. What is seen inside of a container, or printed there, is no such word.
    pub had_job: bool,
    /// Since when it has been idle, without interruption.
    pub idle_since: Option<Timestamp>,
    /// Since when GitHub has said, without interruption, that it is offline or not there.
    pub missing_since: Option<Timestamp>,
    /// The time since which GitHub has said, without interruption, that it can have no job: it is not listed, or offline and not busy.
    pub jobless_since: Option<Timestamp>,
    /// When the job that it had was over, as far as anybody told.
    pub job_over_at: Option<Timestamp>,
    /// True if this process started it, and so would know if it had been online.
    pub watched: bool,
    /// How many passes in a row found that it failed.
    pub failed_passes: u32,
}
