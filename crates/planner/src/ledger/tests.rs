use proptest::prelude::*;

use mayfly_common::scope::Scope;

use mayfly_common::job::QueuedJobs;
use mayfly_common::label::LabelSet;
use mayfly_common::webhook::EventJob;

use super::*;
use crate::lifecycle::JobResult;
use JobStatus::{Completed, InProgress, Queued, Waiting};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn repo() -> RepoSlug {
    RepoSlug::parse("o/r").unwrap()
}

/// What GitHub tells of job `id` in each of its states.
pub(crate) fn event(id: i64, status: JobStatus) -> EventJob {
    let from = |least, value: i64| (status >= least).then(|| at(value));
    EventJob {
        id,
        name: format!("job {id}"),
        status,
        conclusion: (status == Completed).then(|| "success".to_owned()),
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: Some(from(InProgress, 5).unwrap_or(at(0))),
        completed_at: from(Completed, 9),
        runner_name: (status >= InProgress).then(|| "runner".to_owned()),
    }
}

fn listed(id: i64) -> QueuedJob {
    QueuedJob {
        id,
        repo: repo(),
        name: format!("job {id}"),
        labels: LabelSet::requested(["self-hosted"]),
        labels_unread: false,
        queued_at: at(0),
    }
}

fn whole<const N: usize>(list: [QueuedJob; N]) -> QueuedJobs {
    QueuedJobs { list: list.into(), whole: true, taken: Vec::new() }
}

fn worker(runner: &str, scope: &Scope) -> Worker {
    let (runner, pool, created_at) = (runner.to_owned(), "ci".to_owned(), at(0));
    Worker { runner, pool, scope: scope.clone(), created_at }
}

fn waiting(ledger: &Ledger) -> Vec<i64> {
    ledger.queued(|_| true).iter().map(|job| job.id).collect()
}

#[test]
fn only_what_is_queued_waits() {
    for (status, expected) in [(Waiting, 0), (Queued, 1), (InProgress, 0), (Completed, 0)] {
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &event(1, status), at(1));
        assert_eq!(waiting(&ledger).len(), expected, "{status:?}");
    }
}

/// Its runner died before it began, say, or GitHub was restored from a backup: what GitHub lists as queued gets a runner.
#[test]
fn a_job_that_github_lists_as_queued_for_longer_than_lists_lag_waits_again() {
    let list = || whole([listed(1)]);
    let taken = |status| QueuedJobs { taken: vec![event(1, status)], ..list() };
    for status in [InProgress, Completed] {
        let begun = |by_webhook: bool| {
            let mut ledger = Ledger::default();
            if by_webhook {
                ledger.told(&repo(), &event(1, status), at(0));
            } else {
                ledger.polled(&repo(), &list(), at(0), at(0));
                ledger.polled(&repo(), &whole([]), at(0), at(0));
                ledger.found(&event(1, status), at(0));
            }
            assert_eq!(ledger.row(1).unwrap().runner.as_deref(), Some("runner"));
            ledger
        };
        // Where no webhook told of an end, the first list counts.
        for by_webhook in [true, false].into_iter().take(if status == Completed { 1 } else { 2 }) {
            let mut ledger = begun(by_webhook);
            for second in [20, 30, 34] {
                ledger.polled(&repo(), &list(), at(second), at(0));
                assert_eq!(waiting(&ledger), [0; 0], "{status:?} {by_webhook} {second}");
            }
            ledger.take_changed();
            ledger.polled(&repo(), &list(), at(35), at(0));
            assert_eq!(waiting(&ledger), [1], "{status:?} {by_webhook}");
            let row = ledger.row(1).unwrap();
            let times = (row.started_at, row.completed_at, row.conclusion.as_deref());
            assert_eq!((row.runner.as_deref(), times), (None, (None, None, None)));
            assert!(ledger.take_changed().iter().any(|row| row.id == 1));
            // It begins once more.
            ledger.told(&repo(), &event(1, InProgress), at(40));
            assert_eq!(waiting(&ledger), [0; 0]);
        }
        // What says otherwise in between begins the period anew.
        let between: [&dyn Fn(&mut Ledger); 3] = [
            &|ledger| ledger.told(&repo(), &event(1, status), at(30)),
            &|ledger| {
                ledger.polled(&repo(), &whole([]), at(30), at(0));
            },
            &|ledger| {
                ledger.polled(&repo(), &taken(status), at(30), at(0));
            },
        ];
        for otherwise in between {
            let mut ledger = begun(true);
            ledger.polled(&repo(), &list(), at(20), at(0));
            otherwise(&mut ledger);
            ledger.polled(&repo(), &list(), at(46), at(0));
            assert_eq!(waiting(&ledger), [0; 0], "{status:?}");
            ledger.polled(&repo(), &list(), at(61), at(0));
            assert_eq!(waiting(&ledger), [1], "{status:?}");
        }
    }
}

#[test]
fn an_event_that_comes_late_changes_nothing() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(1));
    ledger.told(&repo(), &event(1, Queued), at(2));
    assert!(waiting(&ledger).is_empty());
    ledger.polled(&repo(), &whole([listed(1)]), at(3), at(0));
    assert!(waiting(&ledger).is_empty(), "nor does a list that lags behind");
}

#[test]
fn every_job_of_a_renamed_repository_has_its_new_name_and_stays_as_it_is() {
    let renamed = RepoSlug::parse("o/renamed").unwrap();
    let mut ledger = Ledger::default();
    for (id, status) in [(1, Queued), (2, InProgress), (3, Completed)] {
        ledger.told(&repo(), &event(id, status), at(1));
    }
    ledger.take_changed();
    ledger.renamed(&BTreeMap::from([(repo(), renamed.clone())]));
    let changed: Vec<_> =
        ledger.take_changed().into_iter().map(|row| (row.repo, row.status)).collect();
    assert_eq!(changed, [Queued, InProgress, Completed].map(|status| (renamed.clone(), status)));
    ledger.forget(&repo(), at(2));
    assert_eq!(waiting(&ledger), [1]);
    ledger.renamed(&BTreeMap::from([(repo(), renamed)]));
    assert!(ledger.take_changed().is_empty(), "there is none of the old name");
}

#[test]
fn a_job_whose_repository_is_renamed_waits_under_the_new_name() {
    let renamed = RepoSlug::parse("o/renamed").unwrap();
    let listed_there = || whole([QueuedJob { repo: renamed.clone(), ..listed(1) }]);
    let of_new = |ledger: &Ledger| {
        let queued = ledger.queued(|row| row.repo == renamed);
        queued.iter().map(|job| (job.id, job.repo.clone())).collect::<Vec<_>>()
    };
    // By its list, whether the old name was forgotten before or not; and by a webhook, told of before or not.
    for forgotten in [false, true] {
        let mut ledger = Ledger::default();
        ledger.polled(&repo(), &whole([listed(1)]), at(10), at(0));
        if forgotten {
            ledger.forget(&repo(), at(11));
        }
        ledger.take_changed();
        ledger.polled(&renamed, &listed_there(), at(12), at(0));
        assert_eq!(of_new(&ledger), [(1, renamed.clone())], "{forgotten}");
        assert_eq!(ledger.take_changed().len(), 1, "and it is kept so");
        ledger.forget(&repo(), at(13));
        ledger.polled(&repo(), &whole([]), at(14), at(0));
        assert_eq!(of_new(&ledger).len(), 1);
    }
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Queued), at(1));
    ledger.told(&renamed, &event(1, InProgress), at(2));
    ledger.told(&repo(), &event(1, Queued), at(3));
    assert_eq!(ledger.row(1).map(|row| &row.repo), Some(&renamed), "a late event changes nothing");
}

#[test]
fn githubs_list_has_the_last_word_but_for_what_it_cannot_know_yet() {
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(10), at(0));
    ledger.told(&repo(), &event(3, Queued), at(100));
    assert_eq!(waiting(&ledger), [1, 2, 3]);
    ledger.polled(&repo(), &whole([listed(2)]), at(110), at(0));
    assert_eq!(waiting(&ledger), [2, 3], "3 is too new for the list");
    ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(116), at(0));
    assert_eq!(waiting(&ledger), [1, 2], "1 waits after all");
    let other = RepoSlug::parse("o/other").unwrap();
    ledger.polled(&other, &whole([]), at(117), at(0));
    assert_eq!(waiting(&ledger), [1, 2], "another repository's list says nothing");
    ledger.forget(&repo(), at(118));
    assert!(waiting(&ledger).is_empty());
}

#[test]
fn what_webhooks_did_not_tell_is_noticed() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Queued), at(1));
    let poll = |ledger: &mut Ledger, second, listening| {
        ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(second), at(listening))
    };
    assert_eq!(poll(&mut ledger, 15, -1), 0, "its delivery may be under way");
    assert_eq!(poll(&mut ledger, 16, -1), 1);
    assert_eq!(poll(&mut ledger, 16, 0), 0, "it was queued before we listened");
    assert_eq!(ledger.waiting_in(), BTreeMap::from([(repo(), false)]));
}

#[test]
fn what_is_over_is_kept_for_an_hour() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(0));
    ledger.told(&repo(), &event(2, Queued), at(0));
    assert_eq!(ledger.take_changed().len(), 2);
    assert!(ledger.take_changed().is_empty());
    ledger.prune(at(3_599));
    assert_eq!(ledger.len(), 2);
    ledger.prune(at(3_600));
    assert_eq!((ledger.len(), waiting(&ledger)), (1, vec![2]));
}

#[test]
fn a_job_that_runs_is_known_until_its_end() {
    const HOUR: i64 = 3_600;
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, InProgress), at(0));
    ledger.take_changed();
    ledger.pools(|_| Some("default"));
    ledger.take_changed();
    ledger.prune(at(100 * HOUR));
    assert_eq!(ledger.len(), 1, "nobody tells of it meanwhile");
    ledger.told(&repo(), &event(1, Completed), at(100 * HOUR));
    assert_eq!(ledger.take_ended().len(), 1, "its end counts");
    let mut lost = Ledger::default();
    lost.told(&repo(), &event(1, InProgress), at(0));
    lost.take_changed();
    lost.prune(at(121 * HOUR));
    assert!(lost.is_empty(), "no job runs for longer than five days");
}

#[test]
fn a_job_waits_however_long_ago_it_was_made() {
    const DAY: i64 = 86_400;
    // Made two days ago, approved now: by webhook, and by list.
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Waiting), at(0));
    ledger.prune(at(2 * DAY));
    ledger.told(&repo(), &event(1, Queued), at(2 * DAY));
    ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(2 * DAY + 20), at(0));
    ledger.prune(at(2 * DAY + 20));
    assert_eq!(waiting(&ledger), [1, 2]);
    // What GitHub lists waits on; what nobody tells of for as long as GitHub lets a job wait has ended unseen.
    ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(4 * DAY), at(0));
    ledger.prune(at(4 * DAY));
    assert_eq!(waiting(&ledger), [1, 2]);
    ledger.prune(at(5 * DAY - 1));
    assert_eq!(waiting(&ledger), [1, 2]);
    ledger.take_changed();
    ledger.prune(at(5 * DAY));
    assert!(waiting(&ledger).is_empty());
    let gone = ledger.take_changed();
    assert!(gone.len() == 2 && gone.iter().all(Row::expired), "the store is told: {gone:?}");
    ledger.prune(at(5 * DAY));
    assert!(ledger.is_empty(), "nothing is kept for ever");
    // GitHub has the last word.
    ledger.load(gone);
    ledger.polled(&repo(), &whole([listed(1)]), at(5 * DAY + 1), at(0));
    ledger.prune(at(5 * DAY + 1));
    assert_eq!(waiting(&ledger), [1]);
}

#[test]
fn what_an_earlier_process_left_goes_on() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Queued), at(0));
    let rows = ledger.take_changed();
    let mut next = Ledger::default();
    next.load(rows);
    assert_eq!(waiting(&next), [1]);
    assert!(next.take_changed().is_empty());
}

proptest! {
    /// Deliveries come in any order and any number: the row is the same in the end.
    #[test]
    fn the_order_of_events_does_not_matter(order in prop::collection::vec(0..4usize, 0..12)) {
        let all = [Waiting, Queued, InProgress, Completed];
        let mut straight = Ledger::default();
        for status in all {
            straight.told(&repo(), &event(1, status), at(50));
        }
        let mut ledger = Ledger::default();
        for index in order.into_iter().chain([3, 1, 0, 2]) {
            ledger.told(&repo(), &event(1, all[index]), at(50));
        }
        prop_assert_eq!(ledger.take_changed(), straight.take_changed());
    }
}

#[test]
fn a_runner_s_own_words_complete_what_nobody_told() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    let other: Scope = "repo:o/other".parse().unwrap();
    let ran = |runner, scope| Ran {
        worker: worker(runner, scope),
        job: Some("job 1".to_owned()),
        result: Some(JobResult::Failed),
        started_at: Some(at(3)),
    };
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([listed(1), listed(2)]), at(1), at(0));
    ledger.ran(&ran("elsewhere", &other), at(9));
    assert_eq!(ledger.row(1).unwrap().status, Queued, "a runner of another place had another job");
    ledger.ran(&ran("r1", &scope), at(9));
    assert_eq!(ledger.row(1).unwrap().status, Queued, "it waits: another one of that name ended");
    ledger.polled(&repo(), &whole([listed(2)]), at(8), at(0));
    ledger.ran(&ran("r1", &scope), at(9));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.status, row.conclusion.as_deref()), (Completed, Some("failure")));
    assert_eq!((row.runner.as_deref(), row.pool.as_deref()), (Some("r1"), Some("ci")));
    assert_eq!((row.started_at, row.completed_at), (Some(at(3)), Some(at(9))));
    assert_eq!(ledger.row(2).unwrap().status, Queued);
    // It waits after all.
    let mut again = ledger.clone();
    again.polled(&repo(), &whole([listed(1)]), at(12), at(0));
    assert!(again.row(1).unwrap().waits() && again.row(1).unwrap().runner.is_none());
    // What a webhook told of the runner and the end counts for more.
    let told = event(3, Completed);
    ledger.told(&repo(), &told, at(20));
    ledger.pools(|runner| (runner == "runner").then_some("gpu"));
    ledger.ran(&ran("runner", &scope), at(21));
    let row = ledger.row(3).unwrap();
    assert_eq!((row.conclusion.as_deref(), row.completed_at), (Some("success"), Some(at(9))));
}

#[test]
fn a_printed_name_ends_no_job_of_another_repository() {
    let org: Scope = "org:o".parse().unwrap();
    let enterprise: Scope = "enterprise:e".parse().unwrap();
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([listed(1)]), at(1), at(0));
    ledger.polled(&repo(), &whole([]), at(8), at(0));
    for scope in [&org, &enterprise] {
        let ran = Ran {
            worker: worker("r1", scope),
            job: Some("job 1".to_owned()),
            result: Some(JobResult::Succeeded),
            started_at: Some(at(3)),
        };
        assert!(!ledger.ran(&ran, at(9)));
        assert_eq!(ledger.row(1).unwrap().status, Queued, "{scope}");
    }
    // GitHub told which job the runner has.
    ledger.told(&repo(), &event(2, InProgress), at(9));
    let ran = Ran {
        worker: worker("runner", &org),
        job: Some("job 1".to_owned()),
        result: Some(JobResult::Failed),
        started_at: None,
    };
    assert!(ledger.ran(&ran, at(10)));
    assert_eq!((ledger.row(1).unwrap().status, ledger.row(2).unwrap().status), (Queued, Completed));
}

#[test]
fn github_s_conclusion_counts_for_more_than_what_a_runner_printed() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    let ran = Ran {
        worker: worker("runner", &scope),
        job: Some("job 1".to_owned()),
        result: Some(JobResult::Succeeded),
        started_at: Some(at(3)),
    };
    let failed = EventJob { conclusion: Some("failure".to_owned()), ..event(1, Completed) };
    for printed_first in [true, false] {
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &event(1, InProgress), at(1));
        if printed_first {
            ledger.ran(&ran, at(9));
            assert_eq!(ledger.row(1).unwrap().conclusion.as_deref(), Some("success"));
        }
        ledger.told(&repo(), &failed, at(9));
        ledger.ran(&ran, at(10));
        assert_eq!(ledger.row(1).unwrap().conclusion.as_deref(), Some("failure"));
    }
}

#[test]
fn no_job_began_before_it_was_queued_or_after_it_ended() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    for (printed, expected) in [(-63_000_000_000, 0), (3, 3), (63_000_000_000, 9)] {
        let mut ledger = Ledger::default();
        ledger.polled(&repo(), &whole([listed(1)]), at(1), at(0));
        ledger.polled(&repo(), &whole([]), at(8), at(0));
        let ran = Ran {
            worker: worker("r1", &scope),
            job: Some("job 1".to_owned()),
            result: None,
            started_at: Some(at(printed)),
        };
        assert!(ledger.ran(&ran, at(9)));
        assert_eq!(ledger.row(1).unwrap().started_at, Some(at(expected)), "{printed}");
    }
}

#[test]
fn rows_that_could_not_be_kept_are_handed_out_again() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(1));
    let changed = ledger.take_changed();
    assert!(ledger.take_changed().is_empty());
    ledger.keep_later(&changed);
    ledger.prune(at(1_000_000));
    assert_eq!(ledger.take_changed(), changed, "what waits for the file is not forgotten");
    ledger.prune(at(1_000_000));
    ledger.keep_later(&changed);
    assert!(ledger.take_changed().is_empty());
}

#[test]
fn an_end_that_is_all_that_was_told_of_a_job_of_ours_counts_once() {
    let ours = |ledger: &mut Ledger| {
        ledger.pools(|runner| (runner == "runner").then_some("ci"));
        ledger.take_ended().len()
    };
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(10));
    assert!(ledger.take_ended().is_empty(), "whose it is is not known");
    assert_eq!(ours(&mut ledger), 1);
    ledger.told(&repo(), &event(1, Completed), at(20));
    assert_eq!(ours(&mut ledger), 0);
    ledger.take_changed();
    ledger.prune(at(2 * 3_600));
    assert!(ledger.is_empty());
    ledger.told(&repo(), &event(1, Completed), at(2 * 3_600));
    assert_eq!(ours(&mut ledger), 0, "it was counted before it was forgotten");
}

#[test]
fn when_a_job_was_queued_is_known_where_it_was_seen_soon_after_it_was_made() {
    const HOUR: i64 = 3_600;
    let queued = |ledger: &Ledger, id| {
        let row = ledger.row(id).unwrap();
        (row.queued_at, row.queue_known)
    };
    let made = |id, second| QueuedJob { queued_at: at(second), ..listed(id) };
    let mut ledger = Ledger::default();
    // At the first look; after a look that was nearly an hour before; made before that look and not there.
    ledger.polled(&repo(), &whole([made(1, 0), made(2, HOUR - 5)]), at(HOUR), at(0));
    let later = [made(3, HOUR - 16), made(4, HOUR - 15), made(5, 2 * HOUR - 100)];
    ledger.polled(&repo(), &whole(later), at(2 * HOUR - 60), at(0));
    let rows = [
        (1, HOUR, false),
        (2, HOUR - 5, true),
        (3, 2 * HOUR - 60, false),
        (4, HOUR - 15, true),
        (5, 2 * HOUR - 100, true),
    ];
    for (id, second, known) in rows {
        assert_eq!(queued(&ledger, id), (at(second), known), "{id}");
    }
    // By webhook: at once; after an approval, whether or not the wait for it was told; late; and with the runner's name.
    let told = |id, second| EventJob { created_at: Some(at(second)), ..event(id, Queued) };
    ledger.told(&repo(), &told(11, 100), at(159));
    ledger.told(&repo(), &told(17, 100), at(160));
    ledger.told(&repo(), &told(12, 0), at(HOUR));
    ledger.told(&repo(), &event(13, Waiting), at(1));
    ledger.told(&repo(), &event(13, Queued), at(HOUR));
    ledger.told(&repo(), &event(14, InProgress), at(HOUR));
    let approved = EventJob { started_at: Some(at(HOUR)), ..event(15, InProgress) };
    ledger.told(&repo(), &approved, at(HOUR));
    ledger.told(&repo(), &event(16, Waiting), at(1));
    ledger.polled(&repo(), &whole([listed(16)]), at(3 * HOUR), at(0));
    let rows = [
        (11, 100, true),
        (17, 160, false),
        (12, HOUR, false),
        (13, HOUR, false),
        (14, 0, true),
        (15, HOUR, false),
        (16, 3 * HOUR, false),
    ];
    for (id, second, known) in rows {
        assert_eq!(queued(&ledger, id), (at(second), known), "{id}");
    }
    // By GitHub's clock, whatever ours says.
    let mut ledger = Ledger::default();
    ledger.set_skew(SignedDuration::from_hours(-1));
    ledger.told(&repo(), &told(1, 0), at(HOUR + 5));
    ledger.polled(&repo(), &whole([made(1, 0), made(2, 3)]), at(HOUR + 5), at(0));
    assert_eq!((queued(&ledger, 1), queued(&ledger, 2)), ((at(0), true), (at(3), true)));
}

#[test]
fn rows_are_bounded_and_those_that_waited_first_stay() {
    let most = i64::try_from(MOST).unwrap();
    let many =
        |from: i64, to: i64| QueuedJobs { list: (from..to).map(listed).collect(), ..whole([]) };
    let mut ledger = Ledger::default();
    for id in 0..10 {
        ledger.told(&repo(), &event(id, Completed), at(0));
    }
    ledger.take_changed();
    ledger.polled(&repo(), &many(10, most + 10), at(1), at(0));
    assert_eq!((ledger.len(), ledger.problem()), (MOST, None), "what is over made room");
    ledger.polled(&repo(), &many(10, most + 50), at(2), at(0));
    ledger.told(&repo(), &event(most + 50, Queued), at(2));
    assert!(ledger.row(10).is_some() && ledger.row(most + 10).is_none());
    assert_eq!(ledger.len(), MOST);
    assert!(ledger.problem().is_some_and(|why| why.contains("20000")));
    // Others end: the rest is served.
    ledger.take_changed();
    for id in 10..60 {
        ledger.told(&repo(), &event(id, Completed), at(3));
    }
    ledger.take_changed();
    ledger.prune(at(3));
    ledger.polled(&repo(), &many(60, most + 50), at(4), at(0));
    assert_eq!((ledger.row(most + 49).is_some(), ledger.problem()), (true, None));
}

#[test]
fn what_is_over_and_not_kept_yet_makes_no_room() {
    let most = i64::try_from(MOST).unwrap();
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(0, Completed), at(0));
    let list = (1..most).map(listed).collect();
    ledger.polled(&repo(), &QueuedJobs { list, ..whole([]) }, at(1), at(0));
    ledger.told(&repo(), &event(most, Queued), at(2));
    assert!(ledger.row(0).is_some() && ledger.row(most).is_none());
    assert!(ledger.take_changed().iter().any(|row| row.id == 0), "it reaches the file");
}

#[test]
fn rows_that_are_gone_take_no_place_among_those_to_keep_later() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(1));
    let changed = ledger.take_changed();
    let ids = 2..=i64::try_from(UNSAVED).unwrap() + 1;
    let gone: Vec<Row> = ids.map(|id| Row { id, ..changed[0].clone() }).collect();
    ledger.keep_later(&changed);
    ledger.keep_later(&gone);
    assert_eq!(ledger.take_changed(), changed);
}

#[test]
fn a_job_is_over_for_its_runner_once_github_says_so_or_nobody_asks() {
    let scope: Scope = "repo:o/r".parse().unwrap();
    let ran = Ran {
        worker: worker("runner", &scope),
        job: Some("job 1".to_owned()),
        result: Some(JobResult::Succeeded),
        started_at: Some(at(3)),
    };
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([listed(1)]), at(1), at(0));
    ledger.polled(&repo(), &whole([]), at(8), at(0));
    assert!(ledger.ran(&ran, at(9)));
    assert_eq!(ledger.row(1).unwrap().status, Completed);
    assert_eq!(ledger.latest_job("runner", at(0)), LatestJob::Open { asked: false });
    ledger.told(&repo(), &event(1, Completed), at(10));
    assert_eq!(ledger.latest_job("runner", at(0)), LatestJob::Over(Some("success".to_owned())));
}

#[test]
fn only_jobs_that_wait_are_told_as_such_by_repository() {
    let mut ledger = Ledger::default();
    for (id, status) in [(1, Waiting), (2, Queued), (3, InProgress), (4, Completed), (5, Queued)] {
        ledger.told(&repo(), &event(id, status), at(1));
    }
    let other = RepoSlug::parse("o/other").unwrap();
    ledger.told(&other, &event(6, Completed), at(1));
    assert_eq!(ledger.waiting_jobs(), BTreeMap::from([(repo(), BTreeSet::from([2, 5]))]));
    assert_eq!(ledger.waiting_in(), BTreeMap::from([(repo(), true)]));
}

#[test]
fn a_list_that_could_not_be_read_in_full_is_no_look_since_which_a_job_is_new() {
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([]), at(0), at(0));
    let part = QueuedJobs { whole: false, ..whole([]) };
    ledger.polled(&repo(), &part, at(1_000), at(0));
    let made = QueuedJob { queued_at: at(500), ..listed(1) };
    ledger.polled(&repo(), &whole([made]), at(2_000), at(0));
    let row = ledger.row(1).unwrap();
    assert_eq!((row.queued_at, row.queue_known), (at(500), true));
}

#[test]
fn a_job_that_github_does_not_know_any_more_is_asked_for_less_and_less_often_and_not_for_ever() {
    let running = || {
        let mut ledger = Ledger::default();
        let job =
            EventJob { runner_name: Some("r1".to_owned()), ..event(1, JobStatus::InProgress) };
        ledger.told(&repo(), &job, at(0));
        ledger.pools(|_| Some("ci"));
        ledger
    };
    for (had, last) in [(Had::Offline, 1_360), (Had::Gone, 1_250)] {
        let mut ledger = running();
        let mut asked = Vec::new();
        for second in 20..86_400 {
            if !ledger.questions(|_, _| had, at(second)).is_empty() {
                ledger.no_answer(1, NoAnswer::NoSuchJob, at(second));
                asked.push(second);
            }
        }
        assert_eq!((asked.len(), asked[0], asked[7]), (8, 20, last), "{had:?} {asked:?}");
    }
    // Once its repository is known to be gone, nobody asks, and it is kept for as long as what is over.
    let mut ledger = running();
    ledger.gone(&repo(), at(10));
    assert!(ledger.questions(|_, _| Had::Gone, at(9_999)).is_empty());
    ledger.take_changed();
    ledger.prune(at(3_599));
    assert_eq!(ledger.len(), 1);
    // It is told of after all.
    let mut back = ledger.clone();
    back.told(&repo(), &event(1, JobStatus::InProgress), at(3_599));
    back.pools(|_| Some("ci"));
    assert_eq!(back.questions(|_, _| Had::Gone, at(9_999)).len(), 1);
    ledger.prune(at(3_600));
    assert!(ledger.is_empty());
}

#[test]
fn the_latest_job_of_each_repository_counts_and_a_doubt_concerns_its_own_alone() {
    let other = RepoSlug::parse("o/other").unwrap();
    let mut ledger = Ledger::default();
    for (id, second) in [(1, 20), (2, 50), (3, 30)] {
        let made = EventJob { created_at: Some(at(second)), ..event(id, Queued) };
        ledger.told(&repo(), &made, at(second));
    }
    let made = EventJob { created_at: Some(at(40)), ..event(4, Queued) };
    ledger.told(&other, &made, at(40));
    assert_eq!(ledger.latest(), BTreeMap::from([(repo(), at(50)), (other.clone(), at(40))]));
    ledger.polled(&repo(), &QueuedJobs::default(), at(100), at(0));
    assert!(ledger.is_doubted(&repo()) && !ledger.is_doubted(&other));
}

#[test]
fn that_a_job_left_the_queue_is_kept() {
    let leave: [&dyn Fn(&mut Ledger); 3] = [
        &|ledger| {
            ledger.polled(&repo(), &whole([]), at(20), at(0));
        },
        &|ledger| ledger.forget(&repo(), at(20)),
        &|ledger| {
            ledger.polled(&repo(), &QueuedJobs::default(), at(20), at(0));
            ledger.no_answer(1, NoAnswer::NoSuchJob, at(20));
        },
    ];
    for leaves in leave {
        let mut ledger = Ledger::default();
        ledger.polled(&repo(), &whole([listed(1)]), at(10), at(0));
        ledger.take_changed();
        leaves(&mut ledger);
        let left: Vec<_> = ledger.take_changed().iter().map(|row| row.left_at).collect();
        assert_eq!(left, [Some(at(20))]);
    }
}

#[test]
fn a_repository_that_was_not_served_meanwhile_is_looked_at_as_for_the_first_time() {
    const HOUR: i64 = 3_600;
    for (forgotten, known) in [(true, false), (false, true)] {
        let mut ledger = Ledger::default();
        ledger.polled(&repo(), &whole([]), at(0), at(0));
        if forgotten {
            ledger.forget(&repo(), at(10));
        }
        let made = QueuedJob { queued_at: at(HOUR), ..listed(1) };
        ledger.polled(&repo(), &whole([made]), at(2 * HOUR), at(0));
        let row = ledger.row(1).unwrap();
        let queued_at = at(if known { HOUR } else { 2 * HOUR });
        assert_eq!((row.queue_known, row.queued_at), (known, queued_at));
    }
}

#[test]
fn what_a_list_tells_of_a_known_job_is_kept() {
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Ledger), QueuedJob);
    let other = RepoSlug::parse("o/other").unwrap();
    let unread = QueuedJob { labels: LabelSet::default(), labels_unread: true, ..listed(1) };
    let by_list = |job: &QueuedJob| {
        let job = job.clone();
        move |ledger: &mut Ledger| {
            ledger.polled(&repo(), &whole([job.clone()]), at(1), at(0));
        }
    };
    let said = |ledger: &mut Ledger, result| {
        *ledger = left();
        assert!(ledger.ran(&ran("r1", result), at(9)));
    };
    let rows: [Change<'_>; 7] = [
        (
            "its repository has another name",
            &by_list(&listed(1)),
            QueuedJob { repo: other, ..listed(1) },
        ),
        ("its labels could be read", &by_list(&unread), listed(1)),
        ("it is queued", &|ledger| ledger.told(&repo(), &event(1, Waiting), at(1)), listed(1)),
        (
            "it is there again",
            &|ledger| {
                by_list(&listed(1))(ledger);
                ledger.polled(&repo(), &whole([]), at(2), at(0));
            },
            listed(1),
        ),
        ("another runner ended", &|ledger| said(ledger, Some(JobResult::Failed)), listed(1)),
        ("another runner broke off", &|ledger| said(ledger, None), listed(1)),
        ("it is new", &|_| {}, listed(1)),
    ];
    for (what, before, job) in rows {
        let mut ledger = Ledger::default();
        before(&mut ledger);
        ledger.take_changed();
        let list = whole([job.clone()]);
        ledger.polled(&job.repo, &list, at(30), at(0));
        let changed = ledger.take_changed();
        let kept = |row: &Row| (row.status, row.repo.clone(), row.labels.clone(), row.left_at);
        let expected = (Queued, job.repo.clone(), job.labels.clone(), None);
        assert_eq!(changed.iter().map(kept).collect::<Vec<_>>(), [expected], "{what}");
        for second in [31, 60, 90] {
            ledger.polled(&job.repo, &list, at(second), at(0));
            assert_eq!(ledger.take_changed(), [], "no news: {what}");
        }
        assert_eq!(ledger.questions(|_, _| Had::Gone, at(90)), [], "{what}");
    }
}

#[test]
fn of_more_rows_than_can_wait_for_the_file_the_oldest_are_lost_to_it() {
    let most = i64::try_from(UNSAVED).unwrap();
    let mut ledger = Ledger::default();
    let list = (0..most + 2).map(listed).collect();
    ledger.polled(&repo(), &QueuedJobs { list, ..whole([]) }, at(1), at(0));
    let changed = ledger.take_changed();
    ledger.keep_later(&changed);
    let left: Vec<i64> = ledger.take_changed().iter().map(|row| row.id).collect();
    assert_eq!((left.len(), left[0]), (UNSAVED, 2));
}

#[test]
fn jobs_that_wait_come_in_the_order_in_which_they_were_queued() {
    let mut ledger = Ledger::default();
    for (id, second) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
        let made = EventJob { created_at: Some(at(second)), ..event(id, Queued) };
        ledger.told(&repo(), &made, at(second));
    }
    assert_eq!(waiting(&ledger), [2, 4, 3, 1]);
}

#[test]
fn the_pool_of_a_job_is_kept_and_stays() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, InProgress), at(1));
    ledger.take_changed();
    ledger.pools(|_| Some("ci"));
    let pools: Vec<_> = ledger.take_changed().into_iter().map(|row| row.pool).collect();
    assert_eq!(pools, [Some("ci".to_owned())]);
    ledger.pools(|_| Some("gpu"));
    assert_eq!(ledger.take_changed(), []);
    assert_eq!(ledger.row(1).unwrap().pool.as_deref(), Some("ci"));
}

#[test]
fn nothing_is_kept_of_a_job_that_is_not_kept() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Completed), at(1));
    ledger.take_changed();
    for ids in
        [&mut ledger.doubted, &mut ledger.gone, &mut ledger.unread_labels, &mut ledger.unconfirmed]
    {
        ids.insert(1);
        ids.insert(2);
    }
    for id in [1, 2] {
        ledger.asked.insert(id, Asked::before(at(0)));
        ledger.relisted.insert(id, at(0));
    }
    ledger.prune(at(2));
    assert!(ledger.take_ended().is_empty(), "its runner is not known");
    let kept = |ledger: &Ledger| {
        let sets = [&ledger.doubted, &ledger.gone, &ledger.unread_labels, &ledger.unconfirmed];
        let sets = sets.map(|ids| ids.iter().copied().collect::<Vec<_>>());
        let maps =
            [ledger.asked.keys().copied().collect(), ledger.relisted.keys().copied().collect()];
        sets.into_iter().chain(maps).collect::<Vec<_>>()
    };
    assert_eq!(kept(&ledger), vec![vec![1]; 6]);
    ledger.prune(at(100_000));
    ledger.take_ended();
    assert_eq!((kept(&ledger), ledger.ended.len()), (vec![vec![]; 6], 0));
}

/// A job that left the queue unseen.
fn left() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.polled(&repo(), &whole([listed(1)]), at(1), at(0));
    ledger.polled(&repo(), &whole([]), at(8), at(0));
    ledger.take_changed();
    ledger
}

fn ran(runner: &str, result: Option<JobResult>) -> Ran {
    let scope = "repo:o/r".parse().unwrap();
    Ran {
        worker: worker(runner, &scope),
        job: Some("job 1".to_owned()),
        result,
        started_at: Some(at(3)),
    }
}

#[test]
fn what_a_runner_said_of_its_job_counts_once_nobody_can_say_otherwise() {
    const HOUR: i64 = 3_600;
    let ended = || {
        let mut ledger = left();
        assert!(ledger.ran(&ran("runner", Some(JobResult::Failed)), at(9)));
        assert_eq!(ledger.take_changed().len(), 1, "it is kept");
        assert!(ledger.take_ended().is_empty());
        ledger
    };
    // GitHub could not be asked for nearly a day.
    let mut ledger = ended();
    ledger.prune(at(9 + 23 * HOUR - 1));
    assert!(ledger.take_ended().is_empty());
    ledger.prune(at(9 + 23 * HOUR));
    assert_eq!(ledger.take_ended().len(), 1);
    // It does not say, however often it is asked.
    let mut ledger = ended();
    for answers in 1..=8 {
        assert!(ledger.take_ended().is_empty(), "{answers}");
        ledger.no_answer(1, NoAnswer::Unclear, at(10));
    }
    assert_eq!(ledger.take_ended().len(), 1);
    // It says so.
    let mut ledger = ended();
    ledger.told(&repo(), &event(1, Completed), at(20));
    ledger.pools(|_| Some("ci"));
    assert_eq!(ledger.take_ended().len(), 1);
    ledger.ran(&ran("runner", Some(JobResult::Failed)), at(30));
    assert!(ledger.take_ended().is_empty(), "once");
}

#[test]
fn a_runner_that_did_not_say_how_its_job_ended_leaves_it_to_github() {
    let mut ledger = left();
    assert!(ledger.ran(&ran("r1", None), at(9)));
    assert_eq!(ledger.row(1).unwrap().status, InProgress);
    assert_eq!(ledger.questions(|_, _| Had::AtWork, at(9)).len(), 1);
    ledger.polled(&repo(), &whole([listed(1)]), at(10), at(0));
    assert_eq!(waiting(&ledger), [1], "it was another job");
    // GitHub told that it began.
    let mut ledger = left();
    ledger.found(&event(1, InProgress), at(8));
    assert!(ledger.ran(&ran("runner", None), at(9)));
    ledger.polled(&repo(), &whole([listed(1)]), at(10), at(0));
    assert_eq!(waiting(&ledger), [0; 0], "its list lags");
    // It told the end to nobody else.
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, InProgress), at(8));
    assert!(ledger.ran(&ran("runner", Some(JobResult::Failed)), at(9)));
    assert_eq!(ledger.latest_job("runner", at(0)), LatestJob::Open { asked: false });
}

#[test]
fn a_name_that_a_runner_printed_is_that_of_the_oldest_job_without_a_runner() {
    let mut ledger = Ledger::default();
    let same =
        |id, second| QueuedJob { queued_at: at(second), name: "job 1".to_owned(), ..listed(id) };
    ledger.polled(&repo(), &whole([same(1, 5), same(2, 4), same(3, 6)]), at(7), at(0));
    ledger.polled(&repo(), &whole([]), at(8), at(0));
    assert!(ledger.ran(&ran("r1", Some(JobResult::Failed)), at(9)));
    let runners = [1, 2, 3].map(|id| ledger.row(id).unwrap().runner.clone());
    assert_eq!(runners, [None, Some("r1".to_owned()), None]);
    // One that has another runner, or was cancelled, is none of them.
    let mut begun = left();
    begun.found(&event(1, InProgress), at(8));
    let mut cancelled = left();
    cancelled.found(&EventJob { runner_name: None, ..event(1, Completed) }, at(8));
    for mut ledger in [begun, cancelled] {
        assert!(!ledger.ran(&ran("r1", Some(JobResult::Failed)), at(9)));
    }
}

#[test]
fn the_latest_job_of_a_machine_tells_when_it_is_over() {
    let of =
        |id, started: i64, status| EventJob { started_at: Some(at(started)), ..event(id, status) };
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &of(2, 5, Completed), at(10));
    let over =
        |ledger: &Ledger| ledger.over(std::iter::once(("runner", at(0)))).into_values().next();
    assert_eq!(over(&ledger), Some(at(9)));
    ledger.told(&repo(), &EventJob { completed_at: Some(at(7)), ..of(3, 6, Completed) }, at(10));
    assert_eq!(over(&ledger), Some(at(9)), "the last end");
    ledger.told(&repo(), &of(1, 8, InProgress), at(20));
    assert_eq!(over(&ledger), Some(at(9)), "what runs is not over");
    assert_eq!(ledger.latest_job("runner", at(8)), LatestJob::Open { asked: false });
    let other = EventJob { runner_name: Some("other".to_owned()), ..of(4, 9, Completed) };
    ledger.told(&repo(), &other, at(20));
    assert_eq!(ledger.latest_job("runner", at(0)), LatestJob::Open { asked: false });
    assert_eq!(ledger.latest_job("runner", at(99)), LatestJob::Unknown { asked: false });
    // When it began is not known.
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &EventJob { started_at: None, ..event(1, InProgress) }, at(1));
    assert_eq!(ledger.latest_job("runner", at(99)), LatestJob::Open { asked: false });
}

#[test]
fn it_is_not_known_whether_a_doubted_job_waits_until_github_answered() {
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Queued), at(0));
    ledger.told(&repo(), &event(2, Queued), at(0));
    let part = QueuedJobs { whole: false, ..whole([listed(2)]) };
    ledger.polled(&repo(), &part, at(60), at(0));
    assert_eq!([1, 2].map(|id| ledger.is_unsure(id)), [true, false]);
    ledger.no_answer(1, NoAnswer::Unreachable, at(60));
    assert!(ledger.is_unsure(1));
    ledger.no_answer(1, NoAnswer::Unclear, at(70));
    assert!(!ledger.is_unsure(1));
}

#[test]
fn a_repository_that_is_gone_has_no_job_that_waits_and_no_other_loses_one() {
    let other = RepoSlug::parse("o/other").unwrap();
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, Queued), at(0));
    ledger.told(&other, &event(2, InProgress), at(0));
    // Of these only the runner told the end, which is asked about as well.
    ledger.told(&repo(), &event(3, Completed), at(0));
    ledger.told(&other, &event(4, Completed), at(0));
    ledger.unconfirmed = [3, 4].into();
    ledger.pools(|_| Some("ci"));
    ledger.gone(&repo(), at(10));
    assert_eq!(waiting(&ledger), [0; 0]);
    let asked: Vec<i64> =
        ledger.questions(|_, _| Had::Gone, at(99)).into_iter().map(|(_, id)| id).collect();
    assert_eq!(asked, [2, 4]);
    // It is there after all.
    ledger.polled(&repo(), &whole([listed(1)]), at(100), at(0));
    ledger.polled(&repo(), &whole([]), at(200), at(0));
    assert_eq!(ledger.questions(|_, _| Had::AtWork, at(200)), [(repo(), 1), (other, 4)]);
}

#[test]
fn labels_that_cannot_be_read_are_told_as_such_until_they_can() {
    type Step = Box<dyn Fn(&mut Ledger, i64)>;
    let unread = QueuedJob { labels: LabelSet::default(), labels_unread: true, ..listed(1) };
    let other = QueuedJob { labels: LabelSet::requested(["other"]), ..listed(1) };
    let none = QueuedJob { labels: LabelSet::default(), ..listed(1) };
    let known = LabelSet::requested(["self-hosted"]);
    let event = |labels: &[&str], labels_unread| EventJob {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        labels_unread,
        ..event(1, Queued)
    };
    let list = |job: &QueuedJob| {
        let job = job.clone();
        Box::new(move |ledger: &mut Ledger, second| {
            ledger.polled(&repo(), &whole([job.clone()]), at(second), at(0));
        })
    };
    let tell = |job: EventJob| {
        Box::new(move |ledger: &mut Ledger, second| ledger.told(&repo(), &job, at(second)))
    };
    let rows: Vec<(&str, Vec<Step>, LabelSet, bool)> = vec![
        ("a list", vec![list(&unread)], LabelSet::default(), true),
        ("lists", vec![list(&unread), list(&listed(1))], known.clone(), false),
        ("a list that knows less", vec![list(&listed(1)), list(&unread)], known.clone(), false),
        ("a list that says otherwise", vec![list(&listed(1)), list(&other)], known.clone(), false),
        ("no labels", vec![list(&none)], LabelSet::default(), false),
        ("no labels after all", vec![list(&unread), list(&none)], LabelSet::default(), false),
        ("a webhook", vec![tell(event(&[], true))], LabelSet::default(), true),
        ("a webhook without labels", vec![tell(event(&[], false))], LabelSet::default(), false),
        ("a later webhook", vec![list(&listed(1)), tell(event(&[], true))], known, false),
    ];
    for (what, steps, labels, labels_unread) in rows {
        let mut ledger = Ledger::default();
        for (second, step) in (1..).zip(steps) {
            step(&mut ledger, second);
        }
        let found: Vec<_> = ledger
            .queued(|_| true)
            .into_iter()
            .map(|job| (job.labels, job.labels_unread))
            .collect();
        assert_eq!(found, [(labels, labels_unread)], "{what}");
    }
}

#[test]
fn what_is_told_again_counts_as_the_latest_word() {
    let renamed = RepoSlug::parse("o/renamed").unwrap();
    let mut ledger = Ledger::default();
    ledger.told(&repo(), &event(1, InProgress), at(10));
    let again = EventJob { started_at: Some(at(6)), ..event(1, InProgress) };
    ledger.told(&renamed, &again, at(20));
    ledger.told(&renamed, &event(1, Queued), at(15));
    let row = ledger.row(1).unwrap();
    assert_eq!((&row.repo, row.started_at, row.seen_at), (&renamed, Some(at(6)), at(20)));
}

#[test]
fn an_end_that_is_told_as_the_first_thing_counts_for_an_hour_or_where_its_time_is_not_known() {
    for (completed_at, second, counts) in
        [(Some(9), 3_608, 1), (Some(9), 3_609, 0), (None, 3_609, 1)]
    {
        let mut ledger = Ledger::default();
        let completed_at = completed_at.map(at);
        ledger.told(&repo(), &EventJob { completed_at, ..event(1, Completed) }, at(second));
        ledger.pools(|_| Some("ci"));
        assert_eq!(ledger.take_ended().len(), counts, "{completed_at:?} {second}");
    }
}

#[test]
fn lists_that_have_a_begun_job_as_queued_count_by_the_clock_and_for_this_job_alone() {
    let begun = || {
        let mut ledger = Ledger::default();
        ledger.told(&repo(), &event(1, InProgress), at(0));
        ledger
    };
    let list = |ledger: &mut Ledger, taken: Vec<EventJob>, second| {
        ledger.polled(&repo(), &QueuedJobs { taken, ..whole([listed(1)]) }, at(second), at(0));
        waiting(ledger).len()
    };
    // The first one was read before it could know what was told.
    let mut ledger = begun();
    assert_eq!([14, 29, 43, 44].map(|second| list(&mut ledger, vec![], second)), [0, 0, 0, 1]);
    // The clock was set back.
    let mut ledger = begun();
    assert_eq!([900, 20, 34, 35].map(|second| list(&mut ledger, vec![], second)), [0, 0, 0, 1]);
    // Another job has a runner, and an earlier state of this one is told late.
    let mut ledger = begun();
    let other = || vec![event(7, InProgress)];
    assert_eq!(list(&mut ledger, other(), 20), 0);
    ledger.told(&repo(), &event(1, Queued), at(20));
    assert_eq!([list(&mut ledger, other(), 35)], [1]);
}
