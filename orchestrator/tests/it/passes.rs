//! What a pass does beside starting and ending runners: takes requests back, asks, counts, keeps, tells.

use std::sync::Arc;

use github_sim::Fault;
use jiff::SignedDuration;
use mayfly_common::webhook::{Content, Delivery, JobStatus, Outcome};
use serde_json::json;

use crate::heard::Heard;
use crate::jobs::{call, get};
use crate::support::{Platform, SELF_HOSTED, scope, slug};
use crate::webhooks::{deliver, told};

const JOB: &str = "/repos/{owner}/{repo}/actions/jobs/{job_id}";

#[tokio::test]
async fn a_request_that_is_taken_back_leaves_no_registration_that_an_image_made_itself() {
    for variables in [&[("runnerenv_REPO_TOKEN", "{registration_token}")][..], &[]] {
        let platform = Platform::with(variables).await;
        let repo = scope("repo:octo-admin/app");
        platform.sim.with(|world| world.add_offline_runner(&repo, "two-10", &["x"])).unwrap();
        let by_token = !variables.is_empty();
        // An image that registers itself is at GitHub at once, and may spell its name in its own way.
        let (sim, place) = (Arc::clone(&platform.sim), repo.clone());
        platform.backend.state().started = by_token.then(|| {
            let register = move |spec: &mayfly_backend::spec::MachineSpec| {
                let name = spec.identity.name.as_str().to_uppercase();
                sim.with(|world| world.add_offline_runner(&place, &name, &["x"])).unwrap();
            };
            Box::new(register) as mayfly_backend::fake::Started
        });
        platform.backend.state().failing_launches = 1;
        let asked = json!({"scope": "repo", "scope_name": "octo-admin/app", "runner_name": "two", "count": 3});
        platform.create(&asked).await.unwrap_err();
        assert_eq!(platform.backend.state().environments.len(), 2, "two were there already");
        assert_eq!(platform.containers(), [] as [&str; 0]);
        assert_eq!(platform.registrations(), ["two-10"], "by token: {by_token}");
        platform.backend.state().started = None;
    }
}

#[tokio::test]
async fn a_question_that_github_has_no_room_for_is_no_failure_that_makes_the_next_wait_longer() {
    let platform = Platform::new().await;
    let job = platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.pass().await;
    platform.finish(&name, job);
    let limited = Fault {
        route: JOB.to_owned(),
        status: 429,
        headers: [("retry-after".to_owned(), "20".to_owned())].into(),
        times: 6,
        ..Fault::default()
    };
    platform.fault(limited);
    // Each time a limit is spent that ends before the next look.
    for _ in 0..6 {
        platform.pass().await;
        platform.wait(21);
    }
    assert_eq!(platform.sim.counters().of("GET", JOB), 6, "each look asks anew");
    platform.pass().await;
    let (_, row) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!(row["status"], "completed");
    assert_eq!(platform.sim.counters().of("GET", JOB), 7);
}

#[tokio::test]
async fn of_what_a_runner_printed_the_last_two_hundred_lines_are_kept() {
    let platform = Platform::new().await;
    let asked = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.backend.state().printed =
        (1..=250).map(|number| ["line ", &number.to_string(), "\n"].concat()).collect();
    platform.delete(&name, false).await.unwrap();
    let kept = platform.handle.store().finished_runner(name).await.unwrap().unwrap().log.unwrap();
    let lines: Vec<&str> = kept.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[199]), (200, "line 51", "line 250"));
}

#[tokio::test]
async fn of_very_many_jobs_that_get_no_runner_two_hundred_are_named_and_all_are_counted() {
    let platform = Platform::new().await;
    for _ in 0..201 {
        platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    }
    platform.wait(60);
    let report = platform.pass().await;
    assert_eq!((report.unmet.len(), report.queued_jobs), (200, 0));
    assert_eq!(platform.handle.snapshot().waits.len(), 201);
    let text = platform.metrics.render();
    for line in [
        "mayfly_jobs_unmet 201\n",
        "mayfly_jobs_queued 0\n",
        "mayfly_oldest_queued_job_seconds 60\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn how_things_stand_with_github_is_told_as_they_are() {
    let ahead = SignedDuration::from_secs(400);
    let platform = Platform::with_clock(&[("AUTO_CREATE_RUNNERS", "true")], ahead).await;
    platform.repo("octo-admin/open", SELF_HOSTED);
    platform
        .sim
        .with(|world| world.change_repo(&slug("octo-admin/open"), |repo| repo.private = false))
        .unwrap();
    platform.pass().await;
    for _ in 0..3 {
        platform.wait(10);
        platform.pass().await;
    }
    let (counters, github) = (platform.sim.counters(), platform.handle.snapshot().github);
    assert!(counters.not_modified > 0 && counters.not_modified < counters.total, "{counters:?}");
    assert_eq!((github.requests, github.unchanged), (counters.total, counters.not_modified));
    assert_eq!(github.clock_skew_seconds, -400);
    assert_eq!(github.next_check, Some(platform.now() + ahead + SignedDuration::from_secs(10)));
    assert_eq!(github.not_served.values().sum::<usize>(), 1, "{:?}", github.not_served);
    assert_eq!(github.webhooks, "none came yet");
    assert_eq!(github.ledger, "in memory: it ends with the process");
    assert_eq!(github.discovery_waits, None);
    let limit = &github.limits[0];
    assert_eq!(
        (limit.account.as_str(), limit.resource.as_str(), limit.limit),
        ("token", "core", 5_000)
    );
    assert!(limit.remaining < 5_000 && limit.remaining > 4_900, "{limit:?}");
    let manual = Platform::with(&[("AUTO_CREATE_RUNNERS", "false")]).await;
    manual.pass().await;
    assert_eq!(manual.handle.snapshot().github.next_check, None);
}

#[tokio::test]
async fn what_the_store_need_not_remember_is_dropped_when_the_service_starts() {
    let platform = Platform::new().await;
    let delivery = |id: &str| Delivery {
        id: id.to_owned(),
        event: "ping".to_owned(),
        hook: None,
        content: Content::Ping,
    };
    let store = platform.handle.store().clone();
    let before = platform.now() - SignedDuration::from_hours(8 * 24);
    store.record(&delivery("old"), before).await.unwrap();
    platform.pass().await;
    assert_eq!(platform.handle.deliver(delivery("old")).await, Outcome::Accepted);
    // Not in every pass: it reads the whole file.
    store.record(&delivery("older"), before).await.unwrap();
    platform.pass().await;
    assert_eq!(platform.handle.deliver(delivery("older")).await, Outcome::Duplicate);
}

#[tokio::test]
async fn how_long_a_runner_took_to_come_online_is_noted_where_that_was_seen() {
    let mut platform = Platform::new().await;
    let sample = |platform: &Platform, what: &str| {
        let text = platform.metrics.render();
        let name = format!("mayfly_runner_registration_seconds_{what}{{pool=\"default\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned))
    };
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.pass().await;
    platform.wait(1);
    platform.restart();
    platform.wait(3);
    platform.connect(&platform.containers()[0]);
    platform.pass().await;
    assert_eq!(sample(&platform, "count"), None, "nobody saw when it came");
    let old = platform.containers();
    platform.queue("octo-admin/app", &["self-hosted"]);
    platform.wait(20);
    platform.pass().await;
    let new = platform.containers().into_iter().find(|name| !old.contains(name)).unwrap();
    platform.wait(6);
    platform.connect(&new);
    for _ in 0..3 {
        platform.pass().await;
        platform.wait(20);
    }
    let found = ["count", "sum"].map(|what| sample(&platform, what));
    assert_eq!(found, ["1", "6.0"].map(|text| Some(text.to_owned())), "once");
}

#[tokio::test]
async fn each_part_that_cannot_be_read_is_a_problem_with_its_name() {
    let rows = [
        ("/user/repos", "repositories of the user cannot be listed: GitHub has trouble (502)"),
        (
            "/repos/{owner}/{repo}/actions/runs",
            "octo-admin/app: jobs cannot be read: GitHub has trouble (502)",
        ),
        (
            "/repos/{owner}/{repo}/actions/runners",
            "repo:octo-admin/app: runners cannot be listed: GitHub has trouble (502)",
        ),
    ];
    for (route, problem) in rows {
        let platform = Platform::new().await;
        let asked = json!({"scope": "repo", "scope_name": "octo-admin/app"});
        platform.create(&asked).await.unwrap();
        platform.fault(Fault {
            route: route.to_owned(),
            status: 502,
            times: 9,
            ..Fault::default()
        });
        platform.wait(60);
        let report = platform.pass().await;
        assert_eq!(report.problems, [problem]);
        assert_eq!(report.github_error.as_deref(), Some("GitHub has trouble (502)"), "{route}");
        let errors = "mayfly_pass_errors_total{kind=\"github\"} 1\n";
        assert!(platform.metrics.render().contains(errors), "{route}");
    }
    // Folders, and single files, whichever way they are read.
    let refuse = |platform: &Platform, route: &str| {
        platform.fault(Fault {
            route: route.to_owned(),
            status: 502,
            times: 99,
            ..Fault::default()
        });
    };
    let platform = Platform::new().await;
    refuse(&platform, "/graphql");
    refuse(&platform, "/repos/{owner}/{repo}/contents/{path}");
    let report = platform.pass().await;
    let problem = "octo-admin/app: workflows cannot be read: GitHub has trouble (502)";
    assert!(report.problems.iter().any(|one| one == problem), "{report:?}");
}

#[tokio::test]
async fn only_what_comes_from_github_s_hooks_shows_that_they_work_and_only_installations_hurry() {
    let platform = Platform::with(&[("RUNNER_CHECK_INTERVAL", "300")]).await;
    platform.pass().await;
    deliver(&platform, "d0", Content::HookDeleted).await;
    platform.pass().await;
    assert!(!platform.handle.snapshot().webhooks, "a hook that is gone tells nothing any more");
    deliver(&platform, "d1", Content::Ping).await;
    platform.pass().await;
    assert!(platform.handle.snapshot().webhooks);
    platform.repo("octo-admin/new", SELF_HOSTED);
    platform.queue("octo-admin/new", &["self-hosted"]);
    let send = async |id: &str, event: &str| {
        let delivery = Delivery {
            id: id.to_owned(),
            event: event.to_owned(),
            hook: None,
            content: Content::Repositories,
        };
        platform.handle.deliver(delivery).await;
        platform.pass().await.launched
    };
    platform.wait(30);
    assert_eq!(send("d2", "repository").await, 0, "its jobs are told of, too");
    assert_eq!(platform.handle.snapshot().report.repositories, 2, "it is known at once");
    assert_eq!(send("d3", "installation_repositories").await, 1, "jobs may wait there");
}

#[tokio::test]
async fn a_job_of_a_repository_that_is_not_served_is_not_in_the_ledger() {
    let platform = Platform::with(&[("DISCOVERY_EXCLUDE", "octo-admin/secret")]).await;
    platform.repo("octo-admin/secret", SELF_HOSTED);
    platform.pass().await;
    let job = platform.queue("octo-admin/secret", &["self-hosted"]);
    let content = told(&platform, "octo-admin/secret", job, JobStatus::Queued);
    assert_eq!(deliver(&platform, "d1", content).await, Outcome::Accepted);
    assert_eq!(platform.pass().await.queued_jobs, 0);
    assert_eq!(get(&platform, &format!("/jobs/{job}")).await.0, http::StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_pool_with_the_policy_ratio_changes_no_more_than_once_in_its_cooldown() {
    let platform = Platform::with(&[("MAX_RUNNERS", "20")]).await;
    let ratio = json!({"policy": "ratio", "jobs_per_runner": 1, "scale_up_threshold": 0, "scale_down_threshold": 0, "cooldown": 100});
    let pool = json!({"name": "ci", "labels": ["self-hosted", "ci"], "scopes": ["repo:octo-admin/app"], "autoscaling": ratio});
    let made = call(&platform, http::Method::POST, "/pools", pool).await;
    assert_eq!(made.0, http::StatusCode::CREATED, "{}", made.1);
    platform.queue("octo-admin/app", &["self-hosted", "ci"]);
    assert_eq!(platform.pass().await.launched, 1);
    platform.queue("octo-admin/app", &["self-hosted", "ci"]);
    for (wait, launched) in [(15, 0), (84, 0), (11, 1)] {
        platform.wait(wait);
        assert_eq!(platform.pass().await.launched, launched, "{wait}");
    }
}

#[tokio::test]
async fn a_runner_goes_though_its_log_is_lost() {
    let platform = Platform::new().await;
    let asked = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.backend.state().refused_logs = 1;
    platform.delete(&name, false).await.unwrap();
    assert!(platform.containers().is_empty() && platform.registrations().is_empty());
    let kept = platform.handle.store().finished_runner(name).await.unwrap().unwrap();
    assert_eq!(kept.log.as_deref(), Some(""));
}

#[tokio::test]
async fn the_repository_that_had_a_job_last_has_the_runner_that_waits() {
    let platform = Platform::with(&[("AUTO_CREATE_RUNNERS", "true")]).await;
    platform.repo("octo-admin/zeta", SELF_HOSTED);
    let job = platform.queue("octo-admin/zeta", &["self-hosted"]);
    platform.pass().await;
    let name = platform.containers()[0].clone();
    platform.connect(&name);
    platform.wait(15);
    platform.pass().await;
    platform.finish(&name, job);
    platform.pass().await;
    let pool = json!({"name": "ci", "labels": ["self-hosted", "linux"], "min_idle": 1, "max": 1});
    let made = call(&platform, http::Method::POST, "/pools", pool).await;
    assert_eq!(made.0, http::StatusCode::CREATED, "{}", made.1);
    platform.pass().await;
    let waiting = platform.runners();
    assert_eq!((waiting.len(), waiting[0].scope_name.as_str()), (1, "octo-admin/zeta"));
}

#[tokio::test]
async fn an_uninstall_deletes_registrations_though_the_sweep_is_switched_off() {
    let platform = Platform::with(&[("GITHUB_CLEANUP_ENABLED", "false")]).await;
    let (repo, ours) = (scope("repo:octo-admin/app"), "mayfly-fake-0123456789ab");
    platform.sim.with(|world| world.add_offline_runner(&repo, ours, &["x"])).unwrap();
    for _ in 0..20 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!(platform.registrations(), [ours]);
    platform.handle.drain().begin(platform.now()).await;
    for _ in 0..10 {
        platform.wait(60);
        let (report, _) = tokio::join!(platform.handle.uninstall(), platform.answering());
        if report.unwrap().left.is_empty() {
            break;
        }
    }
    assert_eq!(platform.registrations(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_job_that_a_runner_had_that_is_gone_counts_for_its_pool() {
    let platform = Platform::new().await;
    let asked = json!({"scope": "repo", "scope_name": "octo-admin/app"});
    let name = platform.create(&asked).await.unwrap()[0].name.clone();
    platform.delete(&name, false).await.unwrap();
    let job = platform.queue("octo-admin/app", &["ubuntu-latest"]);
    let mut content = told(&platform, "octo-admin/app", job, JobStatus::Completed);
    if let Content::Job { job, .. } = &mut content {
        job.runner_name = Some(name);
        job.labels = vec!["self-hosted".to_owned()];
        (job.started_at, job.completed_at) = (Some(platform.now()), Some(platform.now()));
    }
    deliver(&platform, "d1", content).await;
    platform.pass().await;
    let (_, row) = get(&platform, &format!("/jobs/{job}")).await;
    assert_eq!(row["pool"], "manual", "{row}");
}

#[tokio::test]
async fn what_lasts_and_what_is_over_is_logged_once() {
    let (heard, _guard) = Heard::begin();
    let told = |words: &str| heard.lines(words).len();
    let platform = Platform::new().await;
    platform.queue("octo-admin/app", &["self-hosted", "gpu"]);
    let (unmet, engine, github) = (
        "a queued job gets no runner from here",
        "The fake can be reached again",
        "GitHub answers again",
    );
    for _ in 0..3 {
        platform.wait(15);
        platform.pass().await;
    }
    assert_eq!([unmet, engine, github].map(told), [1, 0, 0]);
    platform.backend.state().away = true;
    platform.pass().await;
    // It is there, and something else is wrong with it: that is said, and no more.
    platform.backend.state().away = false;
    platform.wait(15);
    platform.fault(Fault { route: "/user/repos".to_owned(), status: 502, ..Fault::default() });
    platform.pass().await;
    assert_eq!([unmet, engine, github].map(told), [1, 0, 0]);
    for _ in 0..3 {
        platform.wait(60);
        platform.pass().await;
    }
    assert_eq!([unmet, engine, github].map(told), [1, 0, 1]);
    platform.backend.state().away = true;
    platform.pass().await;
    platform.backend.state().away = false;
    for _ in 0..3 {
        platform.wait(15);
        platform.pass().await;
    }
    assert_eq!([unmet, engine, github].map(told), [1, 1, 1]);
}
