use serde_json::{Value, json};

use super::*;
use crate::runs::RARE;
use crate::stand_in::{StandIn, Told, at, no, ok};

#[test]
fn the_rare_lists_are_asked_for_often_where_few_are_and_in_turn_where_many_are() {
    for repositories in [0, 1, 33] {
        assert_eq!(HeldStatus::at_check(7, repositories).len(), 4, "{repositories}");
    }
    for repositories in [34, 50, 100, 5_000] {
        let at = |number| HeldStatus::at_check(number, repositories);
        let asked: Vec<_> = (0..3).map(at).collect();
        for statuses in &asked {
            let requests = (statuses.len() - 1) * repositories;
            assert!(requests <= RARE.max(repositories), "{repositories}: {statuses:?}");
            assert!(statuses.contains(&HeldStatus::Waiting));
        }
        let all: BTreeSet<_> = asked.into_iter().flatten().collect();
        assert_eq!(all.len(), 4, "each within three checks: {repositories}");
    }
}

fn repo() -> RepoSlug {
    RepoSlug::parse("o/r").unwrap()
}

fn runs_of(status: &str) -> String {
    format!("GET /repos/o/r/actions/runs?status={status}&per_page=100")
}

fn jobs_of(run: i64) -> String {
    format!("GET /repos/o/r/actions/runs/{run}/jobs?filter=latest&per_page=100")
}

fn runs(ids: &[i64]) -> Told {
    let list: Vec<_> =
        ids.iter().map(|id| json!({"id": id, "updated_at": "2027-01-15T07:00:00Z"})).collect();
    ok(&json!({ "workflow_runs": list }))
}

fn jobs(list: &[Value]) -> Told {
    ok(&json!({ "jobs": list }))
}

/// A job that a runner has, each of its fields with a value of its own.
fn taken() -> (Value, EventJob) {
    let given = json!({
        "id": 21, "run_id": 2, "status": "completed", "name": "test\n1", "conclusion": "timed_out",
        "labels": ["self-hosted", "gpu"], "created_at": at(-30).to_string(),
        "started_at": at(-20).to_string(), "completed_at": at(-10).to_string(), "runner_name": "mayfly-i-1",
    });
    let read = EventJob {
        id: 21,
        name: "test 1".to_owned(),
        status: JobStatus::Completed,
        conclusion: Some("timed_out".to_owned()),
        labels: vec!["self-hosted".to_owned(), "gpu".to_owned()],
        labels_unread: false,
        created_at: Some(at(-30)),
        started_at: Some(at(-20)),
        completed_at: Some(at(-10)),
        runner_name: Some("mayfly-i-1".to_owned()),
    };
    (given, read)
}

#[tokio::test]
async fn what_waits_in_a_repository_is_read_from_its_runs_in_this_order() {
    let (given, read) = taken();
    let queued = |id: i64| json!({"id": id, "status": "queued", "name": "b", "labels": ["gpu"]});
    let first = json!({
        "id": 12, "status": "queued", "name": "build", "labels": ["self-hosted", "gpu"],
        "created_at": at(-50).to_string(), "started_at": at(-40).to_string(),
    });
    let second =
        json!({"id": 11, "status": "queued", "name": "b", "started_at": at(-40).to_string()});
    let others = ["waiting", "in_progress", "pending", "requested", "other"];
    let others = others.map(|status| json!({"id": 99, "status": status, "runner_name": ""}));
    let mut moving = vec![given, queued(22), first.clone()];
    moving.extend(others);
    let github = StandIn::new([
        (runs_of("waiting"), vec![runs(&[4])]),
        (runs_of("action_required"), vec![runs(&[])]),
        (runs_of("queued"), vec![runs(&[1])]),
        (runs_of("in_progress"), vec![runs(&[2])]),
        (jobs_of(1), vec![jobs(&[first, second])]),
        (jobs_of(2), vec![jobs(&moving)]),
        (jobs_of(4), vec![no(404, "deleted meanwhile")]),
    ])
    .await;
    let held = [HeldStatus::ActionRequired, HeldStatus::Waiting].into_iter().collect();
    let look = Look { held, expected: BTreeSet::from([11]) };
    let found = github.client().queued_jobs(&repo(), &look).await.unwrap();
    let job = |id, name: &str, labels: &[&str], labels_unread, queued_at| QueuedJob {
        id,
        repo: repo(),
        name: name.to_owned(),
        labels: LabelSet::requested(labels),
        labels_unread,
        queued_at,
    };
    let list = vec![
        job(11, "b", &[], true, at(-40)),
        job(12, "build", &["self-hosted", "gpu"], false, at(-50)),
        job(22, "b", &["gpu"], false, at(0)),
    ];
    assert_eq!(found, QueuedJobs { list, whole: true, taken: vec![read] });
    let mut lines = github.lines();
    lines[4..].sort();
    let lists = ["waiting", "action_required", "queued", "in_progress"].map(runs_of).to_vec();
    assert_eq!(lines, [lists, [1, 2, 4].map(jobs_of).to_vec()].concat());
}

#[tokio::test]
async fn a_job_that_is_expected_and_not_found_is_looked_for_in_runs_of_every_status() {
    let job = |id: i64| json!({"id": id, "status": "queued", "labels": ["x"]});
    let github = StandIn::new([
        (runs_of("waiting"), vec![runs(&[])]),
        (runs_of("pending"), vec![runs(&[3, 1])]),
        (runs_of("action_required"), vec![runs(&[])]),
        (runs_of("requested"), vec![runs(&[])]),
        (runs_of("queued"), vec![runs(&[1]), runs(&[])]),
        (runs_of("in_progress"), vec![runs(&[])]),
        (jobs_of(1), vec![jobs(&[job(10)])]),
        (jobs_of(3), vec![jobs(&[job(30)])]),
    ])
    .await;
    let client = github.client();
    let look = |expected: &[i64]| Look {
        held: BTreeSet::new(),
        expected: expected.iter().copied().collect(),
    };
    let found = client.queued_jobs(&repo(), &look(&[30])).await.unwrap();
    let ids = found.list.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!((ids, found.whole), (vec![10, 30], true));
    let expected = [
        runs_of("queued"),
        runs_of("in_progress"),
        jobs_of(1),
        runs_of("waiting"),
        runs_of("pending"),
        runs_of("action_required"),
        runs_of("requested"),
        jobs_of(3),
    ];
    assert_eq!(github.lines(), expected, "a run is read once");
    // The way in which runs were held up is asked for again at the next look.
    client.queued_jobs(&repo(), &look(&[])).await.unwrap();
    let lines = github.lines();
    assert_eq!(lines[..3], [runs_of("pending"), runs_of("queued"), runs_of("in_progress")]);
}

#[tokio::test]
async fn what_cannot_be_read_of_runs_or_jobs_is_not_all() {
    let odd_run = ok(&json!({"workflow_runs": [{"id": "x"}]}));
    let odd_job = ok(&json!({"jobs": [{"id": 1}, {"id": 2, "status": "queued"}]}));
    let rows = [
        (runs(&[]), odd_run.clone(), jobs(&[])),
        (runs(&[1]), runs(&[]), odd_job),
        (odd_run, runs(&[]), jobs(&[])),
    ];
    for (queued, moving, read) in rows {
        let github = StandIn::new([
            (runs_of("queued"), vec![queued]),
            (runs_of("in_progress"), vec![moving]),
            (jobs_of(1), vec![read]),
        ])
        .await;
        let client = github.client();
        assert!(!client.queued_jobs(&repo(), &Look::default()).await.unwrap().whole);
        // Nothing of it is taken for known: it is read again.
        let before = github.lines();
        assert!(!client.queued_jobs(&repo(), &Look::default()).await.unwrap().whole);
        assert_eq!(github.lines(), before);
    }
}

#[tokio::test]
async fn one_job_is_asked_for_by_its_id() {
    let (given, read) = taken();
    let line = "GET /repos/o/r/actions/jobs/21";
    let statuses = [
        ("queued", JobStatus::Queued),
        ("in_progress", JobStatus::InProgress),
        ("waiting", JobStatus::Waiting),
        ("pending", JobStatus::Waiting),
        ("something new", JobStatus::Waiting),
    ];
    let mut script = vec![ok(&given)];
    script.extend(
        statuses.map(|(status, _)| ok(&json!({"id": 5, "status": status, "labels": null}))),
    );
    let github = StandIn::new([(line, script)]).await;
    let client = github.client();
    let ask = async || client.job(&repo(), 21, Priority::Demand).await.unwrap();
    assert_eq!(ask().await, read);
    for (text, status) in statuses {
        let bare = EventJob {
            id: 5,
            name: String::new(),
            status,
            conclusion: None,
            labels: vec![],
            labels_unread: true,
            created_at: None,
            started_at: None,
            completed_at: None,
            runner_name: None,
        };
        assert_eq!(ask().await, bare, "{text}");
    }
}

#[tokio::test]
async fn jobs_of_the_latest_runs_are_read_until_the_wanted_runners_are_found() {
    let run = |id: i64, second: i64| json!({"id": id, "updated_at": at(second).to_string()});
    let listed = [run(1, 10), run(2, -1), json!({"id": 3}), run(4, 0), run(5, 5)];
    let job =
        |id: i64, runner: Value| json!({"id": id, "status": "completed", "runner_name": runner});
    let github = StandIn::new([
        (
            "GET /repos/o/r/actions/runs?per_page=20".to_owned(),
            vec![ok(&json!({ "workflow_runs": listed }))],
        ),
        (jobs_of(1), vec![jobs(&[job(10, "a".into()), job(11, Value::Null), job(12, "z".into())])]),
        (jobs_of(3), vec![jobs(&[])]),
        (jobs_of(4), vec![jobs(&[job(40, "b".into())])]),
    ])
    .await;
    let wanted = ["a", "b"].map(str::to_owned).into_iter().collect();
    let found = github.client().recent_jobs(&repo(), at(0), wanted).await.unwrap();
    let found: Vec<_> = found.iter().map(|job| (job.id, job.runner_name.as_deref())).collect();
    assert_eq!(found, [(10, Some("a")), (12, Some("z")), (40, Some("b"))]);
    let asked = github.lines();
    assert_eq!(
        asked[1..],
        [jobs_of(1), jobs_of(3), jobs_of(4)],
        "not what is older, nor what is not needed"
    );
}

#[test]
fn a_hundred_requests_of_a_check_are_for_lists_that_are_nearly_always_empty() {
    use HeldStatus::{ActionRequired, Pending, Requested, Waiting};
    let asked = |repositories| HeldStatus::at_check(0, repositories).len() - 1;
    let rows = [(33, 3), (34, 2), (50, 2), (51, 1), (100, 1), (101, 1)];
    for (repositories, rare) in rows {
        assert_eq!(asked(repositories), rare, "{repositories}");
    }
    let turns = [[Waiting, Pending], [Waiting, ActionRequired], [Waiting, Requested]];
    for (number, expected) in (0..).zip(turns) {
        assert_eq!(HeldStatus::at_check(number, 1_000), expected.into_iter().collect());
    }
}

#[tokio::test]
async fn what_could_not_be_read_is_over_once_all_that_waits_could_be() {
    let odd = || json!({"id": 7});
    let github = StandIn::new([
        (runs_of("queued"), vec![runs(&[1]), runs(&[2]), runs(&[])]),
        (runs_of("in_progress"), vec![runs(&[])]),
        (jobs_of(1), vec![jobs(&[odd()])]),
        (jobs_of(2), vec![jobs(&[odd()])]),
    ])
    .await;
    let client = github.client();
    let told = |url: &str| client.oddities().iter().any(|line| line.contains(url));
    let (first, second) = ("/runs/1/jobs:", "/runs/2/jobs:");
    let look = async || client.queued_jobs(&repo(), &Look::default()).await.unwrap().whole;
    assert!(!look().await && told(first));
    // The run has ended, and another one cannot be read.
    assert!(!look().await && told(first) && told(second));
    assert!(look().await && client.oddities().is_empty());
}
