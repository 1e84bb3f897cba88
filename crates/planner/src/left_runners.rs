//! Runners whose machines vanished while no orchestrator ran: what a pass leaves behind for the next process, and what that one tells.
//!
//! Such a machine may have been removed by anybody, also by the earlier process a moment before it was killed. So nothing is said of
//! who removed it, and whether its job is lost is GitHub's word.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::foreign_text::line;
use mayfly_common::machine::Machine;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;
use mayfly_common::scope::Scope;

use crate::ledger::{LatestJob, Worker};

/// How long GitHub's word on the job is waited for.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// A runner that a pass left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRunner {
    /// Its name.
    pub name: RunnerName,
    /// The backend's id of its machine.
    pub machine: String,
    /// Its pool.
    pub pool: PoolName,
    /// Where it is registered.
    pub scope: Scope,
    /// The image it runs.
    pub image: String,
    /// When its machine was created.
    pub created_at: Timestamp,
    /// Its state at the end of the pass.
    pub state: RunnerState,
}

/// What is told of a runner whose machine was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The state to record.
    pub state: RunnerState,
    /// Why, in words.
    pub why: String,
}

impl LeftRunner {
    /// The runner of `machine`, which is in `state`.
    pub fn of(machine: &Machine, state: RunnerState) -> Self {
        Self {
            name: machine.name.clone(),
            machine: machine.id.clone(),
            pool: machine.pool.clone(),
            scope: machine.scope.clone(),
            image: machine.image.clone(),
            created_at: machine.created_at,
            state,
        }
    }

    /// True if its machine is not among these, which are all there are. A machine of its name stands for it: its Docker engine, say.
    pub fn is_missing(&self, machines: &[Machine]) -> bool {
        !machines.iter().any(|one| one.id == self.machine || one.name == self.name)
    }

    /// The runner, as the ledger looks for its job.
    pub fn worker(&self) -> Worker {
        Worker {
            runner: self.name.to_string(),
            pool: self.pool.to_string(),
            scope: self.scope.clone(),
            created_at: self.created_at,
        }
    }
}

/// What to tell of a runner that was `left` in a state and whose machine was gone when the process started. None: GitHub is still to
/// say what became of its job, which has been `waited` for that long.
pub fn ending(left: RunnerState, job: &LatestJob, waited: SignedDuration) -> Option<Ending> {
    use RunnerState::{Busy, Failed, Finished, Gone};
    const GONE: &str = "its container was gone when the orchestrator started";
    let late = waited >= PATIENCE;
    let (state, more) = match job {
        LatestJob::Over(Some(conclusion)) => {
            let state = if conclusion == "success" { Finished } else { Gone };
            (state, format!("its job's conclusion is {}", line(conclusion)))
        }
        LatestJob::Over(None) => (Gone, "its job is over".to_owned()),
        LatestJob::Open { asked: true } => {
            (Failed, "GitHub does not say that its job has ended".to_owned())
        }
        LatestJob::Unknown { asked: true } if left == Busy => {
            (Gone, "it was busy before, and GitHub lists no job of it".to_owned())
        }
        LatestJob::Unknown { .. } if left != Busy => {
            return Some(Ending { state: Gone, why: GONE.to_owned() });
        }
        LatestJob::Open { .. } | LatestJob::Unknown { .. } if late => {
            (Gone, "it was busy before, and GitHub could not be asked about its job".to_owned())
        }
        LatestJob::Open { .. } | LatestJob::Unknown { .. } => return None,
    };
    Some(Ending { state, why: format!("{GONE}; {more}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RunnerState::{Busy, Failed, Finished, Gone, Idle, Starting};

    #[test]
    fn what_is_told_is_what_github_says_of_the_job() {
        let over = |conclusion: &str| LatestJob::Over(Some(conclusion.to_owned()));
        let (unknown, open) =
            (|asked| LatestJob::Unknown { asked }, |asked| LatestJob::Open { asked });
        let busy_before = "; it was busy before, and GitHub";
        let rows = [
            (Busy, over("success"), 0, Some((Finished, "; its job's conclusion is success"))),
            (Idle, over("success"), 0, Some((Finished, "; its job's conclusion is success"))),
            (Busy, over("failure"), 0, Some((Gone, "; its job's conclusion is failure"))),
            (Busy, LatestJob::Over(None), 0, Some((Gone, "; its job is over"))),
            (Busy, open(true), 0, Some((Failed, "; GitHub does not say that its job has ended"))),
            (
                Starting,
                open(true),
                0,
                Some((Failed, "; GitHub does not say that its job has ended")),
            ),
            (Idle, open(false), 599, None),
            (Busy, open(false), 599, None),
            (Busy, open(false), 600, Some((Gone, " could not be asked about its job"))),
            (Busy, unknown(false), 599, None),
            (Busy, unknown(true), 0, Some((Gone, " lists no job of it"))),
            (Busy, unknown(false), 600, Some((Gone, " could not be asked about its job"))),
            (Idle, unknown(false), 0, Some((Gone, ""))),
            (Idle, unknown(true), 0, Some((Gone, ""))),
            (Starting, unknown(false), 600, Some((Gone, ""))),
        ];
        for (left, job, waited, expected) in rows {
            let told = ending(left, &job, SignedDuration::from_secs(waited));
            let told = told.map(|told| (told.state, told.why));
            let expected = expected.map(|(state, more)| {
                let before = if more.starts_with(' ') { busy_before } else { "" };
                let gone = "its container was gone when the orchestrator started";
                (state, format!("{gone}{before}{more}"))
            });
            assert_eq!(told, expected, "{left:?} {job:?} {waited}");
        }
    }
}
