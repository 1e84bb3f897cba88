//! What GitHub is asked about single jobs: what became of those that left the queue or ended without anybody telling. Pure.
//!
//! One request when a job leaves the queue tells its runner and when it began, or that it was cancelled; one when its runner has
//! ended tells when it ended, and how. A job of somebody else's runner is asked for again now and then.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::{LAG, Ledger, Row};
use crate::choice::is_hosted;

/// Most questions of one pass.
const AT_ONCE: usize = 20;
/// How often GitHub is asked what became of a job, before that stays unknown.
const TRIES: u32 = 8;
/// How long a delivery of a job that its runner has ended may take.
const DELIVERY: SignedDuration = SignedDuration::from_secs(30);
/// The wait between the first two questions about a job; doubled by each further one.
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// The longest such wait.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The wait between questions about the job of a runner whose container is there and which GitHub lists as offline or not at all.
const OFFLINE: SignedDuration = SignedDuration::from_mins(1);

/// Questions to GitHub about one job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Questions that it answered.
    answers: u32,
    /// Questions since then that did not reach it.
    failures: u32,
    /// Answers in a row, the last ones, that there is no such job.
    unknown: u32,
    /// The time of the last one, or from which the first one may be asked.
    at: Timestamp,
}

impl Asked {
    /// It was not asked yet, and need not be before a delivery of `now` could be here.
    pub(super) fn before(now: Timestamp) -> Self {
        Self { answers: 0, failures: 0, unknown: 0, at: now }
    }

    /// True if it answered any.
    pub(super) fn is_answered(&self) -> bool {
        self.answers > 0
    }

    /// GitHub answered one.
    pub(super) fn answered(&mut self, now: Timestamp) {
        *self = Self { answers: self.answers.saturating_add(1), ..Self::before(now) };
    }

    /// One did not reach GitHub.
    pub(super) fn failed(&mut self, now: Timestamp) {
        (self.failures, self.at) = (self.failures.saturating_add(1), now);
    }

    /// One was not sent: that is no failure that makes the next wait longer.
    pub(super) fn put_off(&mut self, now: Timestamp) {
        (self.failures, self.at) = (self.failures.max(1), now);
    }

    /// When the first one that GitHub answers may be asked. `told`: whether webhooks tell of jobs.
    pub(super) fn due_at(&self, told: bool) -> Timestamp {
        let wait = match self.failures {
            0 if told => DELIVERY,
            0 => LAG,
            failures => wait(failures),
        };
        self.at.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// True if that is now. A moment that lies ahead is from before the clock was set back.
    pub(super) fn is_due(&self, told: bool, now: Timestamp) -> bool {
        self.at > now || self.due_at(told) <= now
    }
}

/// The state of the runner that a job had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    /// It is there, and may be at work: as long as it is, its job is not over.
    AtWork,
    /// Its container is there, and GitHub lists it as offline or not at all: its job may be over.
    Offline,
    /// It is not there.
    Gone,
}

/// Why GitHub does not say what became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It knows no such job.
    NoSuchJob,
    /// It does not say, or not so that it could be read.
    Unclear,
    /// It could not be asked.
    Unreachable,
}

/// The wait after so many questions.
fn wait(times: u32) -> SignedDuration {
    if times == 0 {
        return DELIVERY;
    }
    let factor = 1i32.checked_shl((times - 1).min(16)).unwrap_or(i32::MAX);
    FIRST.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST)
}

impl Ledger {
    /// The jobs to ask GitHub about now. `had`: the state of the runner, by its name, that had a job.
    pub fn questions(
        &self,
        had: impl Fn(&str, &Row) -> Had,
        now: Timestamp,
    ) -> Vec<(RepoSlug, i64)> {
        let had = |row: &Row| row.runner.as_deref().map_or(Had::Gone, |runner| had(runner, row));
        let open = |row: &&Row| {
            let told = row.told_at.is_some_and(|at| now.duration_since(at) < LAG);
            // Webhooks tell the end of what they told the beginning of; of our own runners we know better.
            let runs = row.status == JobStatus::InProgress
                && (row.told_at.is_none() || row.pool.is_some())
                && had(row) != Had::AtWork;
            let doubted = row.waits() && self.doubted.contains(&row.id);
            // GitHub has no such job: it ended with its run or its repository, or is not shown to us.
            let unknown = self.asked.get(&row.id).is_some_and(|asked| asked.unknown >= TRIES);
            let gone = unknown || self.gone.contains(&row.id);
            !told && !gone && (self.is_open(row) || (is_ours(row) && (runs || doubted)))
        };
        let due = |row: &&Row| match self.asked.get(&row.id) {
            None => true,
            // A moment that lies ahead is from before the clock was set back.
            Some(Asked { answers, failures, unknown, at }) => {
                let times = answers.saturating_add(*failures);
                let wait = match had(row) {
                    // Its container is kept for this job only, which is worth a question a minute, if there is an answer.
                    Had::Offline => OFFLINE.max(wait(*unknown)),
                    Had::AtWork | Had::Gone => wait(times),
                };
                *at > now || now.duration_since(*at) >= wait
            }
        };
        let questions = self.rows.values().filter(open).filter(due).take(AT_ONCE);
        questions.map(|row| (row.repo.clone(), row.id)).collect()
    }

    /// True if GitHub is still to be asked what became of a job that left the queue or ended.
    pub(super) fn is_open(&self, row: &Row) -> bool {
        let left = row.status == JobStatus::Queued && row.left_at.is_some() && !row.expired();
        let answers = self.asked.get(&row.id).map_or(0, |asked| asked.answers);
        is_ours(row)
            && (left || self.unconfirmed.contains(&row.id))
            && answers < TRIES
            && !self.gone.contains(&row.id)
    }

    /// What GitHub says of a job that it was asked about.
    pub fn found(&mut self, job: &EventJob, now: Timestamp) {
        let Some(row) = self.rows.get(&job.id) else { return };
        let (repo, before) = (row.repo.clone(), row.status);
        self.learn(&repo, job, now);
        self.count_question(job.id, now);
        if let Some(row) = self.rows.get_mut(&job.id) {
            if row.status != before {
                self.asked.insert(job.id, Asked { answers: 1, ..Asked::before(now) });
            }
            if job.status == JobStatus::Queued && row.status == JobStatus::Queued {
                row.left_at = None;
            }
        }
    }

    /// GitHub was asked about a job and does not say what became of it.
    pub fn no_answer(&mut self, id: i64, why: NoAnswer, now: Timestamp) {
        if why == NoAnswer::Unreachable {
            self.asked.entry(id).or_insert(Asked::before(now)).failed(now);
            return;
        }
        let unknown = self.asked.get(&id).map_or(0, |asked| asked.unknown);
        self.count_question(id, now);
        if let (NoAnswer::NoSuchJob, Some(asked)) = (why, self.asked.get_mut(&id)) {
            asked.unknown = unknown.saturating_add(1);
        }
        // No list will ever say so.
        if why == NoAnswer::NoSuchJob
            && self.doubted.remove(&id)
            && let Some(row) = self.rows.get_mut(&id).filter(|row| row.waits())
        {
            row.left_at = Some(now);
            self.changed.insert(id);
        }
    }

    fn count_question(&mut self, id: i64, now: Timestamp) {
        let asked = self.asked.entry(id).or_insert(Asked::before(now));
        asked.answered(now);
        // What the runner said stands, then.
        if asked.answers >= TRIES {
            self.unconfirmed.remove(&id);
        }
    }
}

/// True if it may be a job of ours: GitHub's own machines have the others.
pub(super) fn is_ours(row: &Row) -> bool {
    row.pool.is_some() || !is_hosted(&row.labels)
}

#[cfg(test)]
mod tests {
    use mayfly_common::label::LabelSet;

    use super::*;
    use crate::ledger::{Ran, Worker};
    use JobStatus::{Completed, InProgress, Queued};
    use mayfly_common::job::{QueuedJob, QueuedJobs};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn repo() -> RepoSlug {
        RepoSlug::parse("o/r").unwrap()
    }

    fn job(status: JobStatus) -> EventJob {
        EventJob {
            id: 1,
            run_id: 1,
            name: "build".to_owned(),
            status,
            conclusion: (status == Completed).then(|| "success".to_owned()),
            labels: vec!["self-hosted".to_owned()],
            labels_unread: false,
            created_at: Some(at(0)),
            started_at: Some(at(5)),
            completed_at: (status == Completed).then(|| at(9)),
            runner_name: (status >= InProgress).then(|| "r1".to_owned()),
        }
    }

    /// A job that was queued, and is not any more since second 10.
    fn left(labels: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        let queued = QueuedJob {
            id: 1,
            repo: repo(),
            name: "build".to_owned(),
            labels: LabelSet::requested(labels),
            labels_unread: false,
            queued_at: at(0),
        };
        let list = |list| QueuedJobs { list, whole: true, taken: Vec::new() };
        ledger.polled(&repo(), &list(vec![queued]), at(1), at(0));
        assert!(asked(&ledger, 1).is_empty(), "it waits");
        ledger.polled(&repo(), &list(Vec::new()), at(10), at(0));
        ledger
    }

    /// What the runner `r1` left: it did not print a result.
    fn ran() -> Ran<'static> {
        let worker = Worker {
            runner: "r1".to_owned(),
            pool: "ci".to_owned(),
            scope: "repo:o/r".parse().unwrap(),
            created_at: at(0),
        };
        Ran { worker, job: Some("build"), result: None, started_at: Some(at(6)) }
    }

    fn asked(ledger: &Ledger, second: i64) -> Vec<i64> {
        ledger.questions(|_, _| Had::Gone, at(second)).into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn a_job_that_left_the_queue_is_asked_for_once_while_its_runner_works_and_once_after() {
        let mut ledger = left(&["self-hosted"]);
        assert_eq!(asked(&ledger, 10), [1]);
        ledger.found(&job(InProgress), at(10));
        let row = ledger.row(1).unwrap();
        assert_eq!((row.status, row.started_at), (InProgress, Some(at(5))));
        assert_eq!(row.runner.as_deref(), Some("r1"));
        let with = |had: Had, second| ledger.questions(|_, _| had, at(second)).len();
        assert_eq!(with(Had::AtWork, 9_999), 0, "our runner works");
        assert_eq!((with(Had::Offline, 69), with(Had::Offline, 70)), (0, 1), "GitHub lost it");
        assert!(ledger.ran(&ran(), at(30)));
        assert_eq!(asked(&ledger, 30), [1]);
        assert!(ledger.take_ended().is_empty(), "when it ended is not known");
        let row = ledger.row(1).unwrap();
        assert_eq!((row.status, row.completed_at), (InProgress, None), "nor whether it did");
        ledger.found(&job(Completed), at(30));
        let row = ledger.take_ended().remove(0);
        assert_eq!((row.started_at, row.completed_at), (Some(at(5)), Some(at(9))), "GitHub's");
        assert!(asked(&ledger, 99_999).is_empty());
    }

    #[test]
    fn a_job_that_ended_without_a_runner_never_began() {
        let mut ledger = left(&["self-hosted"]);
        let cancelled = EventJob {
            conclusion: Some("cancelled".to_owned()),
            runner_name: None,
            ..job(Completed)
        };
        ledger.found(&cancelled, at(10));
        let row = ledger.row(1).unwrap();
        assert_eq!((row.status, row.conclusion.as_deref()), (Completed, Some("cancelled")));
        assert_eq!(row.started_at, None, "GitHub gives the time it was made");
    }

    #[test]
    fn questions_are_few_and_end() {
        assert!(asked(&left(&["ubuntu-latest"]), 10).is_empty(), "GitHub's own machines have it");
        let mut ledger = left(&["self-hosted"]);
        let (mut second, mut times) = (10, 0);
        while second < 7_200 {
            if asked(&ledger, second) == [1] {
                times += 1;
                ledger.no_answer(1, NoAnswer::NoSuchJob, at(second));
            }
            second += 1;
        }
        assert_eq!(times, TRIES);
        // It waits after all.
        let mut ledger = left(&["self-hosted"]);
        ledger.found(&EventJob { started_at: None, ..job(Queued) }, at(11));
        assert!(ledger.row(1).unwrap().waits());
        // What a webhook tells the beginning of, it tells the end of.
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &job(InProgress), at(10));
        assert!(asked(&ledger, 9_999).is_empty());
        ledger.pools(|_| Some("ci"));
        assert_eq!(asked(&ledger, 9_999), [1], "but of a runner of ours that is gone");
    }

    #[test]
    fn a_job_that_waits_for_an_approval_waits_for_no_runner() {
        let mut ledger = left(&["self-hosted"]);
        let status = JobStatus::Waiting;
        ledger.found(&EventJob { status, ..job(Queued) }, at(11));
        assert!(!ledger.row(1).unwrap().waits());
    }

    #[test]
    fn the_first_answer_that_tells_of_a_new_state_begins_the_waits_anew() {
        let mut ledger = left(&["self-hosted"]);
        for second in [10, 20, 40] {
            ledger.no_answer(1, NoAnswer::Unclear, at(second));
        }
        ledger.found(&job(InProgress), at(80));
        ledger.pools(|_| Some("ci"));
        assert_eq!((asked(&ledger, 89).len(), asked(&ledger, 90).len()), (0, 1));
        ledger.found(&job(InProgress), at(90));
        assert_eq!((asked(&ledger, 109).len(), asked(&ledger, 110).len()), (0, 1));
    }

    #[test]
    fn where_webhooks_tell_the_end_of_a_job_has_its_time_to_arrive_after_its_runner_ended() {
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &job(InProgress), at(10));
        assert!(ledger.ran(&ran(), at(100)));
        assert_eq!((asked(&ledger, 129).len(), asked(&ledger, 130).len()), (0, 1));
        assert_eq!(ledger.row(1).unwrap().seen_at, at(100));
    }

    #[test]
    fn a_github_that_cannot_be_asked_uses_up_no_question() {
        let mut ledger = left(&["self-hosted"]);
        let (mut second, mut times) = (10, 0);
        // For five hours.
        while second < 18_000 {
            if asked(&ledger, second) == [1] {
                times += 1;
                ledger.no_answer(1, NoAnswer::Unreachable, at(second));
                ledger.take_changed();
                ledger.prune(at(second));
            }
            second += 1;
        }
        assert!((20..50).contains(&times), "a few an hour: {times}");
        ledger.no_answer(1, NoAnswer::Unclear, at(second));
        assert_eq!(asked(&ledger, second + 10), [1], "it is back: no long wait any more");
        ledger.found(&job(Completed), at(second + 10));
        assert_eq!(ledger.row(1).unwrap().status, Completed);
        // But nothing is kept for ever.
        let mut ledger = left(&["self-hosted"]);
        ledger.take_changed();
        ledger.prune(at(25 * 3_600));
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_job_that_a_list_may_hide_waits_until_github_says_otherwise() {
        let doubted = || {
            let mut ledger = Ledger::default();
            ledger.told(&repo(), &EventJob { runner_name: None, ..job(Queued) }, at(0));
            let odd = QueuedJobs::default();
            ledger.polled(&repo(), &odd, at(60), at(0));
            assert!(ledger.row(1).unwrap().waits() && ledger.is_doubted(&repo()));
            assert_eq!(asked(&ledger, 60), [1]);
            ledger
        };
        let mut ledger = doubted();
        for second in 60..7_200 {
            if asked(&ledger, second) == [1] {
                ledger.no_answer(1, NoAnswer::Unclear, at(second));
            }
        }
        assert!(ledger.row(1).unwrap().waits(), "nothing was said");
        assert_eq!(asked(&ledger, 8_000), [1], "it is asked for on and on");
        ledger.polled(
            &repo(),
            &QueuedJobs { whole: true, ..QueuedJobs::default() },
            at(8_001),
            at(0),
        );
        assert!(!ledger.row(1).unwrap().waits() && !ledger.is_doubted(&repo()));
        assert_eq!(asked(&ledger, 8_001), [1], "and what became of it anew");
        let mut ledger = doubted();
        ledger.no_answer(1, NoAnswer::NoSuchJob, at(60));
        assert!(!ledger.row(1).unwrap().waits());
        let mut ledger = doubted();
        ledger.found(&job(InProgress), at(60));
        assert!(!ledger.row(1).unwrap().waits() && !ledger.is_doubted(&repo()));
    }
}
