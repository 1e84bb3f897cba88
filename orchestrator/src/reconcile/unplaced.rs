//! Jobs that a waiting runner took before anybody looked, and of which no webhook told: GitHub is asked for them at the next check,
//! so that the ledger has them, too. History only: nothing is decided by it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::{RepoSlug, Scope};
use tracing::debug;

use super::{Reconciler, State};
use crate::ledger::Ran;
use crate::scaling::lifecycle::JobResult;

/// Most runners whose job is looked for.
const MOST: usize = 200;
/// How often one is looked for.
const LOOKS: u32 = 3;
/// Most repositories that are looked through at a check.
const REPOSITORIES: usize = 5;
/// GitHub's clock and ours may differ by so much.
const CLOCKS: SignedDuration = SignedDuration::from_mins(2);

/// Runners that are gone and whose job is not known.
#[derive(Default)]
pub(super) struct Unplaced {
    runners: Vec<Runner>,
}

/// What such a runner said.
struct Runner {
    name: String,
    pool: String,
    scope: Scope,
    repo: RepoSlug,
    result: Option<JobResult>,
    started_at: Option<Timestamp>,
    ended_at: Timestamp,
    looks: u32,
}

impl Unplaced {
    /// A runner ended after a job that nobody knows. One that was not of a repository could have been anywhere.
    pub(super) fn note(&mut self, ran: &Ran<'_>, now: Timestamp) {
        let Scope::Repo(repo) = ran.scope else { return };
        if self.runners.len() < MOST {
            self.runners.push(Runner {
                name: ran.runner.to_owned(),
                pool: ran.pool.to_owned(),
                scope: ran.scope.clone(),
                repo: repo.clone(),
                result: ran.result,
                started_at: ran.started_at,
                ended_at: now,
                looks: 0,
            });
        }
    }

    /// A few of the repositories to look through, each with since when.
    fn wanted(&self) -> Vec<(RepoSlug, Timestamp)> {
        let mut since: BTreeMap<&RepoSlug, Timestamp> = BTreeMap::new();
        for runner in &self.runners {
            let began = runner.started_at.unwrap_or(runner.ended_at);
            let at = since.entry(&runner.repo).or_insert(began);
            *at = (*at).min(began);
        }
        let early = |at: Timestamp| at.saturating_sub(CLOCKS).unwrap_or(Timestamp::MIN);
        let few = since.into_iter().take(REPOSITORIES);
        few.map(|(repo, at)| (repo.clone(), early(at))).collect()
    }
}

impl Reconciler {
    /// Looks for the jobs that gone runners had.
    pub(super) async fn place(&self, state: &mut State) {
        for (repo, since) in state.unplaced.wanted() {
            let jobs = match self.github.recent_jobs(&repo, since).await {
                Ok(jobs) => jobs,
                // It is only history: nobody waits for it.
                Err(error) => {
                    debug!(%repo, "jobs that ended cannot be looked for: {error}");
                    Vec::new()
                }
            };
            let now = self.clock.now();
            let mut placed = BTreeSet::new();
            for runner in state.unplaced.runners.iter_mut().filter(|runner| runner.repo == repo) {
                runner.looks += 1;
                let had = |name: Option<&str>| name == Some(runner.name.as_str());
                let Some(job) = jobs.iter().find(|job| had(job.runner_name.as_deref())) else {
                    continue;
                };
                state.ledger.told(&repo, job, now);
                let ran = Ran {
                    runner: &runner.name,
                    pool: &runner.pool,
                    scope: &runner.scope,
                    job: None,
                    result: runner.result,
                    started_at: runner.started_at,
                };
                state.ledger.ran(&ran, runner.ended_at);
                placed.insert(runner.name.clone());
            }
            let over = |runner: &Runner| placed.contains(&runner.name) || runner.looks >= LOOKS;
            state.unplaced.runners.retain(|runner| !over(runner));
        }
    }
}
