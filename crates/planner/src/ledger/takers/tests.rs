use mayfly_common::runner::RunnerState;
use mayfly_common::scope::ScopeKind;

use super::*;
use JobStatus::{Completed, InProgress};
use mayfly_common::job::QueuedJobs;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn repo(name: &str) -> RepoSlug {
    RepoSlug::parse(name).unwrap()
}

fn worker(runner: &str, scope: &str, made: i64) -> Worker {
    let (runner, pool) = (runner.to_owned(), "ci".to_owned());
    Worker { runner, pool, scope: scope.parse().unwrap(), created_at: at(made) }
}

fn job(id: i64, runner: &str, status: JobStatus) -> EventJob {
    EventJob {
        id,
        name: "build".to_owned(),
        status,
        conclusion: (status == Completed).then(|| "success".to_owned()),
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(100)),
        started_at: Some(at(101)),
        completed_at: (status == Completed).then(|| at(105)),
        runner_name: Some(runner.to_owned()),
    }
}

fn ran(worker: Worker, result: Option<JobResult>) -> Ran {
    Ran { worker, job: Some("build".to_owned()), result, started_at: Some(at(102)) }
}

/// The repositories to look through, each with the runners.
fn searches(ledger: &Ledger, active: &[&str], told: bool, second: i64) -> Vec<String> {
    let active: Vec<RepoSlug> = active.iter().map(|name| repo(name)).collect();
    let found = ledger.searches(&active, told, at(second));
    let text = |search: Search| {
        let runners: Vec<String> = search.runners.into_iter().collect();
        format!("{}: {}", search.repo, runners.join(" "))
    };
    found.into_iter().map(text).collect()
}

#[test]
fn a_list_that_is_read_anyway_tells_whose_job_it_is_and_nothing_is_looked_for() {
    for (scope, wanted) in [
        ("repo:o/r", true),
        ("org:o", true),
        ("enterprise:e", true),
        ("repo:o/other", false),
        ("org:other", false),
    ] {
        let mut ledger = Ledger::default();
        ledger.at_work(vec![worker("r1", scope, 0)], at(110));
        let taken = vec![job(1, "r1", InProgress), job(2, "stranger", InProgress)];
        let listed = QueuedJobs { taken, whole: true, ..QueuedJobs::default() };
        ledger.polled(&repo("o/r"), &listed, at(110), at(0));
        let row = ledger.row(1);
        assert_eq!(row.is_some(), wanted, "{scope}");
        assert_eq!((ledger.row(2), ledger.takers.len()), (None, usize::from(!wanted)));
        if let Some(row) = row {
            assert_eq!((row.pool.as_deref(), row.started_at), (Some("ci"), Some(at(101))));
            assert_eq!(row.told_at, None, "no webhook did");
        }
        // It is still at work.
        ledger.at_work(vec![worker("r1", scope, 0)], at(130));
        assert_eq!(ledger.next_search(false).is_none(), wanted);
    }
}

#[test]
fn a_runner_is_looked_for_once_however_long_it_works_and_later_where_webhooks_tell() {
    for (told, first) in [(false, 125), (true, 140)] {
        let mut ledger = Ledger::default();
        let mut looks = Vec::new();
        for second in 110..8_000 {
            ledger.at_work(vec![worker("r1", "repo:o/r", 0)], at(second));
            for search in ledger.searches(&[], told, at(second)) {
                looks.push(second);
                ledger.searched(&search, &[job(2, "stranger", Completed)], at(second));
                ledger.looked(&[(search, Looked::Answered)], at(second));
            }
            ledger.prune(at(second));
        }
        assert_eq!(looks, [first], "{told}");
        ledger.ran(&ran(worker("r1", "repo:o/r", 0), Some(JobResult::Succeeded)), at(8_000));
        assert!(searches(&ledger, &[], told, 9_999).is_empty(), "nor once it ended");
        assert_eq!(ledger.next_search(told), None);
        ledger.prune(at(20_000));
        assert!(ledger.takers.is_empty() && ledger.is_empty());
    }
}

#[test]
fn what_somebody_told_meanwhile_is_not_looked_for() {
    let mut ledger = Ledger::default();
    ledger.at_work(vec![worker("r1", "repo:o/r", 0)], at(110));
    ledger.told(&repo("o/r"), &job(1, "r1", InProgress), at(120));
    assert!(searches(&ledger, &[], true, 999).is_empty());
    // A runner that has a name of an earlier one has another job.
    ledger.told(&repo("o/r"), &job(1, "r1", Completed), at(120));
    let next = worker("r1", "repo:o/r", 200);
    ledger.at_work(vec![next.clone()], at(210));
    assert_eq!(searches(&ledger, &[], true, 999), ["o/r: r1"]);
    assert!(!ledger.ran(&ran(next, Some(JobResult::Failed)), at(220)));
    assert_eq!(ledger.row(1).unwrap().conclusion.as_deref(), Some("success"));
    let over = |made| ledger.over(std::iter::once(("r1", at(made)))).into_values().next();
    assert_eq!((over(0), over(200)), (Some(at(105)), None));
}

#[test]
fn a_runner_that_ends_after_an_unknown_job_has_what_waits_there_looked_at_once() {
    let queued =
        |id| EventJob { started_at: None, runner_name: None, ..job(id, "", JobStatus::Queued) };
    for (scope, wanted) in [
        ("repo:o/r", vec!["o/r"]),
        ("org:o", vec!["o/other", "o/r"]),
        ("enterprise:e", vec!["o/other", "o/r", "p/q"]),
        ("repo:o/idle", vec![]),
    ] {
        let mut ledger = Ledger::default();
        for (id, name) in [(1, "o/r"), (2, "o/other"), (3, "p/q")] {
            ledger.told(&repo(name), &queued(id), at(100));
        }
        let lost = |ledger: &Ledger, second| -> Vec<String> {
            ledger.news_lost(at(second)).iter().map(ToString::to_string).collect()
        };
        ledger.at_work(vec![worker("r1", scope, 0)], at(110));
        assert!(lost(&ledger, 999).is_empty(), "it is still at work: {scope}");
        ledger.ran(&ran(worker("r1", scope, 0), Some(JobResult::Succeeded)), at(120));
        let next = ledger.next_loss(at(120));
        assert_eq!(next, (!wanted.is_empty()).then_some(at(135)), "{scope}");
        assert!(lost(&ledger, 134).is_empty(), "{scope}");
        assert_eq!(lost(&ledger, 135), wanted);
        assert_eq!(ledger.next_loss(at(135)), None, "nothing that is due already");
        // One that was asked before the list could know says nothing; the next one all.
        for second in [134, 136] {
            for name in &wanted {
                let listed = QueuedJobs { whole: true, ..QueuedJobs::default() };
                ledger.polled(&repo(name), &listed, at(second), at(0));
            }
        }
        assert!(lost(&ledger, 999).is_empty(), "{scope}");
    }
    // Nor where its job is known.
    let mut ledger = Ledger::default();
    ledger.told(&repo("o/r"), &queued(1), at(100));
    ledger.told(&repo("o/r"), &job(2, "r1", InProgress), at(101));
    ledger.ran(&ran(worker("r1", "repo:o/r", 0), Some(JobResult::Succeeded)), at(120));
    assert!(ledger.news_lost(at(999)).is_empty());
}

#[test]
fn what_is_found_is_github_s_and_what_is_not_known_is_none() {
    let ended = |result| {
        let mut ledger = Ledger::default();
        assert!(!ledger.ran(&ran(worker("r1", "repo:o/r", 0), result), at(106)));
        ledger
    };
    let look = |ledger: &mut Ledger, found: &EventJob| {
        let search = ledger.searches(&[], false, at(121)).remove(0);
        assert_eq!(search.since, at(102) - CLOCKS);
        ledger.searched(&search, std::slice::from_ref(found), at(121));
        ledger.looked(&[(search, Looked::Answered)], at(121));
    };
    let mut ledger = ended(Some(JobResult::Failed));
    look(&mut ledger, &job(1, "r1", Completed));
    let row = ledger.take_ended().remove(0);
    assert_eq!((row.started_at, row.completed_at), (Some(at(101)), Some(at(105))));
    assert_eq!((row.conclusion.as_deref(), row.pool.as_deref()), (Some("success"), Some("ci")));
    // GitHub does not know its end yet, nor does the runner say it.
    let mut ledger = ended(None);
    look(&mut ledger, &job(1, "r1", InProgress));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.completed_at), (InProgress, None));
    assert_eq!(ledger.questions(|_, _| crate::ledger::Had::Gone, at(121)).len(), 1);
}

#[test]
fn the_looks_for_one_runner_count_as_one_and_a_spent_budget_costs_seconds() {
    let active = ["o/a", "o/b", "o/c", "o/d", "o/e"].map(repo);
    let look = |ledger: &mut Ledger, second, of: &dyn Fn(usize) -> Looked| {
        let searches = ledger.searches(&active, false, at(second));
        let looks = searches.into_iter().enumerate().map(|(at, search)| (search, of(at)));
        let looks: Vec<_> = looks.collect();
        ledger.looked(&looks, at(second));
        looks.len()
    };
    let begun = || {
        let mut ledger = Ledger::default();
        ledger.at_work(vec![worker("r1", "org:o", 0)], at(0));
        ledger
    };
    let next =
        |ledger: &Ledger| ledger.next_search(false).map(|due| due.duration_since(at(0)).as_secs());
    // Put off once and again: each time for ten seconds, whatever the number of repositories.
    let mut ledger = begun();
    for second in [15, 25, 35] {
        assert_eq!(look(&mut ledger, second, &|_| Looked::PutOff), 5);
        assert_eq!(next(&ledger), Some(second + 10));
    }
    // A failure of one is a failure of all, once; waits grow by passes and not by repositories.
    let mut ledger = begun();
    let first_fails = |at| if at == 0 { Looked::Failed } else { Looked::Answered };
    assert_eq!(look(&mut ledger, 15, &first_fails), 5);
    assert_eq!(next(&ledger), Some(25));
    assert_eq!(look(&mut ledger, 25, &|_| Looked::Failed), 5);
    assert_eq!(next(&ledger), Some(45));
    assert_eq!(look(&mut ledger, 45, &|_| Looked::Answered), 5);
    assert_eq!(next(&ledger), None);
}

#[test]
fn a_look_costs_a_few_repositories_and_waits_longer_after_each_failure() {
    let active = ["o/a", "x/y", "o/b", "o/c", "o/d", "o/e", "o/f", "o/g"];
    let mut ledger = Ledger::default();
    ledger.at_work(vec![worker("r1", "org:o", 0)], at(0));
    ledger.at_work(vec![worker("r2", "repo:o/c", 0), worker("r3", "repo:p/q", 0)], at(1));
    let first = ["o/a: r1", "o/b: r1", "o/c: r1 r2", "o/d: r1", "o/e: r1"];
    assert_eq!(searches(&ledger, &active, false, 16), first);
    for search in ledger.searches(&active.map(repo), false, at(16)) {
        ledger.looked(&[(search, Looked::Answered)], at(16));
    }
    assert_eq!(searches(&ledger, &active, false, 17), ["p/q: r3"], "it had to wait");
    let mut tries = 0;
    for second in 17..18_000 {
        for search in ledger.searches(&[], false, at(second)) {
            tries += 1;
            ledger.looked(&[(search, Looked::Failed)], at(second));
        }
    }
    assert!((20..50).contains(&tries), "a few an hour: {tries}");
    ledger.prune(at(100_000));
    assert!(ledger.takers.is_empty(), "nothing is kept for ever");
    let many = |from: i64| (from..from + 150).map(|id| worker(&id.to_string(), "repo:o/r", 0));
    ledger.at_work(many(0).collect(), at(0));
    ledger.at_work(many(150).collect(), at(0));
    assert_eq!(ledger.takers.len(), MOST);
}

#[test]
fn after_a_restart_only_what_ended_lately_after_a_job_is_looked_for() {
    let gone = |scope_name: &str, removed: i64| Finished {
        name: "r1".to_owned(),
        scope: ScopeKind::Repo,
        scope_name: scope_name.to_owned(),
        pool: "ci".to_owned(),
        image: "img:1".to_owned(),
        state: RunnerState::Finished,
        reason: String::new(),
        exit_code: Some(0),
        out_of_memory: false,
        created_at: at(0),
        removed_at: at(removed),
        log: None,
    };
    let worked = "2026-01-01 00:00:00Z: Running job: build\n";
    let found = Worker::lately_gone(&gone("o/r", 1_000), worked, at(1_299));
    assert_eq!(found, Some(worker("r1", "repo:o/r", 0)));
    assert_eq!(Worker::lately_gone(&gone("o/r", 1_000), worked, at(1_300)), None, "long ago");
    assert_eq!(Worker::lately_gone(&gone("o/r", 1_000), "Listening for Jobs\n", at(1_001)), None);
    assert_eq!(Worker::lately_gone(&gone("no scope", 1_000), worked, at(1_001)), None);
}

/// A pool with stable names gives a name again.
#[test]
fn each_machine_of_a_name_has_the_repository_of_its_own_job() {
    let mut ledger = Ledger::default();
    ledger.told(&repo("o/first"), &job(1, "r1", Completed), at(110));
    let second = EventJob { started_at: Some(at(201)), ..job(2, "r1", InProgress) };
    ledger.told(&repo("o/second"), &second, at(210));
    let of = |made| {
        let found = ledger.repositories(std::iter::once(("r1", at(made))));
        found.into_values().next().map(RepoSlug::to_string)
    };
    assert_eq!(of(0).as_deref(), Some("o/first"));
    assert_eq!(of(200).as_deref(), Some("o/second"));
    assert_eq!(of(300), None);
}

#[test]
fn a_runner_whose_job_is_found_by_its_name_is_looked_for_no_more() {
    let mut ledger = Ledger::default();
    let worker = worker("r1", "repo:o/r", 0);
    ledger.at_work(vec![worker.clone()], at(110));
    let queued = EventJob { runner_name: None, ..job(1, "r1", JobStatus::Queued) };
    ledger.told(&repo("o/r"), &queued, at(110));
    let none = QueuedJobs { whole: true, ..QueuedJobs::default() };
    ledger.polled(&repo("o/r"), &none, at(130), at(0));
    assert_eq!(ledger.takers.len(), 1);
    assert!(ledger.ran(&ran(worker, Some(JobResult::Succeeded)), at(140)));
    assert_eq!((ledger.takers.len(), ledger.next_search(false)), (0, None));
}

#[test]
fn what_a_runner_said_before_its_job_was_known_counts_once_it_is() {
    let mut ledger = Ledger::default();
    let begun = job(1, "r1", InProgress);
    assert!(!ledger.ran(&ran(worker("r1", "repo:o/r", 0), Some(JobResult::Failed)), at(106)));
    let listed = QueuedJobs { taken: vec![begun], whole: true, ..QueuedJobs::default() };
    ledger.polled(&repo("o/r"), &listed, at(110), at(0));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.conclusion.as_deref()), (Completed, Some("failure")));
    assert_eq!((row.completed_at, row.pool.as_deref()), (Some(at(106)), Some("ci")));
    assert!(ledger.takers.is_empty());
}

#[test]
fn a_job_of_a_name_that_an_earlier_machine_had_is_not_that_of_the_later_one() {
    let mut ledger = Ledger::default();
    ledger.at_work(vec![worker("r1", "repo:o/r", 102)], at(110));
    let listed = QueuedJobs { taken: vec![job(1, "r1", InProgress)], ..QueuedJobs::default() };
    ledger.polled(&repo("o/r"), &listed, at(110), at(0));
    assert_eq!((ledger.takers.len(), ledger.row(1).unwrap().pool.as_deref()), (1, None));
}

#[test]
fn a_list_tells_of_the_runner_of_a_known_job_whoever_s_it_is() {
    let mut ledger = Ledger::default();
    let queued = EventJob { runner_name: None, ..job(1, "", JobStatus::Queued) };
    ledger.told(&repo("o/r"), &queued, at(100));
    let listed =
        QueuedJobs { taken: vec![job(1, "stranger", InProgress)], ..QueuedJobs::default() };
    ledger.polled(&repo("o/r"), &listed, at(110), at(0));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.runner.as_deref()), (InProgress, Some("stranger")));
    // It counts as an answer to the question for it.
    let asked = |second| ledger.questions(|_, _| crate::ledger::Had::Gone, at(second)).len();
    assert_eq!((asked(119), asked(130)), (0, 0), "and its end is told");
}

#[test]
fn the_runner_that_waited_longest_is_looked_for_first_and_from_when_the_first_began() {
    let mut ledger = Ledger::default();
    // Eight places, more than are looked through at once; the last ones in the alphabet wait the longest.
    for (number, second) in (0..8).zip((0..8).rev()) {
        let worker = worker(&format!("r{number}"), &format!("repo:o/r{number}"), 0);
        ledger.at_work(vec![worker], at(second));
    }
    assert_eq!(ledger.next_search(false), Some(at(15)));
    let found = searches(&ledger, &[], false, 99);
    assert_eq!(found.len(), REPOSITORIES);
    assert!(found.iter().any(|line| line == "o/r7: r7"), "{found:?}");
    assert!(found.iter().all(|line| line != "o/r0: r0"), "{found:?}");
    for order in [[50, 20, 70], [20, 70, 50], [70, 50, 20]] {
        let mut ledger = Ledger::default();
        for (number, made) in (0..).zip(order) {
            ledger.at_work(vec![worker(&format!("r{number}"), "repo:o/r", made)], at(80));
        }
        let since: Vec<_> =
            ledger.searches(&[], false, at(99)).into_iter().map(|search| search.since).collect();
        assert_eq!(since, [at(20) - CLOCKS], "{order:?}");
    }
}

#[test]
fn of_several_losses_the_first_is_next() {
    let mut ledger = Ledger::default();
    let queued = EventJob { started_at: None, runner_name: None, ..job(1, "", JobStatus::Queued) };
    ledger.told(&repo("o/r"), &queued, at(100));
    for (runner, second) in [("r1", 130), ("r2", 120), ("r3", 140)] {
        let end = Ran { job: None, ..ran(worker(runner, "repo:o/r", 0), None) };
        assert!(!ledger.ran(&end, at(second)));
    }
    assert_eq!(ledger.next_loss(at(120)), Some(at(135)));
    // A look counts for what its list could know of, to the second.
    let queued = |second| {
        let listed = mayfly_common::job::QueuedJob {
            id: 1,
            repo: repo("o/r"),
            name: "build".to_owned(),
            labels: mayfly_common::label::LabelSet::requested(["self-hosted"]),
            labels_unread: false,
            queued_at: at(second),
        };
        QueuedJobs { list: vec![listed], whole: true, ..QueuedJobs::default() }
    };
    ledger.polled(&repo("o/r"), &queued(100), at(145), at(0));
    assert_eq!(ledger.next_loss(at(120)), Some(at(155)));
}
