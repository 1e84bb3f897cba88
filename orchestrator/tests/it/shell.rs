//! What the shell around the plan must not lose: logs, runners of a request, places to look at, what an earlier process heard.

use std::collections::BTreeMap;

use github_sim::Fault;
use mayfly_common::webhook::{Content, JobStatus};
use serde_json::{Value, json};

use crate::support::{Platform, SELF_HOSTED, scope, slug};
use crate::webhooks::{deliver, told};

const HOSTED: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n";
const RUNS: &str = "/repos/{owner}/{repo}/actions/runs";
const RUN_JOBS: &str = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
const RUNNERS: &str = "/repos/{owner}/{repo}/actions/runners";

fn fault(route: &str, status: u16) -> Fault {
    Fault { route: route.to_owned(), status, ..Fault::default() }
}

#[tokio::test]
async fn a_runner_stays_while_the_engine_does_not_send_its_log() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform.finish(&name, job);
    platform.backend.state().unreachable_logs = 1;
    assert_eq!(platform.pass().await.removed, 0);
    assert_eq!(platform.containers(), std::slice::from_ref(&name));
    platform.wait(5);
    assert_eq!(platform.pass().await.removed, 1);
    let log = platform.handle.snapshot().logs.get(&name).cloned();
    assert!(log.is_some_and(|log| log.contains("completed with result")), "the log is kept");
}

#[tokio::test]
async fn a_launch_that_fails_undoes_no_other_but_those_of_its_request() {
    let platform = Platform::new().await;
    for _ in 0..3 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.backend.state().failing_launches = 1;
    assert_eq!(platform.pass().await.launched, 2);
    assert_eq!((platform.containers().len(), platform.registrations().len()), (2, 2));
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_no_sweep() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.wait(-7_200);
    let repo = scope("repo:octo-admin/app");
    let left = "mayfly-fake-0123456789ab";
    platform.sim.with(|world| world.add_offline_runner(&repo, left, &["self-hosted"])).unwrap();
    for _ in 0..20 {
        platform.wait(60);
        platform.pass().await;
    }
    assert!(platform.registrations().is_empty(), "{:?}", platform.registrations());
}

#[tokio::test]
async fn every_repository_is_swept_in_its_turn_however_many_there_are() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    let names: Vec<String> = (0..50).map(|number| format!("octo-admin/r{number:02}")).collect();
    for name in &names {
        platform.repo(name, SELF_HOSTED);
    }
    let left = |number: usize| format!("mayfly-fake-0123456789{number:02}");
    for (number, name) in names.iter().enumerate() {
        let repo = scope(&format!("repo:{name}"));
        let add = platform.sim.with(|world| world.add_offline_runner(&repo, &left(number), &[]));
        add.unwrap();
    }
    for sweep in 0..20 {
        // Webhooks work, so that no repository is looked at for another reason.
        deliver(&platform, &sweep.to_string(), Content::Ping).await;
        platform.wait(60);
        platform.pass().await;
    }
    assert!(platform.registrations().is_empty(), "{:?}", platform.registrations());
}

#[tokio::test]
async fn a_told_job_is_looked_at_after_a_restart_though_its_workflows_do_not_show_it() {
    let mut platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.repo("octo-admin/plain", HOSTED);
    platform.pass().await;
    let job = platform.queue("octo-admin/plain", &["self-hosted"]);
    let content = told(&platform, "octo-admin/plain", job, JobStatus::Queued);
    platform.backend.state().failing_launches = 1;
    deliver(&platform, "d1", content).await;
    assert_eq!(platform.pass().await.queued_jobs, 1);
    platform.restart();
    // Nobody tells that it was cancelled.
    let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
    platform.sim.with(|world| world.cancel_run(run)).unwrap();
    platform.wait(120);
    let report = platform.pass().await;
    assert_eq!((report.queued_jobs, report.launched), (0, 0), "{report:?}");
}

#[tokio::test]
async fn what_an_earlier_process_heard_counts_after_a_restart() {
    let mut platform = Platform::new().await;
    platform.pass().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    deliver(&platform, "d1", told(&platform, "octo-admin/app", job, JobStatus::Queued)).await;
    platform.pass().await;
    assert!(platform.handle.snapshot().webhooks);
    platform.restart();
    platform.pass().await;
    assert!(
        platform.handle.snapshot().webhooks,
        "so it is not polled as if there were no webhooks"
    );
}

#[tokio::test]
async fn a_runner_that_github_kept_and_somebody_removes_is_told() {
    let platform = Platform::new().await;
    let asked = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.connect(&name);
    platform.pass().await;
    let method = Some("DELETE".to_owned());
    platform
        .fault(Fault { method, ..fault("/repos/{owner}/{repo}/actions/runners/{runner_id}", 422) });
    platform.delete(&name, false).await.unwrap_err();
    platform.backend.state().machines.clear();
    platform.pass().await;
    let gone = platform.handle.snapshot().finished;
    assert_eq!(gone.first().map(|gone| gone.name.as_str()), Some(name.as_str()));
    assert_eq!(gone[0].reason, "its container was removed by somebody else");
}

#[tokio::test]
async fn a_list_that_changed_while_it_was_read_is_read_once_more() {
    let platform = Platform::new().await;
    for _ in 0..2 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.pass().await;
    for name in platform.containers() {
        platform.connect(&name);
    }
    platform.pass().await;
    let names = platform.containers();
    let listed: Vec<Value> = platform.sim.with(|world| {
        let shown = |runner: &github_sim::world::model::Runner| json!({"id": runner.id, "name": runner.name, "status": "online", "busy": true});
        world.all_runners().map(shown).collect()
    });
    // One moved from the second page to the first between the two readings: neither shows it.
    let next = format!("{}/repos/octo-admin/app/actions/runners?page=2", platform.sim.url());
    for (page, rel) in [(vec![&listed[0]], "next"), (vec![], "prev")] {
        let body = json!({"total_count": 2, "runners": page}).to_string();
        let headers = BTreeMap::from([("link".to_owned(), format!("<{next}>; rel=\"{rel}\""))]);
        platform.fault(Fault { body: Some(body), headers, ..fault(RUNNERS, 200) });
    }
    let client = platform.client();
    let found = client.registrations(&scope("repo:octo-admin/app")).await.unwrap();
    assert_eq!(found.list.len(), 2, "{found:?}");
    assert_eq!(platform.containers(), names);
}

#[tokio::test]
async fn a_full_page_with_an_odd_entry_is_not_the_last() {
    let platform = Platform::new().await;
    let repo = scope("repo:octo-admin/app");
    let runner =
        |id: i64| json!({"id": id, "name": format!("r{id}"), "status": "online", "busy": true});
    let full: Vec<Value> = (0..99).map(runner).chain([json!(null)]).collect();
    // Without a word on further pages, as some servers answer.
    for page in [full, vec![runner(100)]] {
        let body = json!({"total_count": 101, "runners": page}).to_string();
        platform.fault(Fault { body: Some(body), ..fault(RUNNERS, 200) });
    }
    let found = platform.client().registrations(&repo).await.unwrap();
    assert_eq!((found.list.len(), found.whole), (100, false));
}

#[tokio::test]
async fn repositories_that_cannot_be_listed_are_told_and_stay() {
    let platform = Platform::new().await;
    assert_eq!(platform.pass().await.repositories, 1);
    for status in [403, 404] {
        platform.fault(Fault { times: 5, ..fault("/user/repos", status) });
        platform.wait(3_700);
        let report = platform.pass().await;
        assert!(report.github_error.is_some() && !report.problems.is_empty(), "{report:?}");
        assert_eq!(report.repositories, 1, "{status}");
        platform.sim.clear_faults();
    }
}

#[tokio::test]
async fn a_run_that_is_deleted_while_it_is_looked_at_hides_no_other() {
    let platform = Platform::new().await;
    platform.pass().await;
    for _ in 0..2 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.fault(fault(RUN_JOBS, 404));
    platform.wait(60);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.problems.len()), (1, 0), "{report:?}");
    assert!(platform.sim.counters().of("GET", RUNS) > 0 && report.repositories == 1);
    let served = slug("octo-admin/app");
    assert!(platform.handle.snapshot().repositories.contains_key(&served));
}
