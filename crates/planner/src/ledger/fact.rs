//! What can be learnt of jobs. [`Ledger::apply`] is the one way to tell the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mayfly_common::job::QueuedJobs;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::EventJob;

use super::questions::NoAnswer;
use super::takers::{Looked, Ran, Search, Worker};
use super::{Ledger, Row};
use crate::catalog::Lost;

/// Something that was learnt of jobs, by whichever way.
#[derive(Debug, Clone)]
pub enum Fact {
    /// An earlier process left these rows.
    Kept(Vec<Row>),
    /// A delivery came, whatever it told of.
    Delivered,
    /// A webhook told of a job.
    Job {
        /// Its repository.
        repo: RepoSlug,
        /// What it told.
        job: EventJob,
    },
    /// GitHub lists the jobs of a repository that wait. It was asked at the moment of the fact.
    Listed {
        /// The repository.
        repo: RepoSlug,
        /// Its jobs.
        jobs: QueuedJobs,
    },
    /// GitHub says what became of a job.
    Answered(EventJob),
    /// GitHub was asked about a job of this id, and does not say what became of it.
    Unanswered(i64, NoAnswer),
    /// These runners are there and have a job, or had one.
    AtWork(Vec<Worker>),
    /// A runner ended.
    Ended(Ran),
    /// GitHub lists the latest jobs of a repository in which jobs of runners were looked for.
    Searched(Search, Vec<EventJob>),
    /// What became of all such looks of one pass.
    Looked(Vec<(Search, Looked)>),
    /// A repository is not served any more, or is gone.
    RepoGone(Lost),
    /// Repositories have new names, by the old ones.
    Renamed(BTreeMap<RepoSlug, RepoSlug>),
}

impl Ledger {
    /// Takes in what was learnt at `now`, by our clock.
    pub fn apply(&mut self, fact: Fact, now: Timestamp) {
        match fact {
            Fact::Kept(rows) => self.load(rows),
            Fact::Delivered => self.hearing.heard(now),
            Fact::Job { repo, job } => self.told(&repo, &job, now),
            Fact::Listed { repo, jobs } => {
                if self.polled(&repo, &jobs, now, self.listening) > 0 {
                    self.hearing.missed(now);
                }
            }
            Fact::Answered(job) => self.found(&job, now),
            Fact::Unanswered(job, why) => self.no_answer(job, why, now),
            Fact::AtWork(workers) => self.at_work(workers, now),
            Fact::Ended(ran) => drop(self.ran(&ran, now)),
            Fact::Searched(search, jobs) => self.searched(&search, &jobs, now),
            Fact::Looked(looks) => self.looked(&looks, now),
            Fact::RepoGone(lost) => self.lost(&lost, now),
            Fact::Renamed(names) => self.renamed(&names),
        }
    }
}
