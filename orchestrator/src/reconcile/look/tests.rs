//! What is asked of whom, and what of the answers counts.

use mayfly_common::machine::Phase;
use mayfly_common::pool::{PoolName, PullPolicy};
use mayfly_common::webhook::{EventJob, JobStatus};

use tokio::sync::oneshot;

use super::super::testing::{Bench, at, machine, machine_with, name, scope};
use super::*;
use mayfly_planner::ledger::Fact;

#[test]
fn a_scope_belongs_to_its_account() {
    let rows = [
        ("repo:octo-admin/app", "octo-admin"),
        ("org:octo-org", "octo-org"),
        ("enterprise:corp", "corp"),
    ];
    for (place, expected) in rows {
        assert_eq!(account(&scope(place)), expected);
    }
}

#[test]
fn a_container_that_could_not_be_read_is_a_problem_with_its_name() {
    assert_eq!(unread(&machine("r-1")), None);
    let odd = Machine { unread: Some("why".to_owned()), ..machine("r-1") };
    assert_eq!(unread(&odd).as_deref(), Some("container r-1 cannot be read: why"));
}

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

fn job(id: i64, status: JobStatus) -> EventJob {
    EventJob {
        id,
        name: "build".to_owned(),
        status,
        conclusion: None,
        labels: vec!["self-hosted".to_owned()],
        labels_unread: false,
        created_at: Some(at(0)),
        started_at: None,
        completed_at: (status == JobStatus::Completed).then(|| at(9)),
        runner_name: (status >= JobStatus::InProgress).then(|| "r-1".to_owned()),
    }
}

#[tokio::test]
async fn what_the_ledger_knows_of_a_runner_s_job_is_known_to_the_plan() {
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    let there = [
        machine_with("r-1", |identity| identity.created_at = at(-1)),
        machine_with("r-2", |identity| identity.created_at = at(-1)),
    ];
    state
        .ledger
        .apply(Fact::Job { repo: slug("octo-org/app"), job: job(7, JobStatus::InProgress) }, at(1));
    let repos = working_for(&state, &there);
    assert_eq!(repos, BTreeMap::from([(name("r-1"), slug("octo-org/app"))]));
    assert_eq!(jobs_over(&state, &there), BTreeMap::new());
    state
        .ledger
        .apply(Fact::Job { repo: slug("octo-org/app"), job: job(7, JobStatus::Completed) }, at(10));
    let over = jobs_over(&state, &there);
    assert_eq!(over.keys().collect::<Vec<_>>(), [&name("r-1")]);
}

#[tokio::test]
async fn there_are_as_many_fresh_names_as_runners_and_every_image_has_its_policies() {
    let bench = Bench::with(&[("MAX_RUNNERS", "5"), ("RUNNER_PULL_POLICY", "always")]);
    let names: BTreeSet<RunnerName> = bench.reconciler.fresh_names("inst").into_iter().collect();
    assert_eq!(names.len(), 5);
    for name in names {
        let random = name.as_str().strip_prefix("mayfly-inst-").unwrap();
        assert!(
            random.len() == 12 && random.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name}"
        );
    }
    for (pool, policy, enabled) in [("a", "missing", true), ("b", "never", false)] {
        let spec = serde_json::json!({
            "name": pool, "image": "runner:test", "pull_policy": policy, "enabled": enabled,
        });
        let spec = mayfly_common::pool::PoolSpec::from_json(&spec, "").unwrap();
        bench.handle.book().create(spec, at(0)).await.unwrap();
    }
    let wanted = Wanted {
        policies: BTreeSet::from([PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]),
        users: BTreeMap::from([
            (PoolName::parse("a").unwrap(), PullPolicy::Missing),
            (PoolName::default_pool(), PullPolicy::Always),
        ]),
    };
    let wanted = BTreeMap::from([("runner:test".to_owned(), wanted)]);
    let wanted = BTreeMap::from([(BackendName::default(), wanted)]);
    assert_eq!(bench.reconciler.images_wanted(), wanted);
}

#[tokio::test]
async fn registrations_can_be_where_the_configuration_and_the_pools_say_and_where_names_are_asked_for()
 {
    let bench =
        Bench::with(&[("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")]);
    let spec = serde_json::json!({"name": "ci", "labels": ["x"], "scopes": ["org:other", "discovered", "repo:o/*"]});
    let spec = mayfly_common::pool::PoolSpec::from_json(&spec, "").unwrap();
    bench.handle.book().create(spec, at(0)).await.unwrap();
    let state = bench.reconciler.state.lock().await;
    let places = bench.reconciler.places(&state, &[], &[machine("r-1")], at(0));
    let scopes = |texts: &[&str]| texts.iter().map(|text| scope(text)).collect::<BTreeSet<_>>();
    assert_eq!(places.configured, scopes(&["org:octo-org", "org:other"]));
    assert_eq!(places.used, scopes(&["org:octo-org"]));
    assert!(places.watched.is_empty() && places.named.is_empty() && places.others.is_empty());
}

#[test]
fn only_runners_and_their_ends_are_wishes() {
    let delete = Request::Delete { name: name("r-1"), force: true, reply: oneshot::channel().0 };
    let requests = [
        (RequestId(1), Request::Cleanup { dry_run: false, reply: oneshot::channel().0 }),
        (RequestId(2), delete),
        (RequestId(3), Request::Uninstall { reply: oneshot::channel().0 }),
    ];
    let wish = ApiRequest::Delete { name: name("r-1"), force: true };
    assert_eq!(wishes(&requests), [(RequestId(2), wish)]);
}

#[tokio::test]
async fn what_a_pass_sees_is_remembered_for_the_next_looks() {
    let bench = Bench::with(&[("RUNNER_PURGE_INTERVAL", "60")]);
    let busy = Machine { phase: Phase::Running { working: Some(true) }, ..machine("r-1") };
    bench.backend.state().machines.insert(name("r-1"), busy);
    for (second, next) in [(0, 60), (59, 60), (60, 120)] {
        bench.set(second);
        bench.reconciler.pass().await;
        assert_eq!(bench.reconciler.state.lock().await.schedule.next_sweep, at(next), "{second}");
    }
    let state = bench.reconciler.state.lock().await;
    assert_eq!(state.schedule.scopes, BTreeSet::from([scope("org:octo-org")]));
    assert!(state.ledger.next_search(false).is_some(), "the job that it has is not known yet");
}

#[tokio::test]
async fn checks_are_counted_whose_turn_decides_which_held_runs_are_looked_for() {
    let bench = Bench::with(&[("AUTO_CREATE_RUNNERS", "true")]);
    for checks in 1..=2 {
        bench.reconciler.check_now().await;
        assert_eq!(bench.reconciler.state.lock().await.schedule.checks, checks);
    }
}

fn repository(id: i64, name: &str) -> mayfly_common::repository::Repository {
    mayfly_common::repository::Repository {
        id,
        slug: slug(name),
        pushed_at: None,
        private: Some(true),
        fork: false,
        archived: false,
        disabled: false,
    }
}

/// A state whose catalogue serves these repositories.
fn serve(bench: &Bench, state: &mut State, repos: &[&str]) {
    let listed: Vec<_> = (1..).zip(repos).map(|(id, name)| repository(id, name)).collect();
    let filter = &bench.reconciler.config.github.filter;
    state.catalog.listed(&listed, mayfly_common::repository::Coverage::Whole, filter, at(0));
}

#[tokio::test]
async fn the_lists_that_count_are_those_of_repositories_whose_jobs_wait_and_are_all_known() {
    use mayfly_common::job::QueuedJobs;
    let bench = Bench::new();
    let mut state = bench.reconciler.state.lock().await;
    serve(&bench, &mut state, &["o/waits", "o/quiet", "o/doubted", "o/unasked"]);
    for (id, repo) in [(1, "o/waits"), (2, "o/doubted"), (3, "o/unasked")] {
        state.ledger.apply(Fact::Job { repo: slug(repo), job: job(id, JobStatus::Queued) }, at(0));
    }
    for (second, repo) in [(3, "o/waits"), (4, "o/quiet"), (5, "o/doubted")] {
        state.catalog.polled(&slug(repo), at(second));
    }
    // Its job is missing in a list that could not be read in full.
    state
        .ledger
        .apply(Fact::Listed { repo: slug("o/doubted"), jobs: QueuedJobs::default() }, at(50));
    assert_eq!(listed_at(&state), BTreeMap::from([(slug("o/waits"), at(3))]));
}
