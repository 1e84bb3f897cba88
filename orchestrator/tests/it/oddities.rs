//! One entry of one of GitHub's lists is not as described: the others count, the entry is told of, nothing is ended by it.

use github_sim::Fault;
use mayfly_common::label::LabelSet;
use mayfly_common::name::RunnerName;
use mayfly_common::runner::RunnerState;
use mayfly_github::hooks::HookPlace;
use serde_json::{Value, json};

use crate::assignment::explain;
use crate::support::{Platform, slug};

const RUNS: &str = "/repos/{owner}/{repo}/actions/runs";
const RUN_JOBS: &str = "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs";
const RUNNERS: &str = "/repos/{owner}/{repo}/actions/runners";

/// Entries that no description of GitHub's allows.
fn odd() -> Vec<Value> {
    vec![json!(null), json!("x"), json!({}), json!({"id": null, "name": null}), json!([])]
}

/// From now on GitHub answers so.
fn answer(platform: &Platform, route: &str, body: &Value) {
    let route = route.to_owned();
    let body = Some(body.to_string());
    platform.fault(Fault { route, status: 200, times: 1_000, body, ..Fault::default() });
}

/// The list with an odd entry at its beginning and at its end.
fn among(odd: &Value, good: &Value) -> Value {
    json!([odd, good, odd])
}

fn told(problems: &[String], path: &str) -> usize {
    let line = format!("{path}: an entry cannot be read and is left out");
    problems.iter().filter(|problem| problem.contains(&line)).count()
}

#[tokio::test]
async fn a_job_is_served_whatever_stands_beside_it() {
    for odd in odd() {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
        let good = json!({"id": job, "status": "queued", "labels": ["self-hosted"]});
        answer(&platform, RUN_JOBS, &json!({"total_count": 3, "jobs": among(&odd, &good)}));
        let good = json!({"id": run, "updated_at": null});
        answer(&platform, RUNS, &json!({"total_count": 3, "workflow_runs": among(&odd, &good)}));
        let repo = json!({"id": 9, "full_name": "octo-admin/app", "private": true, "fork": null});
        answer(&platform, "/user/repos", &among(&odd, &repo));
        let report = platform.pass().await;
        assert_eq!(report.launched, 1, "{odd} {report:?}");
        let runs = "/repos/octo-admin/app/actions/runs";
        for path in ["/user/repos", runs, &format!("{runs}/{run}/jobs")] {
            assert!(told(&report.problems, path) > 0, "{odd} {path}: {report:?}");
        }
        // As long as it is so, it is told in the same words, which are logged once.
        let again = platform.pass().await;
        assert_eq!(again.problems, report.problems, "{odd}");
        platform.sim.clear_faults();
        platform.wait(60);
        assert!(platform.pass().await.problems.is_empty(), "{odd}");
    }
}

#[tokio::test]
async fn a_job_with_odd_fields_is_served() {
    let fields = [
        json!({"name": null, "completed_at": "", "started_at": "soon", "created_at": null}),
        json!({"labels": ["self-hosted", ""], "conclusion": 7}),
        json!({"name": ["x"], "runner_name": {"a": 1}, "run_id": "y", "steps": null}),
    ];
    for odd in fields {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let mut entry = json!({"id": job, "status": "queued", "labels": ["self-hosted"]});
        entry.as_object_mut().unwrap().extend(odd.as_object().unwrap().clone());
        answer(&platform, RUN_JOBS, &json!({"total_count": 1, "jobs": [entry]}));
        let report = platform.pass().await;
        assert_eq!((report.launched, report.problems.len()), (1, 0), "{odd} {report:?}");
    }
}

#[tokio::test]
async fn labels_that_are_null_hide_no_other_job() {
    let rest = json!(["self-hosted", null]);
    for labels in [json!(null), json!("self-hosted"), json!([null]), json!([""]), rest] {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let good = json!({"id": job, "status": "queued", "labels": ["self-hosted"]});
        let odd = json!({"id": job + 1, "status": "queued", "labels": labels});
        answer(&platform, RUN_JOBS, &json!({"total_count": 2, "jobs": [odd, good]}));
        let report = platform.pass().await;
        assert_eq!((report.launched, report.unmet.len()), (1, 1), "{labels} {report:?}");
    }
}

#[tokio::test]
async fn a_runner_that_works_is_seen_beside_an_odd_one_and_none_is_taken_for_gone() {
    for odd in odd() {
        let platform = Platform::new().await;
        let (first, second) = (
            platform.queue("octo-admin/app", &["self-hosted"]),
            platform.queue("octo-admin/app", &["self-hosted"]),
        );
        platform.pass().await;
        let names = platform.containers();
        let id = platform
            .sim
            .with(|world| world.all_runners().find(|runner| runner.name == names[0]).unwrap().id);
        let jobs: Vec<_> = names.iter().filter_map(|name| platform.connect(name)).collect();
        assert!(jobs.contains(&first) && jobs.contains(&second));
        // One of them is listed; the other may be what cannot be read.
        let good = json!({"id": id, "name": names[0], "status": "online", "busy": true});
        answer(&platform, RUNNERS, &json!({"total_count": 3, "runners": among(&odd, &good)}));
        for _ in 0..10 {
            platform.wait(60);
            let report = platform.pass().await;
            assert_eq!((report.removed, report.deregistered), (0, 0), "{odd} {report:?}");
            assert_eq!(told(&report.problems, "/repos/octo-admin/app/actions/runners"), 1);
        }
        let state = |name: &String| {
            platform.runners().iter().find(|runner| runner.name == *name).unwrap().state
        };
        assert_eq!(state(&names[0]), RunnerState::Busy, "{odd}");
    }
}

#[tokio::test]
async fn a_runner_of_which_github_does_not_say_how_it_stands_is_left_alone() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    let id = platform.sim.with(|world| world.all_runners().next().unwrap().id);
    let body = json!({"runners": [{"id": id, "name": name, "status": null, "busy": "yes"}]});
    answer(&platform, RUNNERS, &body);
    for _ in 0..10 {
        platform.wait(60);
        assert_eq!(platform.pass().await.removed, 0);
    }
    assert_eq!(platform.containers(), [name]);
}

#[tokio::test]
async fn a_workflow_beside_an_odd_entry_is_read() {
    for odd in [json!(null), json!({"name": "x.yml", "type": "blob", "oid": null})] {
        let platform = Platform::new().await;
        platform.queue("octo-admin/app", &["self-hosted"]);
        let entry = json!({"name": "ci.yml", "type": "blob", "oid": "a".repeat(40), "size": 9});
        let folder = json!({
            "databaseId": null, "nameWithOwner": 7, "object": {"entries": among(&odd, &entry)},
        });
        let body = json!({"data": {"r0": folder}, "errors": null});
        let body = Some(body.to_string());
        let route = "/graphql".to_owned();
        platform.fault(Fault { route, status: 200, body, ..Fault::default() });
        let report = platform.pass().await;
        let said = |what: &str| report.problems.iter().any(|problem| problem.contains(what));
        assert!(said("octo-admin/app: an entry of .github/workflows cannot be read"), "{report:?}");
        assert_eq!(report.launched, 1, "what is not known may need us: {report:?}");
    }
}

#[tokio::test]
async fn a_file_that_graphql_lists_and_answers_with_null_is_read_by_rest_or_told_of_until_it_is_read()
 {
    let entry = json!({"name": "ci.yml", "type": "blob", "oid": "b".repeat(40), "size": 9});
    let folder =
        json!({"databaseId": 1, "nameWithOwner": "octo-admin/app", "object": {"entries": [entry]}});
    let contents = "/repos/{owner}/{repo}/contents/{path}";
    for (nothing, by_rest) in [
        (json!({"object": null}), false),
        (json!(null), false),
        (json!({"object": null}), true),
        (json!(null), true),
    ] {
        let case = format!("{nothing} {by_rest}");
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let answer = || {
            for body in [json!({"data": {"r0": folder}}), json!({"data": {"r0": nothing}})] {
                let body = Some(body.to_string());
                let route = "/graphql".to_owned();
                platform.fault(Fault { route, status: 200, body, ..Fault::default() });
            }
            if !by_rest {
                let route = contents.to_owned();
                platform.fault(Fault { route, status: 404, ..Fault::default() });
            }
        };
        answer();
        let asked = || {
            let counters = platform.sim.counters();
            (counters.of("POST", "/graphql"), counters.of("GET", contents))
        };
        let report = platform.pass().await;
        assert_eq!((asked(), report.launched), ((2, 1), 1), "{case}: {report:?}");
        assert_eq!(platform.job_status(job), github_sim::world::model::Status::Queued);
        let line = "octo-admin/app: workflow ci.yml is listed by GitHub, which has no such file";
        let lines = |report: &mayfly_common::api::PassReport| {
            report.problems.iter().filter(|problem| problem.starts_with(line)).count()
        };
        assert_eq!(lines(&report), usize::from(!by_rest), "{case}");
        for _ in 0..9 {
            platform.wait(60);
            let report = platform.pass().await;
            assert_eq!((asked(), lines(&report)), ((2, 1), usize::from(!by_rest)), "{case}");
        }
        // It is asked for again, to no avail, and read in the end.
        if !by_rest {
            answer();
            platform.wait(60);
            let report = platform.pass().await;
            assert_eq!((asked(), lines(&report)), ((4, 2), 1), "{case}");
            platform.wait(600);
            let report = platform.pass().await;
            assert_eq!((asked(), lines(&report)), ((6, 2), 0), "{case}: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_graphql_answers_with_null_for_once_is_read_by_rest() {
    let folder = json!({"databaseId": 1, "nameWithOwner": "octo-admin/app", "object": null});
    for nothing in [folder, json!(null)] {
        let platform = Platform::new().await;
        platform.pass().await;
        let body = Some(json!({"data": {"r0": nothing}}).to_string());
        let route = "/graphql".to_owned();
        platform.fault(Fault { route, status: 200, body, ..Fault::default() });
        platform.wait(3_600);
        let report = platform.pass().await;
        assert_eq!(report.problems, [""; 0], "{nothing}");
        platform.queue("octo-admin/app", &["self-hosted"]);
        platform.wait(60);
        assert_eq!(platform.pass().await.launched, 1, "{nothing}");
        assert_eq!(platform.sim.counters().of("GET", "/repos/{owner}/{repo}/contents/{path}"), 1);
    }
}

#[tokio::test]
async fn hooks_and_deliveries_beside_an_odd_one_are_read() {
    use jiff::Timestamp;
    use mayfly_github::budget::Priority;
    use mayfly_github::hooks::KnownHook;

    let platform = Platform::new().await;
    let place = HookPlace::Repo(slug("octo-admin/app"));
    for odd in odd() {
        platform.sim.clear_faults();
        let good = json!({"id": 5, "active": null, "events": [null, "push"], "config": null});
        answer(&platform, "/repos/{owner}/{repo}/hooks", &among(&odd, &good));
        let good = json!({"id": 6, "guid": "g", "delivered_at": "2026-01-01T00:00:00Z", "event": "push", "status_code": "?"});
        answer(&platform, "/repos/{owner}/{repo}/hooks/{hook_id}/deliveries", &among(&odd, &good));
        let client = platform.client();
        let hooks = client.hooks(&place).await.unwrap();
        assert_eq!(
            (hooks.len(), hooks[0].id, hooks[0].events.as_slice()),
            (1, Some(5), &["push".to_owned()][..])
        );
        let known = KnownHook { id: 5, place: place.clone() };
        let read = client.deliveries(&known, Timestamp::MIN, Priority::Demand).await.unwrap();
        assert_eq!((read.list.len(), read.list[0].id), (1, 6), "{odd}");
        assert_eq!(client.oddities().len(), 2, "{odd}");
    }
}

const JOB: &str = "/repos/{owner}/{repo}/actions/jobs/{job_id}";

/// Hides a job from the lists: breaks its entry among its run's jobs, or its run's entry.
fn hide(platform: &Platform, job: u64, odd_run: bool) -> &'static str {
    // A field that a job is worth nothing without, and one that would be missing.
    let odd = json!({"id": job, "status": 7, "labels": 7});
    answer(platform, RUN_JOBS, &json!({"jobs": [odd]}));
    // Nor does it say more where it is asked for alone.
    answer(platform, JOB, &odd);
    let run = if odd_run { json!("?") } else { json!(7) };
    answer(platform, RUNS, &json!({"workflow_runs": [{"id": run, "status": "queued"}]}));
    if odd_run {
        return "/repos/octo-admin/app/actions/runs: an entry cannot be read";
    }
    "/jobs: an entry cannot be read and is left out: id"
}

#[tokio::test]
async fn a_job_that_cannot_be_read_any_more_waits_on_and_no_runner_is_given_up_for_it() {
    for odd_run in [false, true] {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.queued_jobs), (1, 1), "{report:?}");
        // A runner is idle: the job was cancelled meanwhile, which nobody can know.
        let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
        platform.sim.with(|world| world.cancel_run(run)).unwrap();
        let idle = platform.containers();
        assert_eq!(platform.connect(&idle[0]), None);
        let named = hide(&platform, job, odd_run);
        for _ in 0..10 {
            platform.wait(60);
            let report = platform.pass().await;
            assert_eq!(
                (report.launched, report.removed, report.deregistered),
                (0, 0, 0),
                "{report:?}"
            );
            assert!(report.problems.iter().any(|line| line.contains(named)), "{report:?}");
        }
        assert_eq!((platform.pass().await.queued_jobs, platform.containers()), (1, idle));
        platform.sim.clear_faults();
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!(report.queued_jobs, 0, "the list can be read, and it is not there: {report:?}");
        platform.wait(600);
        platform.pass().await;
        platform.pass().await;
        assert!(platform.containers().is_empty());
    }
}

#[tokio::test]
async fn a_job_that_was_served_ends_though_its_list_cannot_be_read() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    answer(&platform, RUN_JOBS, &json!({"jobs": [{"id": "?"}]}));
    assert_eq!(platform.connect(&name), Some(job));
    platform.wait(20);
    platform.pass().await;
    platform.finish(&name, job);
    let mut launched = 0;
    for _ in 0..10 {
        platform.wait(20);
        launched += platform.pass().await.launched;
    }
    assert_eq!(
        (launched, platform.containers().len()),
        (0, 0),
        "GitHub is asked for the job alone"
    );
}

#[tokio::test]
async fn labels_that_can_be_read_at_last_count() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    let odd = json!({"id": job, "status": "queued", "labels": 7});
    answer(&platform, RUN_JOBS, &json!({"jobs": [odd]}));
    let report = platform.pass().await;
    assert_eq!((report.launched, report.unmet.len()), (0, 1), "{report:?}");
    let told = explain(&platform, job).await["reasons"][0].to_string();
    assert!(told.contains("the labels that GitHub sent for it cannot be read"), "{told}");
    assert!(!told.contains("runner group"), "{told}");
    platform.sim.clear_faults();
    platform.wait(400);
    assert_eq!(platform.pass().await.launched, 1);
}

#[tokio::test]
async fn an_empty_just_in_time_configuration_starts_no_runner() {
    let platform = Platform::new().await;
    let made = json!({"runner": {"id": 1, "name": "r1"}, "encoded_jit_config": ""});
    answer(&platform, "*generate-jitconfig", &made);
    platform.queue("octo-admin/app", &["self-hosted"]);
    let report = platform.pass().await;
    assert_eq!((report.launched, platform.containers().len()), (0, 0), "{report:?}");
    let told = |problem: &String| problem.contains("the just-in-time configuration is empty");
    assert!(report.problems.iter().any(told), "{report:?}");
}

#[tokio::test]
async fn a_runner_group_beside_one_that_cannot_be_read_is_not_called_missing() {
    let platform = Platform::new().await;
    let groups = "/orgs/{org}/actions/runner-groups";
    answer(&platform, groups, &json!({"runner_groups": [{"id": 1, "name": "Default"}, {"id": 7}]}));
    let (org, labels) = ("org:octo-org".parse().unwrap(), LabelSet::requested(["x"]));
    let name = RunnerName::parse("r1").unwrap();
    let refused = platform.client().jit_config(&org, &name, &labels, Some("big")).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("1 cannot be"), "{why}");
}

#[tokio::test]
async fn a_repository_of_which_github_does_not_say_whether_it_is_private_is_not_called_public() {
    for said in [json!(null), json!("?"), json!(true)] {
        let platform = Platform::new().await;
        let job = platform.queue("octo-admin/app", &["self-hosted"]);
        let repo = json!([{"id": 1, "full_name": "octo-admin/app", "private": said}]);
        answer(&platform, "/user/repos", &repo);
        let report = platform.pass().await;
        assert_eq!(report.launched, usize::from(said == true), "{said} {report:?}");
        if said != true {
            let words = "GitHub does not say whether it is private";
            let told: Vec<String> =
                platform.handle.snapshot().github.not_served.into_keys().collect();
            assert!(told.len() == 1 && told[0].starts_with(words), "{told:?}");
            let why = explain(&platform, job).await;
            assert!(!why.to_string().contains("is public"), "{why}");
        }
    }
}
