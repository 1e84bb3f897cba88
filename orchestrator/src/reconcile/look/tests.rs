//! What is asked of whom, and what of the answers counts.

use mayfly_common::pool::{PoolName, PullPolicy};
use mayfly_common::webhook::{EventJob, JobStatus};

use tokio::sync::oneshot;

use super::super::testing::{Bench, at, instance, name, scope};
use super::*;

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
    assert_eq!(unread(&instance("r-1")), None);
    let odd = Instance { unread: Some("why".to_owned()), ..instance("r-1") };
    assert_eq!(unread(&odd).as_deref(), Some("container r-1 cannot be read: why"));
}

fn slug(text: &str) -> RepoSlug {
    RepoSlug::parse(text).unwrap()
}

fn job(id: i64, status: JobStatus) -> EventJob {
    EventJob {
        id,
        run_id: 1,
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
        Instance { created_at: at(-1), ..instance("r-1") },
        Instance { created_at: at(-1), ..instance("r-2") },
    ];
    state.ledger.told(&slug("octo-org/app"), &job(7, JobStatus::InProgress), at(1));
    let repos = working_for(&state, &there);
    assert_eq!(repos, BTreeMap::from([(name("r-1"), slug("octo-org/app"))]));
    assert_eq!(jobs_over(&state, &there), BTreeMap::new());
    state.ledger.told(&slug("octo-org/app"), &job(7, JobStatus::Completed), at(10));
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
    assert_eq!(bench.reconciler.images_wanted(), wanted);
}

#[tokio::test]
async fn a_sweep_looks_where_runners_are_were_or_are_to_be() {
    let bench =
        Bench::with(&[("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")]);
    let spec = serde_json::json!({"name": "ci", "labels": ["x"], "scopes": ["org:other", "discovered", "repo:o/*"]});
    let spec = mayfly_common::pool::PoolSpec::from_json(&spec, "").unwrap();
    bench.handle.book().create(spec, at(0)).await.unwrap();
    let mut state = bench.reconciler.state.lock().await;
    state.scopes.insert(scope("repo:o/was"));
    state.contested.insert(scope("repo:o/contested"), at(9));
    let used = BTreeSet::from([scope("repo:o/is")]);
    let swept = bench.reconciler.scopes_to_sweep(&mut state, &used, 0, at(0));
    let expected = ["org:octo-org", "org:other", "repo:o/contested", "repo:o/is", "repo:o/was"];
    assert_eq!(swept, expected.iter().map(|text| scope(text)).collect());
}

#[test]
fn only_runners_and_their_ends_are_wishes() {
    let delete = Request::Delete { name: name("r-1"), force: true, reply: oneshot::channel().0 };
    let requests = [
        (RequestId(1), Request::Cleanup { dry_run: false, reply: oneshot::channel().0 }),
        (RequestId(2), delete),
        (RequestId(3), Request::Uninstall { reply: oneshot::channel().0 }),
    ];
    let wish = Wish::Delete { name: name("r-1"), force: true };
    assert_eq!(wishes(&requests), [(RequestId(2), wish)]);
}
