//! The ordinary life of jobs and runners, and that nothing is left.

use std::collections::BTreeSet;

use github_sim::conformance::{Description, check_graphql_request};
use github_sim::world::model::{Conclusion, Status};
use mayfly_common::foreign_text::line;
use mayfly_common::pool::PoolName;
use mayfly_common::runner::RunnerState;

use crate::support::{Platform, SELF_HOSTED, TOKEN, scope, slug};

#[tokio::test]
async fn a_queued_job_gets_a_fresh_container_and_nothing_is_left() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted", "linux"]);

    let report = platform.pass().await;
    assert_eq!(
        (report.launched, report.queued_jobs, report.problems.len()),
        (1, 1, 0),
        "{report:?}"
    );
    let name = platform.containers()[0].clone();
    assert_eq!(platform.registrations(), std::slice::from_ref(&name));
    assert_eq!(platform.runners()[0].state, RunnerState::Starting);

    assert_eq!(platform.connect(&name), Some(job));
    platform.pass().await;
    assert_eq!(platform.runners()[0].state, RunnerState::Busy);

    platform.finish(&name, job);
    let report = platform.pass().await;
    assert_eq!((report.removed, report.deregistered), (1, 0));
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    assert_eq!(platform.handle.snapshot().finished[0].reason, "its job's result was Succeeded");
    assert!(platform.sim.with(|world| world.violations()).is_empty());

    platform.wait(30);
    let again = platform.pass().await;
    assert_eq!(
        (again.launched, again.removed, again.deregistered),
        (0, 0, 0),
        "nothing more to do"
    );
}

#[tokio::test]
async fn exactly_the_missing_runners_are_started_up_to_the_cap() {
    let platform = Platform::new().await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    for _ in 0..3 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    assert_eq!(platform.pass().await.launched, 3);
    assert_eq!(platform.pass().await.launched, 0, "starting runners count");
    for _ in 0..3 {
        platform.queue("octo-admin/other", &["self-hosted", "linux", "X64"]);
    }
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!(
        report.launched,
        1,
        "the cap is four: {report:?} {:?}",
        platform.handle.snapshot().github
    );
    // A place that becomes free is filled at once.
    let first = platform.containers()[0].clone();
    let job = platform.connect(&first).unwrap();
    platform.finish(&first, job);
    let report = platform.pass().await;
    assert_eq!((report.removed, report.launched), (1, 1), "{report:?}");
    assert_eq!(platform.containers().len(), 4);
}

#[tokio::test]
async fn jobs_of_runs_in_progress_are_found_too() {
    let platform = Platform::new().await;
    let workflow = "on: push\njobs:\n  a:\n    runs-on: self-hosted\n    steps: [{run: 'true'}]\n  b:\n    needs: a\n    runs-on: self-hosted\n    steps: [{run: 'true'}]\n";
    platform.repo("octo-admin/chain", workflow);
    platform
        .sim
        .with(|world| {
            world.dispatch_workflow(&slug("octo-admin/chain"), ".github/workflows/ci.yml")
        })
        .unwrap();
    platform.pass().await;
    let name = platform.containers()[0].clone();
    let first = platform.connect(&name).unwrap();
    platform.finish(&name, first);
    let report = platform.pass().await;
    assert_eq!(
        (report.removed, report.launched),
        (1, 1),
        "the second job waits in a run that is in progress: {report:?}"
    );
}

#[tokio::test]
async fn only_what_our_labels_cover_starts_a_runner() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    platform.queue("octo-admin/app", &["ubuntu-latest"]);
    let report = platform.pass().await;
    assert_eq!((report.launched, report.queued_jobs), (0, 0));
    assert_eq!(report.unmet.len(), 1);
    assert_eq!(
        report.unmet[0].reason,
        "no runner here has the label gpu; ours have linux,self-hosted,x64"
    );
}

#[tokio::test]
async fn repositories_are_found_on_all_pages_and_dead_ones_are_left_out() {
    let platform = Platform::new().await;
    for number in 0..150 {
        platform.repo(
            &format!("octo-admin/r{number:03}"),
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: []\n",
        );
    }
    platform.repo("octo-admin/zz-last", SELF_HOSTED);
    platform.repo("octo-admin/archived", SELF_HOSTED);
    platform.sim.with(|world| {
        world.change_repo(&slug("octo-admin/archived"), |repo| repo.archived = true).unwrap();
        world.change_repo(&slug("octo-admin/r000"), |repo| repo.disabled = true).unwrap();
    });
    platform.queue("octo-admin/zz-last", &["self-hosted"]);
    let report = platform.pass().await;
    assert_eq!(
        (report.repositories, report.self_hosted_repositories, report.launched),
        (151, 2, 1),
        "{report:?}"
    );
}

#[tokio::test]
async fn an_unchanged_repository_is_not_read_again_and_a_push_is_noticed() {
    let platform = Platform::new().await;
    platform.repo(
        "octo-admin/quiet",
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: []\n",
    );
    platform.pass().await;
    let contents = |platform: &Platform| platform.sim.counters().of("POST", "/graphql");
    let after_first = contents(&platform);
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((contents(&platform), report.self_hosted_repositories), (after_first, 1));
    platform.wait(10);
    platform
        .sim
        .with(|world| {
            world.put_file(&slug("octo-admin/quiet"), ".github/workflows/ci.yml", SELF_HOSTED)
        })
        .unwrap();
    let report = platform.pass().await;
    assert_eq!((contents(&platform), report.self_hosted_repositories), (after_first + 2, 2));
}

#[tokio::test]
async fn the_organisation_mode_covers_the_organisation_and_the_user() {
    let platform =
        Platform::with(&[("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")])
            .await;
    platform.repo("octo-org/lib", SELF_HOSTED);
    platform.queue("octo-org/lib", &["self-hosted"]);
    platform.queue("octo-admin/app", &["self-hosted"]);
    let report = platform.pass().await;
    assert_eq!((report.repositories, report.launched), (2, 2));
}

#[tokio::test]
async fn a_restart_adopts_what_is_there() {
    let mut platform = Platform::new().await;
    for _ in 0..2 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    platform.pass().await;
    let names = platform.containers();
    let busy = platform.connect(&names[0]).unwrap();
    platform.restart();
    let report = platform.pass().await;
    assert_eq!((report.launched, report.removed), (0, 0), "{report:?}");
    assert_eq!(platform.runners().len(), 2);
    platform.finish(&names[0], busy);
    platform.restart();
    platform.pass().await;
    assert_eq!(platform.containers(), [names[1].clone()]);
}

#[tokio::test]
async fn a_crash_between_registering_and_creating_is_repaired() {
    let mut platform = Platform::new().await;
    platform.sim.with(|world| {
        world
            .add_offline_runner(
                &scope("repo:octo-admin/app"),
                "mayfly-fake-0123456789ab",
                &["self-hosted"],
            )
            .unwrap();
        world
            .add_offline_runner(
                &scope("repo:octo-admin/app"),
                "mayfly-other-0123456789ab",
                &["self-hosted"],
            )
            .unwrap();
        world
            .add_offline_runner(
                &scope("repo:octo-admin/app"),
                "somebody-s-server",
                &["self-hosted"],
            )
            .unwrap();
    });
    platform.restart();
    // Another host with the same id may just be starting it.
    assert_eq!(platform.pass().await.deregistered, 0);
    platform.wait(299);
    assert_eq!(platform.pass().await.deregistered, 0);
    platform.wait(1);
    let report = platform.pass().await;
    assert_eq!((report.deregistered, report.problems.len()), (1, 0), "{report:?}");
    assert_eq!(
        platform.registrations(),
        ["mayfly-other-0123456789ab", "somebody-s-server"],
        "others' are never touched"
    );
}

#[tokio::test]
async fn surplus_idle_runners_go_and_the_needed_stay() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let run = platform.sim.with(|world| world.job(job).unwrap().run_id);
    platform.sim.with(|world| world.cancel_run(run)).unwrap();
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), None, "its job was cancelled");
    platform.pass().await;
    platform.wait(59);
    platform.pass().await;
    assert_eq!(platform.containers().len(), 1);
    platform.wait(1);
    assert_eq!(platform.pass().await.removed, 1);
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}

#[tokio::test]
async fn a_runner_that_took_a_job_in_the_meantime_is_kept() {
    let platform = Platform::new().await;
    let runners = platform
        .create(&serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"}))
        .await
        .unwrap();
    platform.connect(&runners[0].name);
    platform.pass().await;
    assert_eq!(platform.runners()[0].state, RunnerState::Idle);
    // GitHub's list still says idle; its DELETE does not.
    let route = "/repos/{owner}/{repo}/actions/runners/{runner_id}";
    platform.fault(github_sim::Fault {
        route: route.to_owned(),
        method: Some("DELETE".to_owned()),
        status: 422,
        ..github_sim::Fault::default()
    });
    let error = platform.delete(&runners[0].name, false).await.unwrap_err();
    assert!(error.to_string().contains("running a job"), "{error}");
    assert_eq!(platform.runners()[0].state, RunnerState::Idle);
    assert_eq!(platform.sim.counters().of("DELETE", route), 1);
    assert_eq!(platform.containers().len(), 1);
    assert_eq!(platform.registrations().len(), 1);
}

#[tokio::test]
async fn a_runner_by_the_default_route_is_given_one_registration_and_no_token() {
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 1);
    let by_hand = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    platform.create(&by_hand).await.unwrap();
    let state = platform.backend.state();
    assert_eq!(state.environments.len(), 2);
    let mut configurations = BTreeSet::new();
    for (name, environment) in &state.environments {
        let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
        let given = [
            "ACTIONS_RUNNER_INPUT_JITCONFIG",
            "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE",
        ];
        assert_eq!(names, given, "{name}");
        assert!(environment.iter().all(|(_, value)| !value.contains(TOKEN)), "{name}");
        configurations.extend(environment.iter().find(|(name, _)| name == given[0]).cloned());
    }
    assert_eq!(configurations.len(), 2, "each its own");
    let pool = platform.handle.book().material_of(&PoolName::default_pool());
    assert!(!format!("{:?}", pool.material).contains(TOKEN), "image and arguments");
}

#[tokio::test]
async fn the_token_route_shares_one_token_and_fills_the_templates() {
    let platform = Platform::with(&[
        ("runnerenv_RUNNER_TOKEN", "{registration_token}"),
        ("runnerenv_REPO_URL", "https://github.com/{scope_name}"),
        ("runnerenv_LABELS", "{labels}"),
        ("runnerenv_ODD", "$$x {\"a\": \"{runner_name}\"}"),
    ])
    .await;
    for _ in 0..3 {
        platform.queue("octo-admin/app", &["self-hosted"]);
    }
    assert_eq!(platform.pass().await.launched, 3);
    let route = "/repos/{owner}/{repo}/actions/runners/registration-token";
    assert_eq!(platform.sim.counters().of("POST", route), 1);
    // An hour's token is renewed before it ends.
    platform.wait(51 * 60);
    let asked = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    platform.create(&asked).await.unwrap();
    assert_eq!(platform.sim.counters().of("POST", route), 2);
    let state = platform.backend.state();
    let (name, environment) = state.environments.iter().next().unwrap();
    let value = |wanted: &str| {
        environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    assert_eq!(value("REPO_URL"), Some("https://github.com/octo-admin/app"));
    assert_eq!(value("LABELS"), Some("linux,self-hosted,x64"));
    assert_eq!(value("ODD").unwrap(), format!("$$x {{\"a\": \"{name}\"}}"));
    let token = value("RUNNER_TOKEN").unwrap();
    assert!(token.len() > 10 && value("ACTIONS_RUNNER_INPUT_JITCONFIG").is_none());
    // Images print it, with `set -x` for one.
    assert_eq!(line(&format!("last words {token}")), "last words ***");
    assert!(
        environment.iter().all(|(_, value)| !value.contains(TOKEN)),
        "the platform's own token stays here"
    );
}

#[tokio::test]
async fn workflow_files_of_any_kind_do_not_stop_the_rest() {
    let platform = Platform::new().await;
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        bomb += &["a", &level.to_string(), ": &a", &level.to_string(), " ["].concat();
        bomb += &vec![["*a", &(level - 1).to_string()].concat(); 9].join(",");
        bomb += "]\n";
    }
    bomb += "jobs: *a8\n";
    let huge = format!("on: push\n# {}\n", "x".repeat(2 << 20));
    for (name, text) in [
        ("empty", ""),
        ("invalid", "jobs: [\n"),
        ("bomb", &bomb),
        ("huge", &huge),
        ("scalar", "42"),
    ] {
        platform.repo(&format!("octo-admin/{name}"), text);
    }
    platform.repo(
        "octo-admin/anchors",
        "on: push\nx: &r [self-hosted, linux]\njobs:\n  a:\n    runs-on: *r\n    steps: []\n",
    );
    platform.queue("octo-admin/anchors", &["self-hosted", "linux"]);
    let report = platform.pass().await;
    assert_eq!(report.launched, 1, "{report:?}");
    assert!(
        report.problems.iter().any(|problem| problem.contains("octo-admin/invalid")),
        "{report:?}"
    );
    assert!(
        report.problems.iter().any(|problem| problem.contains("octo-admin/bomb")),
        "{report:?}"
    );
}

#[tokio::test]
async fn everything_we_send_is_what_github_describes() {
    let text = include_str!("../../../github-sim/tests/data/github-rest-trimmed.json");
    let description = Description::from_json(text).unwrap();
    let platform =
        Platform::with(&[("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo-org")])
            .await;
    platform.repo("octo-org/lib", SELF_HOSTED);
    platform.queue("octo-org/lib", &["self-hosted"]);
    platform.sim.with(|world| world.add_runner_group("octo-org", "big")).unwrap();
    platform.pass().await;
    let body = serde_json::json!({"scope": "org", "scope_name": "octo-org", "runner_group": "BIG", "labels": ["self-hosted", "big"]});
    let made = platform.create(&body).await.unwrap();
    platform.delete(&made[0].name, false).await.unwrap();
    let token = Platform::with(&[("runnerenv_T", "{registration_token}")]).await;
    token.queue("octo-admin/app", &["self-hosted"]);
    token.pass().await;
    let recorded: Vec<_> =
        platform.sim.recorded().into_iter().chain(token.sim.recorded()).collect();
    assert!(recorded.len() > 15);
    let questions = recorded.iter().filter(|request| request.route == "/graphql").count();
    assert!(questions > 1, "folders and files are read in batches");
    for request in recorded {
        if request.route == "/graphql" {
            let wrong = check_graphql_request(&request.body);
            assert!(wrong.is_empty(), "{wrong:?} {}", String::from_utf8_lossy(&request.body));
            continue;
        }
        let wrong =
            description.check_request(&request.method, &request.path_and_query, &request.body);
        assert!(wrong.is_empty(), "{} {}: {wrong:?}", request.method, request.path_and_query);
    }
}

#[tokio::test]
async fn without_automatic_mode_only_requests_start_runners() {
    let platform = Platform::with(&[("AUTO_CREATE_RUNNERS", "false")]).await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 0);
    let made = platform
        .create(&serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"}))
        .await
        .unwrap();
    assert_eq!(platform.connect(&made[0].name), Some(job));
    platform.finish(&made[0].name, job);
    assert_eq!(platform.pass().await.removed, 1, "what is finished goes all the same");
    assert_eq!(platform.job_status(job), Status::Completed);
    assert_eq!(
        platform.sim.with(|world| world.job(job).unwrap().conclusion),
        Some(Conclusion::Success)
    );
}
