//! What GitHub is asked about single jobs: what became of those that left the queue or ended without anybody telling. Pure.
//!
//! One request when a job leaves the queue tells its runner and when it began, or that it was cancelled; one when its runner has
//! ended tells when it ended, and how. A job of somebody else's runner is asked for again now and then.

use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;
use mayfly_common::webhook::{EventJob, JobStatus};

use super::{LAG, Ledger, Row};
use crate::scaling::choice::is_hosted;

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

/// The wait after so many questions.
fn wait(times: u32) -> SignedDuration {
    if times == 0 {
        return DELIVERY;
    }
    let factor = 1i32.checked_shl((times - 1).min(16)).unwrap_or(i32::MAX);
    FIRST.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST)
}

impl Ledger {
    /// The jobs to ask GitHub about now. `works`: whether a runner of ours is there; as long as it is, its job is not over.
    pub fn questions(&self, works: impl Fn(&str) -> bool, now: Timestamp) -> Vec<(RepoSlug, i64)> {
        let open = |row: &&Row| {
            let told = row.told_at.is_some_and(|at| now.duration_since(at) < LAG);
            let ours = row.pool.is_some() || !is_hosted(&row.labels);
            let left = row.status == JobStatus::Queued && row.left_at.is_some() && !row.expired();
            // Webhooks tell the end of what they told the beginning of; of our own runners we know better.
            let runs = row.status == JobStatus::InProgress
                && (row.told_at.is_none() || row.pool.is_some())
                && !row.runner.as_deref().is_some_and(&works);
            !told && ours && (left || runs || self.unconfirmed.contains(&row.id))
        };
        let due = |row: &&Row| match self.asked.get(&row.id) {
            None => true,
            Some((times, _)) if *times >= TRIES && row.status != JobStatus::InProgress => false,
            // A moment that lies ahead is from before the clock was set back.
            Some((times, at)) => *at > now || now.duration_since(*at) >= wait(*times),
        };
        let questions = self.rows.values().filter(open).filter(due).take(AT_ONCE);
        questions.map(|row| (row.repo.clone(), row.id)).collect()
    }

    /// What GitHub says of a job that it was asked about.
    pub fn found(&mut self, job: &EventJob, now: Timestamp) {
        let Some(row) = self.rows.get(&job.id) else { return };
        let (repo, before) = (row.repo.clone(), row.status);
        self.learn(&repo, job, now);
        self.count_question(job.id, now);
        if let Some(row) = self.rows.get_mut(&job.id) {
            if row.status != before {
                self.asked.insert(job.id, (1, now));
            }
            if job.status == JobStatus::Queued && row.status == JobStatus::Queued {
                row.left_at = None;
            }
        }
    }

    /// GitHub was asked about a job and does not know it, or could not say.
    pub fn not_found(&mut self, id: i64, now: Timestamp) {
        self.count_question(id, now);
    }

    fn count_question(&mut self, id: i64, now: Timestamp) {
        let (times, at) = self.asked.entry(id).or_insert((0, now));
        (*times, *at) = (times.saturating_add(1), now);
        // What the runner said stands, then.
        if *times >= TRIES {
            self.unconfirmed.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_common::label::LabelSet;

    use super::*;
    use crate::ledger::Ran;
    use crate::model::QueuedJob;
    use JobStatus::{Completed, InProgress, Queued};

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
            queued_at: at(0),
        };
        ledger.polled(&repo(), &[queued], at(1), at(0));
        assert!(asked(&ledger, 1).is_empty(), "it waits");
        ledger.polled(&repo(), &[], at(10), at(0));
        ledger
    }

    fn asked(ledger: &Ledger, second: i64) -> Vec<i64> {
        ledger.questions(|_| false, at(second)).into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn a_job_that_left_the_queue_is_asked_for_once_while_its_runner_works_and_once_after() {
        let mut ledger = left(&["self-hosted"]);
        assert_eq!(asked(&ledger, 10), [1]);
        ledger.found(&job(InProgress), at(10));
        let row = ledger.row(1).unwrap();
        assert_eq!((row.status, row.started_at), (InProgress, Some(at(5))));
        assert_eq!(row.runner.as_deref(), Some("r1"));
        assert!(ledger.questions(|name| name == "r1", at(9_999)).is_empty(), "our runner works");
        let scope = "repo:o/r".parse().unwrap();
        let (result, started_at) = (None, Some(at(6)));
        let ran =
            Ran { runner: "r1", pool: "ci", scope: &scope, job: Some("build"), result, started_at };
        assert!(ledger.ran(&ran, at(30)));
        assert_eq!(asked(&ledger, 30), [1]);
        assert!(ledger.take_ended().is_empty(), "when it ended is not known");
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
                ledger.not_found(1, at(second));
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
}
