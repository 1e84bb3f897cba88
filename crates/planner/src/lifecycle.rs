//! Which state a runner is in: one function, from what Docker, GitHub and earlier passes say.

pub mod printed;
mod reason;
mod stuck;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;

pub use self::printed::JobResult;
pub use self::reason::{Ending, Failure, Reason};
pub use self::stuck::{MISSING_GRACE, WORKER_AFTER_JOB, WORKER_WITHOUT_JOB};
use self::stuck::{is_watched, outlived};
use super::github_view::Sight;
use super::sighting::Sighting;
use mayfly_common::machine::{Exit, Machine, Phase};

/// The runner's exit code for "this version is refused", if the image was told to say so (actions/runner issue 4285).
const EXIT_VERSION_REFUSED: i64 = 7;
/// The exit code of a process that a signal ended is this and the signal's number.
const EXIT_BY_SIGNAL: i64 = 128;

/// Why `machine` is in the state it is in. `registration_timeout`: how long it may take to come online.
pub fn reason_of(
    machine: &Machine,
    sight: Sight<'_>,
    sighting: Sighting,
    registration_timeout: SignedDuration,
    now: Timestamp,
) -> Reason {
    let due = machine.created_at.saturating_add(registration_timeout).unwrap_or(Timestamp::MAX);
    let late = now >= due;
    let working = match &machine.phase {
        Phase::Exited(exit) => return exited(machine, exit, sight, sighting),
        Phase::Running { working } => working.unwrap_or(false),
        Phase::Unknown(why) => return unseen(why, sight),
        phase => return before_start(phase, late, registration_timeout),
    };
    if now >= machine.deadline {
        return Reason::Failed(Failure::PastDeadline(machine.deadline));
    }
    let gone_for =
        sighting.missing_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
    match sight {
        Sight::Listed(registered) if registered.busy => Reason::Busy,
        Sight::Absent if working && outlived(sighting, now) => {
            Reason::Failed(Failure::RegistrationGone)
        }
        Sight::Listed(registered) if working && !registered.online && outlived(sighting, now) => {
            Reason::Failed(Failure::LostConnection)
        }
        _ if working => Reason::Working,
        // Its next job could not use it. What GitHub does not list may be about to end after its job.
        Sight::Listed(_) if let Some(why) = defect(machine) => {
            Reason::Failed(Failure::Defect(why.to_owned()))
        }
        Sight::Listed(registered) if registered.online => Reason::Waiting,
        // It takes one job only: what had one is not idle again.
        Sight::Unknown | Sight::Unasked if sighting.was_busy => Reason::WasBusy,
        Sight::Unknown | Sight::Unasked if sighting.was_online => Reason::WasOnline,
        Sight::Unknown => Reason::NotAsked,
        Sight::Unasked => Reason::NotOnlineYet,
        _ if !sighting.was_online && !late => Reason::NotOnlineYet,
        Sight::Absent if sighting.was_online && gone_for < MISSING_GRACE => Reason::Ending,
        Sight::Listed(_) if sighting.was_online && gone_for < MISSING_GRACE => Reason::Disconnected,
        // An earlier process may have seen it online; and one that is not listed may be about to end after a job that nobody saw.
        _ if !sighting.was_online
            && !is_watched(sight, sighting, due)
            && gone_for < MISSING_GRACE =>
        {
            Reason::Late
        }
        _ if !sighting.was_online => {
            Reason::Failed(Failure::RegistrationTimeout(registration_timeout))
        }
        Sight::Absent => Reason::Failed(Failure::RegistrationGone),
        Sight::Listed(_) => Reason::Failed(Failure::LostConnection),
    }
}

/// The reason of a runner whose machine waits to be started, or never will be.
fn before_start(phase: &Phase, late: bool, timeout: SignedDuration) -> Reason {
    Reason::Failed(match phase {
        Phase::Preparing if late => Failure::NotReadyInTime(timeout),
        Phase::Preparing => return Reason::Preparing,
        Phase::Ready if late => Failure::NotStartedInTime(timeout),
        Phase::Ready => return Reason::Ready,
        Phase::Broken(why) => Failure::Broken(why.clone()),
        _ => Failure::NeverStarted,
    })
}

/// The reason of a runner whose machine cannot be seen: GitHub's word alone counts.
fn unseen(why: &str, sight: Sight<'_>) -> Reason {
    match sight {
        Sight::Listed(registered) if registered.busy => Reason::Busy,
        Sight::Listed(registered) if registered.online => Reason::OnlineUnseen(why.to_owned()),
        _ => Reason::Unseen(why.to_owned()),
    }
}

/// Why a runner that runs is of no use for a job any more, if so and if it is known that no job runs inside.
fn defect(machine: &Machine) -> Option<&str> {
    let idle = machine.phase == Phase::Running { working: Some(false) };
    machine.defect.as_deref().filter(|_| idle)
}

/// The verdict on a container that ended: from what the runner printed and what GitHub says, never from exit code 0 alone.
pub(super) fn exited(
    machine: &Machine,
    exit: &Exit,
    sight: Sight<'_>,
    sighting: Sighting,
) -> Reason {
    if let Some(result) = result_of(exit) {
        return if sighting.had_job { Reason::Result(result) } else { Reason::Printed(result) };
    }
    let ending = Ending { code: exit.code, out_of_memory: exit.out_of_memory };
    let worked = sighting.was_busy || printed::job(&exit.log_tail).is_some();
    if exit.code == EXIT_VERSION_REFUSED && !worked && printed::refused(&exit.log_tail) {
        return Reason::Failed(Failure::VersionRefused);
    }
    // GitHub deletes a one-job registration when the job is done, and only then without our asking. Where the id is not known, it
    // may be that there never was one.
    let deregistered = sight == Sight::Absent;
    let last = || printed::last_line(&exit.log_tail).map(line).unwrap_or_default();
    match exit.code {
        0 if worked => Reason::AfterItsJob,
        0 if deregistered => Reason::WithoutSign(ending, last()),
        _ if worked => Reason::Failed(Failure::EndedInJob(ending)),
        _ if deregistered && machine.github_id.is_some() => {
            Reason::Failed(Failure::EndedDeregistered(ending, last()))
        }
        _ => Reason::Failed(Failure::EndedBeforeJob(ending, last())),
    }
}

/// How a container ended, and what it printed last, in words.
pub(super) fn how_it_ended(exit: &Exit) -> String {
    let ending = Ending { code: exit.code, out_of_memory: exit.out_of_memory };
    match printed::last_line(&exit.log_tail).map(line).filter(|last| !last.is_empty()) {
        None => ending.to_string(),
        Some(last) => format!("{ending}; its last words: {last}"),
    }
}

/// The result of its job that a runner printed, unless its end speaks against it: a process that a signal ended, or the kernel for
/// want of memory, crashed, and no crash is a success.
pub fn result_of(exit: &Exit) -> Option<JobResult> {
    let crashed = exit.code >= EXIT_BY_SIGNAL || (exit.code != 0 && exit.out_of_memory);
    let result = printed::result(&exit.log_tail).filter(|_| !crashed)?;
    (exit.code == 0 || !result.is_good()).then_some(result)
}

#[cfg(test)]
pub(super) mod tests;
