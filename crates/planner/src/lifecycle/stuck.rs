//! Runners that are stuck: how long one may be missing at GitHub, and how long a process that calls itself a job's worker counts.

use jiff::{SignedDuration, Timestamp};

use crate::github_view::Sight;
use crate::sighting::Sighting;

/// How long a runner that was online may be offline, or unknown to GitHub, while its container runs and nothing works inside.
///
/// GitHub removes an ephemeral registration when the job is done; the container needs a moment to end. After that it is
/// a zombie (actions/runner issue 4617).
pub const MISSING_GRACE: SignedDuration = SignedDuration::from_secs(60);

/// The time for which a process that calls itself a job's worker counts after the job is over, once GitHub says that the runner can have
/// no job: its registration is gone, or listed as offline and not busy.
///
/// The worker of a job that is over still uploads logs and cleans up, for seconds.
pub const WORKER_AFTER_JOB: SignedDuration = SignedDuration::from_secs(60);

/// The time for which such a process counts once GitHub says so, where the end of the job is not known.
///
/// GitHub removes an ephemeral registration when the job is over or given up, and gives up the job of a runner that stops answering,
/// so no job can be left. Its flag can lag, hence the minutes. A job writes the names of its processes itself: against
/// GitHub's word a name proves nothing.
pub const WORKER_WITHOUT_JOB: SignedDuration = SignedDuration::from_mins(10);

/// True if a runner is listed that this process started and has seen offline from before it was `due`: what was never online had no job.
pub(super) fn is_watched(sight: Sight<'_>, sighting: Sighting, due: Timestamp) -> bool {
    let offline_then = sighting.missing_since.is_some_and(|since| since < due);
    sighting.watched && offline_then && sight.listed().is_some()
}

/// True if the worker process of a runner cannot belong to a job any more.
pub(super) fn outlived(sighting: Sighting, now: Timestamp) -> bool {
    let Some(jobless_since) = sighting.jobless_since else { return false };
    let over = sighting.job_over_at.map(|at| at.max(jobless_since));
    over.is_some_and(|at| now.duration_since(at) >= WORKER_AFTER_JOB)
        || now.duration_since(jobless_since) >= WORKER_WITHOUT_JOB
}
