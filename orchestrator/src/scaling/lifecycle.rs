//! Which state a runner is in: one function, from what Docker, GitHub and earlier passes say.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use mayfly_common::runner::RunnerState;

use super::observed::{Sight, Sighting};
use crate::model::{Exit, Instance, Phase};

/// How long a runner that was online may be offline, or unknown to GitHub, while its container runs and nothing works inside.
///
/// GitHub removes an ephemeral registration when the job is done; the container needs a moment to end. After that it is
/// a zombie (actions/runner issue 4617).
pub const MISSING_GRACE: SignedDuration = SignedDuration::from_secs(60);

/// The runner's exit code for "this version is refused", if the image was told to say so (actions/runner issue 4285).
const EXIT_VERSION_REFUSED: i64 = 7;

/// Lines by which the official runner tells of its job. Its exit code does not: 0 is also "I gave up".
const LANDMARK_STARTED: &str = "Running job: ";
const LANDMARK_RESULT: &str = " completed with result: ";

/// Why a runner is in the state it is in. Its `Display` is what an operator reads; nothing else makes these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// GitHub says that it runs a job.
    Busy,
    /// A job's process runs inside.
    Working,
    /// It is registered and online.
    Waiting,
    /// It was online when GitHub could last be asked.
    WasOnline,
    /// GitHub could not be asked, and it was never seen online.
    NotAsked,
    /// It has time left to come online.
    NotOnlineYet,
    /// Its registration went away a moment ago.
    Ending,
    /// Its connection went away a moment ago.
    Disconnected,
    /// It is late, or unregistered, and was seen for a moment only.
    Late,
    /// It told its job's result.
    Result(String),
    /// It ended as one does after a job.
    AfterItsJob,
    /// It failed.
    Failed(Failure),
}

/// How a runner failed: few kinds, so that they can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Its container was created and never started.
    NeverStarted,
    /// It was still there at its deadline.
    PastDeadline(Timestamp),
    /// It was not online after this long.
    RegistrationTimeout(SignedDuration),
    /// It lost its connection to GitHub for good.
    LostConnection,
    /// Its registration is gone, and its container did not end.
    RegistrationGone,
    /// GitHub refuses its version.
    VersionRefused,
    /// It ended in the middle of its job.
    EndedInJob(Ending),
    /// It ended without having run one.
    EndedBeforeJob(Ending),
}

/// How a container ended, without what it printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Exit code of the main process.
    pub code: i64,
    /// Whether the kernel killed a process for want of memory.
    pub out_of_memory: bool,
}

impl Reason {
    /// The state that goes with it.
    pub fn state(&self) -> RunnerState {
        match self {
            Self::Busy | Self::Working => RunnerState::Busy,
            Self::Waiting | Self::WasOnline => RunnerState::Idle,
            Self::NotAsked | Self::NotOnlineYet => RunnerState::Starting,
            Self::Ending | Self::Disconnected | Self::Late => RunnerState::Draining,
            Self::Result(_) | Self::AfterItsJob => RunnerState::Finished,
            Self::Failed(_) => RunnerState::Failed,
        }
    }

    /// How it failed, if it did.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(*failure),
            _ => None,
        }
    }
}

impl Failure {
    /// Its kind in one word, for a metric's label.
    pub fn kind(self) -> &'static str {
        match self {
            Self::NeverStarted => "never_started",
            Self::PastDeadline(_) => "past_deadline",
            Self::RegistrationTimeout(_) => "registration_timeout",
            Self::LostConnection => "lost_connection",
            Self::RegistrationGone => "registration_gone",
            Self::VersionRefused => "version_refused",
            Self::EndedInJob(_) => "ended_in_job",
            Self::EndedBeforeJob(_) => "ended_before_job",
        }
    }

    /// Whether its container was left behind: by a crash of ours before it was started, or by a registration that went away.
    pub fn is_orphan(self) -> bool {
        matches!(self, Self::NeverStarted | Self::RegistrationGone)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "it runs a job",
            Self::Working => "a job's process runs inside",
            Self::Waiting => "it waits for a job",
            Self::WasOnline => "it was online when GitHub last could be asked",
            Self::NotAsked => "GitHub could not be asked about it",
            Self::NotOnlineYet => "it is not online yet",
            Self::Ending => "its registration is gone, the container is ending",
            Self::Disconnected => "it lost its connection to GitHub",
            Self::Late => "it is late or its registration is gone",
            Self::Result(result) => return write!(f, "its job's result was {result}"),
            Self::AfterItsJob => "it ended after its job",
            Self::Failed(failure) => return failure.fmt(f),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverStarted => f.write_str("the container was created and never started"),
            Self::PastDeadline(deadline) => write!(f, "it reached its deadline {deadline}"),
            Self::RegistrationTimeout(timeout) => {
                write!(f, "it was not online {} s after its start", timeout.as_secs())
            }
            Self::LostConnection => {
                f.write_str("it lost its connection to GitHub and did not come back")
            }
            Self::RegistrationGone => {
                f.write_str("its registration is gone and the container did not end")
            }
            Self::VersionRefused => {
                f.write_str("GitHub refuses this runner version; update the image")
            }
            Self::EndedInJob(ending) => write!(f, "{ending} in the middle of its job"),
            Self::EndedBeforeJob(ending) => write!(f, "{ending} without having run a job"),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = if self.out_of_memory { ", out of memory" } else { "" };
        write!(f, "it ended with exit code {}{memory}", self.code)
    }
}

/// Why `instance` is in the state it is in. `registration_timeout`: how long it may take to come online.
pub fn reason_of(
    instance: &Instance,
    sight: Sight<'_>,
    sighting: Sighting,
    registration_timeout: SignedDuration,
    now: Timestamp,
) -> Reason {
    let working = match &instance.phase {
        Phase::Created => return Reason::Failed(Failure::NeverStarted),
        Phase::Exited(exit) => return exited(exit, sight, sighting),
        Phase::Running { working } => working.unwrap_or(false),
    };
    if now >= instance.deadline {
        return Reason::Failed(Failure::PastDeadline(instance.deadline));
    }
    let late =
        now >= instance.created_at.saturating_add(registration_timeout).unwrap_or(Timestamp::MAX);
    let gone_for =
        sighting.missing_since.map_or(SignedDuration::ZERO, |since| now.duration_since(since));
    match sight {
        Sight::Listed(registered) if registered.busy => Reason::Busy,
        _ if working => Reason::Working,
        Sight::Listed(registered) if registered.online => Reason::Waiting,
        Sight::Unknown if sighting.was_online => Reason::WasOnline,
        Sight::Unknown => Reason::NotAsked,
        _ if !sighting.was_online && !late => Reason::NotOnlineYet,
        Sight::Absent if sighting.was_online && gone_for < MISSING_GRACE => Reason::Ending,
        Sight::Listed(_) if sighting.was_online && gone_for < MISSING_GRACE => Reason::Disconnected,
        // After a restart nothing is remembered: give an adopted runner the grace from its first sighting.
        _ if !sighting.was_online && gone_for < MISSING_GRACE => Reason::Late,
        _ if !sighting.was_online => {
            Reason::Failed(Failure::RegistrationTimeout(registration_timeout))
        }
        Sight::Absent => Reason::Failed(Failure::RegistrationGone),
        Sight::Listed(_) => Reason::Failed(Failure::LostConnection),
    }
}

/// What a runner printed of its job: its name, and its result.
pub fn job_of(log: &str) -> (Option<&str>, Option<&str>) {
    let name = log.lines().find_map(|line| Some(line.split_once(LANDMARK_STARTED)?.1.trim()));
    let result =
        log.lines().rev().find_map(|line| Some(line.split_once(LANDMARK_RESULT)?.1.trim()));
    (name, result)
}

/// When its job began, if the runner says so: its lines begin with `2026-01-31 23:59:59Z: `.
pub fn began(log: &str) -> Option<Timestamp> {
    let line = log.lines().find(|line| line.contains(LANDMARK_STARTED))?;
    let (time, _) = line.split_once(": ")?;
    time.trim().replacen(' ', "T", 1).parse().ok()
}

/// The verdict on a container that ended: from what the runner printed and what GitHub says, never from exit code 0 alone.
fn exited(exit: &Exit, sight: Sight<'_>, sighting: Sighting) -> Reason {
    let result = exit.log_tail.lines().rev().find_map(|line| line.split_once(LANDMARK_RESULT));
    if let Some((_, result)) = result {
        return Reason::Result(result.trim().to_owned());
    }
    let ending = Ending { code: exit.code, out_of_memory: exit.out_of_memory };
    let started =
        sighting.was_busy || exit.log_tail.lines().any(|line| line.contains(LANDMARK_STARTED));
    // GitHub deletes a one-job registration when the job is done, and only then without our asking.
    let deregistered = sight == Sight::Absent;
    match (exit.code, started, deregistered) {
        (0, true, _) | (0, _, true) => Reason::AfterItsJob,
        (EXIT_VERSION_REFUSED, _, _) => Reason::Failed(Failure::VersionRefused),
        (_, true, _) => Reason::Failed(Failure::EndedInJob(ending)),
        (_, false, _) => Reason::Failed(Failure::EndedBeforeJob(ending)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Registered, RunnerId};
    use crate::scaling::policy::{Caps, Policy, PoolPolicy};
    use mayfly_common::label::LabelSet;
    use mayfly_common::name::RunnerName;
    use mayfly_common::pool::{Autoscaling, Naming, PoolName, PoolScope};

    pub(in crate::scaling) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    pub(in crate::scaling) fn policy() -> Policy {
        let default = PoolPolicy {
            name: PoolName::default_pool(),
            scopes: vec![PoolScope::Discovered],
            labels: LabelSet::requested(["self-hosted", "linux", "x64"]),
            group: None,
            image: "i".to_owned(),
            min_idle: 0,
            max: 100,
            priority: 0,
            autoscaling: Autoscaling::PerJob,
            registration_timeout: SignedDuration::from_secs(300),
            idle_timeout: SignedDuration::from_secs(120),
            rotation: None,
            rotate_before: None,
            fingerprint: "f".to_owned(),
            memory: 4 << 30,
            nano_cpus: 2_000_000_000,
            naming: Naming::Unique,
            name_prefix: "mayfly-i-default".to_owned(),
            enabled: true,
            paused: false,
        };
        let caps =
            Caps { runners: 4, memory: None, nano_cpus: None, per_owner: None, per_repo: None };
        Policy {
            auto_create: true,
            caps,
            default,
            pools: Vec::new(),
            clean_registrations: true,
            name_prefix: "mayfly-i-".to_owned(),
        }
    }

    pub(in crate::scaling) fn instance(name: &str, phase: Phase) -> Instance {
        Instance {
            name: RunnerName::parse(name).unwrap(),
            container_id: format!("c-{name}"),
            pool: PoolName::default_pool(),
            scope: "repo:o/r".parse().unwrap(),
            labels: policy().default.labels,
            github_id: Some(RunnerId(1)),
            image: "i".to_owned(),
            image_id: None,
            fingerprint: None,
            created_at: at(0),
            deadline: at(100_000),
            phase,
        }
    }

    pub(in crate::scaling) fn registered(
        id: i64,
        name: &str,
        online: bool,
        busy: bool,
    ) -> Registered {
        Registered { id: RunnerId(id), name: name.to_owned(), online, busy }
    }

    fn exit(code: i64, log_tail: &str) -> Phase {
        Phase::Exited(Exit { code, out_of_memory: false, log_tail: log_tail.to_owned() })
    }

    #[test]
    fn every_state_has_its_row() {
        use RunnerState::{Busy, Draining, Failed, Finished, Idle, Starting};
        let running = Phase::Running { working: Some(false) };
        let worker = Phase::Running { working: Some(true) };
        let unseen = Sighting::default();
        let seen = |missing: Option<i64>| Sighting {
            was_online: true,
            missing_since: missing.map(at),
            ..unseen
        };
        let was_busy = Sighting { was_online: true, was_busy: true, ..unseen };
        let late = |missing: i64| Sighting { missing_since: Some(at(missing)), ..unseen };
        let offline = registered(1, "a1", false, false);
        let online = registered(1, "a1", true, false);
        let busy = registered(1, "a1", true, true);
        let stale_busy = registered(1, "a1", false, true);
        let rows: Vec<(&str, Phase, Sight<'_>, Sighting, i64, RunnerState)> = vec![
            ("created only", Phase::Created, Sight::Listed(&offline), unseen, 5, Failed),
            (
                "registered, not connected",
                running.clone(),
                Sight::Listed(&offline),
                unseen,
                5,
                Starting,
            ),
            ("not listed yet", running.clone(), Sight::Absent, unseen, 5, Starting),
            ("GitHub silent, never seen", running.clone(), Sight::Unknown, unseen, 5, Starting),
            ("GitHub silent for long", running.clone(), Sight::Unknown, unseen, 5_000, Starting),
            ("GitHub silent, was online", running.clone(), Sight::Unknown, seen(None), 5_000, Idle),
            ("online", running.clone(), Sight::Listed(&online), seen(None), 5, Idle),
            ("busy", running.clone(), Sight::Listed(&busy), seen(None), 5, Busy),
            ("busy flag lags", worker.clone(), Sight::Listed(&online), seen(None), 5, Busy),
            (
                "busy though offline",
                running.clone(),
                Sight::Listed(&stale_busy),
                seen(Some(0)),
                500,
                Busy,
            ),
            ("worker though deregistered", worker, Sight::Absent, seen(Some(0)), 5_000, Busy),
            (
                "deregistered, ending",
                running.clone(),
                Sight::Absent,
                seen(Some(100)),
                130,
                Draining,
            ),
            ("deregistered, zombie", running.clone(), Sight::Absent, seen(Some(100)), 160, Failed),
            (
                "connection lost",
                running.clone(),
                Sight::Listed(&offline),
                seen(Some(100)),
                130,
                Draining,
            ),
            (
                "connection lost for good",
                running.clone(),
                Sight::Listed(&offline),
                seen(Some(100)),
                160,
                Failed,
            ),
            (
                "late, just adopted",
                running.clone(),
                Sight::Listed(&offline),
                late(400),
                410,
                Draining,
            ),
            ("never came online", running.clone(), Sight::Listed(&offline), late(0), 300, Failed),
            ("past its deadline", running, Sight::Listed(&busy), seen(None), 100_000, Failed),
            (
                "job done",
                exit(0, "Running job: a\nJob a completed with result: Failed"),
                Sight::Absent,
                unseen,
                5,
                Finished,
            ),
            (
                "exit 0 without a job",
                exit(0, "Listening for Jobs"),
                Sight::Listed(&offline),
                unseen,
                5,
                Failed,
            ),
            ("exit 0, GitHub silent", exit(0, ""), Sight::Unknown, seen(None), 5, Failed),
            ("exit 0, registration gone", exit(0, ""), Sight::Absent, unseen, 5, Finished),
            ("exit 0 after being busy", exit(0, ""), Sight::Unknown, was_busy, 5, Finished),
            ("exit 1 after being busy", exit(1, ""), Sight::Absent, was_busy, 5, Failed),
            ("exit 1, registration gone", exit(1, ""), Sight::Absent, unseen, 5, Failed),
            ("killed in the middle", exit(137, "Running job: a"), Sight::Absent, unseen, 5, Failed),
            ("version refused", exit(7, ""), Sight::Unknown, unseen, 5, Failed),
        ];
        // Every row that is missing here has not failed.
        let failures = [
            ("created only", "never_started"),
            ("deregistered, zombie", "registration_gone"),
            ("connection lost for good", "lost_connection"),
            ("never came online", "registration_timeout"),
            ("past its deadline", "past_deadline"),
            ("exit 0 without a job", "ended_before_job"),
            ("exit 0, GitHub silent", "ended_before_job"),
            ("exit 1 after being busy", "ended_in_job"),
            ("exit 1, registration gone", "ended_before_job"),
            ("killed in the middle", "ended_in_job"),
            ("version refused", "version_refused"),
        ];
        for (what, phase, registration, sighting, now, state) in rows {
            let timeout = policy().default.registration_timeout;
            let reason =
                reason_of(&instance("a1", phase), registration, sighting, timeout, at(now));
            assert_eq!(reason.state(), state, "{what}: {reason}");
            assert_eq!(
                reason.failure().map(Failure::kind),
                failures.iter().find(|(name, _)| *name == what).map(|(_, kind)| *kind),
                "{what}: {reason}"
            );
        }
    }

    #[test]
    fn the_words_name_the_job_s_result_and_how_it_ended() {
        let why = |exit: &Exit| exited(exit, Sight::Unknown, Sighting::default()).to_string();
        let done = Exit {
            log_tail: "x Job b completed with result: Succeeded\n".into(),
            ..Exit::default()
        };
        assert_eq!(why(&done), "its job's result was Succeeded");
        let killed = Exit { code: 137, out_of_memory: true, log_tail: String::new() };
        assert_eq!(
            why(&killed),
            "it ended with exit code 137, out of memory without having run a job"
        );
    }
}
