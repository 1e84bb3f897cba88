//! Which repositories are served, and what happens to them: renamed, deleted, emptied, made public; GraphQL that is refused or in
//! trouble.

use std::collections::BTreeMap;

use github_sim::world::model::Status;
use github_sim::{Fault, FaultKind};
use jiff::SignedDuration;
use mayfly_common::machine::Phase;
use mayfly_common::runner::RunnerState;

use crate::support::{Platform, SELF_HOSTED, slug};

const GRAPHQL: &str = "/graphql";

fn contents(platform: &Platform) -> u64 {
    platform.sim.counters().of("GET", "/repos/{owner}/{repo}/contents/{path}")
}

#[tokio::test]
async fn where_graphql_is_refused_or_in_trouble_rest_reads_instead() {
    let faults = [
        Fault { status: 403, ..Fault::default() },
        Fault { status: 404, ..Fault::default() },
        Fault { status: 502, ..Fault::default() },
        Fault { kind: FaultKind::Html, ..Fault::default() },
        Fault { kind: FaultKind::Truncated, ..Fault::default() },
    ];
    for fault in faults {
        let platform = Platform::new().await;
        platform.repo("octo-admin/b", SELF_HOSTED);
        platform.fault(Fault { route: GRAPHQL.to_owned(), times: 1_000, ..fault.clone() });
        platform.queue("octo-admin/b", &["self-hosted"]);
        let report = platform.pass().await;
        assert_eq!(
            (report.self_hosted_repositories, report.launched),
            (2, 1),
            "{fault:?} {report:?}"
        );
        assert_eq!(contents(&platform), 4, "{fault:?}: two folders, two files");
        let asked = platform.sim.counters().of("POST", GRAPHQL);
        assert!(asked <= 3, "{fault:?}: asked {asked} times");
        // It is not asked again for a while, and what did not change is not read again.
        platform.wait(10);
        platform.pass().await;
        assert_eq!(platform.sim.counters().of("POST", GRAPHQL), asked, "{fault:?}");
        assert_eq!(contents(&platform), 4, "{fault:?}");
    }
}

#[tokio::test]
async fn a_renamed_repository_is_served_under_its_new_name() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.sim.with(|world| world.rename_repo(&slug("octo-admin/app"), "tool")).unwrap();
    let job = platform.queue("octo-admin/tool", &["self-hosted"]);
    let mut launched = 0;
    for _ in 0..3 {
        platform.wait(10);
        launched += platform.pass().await.launched;
    }
    assert_eq!(launched, 1, "{:?}", platform.handle.snapshot().report);
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    assert_eq!(platform.handle.snapshot().report.repositories, 1);
}

#[tokio::test]
async fn every_job_of_a_renamed_repository_takes_its_new_name_also_one_that_is_long_over() {
    let platform = Platform::new().await;
    let long_over = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.finish(&name, long_over);
    platform.wait(20);
    platform.pass().await;
    platform.wait(7_300);
    let running = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(running));
    platform.wait(20);
    platform.pass().await;
    let of = async |job: u64| {
        let kept = platform.handle.store().job(i64::try_from(job).unwrap()).await.unwrap();
        kept.unwrap().repo.to_string()
    };
    assert_eq!(
        (of(long_over).await, of(running).await),
        ("octo-admin/app".into(), "octo-admin/app".into())
    );
    platform.sim.with(|world| world.rename_repo(&slug("octo-admin/app"), "tool")).unwrap();
    for _ in 0..3 {
        platform.wait(20);
        platform.pass().await;
    }
    assert_eq!(
        (of(long_over).await, of(running).await),
        ("octo-admin/tool".into(), "octo-admin/tool".into())
    );
}

#[tokio::test]
async fn a_job_that_waits_while_its_repository_is_renamed_gets_its_runner() {
    let platform = Platform::with(&[("MAX_RUNNERS", "1")]).await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    let first = platform.queue("octo-admin/other", &["self-hosted"]);
    platform.pass().await;
    let busy = platform.containers()[0].clone();
    assert_eq!(platform.connect(&busy), Some(first));
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(10);
    assert_eq!(platform.pass().await.launched, 0, "there is no room");
    platform.sim.with(|world| world.rename_repo(&slug("octo-admin/app"), "tool")).unwrap();
    for _ in 0..3 {
        platform.wait(10);
        platform.pass().await;
    }
    platform.finish(&busy, first);
    for _ in 0..2 {
        platform.wait(10);
        platform.pass().await;
    }
    let named = platform.containers().into_iter().find(|name| *name != busy);
    let name = named.expect("the job waits for ever under its old name");
    assert_eq!(platform.connect(&name), Some(job));
}

#[tokio::test]
async fn a_deleted_repository_is_forgotten() {
    let platform = Platform::new().await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.pass().await;
    platform.sim.with(|world| world.delete_repo(&slug("octo-admin/app"))).unwrap();
    for _ in 0..3 {
        platform.wait(10);
        platform.pass().await;
    }
    let report = platform.handle.snapshot().report;
    assert_eq!((report.repositories, report.self_hosted_repositories), (1, 1), "{report:?}");
    assert!(report.github_error.is_none() && report.problems.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_deleted_repository_in_which_a_runner_was_is_forgotten_once_its_machine_is_gone() {
    let platform = Platform::new().await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.wait(60);
    platform.pass().await;
    platform.sim.with(|world| world.delete_repo(&slug("octo-admin/app"))).unwrap();
    platform.wait(60);
    let report = platform.pass().await;
    let told = "repo:octo-admin/app: runners cannot be listed";
    assert!(report.problems.iter().any(|one| one.starts_with(told)), "{report:?}");
    // It concerns no other repository of the account.
    assert!(report.github_accounts.is_empty() && report.github_error.is_none(), "{report:?}");
    platform.backend.exit(&name, 1, "");
    for _ in 0..2 {
        platform.wait(400);
        platform.pass().await;
    }
    assert!(platform.containers().is_empty());
    let asked = || {
        let recorded = platform.sim.recorded();
        recorded
            .iter()
            .filter(|one| one.path_and_query.contains("/octo-admin/app/actions/runners"))
            .count()
    };
    let before = asked();
    for _ in 0..3 {
        platform.wait(400);
        let report = platform.pass().await;
        assert!(report.problems.is_empty(), "{report:?}");
    }
    assert_eq!(asked(), before, "GitHub is not asked for its runners any more");
}

/// A runner at work in `octo-admin/app`, in whose container a process runs that calls itself a worker.
async fn with_worker() -> Platform {
    let platform = Platform::new().await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    platform.connect(&platform.containers()[0].clone());
    for machine in platform.backend.state().machines.values_mut() {
        machine.phase = Phase::Running { working: Some(true) };
    }
    platform.wait(60);
    platform.pass().await;
    platform
}

#[tokio::test]
async fn a_process_that_calls_itself_a_worker_keeps_no_runner_of_a_deleted_repository() {
    let platform = with_worker().await;
    platform.sim.with(|world| world.delete_repo(&slug("octo-admin/app"))).unwrap();
    let mut minutes = 0;
    while !platform.containers().is_empty() && minutes < 600 {
        platform.wait(60);
        platform.pass().await;
        minutes += 1;
    }
    // In the first one it is listed no more; six hours of 404 make its registration gone, and ten minutes are the worker's.
    assert_eq!(minutes, 371);
    let reason = "its registration is gone and the container did not end";
    assert_eq!(platform.handle.snapshot().finished[0].reason, reason);
}

/// A job that is in progress when its repository is deleted, one that waits, and how often GitHub is asked for them.
#[tokio::test]
async fn nobody_asks_for_the_jobs_of_a_deleted_repository_for_long() {
    let platform = with_worker().await;
    platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    platform.wait(60);
    platform.pass().await;
    platform.sim.with(|world| world.delete_repo(&slug("octo-admin/app"))).unwrap();
    platform.sim.clear_counters();
    for _ in 0..120 {
        platform.wait(60);
        platform.pass().await;
    }
    let counters = platform.sim.counters();
    let (jobs, runs) = (
        counters.of("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}"),
        counters.of("GET", "/repos/{owner}/{repo}/actions/runs"),
    );
    assert_eq!(jobs, 0, "it is gone, as the list of that minute tells");
    let asked = platform.sim.recorded();
    let there = asked.iter().filter(|one| one.path_and_query.contains("octo-admin/other")).count();
    assert!(there > 0 && runs > 0, "the other repository is asked as ever");
}

#[tokio::test]
async fn a_404_for_the_runners_of_a_listed_repository_ends_none_at_work() {
    let platform = with_worker().await;
    platform.fault(Fault {
        route: "/repos/{owner}/{repo}/actions/runners".to_owned(),
        status: 404,
        times: 1_000,
        ..Fault::default()
    });
    for _ in 0..60 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(platform.runners()[0].state, RunnerState::Busy);
}

#[tokio::test]
async fn jobs_that_are_a_404_in_a_listed_repository_are_a_problem_and_stay_known() {
    let platform = Platform::with(&[("MAX_RUNNERS", "1")]).await;
    platform.repo("octo-admin/other", SELF_HOSTED);
    let first = platform.queue("octo-admin/other", &["self-hosted"]);
    platform.pass().await;
    let busy = platform.containers()[0].clone();
    assert_eq!(platform.connect(&busy), Some(first));
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(60);
    platform.pass().await;
    platform.fault(Fault {
        route: "/repos/{owner}/{repo}/actions/runs".to_owned(),
        status: 404,
        times: 1_000,
        ..Fault::default()
    });
    let told = "GitHub answers 404 for the jobs of octo-admin/app: the credential may not read its Actions, or it was removed";
    for _ in 0..5 {
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!((report.repositories, report.self_hosted_repositories), (2, 2), "{report:?}");
        assert!(report.problems.iter().any(|problem| problem == told), "{report:?}");
    }
    assert!(platform.handle.snapshot().report.github_error.is_none());
    platform.sim.clear_faults();
    platform.finish(&busy, first);
    for _ in 0..3 {
        platform.wait(60);
        platform.pass().await;
    }
    let report = platform.handle.snapshot().report;
    assert!(report.problems.is_empty(), "{report:?}");
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
}

#[tokio::test]
async fn an_emptied_repository_has_no_jobs_for_us() {
    let platform = Platform::new().await;
    platform.pass().await;
    platform.sim.with(|world| world.empty_repo(&slug("octo-admin/app"))).unwrap();
    platform.wait(10);
    let report = platform.pass().await;
    assert_eq!((report.repositories, report.self_hosted_repositories), (1, 0), "{report:?}");
}

#[tokio::test]
async fn public_repositories_are_refused_unless_they_are_allowed() {
    for (allowed, expected) in [("false", 0), ("true", 1)] {
        let platform = Platform::with(&[("ALLOW_PUBLIC_REPOS", allowed)]).await;
        platform.sim.with(|world| {
            let files =
                BTreeMap::from([(".github/workflows/ci.yml".to_owned(), SELF_HOSTED.to_owned())]);
            let slug = "octo-admin/open".parse().unwrap();
            world
                .add_repo(github_sim::world::model::NewRepo { slug, private: false, files })
                .map(drop)
                .unwrap();
        });
        platform.queue("octo-admin/open", &["self-hosted"]);
        let report = platform.pass().await;
        assert_eq!(report.launched, expected, "{report:?}");
        let refused = platform.handle.snapshot().github.not_served;
        let told = refused.keys().any(|why| why.contains("ALLOW_PUBLIC_REPOS=true"));
        assert_eq!(told, expected == 0, "{refused:?}");
        // Whoever has a key decides.
        let asked = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/open"});
        assert_eq!(platform.create(&asked).await.unwrap().len(), 1);
    }
}

/// Without webhooks it is noticed where the whole listing is read, which is hourly.
#[tokio::test]
async fn a_repository_that_was_made_public_is_served_no_more_within_the_hour() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let busy = platform.containers();
    assert_eq!(platform.connect(&busy[0]), Some(job));
    let app = slug("octo-admin/app");
    platform.sim.with(|world| world.change_repo(&app, |repo| repo.private = false)).unwrap();
    for _ in 0..12 {
        platform.wait(300);
        platform.pass().await;
    }
    platform.queue("octo-admin/app", &["self-hosted"]);
    for _ in 0..12 {
        platform.wait(300);
        let report = platform.pass().await;
        assert_eq!((report.launched, platform.containers()), (0, busy.clone()), "{report:?}");
    }
    assert_eq!(platform.job_status(job), Status::InProgress, "who is at work finishes");
    platform.finish(&busy[0], job);
    platform.pass().await;
    assert!(platform.containers().is_empty());
    let refused = platform.handle.snapshot().github.not_served;
    assert!(refused.keys().any(|why| why.contains("ALLOW_PUBLIC_REPOS=true")), "{refused:?}");
}

/// A runner that waits would take the next job of the repository, whoever proposed its code.
#[tokio::test]
async fn runners_that_wait_leave_a_repository_that_was_made_public() {
    let platform = Platform::with(&[("RUNNER_MIN_IDLE", "1")]).await;
    platform.pass().await;
    let waiting = platform.containers();
    assert_eq!((waiting.len(), platform.connect(&waiting[0])), (1, None));
    let asked = serde_json::json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let by_hand = platform.create(&asked).await.unwrap();
    assert_eq!(platform.connect(&by_hand[0].name), None);
    platform.pass().await;
    assert_eq!(platform.containers().len(), 2);
    let app = slug("octo-admin/app");
    platform.sim.with(|world| world.change_repo(&app, |repo| repo.private = false)).unwrap();
    platform.wait(3_600);
    for _ in 0..3 {
        platform.pass().await;
        platform.wait(60);
    }
    assert_eq!(platform.containers(), [by_hand[0].name.clone()], "whoever has a key decides");
    assert_eq!(platform.registrations(), platform.containers());
}

#[tokio::test]
async fn a_runner_that_github_does_not_list_yet_is_left_alone() {
    let platform = Platform::new().await;
    platform.sim.with(|world| world.set_listing_delay(SignedDuration::from_secs(60)));
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    assert_eq!(platform.pass().await.launched, 1);
    for _ in 0..10 {
        platform.wait(3);
        let report = platform.pass().await;
        assert_eq!((report.launched, report.removed, report.deregistered), (0, 0, 0), "{report:?}");
    }
    let name = platform.containers()[0].clone();
    assert_eq!(platform.connect(&name), Some(job));
    platform.finish(&name, job);
    platform.wait(60);
    platform.pass().await;
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
}
