//! How the ledger learns: from webhooks, from GitHub's lists of jobs that wait, and from GitHub's answers about one job.

use std::collections::BTreeSet;

use jiff::Timestamp;
use mayfly_common::job::QueuedJobs;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::{KEPT, LAG, Ledger, Row, SOON};

impl Row {
    /// What GitHub says of a job that nobody knew, at `now`.
    pub fn of(repo: &RepoSlug, job: &EventJob, now: Timestamp) -> Self {
        let mut row = Self::unseen(repo, job, now, now);
        row.take_in(repo, job, now);
        Self { told_at: Some(now), ..row }
    }

    /// The row of a job that is heard of for the first time, before anything is taken in. `theirs`: the moment by GitHub's clock.
    fn unseen(repo: &RepoSlug, job: &EventJob, theirs: Timestamp, now: Timestamp) -> Self {
        let labels = LabelSet::requested(&job.labels);
        let state = (JobStatus::Waiting, theirs);
        Self::new(job.id, repo.clone(), job.name.clone(), labels, state, now)
    }

    /// Takes in what GitHub says of the job. `theirs`: the moment by GitHub's clock.
    fn take_in(&mut self, repo: &RepoSlug, job: &EventJob, theirs: Timestamp) {
        // What an event of a later state says counts for more; an earlier one only fills gaps.
        let later = job.status >= self.status;
        let pick = |new: Option<Timestamp>, old: Option<Timestamp>| {
            if later { new.or(old) } else { old.or(new) }
        };
        // Its repository was renamed, or moved to another owner: the job keeps its id.
        if later && self.repo != *repo {
            self.repo = repo.clone();
        }
        // GitHub sets this on waiting jobs, too, and on those that ended without a runner, where it means nothing.
        let began = job.status == JobStatus::InProgress
            || (job.status == JobStatus::Completed && job.runner_name.is_some());
        let started_at = job.started_at.filter(|_| began);
        if job.status > JobStatus::Waiting {
            let moment = started_at.unwrap_or(theirs);
            let soon = job.created_at.is_some_and(|made| moment.duration_since(made) < SOON);
            self.seen_queued(job.created_at, moment, soon);
        }
        self.started_at = pick(started_at, self.started_at);
        self.completed_at = pick(job.completed_at, self.completed_at);
        // GitHub knows better than a runner, whose words its job can forge.
        self.conclusion = job.conclusion.clone().or_else(|| self.conclusion.take());
        if let Some(runner) = &job.runner_name
            && self.runner.as_ref() != Some(runner)
        {
            (self.runner, self.pool) = (Some(runner.clone()), None);
        }
        self.status = self.status.max(job.status);
    }
}

impl Ledger {
    /// A webhook tells of a job.
    pub(crate) fn told(&mut self, repo: &RepoSlug, job: &EventJob, now: Timestamp) {
        self.learn(repo, job, now);
        if let Some(row) = self.rows.get_mut(&job.id) {
            row.told_at = row.told_at.max(Some(now));
        }
    }

    /// Takes in what GitHub says of a job, by whichever way.
    pub(super) fn learn(&mut self, repo: &RepoSlug, job: &EventJob, now: Timestamp) {
        let known = self.rows.contains_key(&job.id);
        let theirs = self.theirs(now);
        if !known && !self.has_room() {
            return;
        }
        let row = self.rows.entry(job.id).or_insert_with(|| Row::unseen(repo, job, theirs, now));
        let before = row.status;
        row.take_in(repo, job, theirs);
        set(&mut self.unread_labels, job.id, job.labels_unread && row.labels.is_empty());
        // An unknown one that ended longer ago than rows are kept may have been told of before, and forgotten.
        let counts = known || row.completed_at.is_none_or(|at| now.duration_since(at) < KEPT);
        if before < JobStatus::Completed && job.status == JobStatus::Completed && counts {
            self.ended.insert(job.id);
        }
        if job.status == row.status {
            self.unconfirmed.remove(&job.id);
        }
        if job.status > JobStatus::Queued {
            self.relisted.remove(&job.id);
        }
        row.seen_at = row.seen_at.max(now);
        self.changed.insert(job.id);
        self.gone.remove(&job.id);
    }

    /// GitHub lists the jobs of `repo` that wait; it was asked at `asked_at`. Answers with how many of them webhooks should have
    /// told of and did not, since `listening`.
    pub(crate) fn polled(
        &mut self,
        repo: &RepoSlug,
        jobs: &QueuedJobs,
        asked_at: Timestamp,
        listening: Timestamp,
    ) -> usize {
        // What was made since the last look was queued since then, too.
        let last = self.polled_at.get(repo).copied();
        let (last, span) = last.map_or((asked_at, SOON), |last| (last.min(asked_at), LAG));
        let since = last.saturating_sub(span).unwrap_or(Timestamp::MIN);
        let (since, theirs) = (self.theirs(since), self.theirs(asked_at));
        if jobs.whole {
            self.polled_at.insert(repo.clone(), asked_at);
        }
        let could_know = asked_at.saturating_sub(LAG).unwrap_or(Timestamp::MIN);
        self.leave_the_queue(repo, jobs, asked_at, could_know);
        let waits_again = self.relist(repo, jobs, asked_at, could_know);
        let mut missed = 0;
        for job in &jobs.list {
            if !self.rows.contains_key(&job.id) && !self.has_room() {
                continue;
            }
            let known = job.queued_at >= since;
            let row = self.rows.entry(job.id).or_insert_with(|| {
                self.changed.insert(job.id);
                let state = (JobStatus::Queued, if known { job.queued_at } else { theirs });
                let (repo, name, labels) = (job.repo.clone(), job.name.clone(), job.labels.clone());
                let row = Row::new(job.id, repo, name, labels, state, asked_at);
                Row { queue_known: known, ..row }
            });
            // Its repository was renamed, or moved to another owner.
            if row.repo != job.repo {
                row.repo = job.repo.clone();
                self.changed.insert(job.id);
            }
            // Only runners' words took it for begun or ended, and it waits: another job of that name did.
            let only_said =
                row.status == JobStatus::Completed || self.unconfirmed.contains(&job.id);
            if (only_said && row.told_at.is_none()) || waits_again.contains(&job.id) {
                self.unconfirmed.remove(&job.id);
                (row.status, row.conclusion) = (JobStatus::Queued, None);
                (row.runner, row.pool) = (None, None);
                (row.started_at, row.completed_at) = (None, None);
                self.changed.insert(job.id);
            }
            // It has its runner's name from its webhook, or it is waiting after all.
            if row.status == JobStatus::Waiting {
                row.seen_queued(Some(job.queued_at), theirs, known);
                row.status = JobStatus::Queued;
                self.changed.insert(job.id);
            }
            self.gone.remove(&job.id);
            if row.left_at.take().is_some() {
                self.changed.insert(job.id);
            }
            // They could not be read when it was first listed.
            if row.labels.is_empty() && !job.labels.is_empty() {
                row.labels.clone_from(&job.labels);
                self.changed.insert(job.id);
            }
            set(&mut self.unread_labels, job.id, job.labels_unread && row.labels.is_empty());
            row.seen_at = row.seen_at.max(asked_at);
            let old = job.queued_at < could_know && job.queued_at > listening;
            missed += usize::from(row.told_at.is_none() && old);
        }
        for job in &jobs.taken {
            self.taken(repo, job, asked_at);
        }
        missed
    }

    /// The jobs among those that GitHub lists as queued that began, as far as anybody knew, and that wait after all: their runners died
    /// before they began, say. Lists lag, so that only what all lists say for [`LAG`] counts.
    fn relist(
        &mut self,
        repo: &RepoSlug,
        jobs: &QueuedJobs,
        asked_at: Timestamp,
        could_know: Timestamp,
    ) -> BTreeSet<i64> {
        let listed = jobs.list.iter().map(|job| job.id);
        let began = |id: &i64| {
            let row = self.rows.get(id).filter(|row| row.status > JobStatus::Queued);
            row.is_some_and(|row| row.told_at.is_none_or(|told_at| told_at <= could_know))
                && !jobs.taken.iter().any(|job| job.id == *id)
        };
        let began: BTreeSet<i64> = listed.filter(began).collect();
        let rows = &self.rows;
        let elsewhere = |id: &i64| rows.get(id).is_some_and(|row| row.repo != *repo);
        self.relisted.retain(|id, _| began.contains(id) || elsewhere(id));
        let mut again = BTreeSet::new();
        for id in began {
            // A moment that lies ahead is from before the clock was set back.
            let since = self.relisted.entry(id).or_insert(asked_at);
            *since = asked_at.min(*since);
            if asked_at.duration_since(*since) >= LAG {
                again.insert(id);
            }
        }
        self.relisted.retain(|id, _| !again.contains(id));
        again
    }

    /// The jobs of `repo` that wait and are missing in GitHub's list have left the queue, unless the list cannot know of them yet, or could
    /// not be read in full.
    fn leave_the_queue(
        &mut self,
        repo: &RepoSlug,
        jobs: &QueuedJobs,
        asked_at: Timestamp,
        could_know: Timestamp,
    ) {
        let listed: BTreeSet<i64> = jobs.list.iter().map(|job| job.id).collect();
        for row in self.rows.values_mut().filter(|row| row.repo == *repo) {
            let fresh = row.told_at.is_some_and(|told_at| told_at > could_know);
            let missing = row.waits() && !listed.contains(&row.id) && !fresh;
            let doubted = missing && !jobs.whole;
            if set(&mut self.doubted, row.id, doubted) {
                self.asked.remove(&row.id);
            }
            if doubted {
                continue;
            }
            if missing {
                row.left_at = Some(asked_at);
                self.changed.insert(row.id);
            }
        }
    }
}

/// Puts `id` in, or takes it out. True if that changed anything.
fn set(ids: &mut BTreeSet<i64>, id: i64, is_in: bool) -> bool {
    if is_in { ids.insert(id) } else { ids.remove(&id) }
}
