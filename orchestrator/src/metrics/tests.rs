//! Every sample by its name, its labels and its number.

use mayfly_common::api::LimitStatus;
use mayfly_common::label::LabelSet;
use mayfly_common::scope::{RepoSlug, ScopeKind};
use mayfly_common::webhook::JobStatus;

use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

fn runner(pool: &str, state: RunnerState) -> Runner {
    Runner {
        id: "r".to_owned(),
        name: "r".to_owned(),
        pool: pool.to_owned(),
        backend: "docker".to_owned(),
        scope: ScopeKind::Repo,
        scope_name: "o/r".to_owned(),
        labels: Vec::new(),
        state,
        reason: None,
        container_id: None,
        image: "img".to_owned(),
        github_runner_id: None,
        created_at: at(0),
        deadline: at(0),
    }
}

fn queued(second: i64) -> QueuedJob {
    QueuedJob {
        id: 1,
        repo: RepoSlug::parse("o/r").unwrap(),
        name: "build".to_owned(),
        labels: LabelSet::default(),
        labels_unread: false,
        queued_at: at(second),
    }
}

/// A job that was queued at -100 s; the times of its start and its end.
fn ended(conclusion: Option<&str>, started: Option<i64>, completed: Option<i64>) -> Row {
    Row {
        id: 1,
        repo: RepoSlug::parse("o/r").unwrap(),
        name: "build".to_owned(),
        labels: LabelSet::default(),
        status: JobStatus::Completed,
        conclusion: conclusion.map(str::to_owned),
        queued_at: at(-100),
        queue_known: true,
        started_at: started.map(at),
        completed_at: completed.map(at),
        runner: None,
        pool: None,
        told_at: None,
        left_at: None,
        seen_at: at(0),
    }
}

fn limit(account: &str) -> LimitStatus {
    LimitStatus {
        account: account.to_owned(),
        resource: "core".to_owned(),
        limit: 5_000,
        remaining: 4_321,
        reset: at(600),
    }
}

/// The samples without those of buckets, sorted.
fn samples(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn kinds_are_named_as_documented() {
    let troubles = Trouble::ALL.map(|trouble| trouble.label().kind);
    assert_eq!(troubles, ["docker", "github", "image", "action"]);
    let orphans = [Orphan::Registration, Orphan::Container].map(|orphan| orphan.label().kind);
    assert_eq!(orphans, ["registration", "container"]);
}

#[test]
fn what_has_not_happened_yet_is_there_as_zero_where_it_is_counted_by_kind() {
    let version = mayfly_common::VERSION;
    let expected = [
        &format!("mayfly_build_info{{version=\"{version}\"}} 1"),
        "mayfly_github_next_check_timestamp_seconds 0",
        "mayfly_jobs_queued 0",
        "mayfly_jobs_unmet 0",
        "mayfly_oldest_queued_job_seconds 0",
        "mayfly_orphans_removed_total{kind=\"container\"} 0",
        "mayfly_orphans_removed_total{kind=\"registration\"} 0",
        "mayfly_pass_duration_seconds_count 0",
        "mayfly_pass_duration_seconds_sum 0.0",
        "mayfly_pass_errors_total{kind=\"action\"} 0",
        "mayfly_pass_errors_total{kind=\"docker\"} 0",
        "mayfly_pass_errors_total{kind=\"github\"} 0",
        "mayfly_pass_errors_total{kind=\"image\"} 0",
        "mayfly_pass_problems 0",
        "mayfly_passes_total 0",
        "mayfly_repositories 0",
        "mayfly_repositories_self_hosted 0",
    ];
    assert_eq!(samples(&Metrics::new(&Traffic::default())), expected);
}

#[test]
fn what_a_pass_saw_takes_the_place_of_what_the_last_one_saw() {
    use RunnerState::{Busy, Draining, Failed, Finished, Gone, Idle, Starting};

    let metrics = Metrics::new(&Traffic::default());
    metrics.observed(&[runner("old", Busy)], 1, 2, &[queued(-1)], at(0));
    let mut runners = vec![runner("default", Starting), runner("ci", Gone)];
    for (state, count) in [(Starting, 1), (Idle, 2), (Busy, 3), (Draining, 4), (Finished, 5)] {
        runners.extend(vec![runner("ci", state); count]);
    }
    runners.extend(vec![runner("ci", Failed); 6]);
    metrics.observed(&runners, 7, 5, &[queued(-30), queued(-90), queued(-60)], at(0));
    let seen = |metrics: &Metrics| {
        let all = samples(metrics).into_iter();
        let names = ["mayfly_runners{", "mayfly_jobs_", "mayfly_oldest"];
        all.filter(|line| names.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>()
    };
    let expected = [
        "mayfly_jobs_queued 7",
        "mayfly_jobs_unmet 5",
        "mayfly_oldest_queued_job_seconds 90",
        "mayfly_runners{pool=\"ci\",state=\"busy\"} 3",
        "mayfly_runners{pool=\"ci\",state=\"draining\"} 4",
        "mayfly_runners{pool=\"ci\",state=\"failed\"} 6",
        "mayfly_runners{pool=\"ci\",state=\"finished\"} 5",
        "mayfly_runners{pool=\"ci\",state=\"idle\"} 2",
        "mayfly_runners{pool=\"ci\",state=\"starting\"} 1",
        "mayfly_runners{pool=\"default\",state=\"busy\"} 0",
        "mayfly_runners{pool=\"default\",state=\"draining\"} 0",
        "mayfly_runners{pool=\"default\",state=\"failed\"} 0",
        "mayfly_runners{pool=\"default\",state=\"finished\"} 0",
        "mayfly_runners{pool=\"default\",state=\"idle\"} 0",
        "mayfly_runners{pool=\"default\",state=\"starting\"} 1",
    ];
    assert_eq!(seen(&metrics), expected);
    // GitHub's clock may be ahead.
    metrics.observed(&[], 0, 0, &[queued(5)], at(0));
    assert_eq!(
        seen(&metrics)[..3],
        ["mayfly_jobs_queued 0", "mayfly_jobs_unmet 0", "mayfly_oldest_queued_job_seconds 0"]
    );
    assert_eq!(seen(&metrics).len(), 9, "the pool of the environment always has its states");
}

#[test]
fn spans_results_and_counts_are_each_under_their_own_name() {
    let metrics = Metrics::new(&Traffic::default());
    for (conclusion, count) in
        [("failure", 2), ("cancelled", 3), ("skipped", 4), ("timed_out", 5), ("neutral", 6)]
    {
        for _ in 0..count {
            metrics.job_ended("ci", &ended(Some(conclusion), None, Some(9)));
        }
    }
    metrics.job_ended("ci", &ended(None, None, None));
    metrics.job_ended("ci", &ended(Some("success"), Some(-60), Some(-43)));
    metrics.job_ended("ci", &Row { queue_known: false, ..ended(Some("success"), Some(-2), None) });
    metrics.job_ended("big", &ended(Some("success"), Some(-105), Some(-110)));
    let seconds = SignedDuration::from_secs;
    metrics.came_online("ci", seconds(4));
    metrics.came_online("ci", seconds(-4));
    metrics.took("ci", true, seconds(3));
    metrics.took("ci", false, seconds(2));
    metrics.took("big", true, seconds(-1));
    let carried = |action, outcome| ActionLabels { action, outcome };
    metrics.carried_out(
        [carried("launch", "done"), carried("launch", "done"), carried("remove", "kept")]
            .into_iter(),
    );
    for (count, trouble) in Trouble::ALL.into_iter().enumerate() {
        for _ in 0..=count {
            metrics.trouble(trouble);
        }
    }
    metrics.failed("ci", &Failure::NeverStarted);
    metrics.failed("ci", &Failure::LostConnection);
    metrics.orphan(Orphan::Registration);
    metrics.orphan(Orphan::Registration);
    let engine = Storage { containers: 11, images: 12, volumes: 13 };
    metrics.stored(Some(&Storage { containers: u64::MAX, ..engine }), None);
    assert!(
        samples(&metrics)
            .contains(&format!("mayfly_storage_bytes{{kind=\"containers\"}} {}", i64::MAX))
    );
    metrics.stored(Some(&engine), Some(14));
    let report = PassReport {
        duration_ms: 1_500,
        repositories: 8,
        self_hosted_repositories: 6,
        problems: vec!["one".to_owned(), "two".to_owned()],
        ..PassReport::default()
    };
    let old = GitHubStatus { limits: vec![limit("old")], ..GitHubStatus::default() };
    metrics.passed(&PassReport::default(), &old);
    let status = GitHubStatus {
        limits: vec![limit("token")],
        next_check: Some(at(300)),
        ..GitHubStatus::default()
    };
    metrics.passed(&report, &status);
    let version = mayfly_common::VERSION;
    let expected = [
        "mayfly_actions_total{action=\"launch\",outcome=\"done\"} 2",
        "mayfly_actions_total{action=\"remove\",outcome=\"kept\"} 1",
        &format!("mayfly_build_info{{version=\"{version}\"}} 1"),
        "mayfly_github_limit_remaining{account=\"token\",resource=\"core\"} 4321",
        "mayfly_github_limit_reset_timestamp_seconds{account=\"token\",resource=\"core\"} 1800000600",
        "mayfly_github_limit{account=\"token\",resource=\"core\"} 5000",
        "mayfly_github_next_check_timestamp_seconds 1800000300",
        "mayfly_job_duration_seconds_count{pool=\"big\"} 1",
        "mayfly_job_duration_seconds_count{pool=\"ci\"} 1",
        "mayfly_job_duration_seconds_sum{pool=\"big\"} 0.0",
        "mayfly_job_duration_seconds_sum{pool=\"ci\"} 17.0",
        "mayfly_job_wait_seconds_count{pool=\"big\"} 1",
        "mayfly_job_wait_seconds_count{pool=\"ci\"} 1",
        "mayfly_job_wait_seconds_sum{pool=\"big\"} 0.0",
        "mayfly_job_wait_seconds_sum{pool=\"ci\"} 40.0",
        "mayfly_jobs_completed_total{pool=\"big\",result=\"success\"} 1",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"cancelled\"} 3",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"failure\"} 2",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"other\"} 7",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"skipped\"} 4",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"success\"} 2",
        "mayfly_jobs_completed_total{pool=\"ci\",result=\"timed_out\"} 5",
        "mayfly_jobs_queued 0",
        "mayfly_jobs_unmet 0",
        "mayfly_oldest_queued_job_seconds 0",
        "mayfly_orphans_removed_total{kind=\"container\"} 1",
        "mayfly_orphans_removed_total{kind=\"registration\"} 2",
        "mayfly_pass_duration_seconds_count 2",
        "mayfly_pass_duration_seconds_sum 1.5",
        "mayfly_pass_errors_total{kind=\"action\"} 4",
        "mayfly_pass_errors_total{kind=\"docker\"} 1",
        "mayfly_pass_errors_total{kind=\"github\"} 2",
        "mayfly_pass_errors_total{kind=\"image\"} 3",
        "mayfly_pass_problems 2",
        "mayfly_passes_total 2",
        "mayfly_repositories 8",
        "mayfly_repositories_self_hosted 6",
        "mayfly_runner_creation_seconds_count{pool=\"big\"} 1",
        "mayfly_runner_creation_seconds_count{pool=\"ci\"} 1",
        "mayfly_runner_creation_seconds_sum{pool=\"big\"} 0.0",
        "mayfly_runner_creation_seconds_sum{pool=\"ci\"} 3.0",
        "mayfly_runner_failures_total{pool=\"ci\",reason=\"lost_connection\"} 1",
        "mayfly_runner_failures_total{pool=\"ci\",reason=\"never_started\"} 1",
        "mayfly_runner_registration_seconds_count{pool=\"ci\"} 2",
        "mayfly_runner_registration_seconds_sum{pool=\"ci\"} 4.0",
        "mayfly_runner_removal_seconds_count{pool=\"ci\"} 1",
        "mayfly_runner_removal_seconds_sum{pool=\"ci\"} 2.0",
        "mayfly_storage_bytes{kind=\"containers\"} 11",
        "mayfly_storage_bytes{kind=\"database\"} 14",
        "mayfly_storage_bytes{kind=\"images\"} 12",
        "mayfly_storage_bytes{kind=\"volumes\"} 13",
    ];
    assert_eq!(samples(&metrics), expected);
    metrics.passed(&PassReport::default(), &GitHubStatus::default());
    let later = samples(&metrics);
    assert!(later.contains(&"mayfly_github_next_check_timestamp_seconds 0".to_owned()));
    assert!(!later.iter().any(|line| line.contains("token")), "{later:?}");
}

#[test]
fn buckets_reach_from_what_is_quick_to_what_is_slow() {
    let metrics = Metrics::new(&Traffic::default());
    metrics.took("ci", true, SignedDuration::from_secs(1));
    let text = metrics.render();
    let ends = |name: &str| {
        let start = format!("mayfly_{name}_seconds_bucket{{le=\"");
        let bounds = text.lines().filter_map(|line| line.strip_prefix(&start)?.split('"').next());
        let bounds: Vec<&str> = bounds.collect();
        (bounds.len(), bounds[0], bounds[1], bounds[bounds.len() - 2])
    };
    // The last one is `+Inf`.
    assert_eq!(ends("pass_duration"), (15, "0.01", "0.02", "81.92"));
    assert_eq!(ends("runner_creation"), (19, "0.05", "0.1", "6553.6"));
}
