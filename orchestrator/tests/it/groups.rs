//! Jobs that ask for a runner group and no label: GitHub does not say which group, so their workflows do.

use axum::body::Body;
use github_sim::world::model::Status;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Platform, scope, slug};

const CI: &str = ".github/workflows/ci.yml";
const BIG: &str =
    "on: push\njobs:\n  build:\n    runs-on: {group: big}\n    steps: [{run: 'true'}]\n";

/// An organisation with two runner groups, a pool in `big`, and one without a group.
async fn platform(pools: &[Value]) -> Platform {
    let discovery = [("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")];
    let platform = Platform::with(&discovery).await;
    platform.sim.with(|world| {
        world.add_runner_group("octo-org", "big").unwrap();
        world.add_runner_group("octo-org", "small").unwrap();
    });
    for pool in pools {
        let request = Request::post("/api/v1/pools").body(Body::from(pool.to_string())).unwrap();
        let made = platform.router().oneshot(request).await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED, "{pool}");
    }
    platform
}

fn big() -> Value {
    json!({"name": "big", "labels": ["self-hosted"], "runner_group": "Big", "scopes": ["org:octo-org"]})
}

fn plain() -> Value {
    json!({"name": "plain", "labels": ["self-hosted"], "scopes": ["org:octo-org"], "min_idle": 1})
}

fn dispatch(platform: &Platform, repo: &str) -> Vec<u64> {
    platform.sim.with(|world| {
        let run = world.dispatch_workflow(&slug(repo), CI).unwrap();
        world.jobs_of(world.run(run).unwrap(), None).map(|job| job.id).collect()
    })
}

async fn explain(platform: &Platform, job: u64) -> Value {
    let path = format!("/api/v1/jobs/{job}/explain");
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = platform.router().oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_job_of_a_group_gets_a_runner_of_the_pool_in_that_group() {
    let platform = platform(&[big(), plain()]).await;
    platform.repo("octo-org/tool", BIG);
    platform.pass().await;
    // One runner waits that is in another group: it is of no use to the job.
    let waiting = platform.containers();
    assert_eq!(waiting.len(), 1);
    platform.connect(&waiting[0]);
    let jobs = dispatch(&platform, "octo-org/tool");
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.queued_jobs, report.unmet.len()), (1, 1, 0), "{report:?}");
    let runner = platform.runners().into_iter().find(|runner| runner.pool == "big").unwrap();
    assert_eq!(runner.scope_name, "octo-org");
    assert_eq!(platform.connect(&runner.name), Some(jobs[0]));
    // Its workflow was looked at once.
    let route = "/repos/{owner}/{repo}/contents/{path}";
    for _ in 0..3 {
        platform.wait(10);
        platform.pass().await;
    }
    assert_eq!(platform.sim.counters().of("GET", route), 1);
}

#[tokio::test]
async fn where_no_pool_has_the_group_it_is_said_which_one_is_wanted() {
    let platform = platform(&[plain()]).await;
    platform.repo("octo-org/tool", BIG);
    let dynamic = BIG.replace("big", "'${{ vars.GROUP }}'");
    platform.repo("octo-org/dynamic", &dynamic);
    platform.pass().await;
    let (named, open) =
        (dispatch(&platform, "octo-org/tool"), dispatch(&platform, "octo-org/dynamic"));
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.unmet.len()), (0, 2), "{report:?}");
    let said = explain(&platform, named[0]).await["reasons"][0].to_string();
    assert!(said.contains("the runner group big, which no pool here has"), "{said}");
    assert!(said.contains("runner_group big and the scope org:octo-org"), "{said}");
    let said = explain(&platform, open[0]).await["summary"].to_string();
    assert!(said.contains("which group cannot be told: only run time decides it"), "{said}");
}

#[tokio::test]
async fn where_the_group_and_not_a_label_is_what_is_missing_it_is_said_which_one_is_wanted() {
    let platform = platform(&[plain()]).await;
    platform.repo("octo-org/tool", &BIG.replace("big", "big, labels: [self-hosted]"));
    platform.pass().await;
    let waiting = platform.containers();
    platform.connect(&waiting[0]);
    let jobs = dispatch(&platform, "octo-org/tool");
    // What GitHub does not assign shows itself in time.
    for _ in 0..20 {
        platform.wait(10);
        platform.pass().await;
    }
    let told = explain(&platform, jobs[0]).await;
    let why = "pool plain has its labels, but its runners are in the runner group Default, and it asks for the group big";
    assert_eq!(told["summary"], why, "{told}");
    let advice =
        "make a pool with the labels self-hosted, runner_group big and the scope org:octo-org";
    let hint = told["reasons"][0]["hint"].to_string();
    assert!(hint.contains(advice), "{hint}");
    // The advice is right.
    let request = Request::post("/api/v1/pools").body(Body::from(big().to_string())).unwrap();
    assert_eq!(platform.router().oneshot(request).await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(platform.pass().await.launched, 1);
    let runner = platform.runners().into_iter().find(|runner| runner.pool == "big").unwrap();
    assert_eq!(platform.connect(&runner.name), Some(jobs[0]));
}

#[tokio::test]
async fn a_group_may_be_named_with_whose_it_is() {
    let platform = platform(&[big()]).await;
    platform.sim.with(|world| {
        world.add_enterprise("octo-corp", &["octo-org"]).unwrap();
        world.add_enterprise_runner_group("octo-corp", "big").unwrap();
    });
    platform.repo("octo-org/tool", &BIG.replace("big", "org/big"));
    platform.repo("octo-org/theirs", &BIG.replace("big", "enterprise/big"));
    platform.pass().await;
    let (ours, theirs) =
        (dispatch(&platform, "octo-org/tool"), dispatch(&platform, "octo-org/theirs"));
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.unmet.len()), (1, 1), "{report:?}");
    assert_eq!(platform.connect(&platform.containers()[0]), Some(ours[0]));
    let said = explain(&platform, theirs[0]).await["reasons"][0].to_string();
    assert!(said.contains("the runner group big of its enterprise"), "{said}");
    assert!(said.contains("runner_group big, the scope enterprise:SLUG and min_idle"), "{said}");
    // Runners that wait in that group of the enterprise serve it.
    let body = json!({"scope": "enterprise", "scope_name": "octo-corp", "runner_group": "big"});
    let made = platform.create(&body).await.unwrap();
    assert_eq!(platform.connect(&made[0].name), Some(theirs[0]));
}

#[tokio::test]
async fn where_no_pool_serves_an_organisation_nothing_is_asked() {
    let platform = platform(&[]).await;
    platform.repo("octo-org/tool", BIG);
    platform.pass().await;
    let jobs = dispatch(&platform, "octo-org/tool");
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.unmet.len()), (0, 1), "{report:?}");
    let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}";
    assert_eq!(platform.sim.counters().of("GET", route), 0);
    let said = explain(&platform, jobs[0]).await["summary"].to_string();
    assert!(said.contains("no pool has the scope org:octo-org"), "{said}");
}

#[tokio::test]
async fn jobs_of_several_groups_are_told_apart_by_their_names() {
    let small = json!({"name": "small", "labels": ["self-hosted"], "runner_group": "small", "scopes": ["org:octo-org"]});
    let platform = platform(&[big(), small]).await;
    let text = "on: push\njobs:\n  a:\n    runs-on: {group: big}\n    steps: [{run: 'true'}]\n  b:\n    name: Second\n    runs-on: {group: small}\n    steps: [{run: 'true'}]\n  c:\n    strategy: {matrix: {v: [1, 2]}}\n    runs-on: {group: small}\n    steps: [{run: 'true'}]\n";
    platform.repo("octo-org/tool", text);
    platform.pass().await;
    let jobs = dispatch(&platform, "octo-org/tool");
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.launched, jobs.len()), (4, 4), "{report:?}");
    let of = |pool: &str| platform.runners().iter().filter(|runner| runner.pool == pool).count();
    assert_eq!((of("big"), of("small")), (1, 3));
    for name in platform.containers() {
        assert!(platform.connect(&name).is_some());
    }
    assert!(jobs.iter().all(|&job| platform.job_status(job) == Status::InProgress));
}

#[tokio::test]
async fn a_group_that_excludes_the_repository_hands_nothing_over() {
    let platform = platform(&[big()]).await;
    platform.repo("octo-org/tool", BIG);
    let none: Option<&[_]> = Some(&[]);
    platform.sim.with(|world| world.set_group_access("octo-org", "big", none, true)).unwrap();
    platform.pass().await;
    let jobs = dispatch(&platform, "octo-org/tool");
    platform.wait(10);
    assert_eq!(platform.pass().await.launched, 1);
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), None);
    assert_eq!(platform.job_status(jobs[0]), Status::Queued);
    let selected = ["octo-org/tool".parse().unwrap()];
    let admit = |world: &mut github_sim::world::World| {
        world.set_group_access("octo-org", "big", Some(&selected), true)
    };
    platform.sim.with(|world| admit(&mut *world)).unwrap();
    assert_eq!(platform.job_status(jobs[0]), Status::InProgress);
    let registered = platform.sim.with(|world| world.runners(&scope("org:octo-org")).count());
    assert_eq!(registered, 1);
}

#[tokio::test]
async fn twenty_jobs_are_looked_at_in_one_pass_and_the_others_in_the_next() {
    let platform = platform(&[big()]).await;
    platform.repo("octo-org/tool", &BIG.replace("steps", "strategy: {matrix: {v: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21]}}\n    steps"));
    platform.pass().await;
    assert_eq!(dispatch(&platform, "octo-org/tool").len(), 21);
    let looks = || platform.sim.counters().of("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}");
    let before = looks();
    platform.wait(10);
    platform.pass().await;
    assert_eq!(looks() - before, 20);
    platform.pass().await;
    platform.pass().await;
    assert_eq!(looks() - before, 21);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_a_problem_and_one_that_is_not_shown_is_no_group() {
    let platform = platform(&[big()]).await;
    platform.repo("octo-org/tool", BIG);
    platform.pass().await;
    let jobs = dispatch(&platform, "octo-org/tool");
    let fault = |status| {
        let route = "/repos/{owner}/{repo}/actions/jobs/{job_id}".to_owned();
        platform.fault(github_sim::Fault { route, status, ..github_sim::Fault::default() });
    };
    fault(502);
    platform.wait(10);
    let report = platform.pass().await;
    let problem =
        "octo-org/tool: the workflow of a queued job cannot be read: GitHub has trouble (502)";
    assert_eq!((report.launched, report.problems.as_slice()), (0, &[problem.to_owned()][..]));
    fault(404);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.problems.len()), (0, 0), "{report:?}");
    let said = explain(&platform, jobs[0]).await["summary"].to_string();
    assert!(said.contains("GitHub does not show its run"), "{said}");
}
