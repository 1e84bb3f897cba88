//! Why a runner is in a state: the kinds, which are counted, and the words, which are read.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;
use mayfly_common::runner::RunnerState;

use super::printed::{self, JobResult};

/// Why a runner is in the state it is in. Its `Display` is what an operator reads; nothing else makes these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// GitHub says that it runs a job.
    Busy,
    /// A job's process runs inside.
    Working,
    /// It ran a job when GitHub could last be asked.
    WasBusy,
    /// It is registered and online.
    Waiting,
    /// It was online when GitHub could last be asked.
    WasOnline,
    /// Asking GitHub failed, and it was never seen online.
    NotAsked,
    /// It has time left to come online.
    NotOnlineYet,
    /// Its machine is being made, or started, at this moment.
    BeingStarted,
    /// Its machine is being prepared: it is started when that is ready.
    Preparing,
    /// Its machine is ready: it may be started.
    Ready,
    /// The state of its machine cannot be seen, and GitHub does not say that it can take a job; why.
    Unseen(String),
    /// The state of its machine cannot be seen, and GitHub says that it is online; why.
    OnlineUnseen(String),
    /// Its registration went away a moment ago.
    Ending,
    /// Its connection went away a moment ago.
    Disconnected,
    /// It is late, or unregistered, and was seen for a moment only.
    Late,
    /// It told the result of the job that it had by GitHub's word.
    Result(JobResult),
    /// It told a job's result, and GitHub has not said that it had a job.
    Printed(JobResult),
    /// It ended after a job.
    AfterItsJob,
    /// It ended without an error and GitHub does not list it, as after a job, though nothing shows that it had one; the last line it
    /// printed.
    WithoutSign(Ending, String),
    /// It failed.
    Failed(Failure),
}

/// How a runner failed: few kinds, so that they can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Its machine was created and never started.
    NeverStarted,
    /// Its machine was ready, and it was not started within this long.
    NotStartedInTime(SignedDuration),
    /// Its machine did not become ready within this long.
    NotReadyInTime(SignedDuration),
    /// Its machine cannot become ready any more; why.
    Broken(String),
    /// Its machine became useless while it waited for a job; why.
    Defect(String),
    /// It was still there at its deadline.
    PastDeadline(Timestamp),
    /// It was not online after this long.
    RegistrationTimeout(SignedDuration),
    /// It lost its connection to GitHub for good.
    LostConnection,
    /// Its registration is gone, and its container did not end.
    RegistrationGone,
    /// Somebody else removed its container.
    Removed,
    /// GitHub refuses its version.
    VersionRefused,
    /// It ended in the middle of its job.
    EndedInJob(Ending),
    /// It ended with an error and its registration is gone, as after a job, though nothing shows that it had one; the last line it
    /// printed.
    EndedDeregistered(Ending, String),
    /// It ended without having run one; the last line it printed.
    EndedBeforeJob(Ending, String),
}

/// How a container ended, without what it printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Exit code of the main process.
    pub code: i64,
    /// True if the kernel killed a process because memory ran out.
    pub out_of_memory: bool,
}

impl Reason {
    /// The state that goes with it.
    pub fn state(&self) -> RunnerState {
        match self {
            Self::Busy | Self::Working | Self::WasBusy => RunnerState::Busy,
            Self::Waiting | Self::WasOnline | Self::OnlineUnseen(_) => RunnerState::Idle,
            Self::NotAsked
            | Self::NotOnlineYet
            | Self::BeingStarted
            | Self::Preparing
            | Self::Ready
            | Self::Unseen(_)
            | Self::Disconnected
            | Self::Late => RunnerState::Starting,
            Self::Ending => RunnerState::Draining,
            Self::Result(_) | Self::Printed(_) | Self::AfterItsJob | Self::WithoutSign(..) => {
                RunnerState::Finished
            }
            Self::Failed(_) => RunnerState::Failed,
        }
    }

    /// True if the runner can still take a job: it waits, or has time left to come online.
    pub fn is_supply(&self) -> bool {
        match self {
            Self::Waiting
            | Self::WasOnline
            | Self::NotAsked
            | Self::NotOnlineYet
            | Self::BeingStarted
            | Self::Preparing
            | Self::Ready
            | Self::OnlineUnseen(_) => true,
            Self::Busy
            | Self::Working
            | Self::WasBusy
            | Self::Ending
            | Self::Disconnected
            | Self::Late
            | Self::Unseen(_)
            | Self::Result(_)
            | Self::Printed(_)
            | Self::AfterItsJob
            | Self::WithoutSign(..)
            | Self::Failed(_) => false,
        }
    }

    /// How it failed, if it did.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure.clone()),
            _ => None,
        }
    }
}

impl Failure {
    /// Its kind in one word, for a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NeverStarted => "never_started",
            Self::NotStartedInTime(_) => "not_started_in_time",
            // Dashboards know these by the names of their most usual cause.
            Self::NotReadyInTime(_) | Self::Broken(_) => "engine_unhealthy",
            Self::Defect(_) => "engine_ended",
            Self::PastDeadline(_) => "past_deadline",
            Self::RegistrationTimeout(_) => "registration_timeout",
            Self::LostConnection => "lost_connection",
            Self::RegistrationGone => "registration_gone",
            Self::Removed => "removed",
            Self::VersionRefused => "version_refused",
            Self::EndedInJob(_) | Self::EndedDeregistered(..) => "ended_in_job",
            Self::EndedBeforeJob(..) => "ended_before_job",
        }
    }

    /// True if its pool cannot start runners, so that the next one must wait, unless this one had a job: what happens then concerns
    /// that job alone, and other jobs do not wait for it.
    pub fn is_of_start(&self) -> bool {
        match self {
            Self::NeverStarted
            | Self::NotStartedInTime(_)
            | Self::NotReadyInTime(_)
            | Self::Broken(_)
            | Self::Defect(_)
            | Self::RegistrationTimeout(_)
            | Self::VersionRefused
            | Self::EndedBeforeJob(..) => true,
            Self::PastDeadline(_)
            | Self::LostConnection
            | Self::RegistrationGone
            | Self::Removed
            | Self::EndedInJob(_)
            | Self::EndedDeregistered(..) => false,
        }
    }

    /// The reason with the last line that the runner printed, if its container ran until it was given up: that line was not
    /// known before. None for runners that end otherwise, or printed nothing.
    pub fn with_last_words(&self, log: &str) -> Option<String> {
        let last = printed::last_line(log).map(line).filter(|last| !last.is_empty())?;
        let late = matches!(self, Self::RegistrationTimeout(_));
        late.then(|| format!("{self}; its last words: {last}"))
    }

    /// True if its container was left behind: by a crash of ours before it was started, or by a registration that went away.
    pub fn is_orphan(&self) -> bool {
        matches!(self, Self::NeverStarted | Self::RegistrationGone)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "it runs a job",
            Self::Working => "a job's process runs inside",
            Self::WasBusy => "it ran a job when GitHub last could be asked",
            Self::Waiting => "it waits for a job",
            Self::WasOnline => "it was online when GitHub last could be asked",
            Self::NotAsked => "GitHub could not be asked about it",
            Self::NotOnlineYet => "it is not online yet",
            Self::BeingStarted => "it is being started",
            Self::Preparing => "it is being prepared",
            Self::Ready => "it is ready to be started",
            Self::Unseen(why) => return write!(f, "its state cannot be seen: {why}"),
            Self::OnlineUnseen(why) => {
                return write!(f, "it is online, and its state cannot be seen: {why}");
            }
            Self::Ending => "its registration is gone, the container is ending",
            Self::Disconnected => "it lost its connection to GitHub",
            Self::Late => "it is late or its registration is gone",
            Self::Result(result) => return write!(f, "its job's result was {result}"),
            Self::Printed(result) => {
                return write!(f, "it printed that its job's result was {result}");
            }
            Self::AfterItsJob => "it ended after its job",
            Self::WithoutSign(ending, last) => {
                let last = if last.is_empty() {
                    String::new()
                } else {
                    format!("; its last words: {last}")
                };
                return write!(
                    f,
                    "{ending} without a sign of a job, and GitHub does not list it any more{last}"
                );
            }
            Self::Failed(failure) => return failure.fmt(f),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverStarted => f.write_str("the container was created and never started"),
            Self::NotStartedInTime(timeout) => {
                write!(f, "it was not started within {} s", timeout.as_secs())
            }
            Self::NotReadyInTime(timeout) => {
                write!(f, "it was not ready within {} s", timeout.as_secs())
            }
            Self::Broken(why) | Self::Defect(why) => f.write_str(why),
            Self::PastDeadline(deadline) => write!(f, "it reached its deadline {deadline:.0}"),
            Self::RegistrationTimeout(timeout) => {
                write!(f, "it was not online {} s after its start", timeout.as_secs())
            }
            Self::LostConnection => {
                f.write_str("it lost its connection to GitHub and did not come back")
            }
            Self::RegistrationGone => {
                f.write_str("its registration is gone and the container did not end")
            }
            Self::Removed => f.write_str("its container was removed by somebody else"),
            Self::VersionRefused => {
                f.write_str("GitHub refuses this runner version; update the image")
            }
            Self::EndedInJob(ending) => write!(f, "{ending} in the middle of its job"),
            Self::EndedDeregistered(ending, last) if last.is_empty() => {
                write!(f, "{ending}, and its registration is gone")
            }
            Self::EndedDeregistered(ending, last) => {
                write!(f, "{ending}, and its registration is gone; its last words: {last}")
            }
            Self::EndedBeforeJob(ending, last) if last.is_empty() => {
                write!(f, "{ending} without having run a job")
            }
            Self::EndedBeforeJob(ending, last) => {
                write!(f, "{ending} without having run a job; its last words: {last}")
            }
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = if self.out_of_memory { ", out of memory" } else { "" };
        write!(f, "it ended with exit code {}{memory}", self.code)
    }
}
