//! Rules of GitHub's that answers follow, each with both sides of its bound.

use github_sim::world::model::{Conclusion, JobSpec, RunStatus};
use github_sim::world::{Registration, TokenKind};
use github_sim::{Fault, FaultKind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Ask, get, post, scope, send, sim, slug, spec};

const TOOLS: &str = "octo-org/tools";

#[tokio::test]
async fn a_page_has_thirty_and_at_most_a_hundred() {
    let (sim, _) = sim().await;
    sim.with(|world| {
        for index in 0..205 {
            world.add_offline_runner(&scope("org:octo-org"), &format!("r{index}"), &["x"]).unwrap();
        }
    });
    let link = |page: u32, query: &str, relation: &str| {
        let query = if query.is_empty() { String::new() } else { format!("{query}&") };
        format!(
            "<http://sim.test:8090/orgs/octo-org/actions/runners?{query}page={page}>; rel=\"{relation}\""
        )
    };
    let rows: [(&str, usize, Vec<String>); 6] = [
        ("", 30, vec![link(2, "", "next"), link(7, "", "last")]),
        (
            "per_page=100",
            100,
            vec![link(2, "per_page=100", "next"), link(3, "per_page=100", "last")],
        ),
        (
            "per_page=101",
            100,
            vec![link(2, "per_page=101", "next"), link(3, "per_page=101", "last")],
        ),
        (
            "page=2&per_page=100",
            100,
            vec![
                link(1, "per_page=100", "prev"),
                link(3, "per_page=100", "next"),
                link(3, "per_page=100", "last"),
                link(1, "per_page=100", "first"),
            ],
        ),
        (
            "per_page=100&page=3",
            5,
            vec![link(2, "per_page=100", "prev"), link(1, "per_page=100", "first")],
        ),
        (
            "per_page=100&page=9",
            0,
            vec![link(3, "per_page=100", "prev"), link(1, "per_page=100", "first")],
        ),
    ];
    for (query, count, links) in rows {
        let reply = get(&sim, &format!("/orgs/octo-org/actions/runners?{query}")).await;
        assert_eq!(reply.json()["runners"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(reply.header("link"), links.join(", "), "{query}");
    }
}

#[tokio::test]
async fn a_tag_is_compared_weakly_and_only_for_reading() {
    let (sim, _) = sim().await;
    let tag = get(&sim, "/user").await.header("etag").to_owned();
    let strong = tag.strip_prefix("W/").unwrap().to_owned();
    let list = format!("\"other\", {strong}");
    let rows = [
        (&*tag, 304),
        (&strong, 304),
        (&list, 304),
        ("*", 304),
        ("\"other\"", 200),
        ("other", 200),
    ];
    for (etag, status) in rows {
        let ask = Ask { method: "GET", path: "/user", token: "Bearer t", etag, ..Ask::default() };
        let reply = send(&sim, ask).await;
        assert_eq!(reply.status, status, "{etag}");
        assert_eq!(reply.header("etag"), tag);
        assert_eq!(reply.header("content-type").is_empty(), status == 304);
        assert_eq!(reply.body.is_empty(), status == 304);
    }
    let path = "/orgs/octo-org/actions/runners/registration-token";
    let ask = Ask { method: "POST", path, token: "Bearer t", etag: "*", ..Ask::default() };
    let made = send(&sim, ask).await;
    assert_eq!((made.status, made.header("etag")), (201, ""));
    let free =
        Ask { method: "GET", path: "/rate_limit", token: "Bearer t", etag: "*", ..Ask::default() };
    assert_eq!(send(&sim, free).await.status, 200);
}

#[tokio::test]
async fn a_body_must_be_a_json_object() {
    let (sim, _) = sim().await;
    let path = "/orgs/octo-org/actions/runners/generate-jitconfig";
    let missing = |name: &str| format!("Invalid request.\n\n\"{name}\" wasn't supplied.");
    let wrong = |name: &str, kind: &str| {
        format!("Invalid request.\n\nFor 'properties/{name}', the value is not {kind}.")
    };
    let rows = [
        (json!([]), 400, "Body should be a JSON object".to_owned()),
        (json!({}), 422, missing("name")),
        (json!({"name": 1}), 422, wrong("name", "a string")),
        (json!({"name": "a"}), 422, missing("runner_group_id")),
        (json!({"name": "a", "runner_group_id": "1"}), 422, wrong("runner_group_id", "an integer")),
        (json!({"name": "a", "runner_group_id": 1}), 422, missing("labels")),
        (
            json!({"name": "a", "runner_group_id": 1, "labels": [1]}),
            422,
            wrong("labels", "a list of strings"),
        ),
        (
            json!({"name": "a", "runner_group_id": 1, "labels": ["x"], "work_folder": 1}),
            422,
            wrong("work_folder", "a string"),
        ),
        (json!({"name": "a", "runner_group_id": 9, "labels": ["x"]}), 404, "Not Found".to_owned()),
    ];
    for (body, status, message) in rows {
        let reply = post(&sim, path, body.clone()).await;
        assert_eq!((reply.status, &reply.json()["message"]), (status, &json!(message)), "{body}");
    }
}

#[tokio::test]
async fn a_run_is_what_its_jobs_are() {
    use Conclusion::{Cancelled, Failure, Skipped, Success};
    let (sim, _) = sim().await;
    let workflow = "on: push\njobs:\n  a: {runs-on: x}\n  b: {runs-on: x}";
    let rows = [
        ([Success, Success], Success),
        ([Success, Skipped], Success),
        ([Skipped, Skipped], Skipped),
        ([Success, Cancelled], Cancelled),
        ([Cancelled, Failure], Failure),
        ([Failure, Success], Failure),
    ];
    for (index, (conclusions, expected)) in rows.into_iter().enumerate() {
        sim.with(|world| {
            let path = format!(".github/workflows/w{index}.yml");
            world.put_file(TOOLS, &path, workflow).unwrap();
            let run = world.dispatch_workflow(TOOLS, &path).unwrap();
            let status =
                |world: &github_sim::world::World| world.run_status(world.run(run).unwrap());
            assert_eq!(status(world), (RunStatus::Queued, None));
            for (number, conclusion) in conclusions.into_iter().enumerate() {
                let name = format!("r{index}-{number}");
                world.add_offline_runner(&scope("org:octo-org"), &name, &["x"]).unwrap();
                let job = world.connect_runner(&scope("org:octo-org"), &name).unwrap().unwrap();
                assert_eq!(status(world), (RunStatus::InProgress, None));
                world.disconnect_runner(&name).unwrap();
                world.finish_job(job, conclusion).unwrap();
            }
            assert_eq!(status(world), (RunStatus::Completed, Some(expected)), "{conclusions:?}");
        });
    }
}

#[tokio::test]
async fn what_is_over_is_not_cancelled_and_what_is_not_is_not_repeated() {
    let (sim, clock) = sim().await;
    sim.with(|world| {
        let job = world.queue_job(TOOLS, spec("a", &["x"], &["one", "two"])).unwrap();
        let run = world.job(job).unwrap().run_id;
        let said =
            |refused: Result<(), github_sim::world::Refusal>| refused.unwrap_err().to_string();
        assert_eq!(said(world.rerun(run)), "This workflow run is still in progress.");
        assert_eq!(said(world.finish_job(job, Conclusion::Success)), "no runner has the job");
        world.add_offline_runner("org:octo-org", "r", &["x"]).unwrap();
        clock.advance(SignedDuration::from_secs(1));
        world.connect_runner("org:octo-org", "r").unwrap();
        assert_eq!(said(world.append_log(job, 1, vec![])), "line 1 does not follow line 0");
        world.append_log(job, 0, vec!["a".into(), "b".into()]).unwrap();
        world.append_log(job, 1, vec!["c".into()]).unwrap();
        assert_eq!(world.job(job).unwrap().log, ["a", "c"]);
        for number in [0, 3] {
            let said = said(world.report_step(job, number, Conclusion::Success));
            assert_eq!(said, format!("the job has no step {number}"));
        }
        clock.advance(SignedDuration::from_secs(1));
        world.report_step(job, 1, Conclusion::Success).unwrap();
        clock.advance(SignedDuration::from_secs(1));
        world.report_step(job, 2, Conclusion::Failure).unwrap();
        world.report_step(job, 1, Conclusion::Failure).unwrap();
        let at = |second: i64| jiff::Timestamp::from_second(1_795_219_200 + second).unwrap();
        let steps: Vec<_> = world
            .job(job)
            .unwrap()
            .step_results
            .iter()
            .map(|step| (step.number, step.conclusion, step.started_at, step.completed_at))
            .collect();
        assert_eq!(
            steps,
            [(1, Conclusion::Success, at(1), at(2)), (2, Conclusion::Failure, at(2), at(3))]
        );
        world.finish_job(job, Conclusion::Success).unwrap();
        world.finish_job(job, Conclusion::Failure).unwrap();
        assert_eq!(world.job(job).unwrap().conclusion, Some(Conclusion::Success));
        assert_eq!(said(world.cancel_run(run)), "Cannot cancel a workflow run that is completed.");
        for flag in ["archived", "disabled"] {
            let set = |repo: &mut github_sim::world::model::Repo, to: bool| match flag {
                "archived" => repo.archived = to,
                _ => repo.disabled = to,
            };
            world.change_repo(TOOLS, |repo| set(repo, true)).unwrap();
            let refused = world.queue_job(TOOLS, spec("b", &["x"], &[])).map(|_| ());
            assert_eq!(said(refused), "Repository was archived so is read-only.", "{flag}");
            world.change_repo(TOOLS, |repo| set(repo, false)).unwrap();
        }
    });
}

#[tokio::test]
async fn the_job_that_waits_longest_comes_first() {
    let (sim, clock) = sim().await;
    sim.with(|world| {
        let gated = JobSpec { environment: Some("prod".into()), ..spec("gated", &["x"], &[]) };
        let first = world.queue_job(TOOLS, gated).unwrap();
        clock.advance(SignedDuration::from_secs(1));
        let second = world.queue_job(TOOLS, spec("second", &["x"], &[])).unwrap();
        clock.advance(SignedDuration::from_secs(1));
        world.approve_job(first).unwrap();
        let mut taken = |name: &str| {
            world.add_offline_runner("org:octo-org", name, &["x"]).unwrap();
            world.connect_runner("org:octo-org", name).unwrap()
        };
        assert_eq!((taken("a"), taken("b"), taken("c")), (Some(second), Some(first), None));
    });
}

#[tokio::test]
async fn a_runner_s_token_is_for_one_scope_one_purpose_and_one_hour() {
    let (sim, clock) = sim().await;
    let (org, repo) = (scope("org:octo-org"), scope("repo:octo-org/tools"));
    let (token, expires) =
        sim.with(|world| world.create_runner_token(&org, TokenKind::Registration).unwrap());
    assert_eq!(expires.to_string(), "2026-11-21T01:00:00Z");
    assert_eq!((token.len(), token.starts_with('A')), (29, true));
    assert!(
        token.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
        "{token}"
    );
    let good =
        |scope, kind| sim.with(|world| world.check_runner_token(scope, &token, kind).is_ok());
    assert!(good(&org, TokenKind::Registration));
    assert!(!good(&org, TokenKind::Remove) && !good(&repo, TokenKind::Registration));
    clock.advance(SignedDuration::from_secs(3599));
    assert!(good(&org, TokenKind::Registration));
    clock.advance(SignedDuration::from_secs(1));
    assert!(!good(&org, TokenKind::Registration));
}

#[tokio::test]
async fn a_name_may_be_taken_over_by_config_sh_but_not_from_a_busy_runner() {
    let (sim, _) = sim().await;
    let org = scope("org:octo-org");
    sim.with(|world| {
        let new = |replace| Registration {
            name: "R".into(),
            labels: vec![" X ".into(), "x".into(), "y".into()],
            replace,
            ..Registration::default()
        };
        let first = world.register_runner(&org, new(false)).unwrap();
        let labels: Vec<&str> =
            world.runner(&org, first).unwrap().labels.iter().map(|label| &*label.name).collect();
        assert_eq!(labels, ["x", "y"]);
        assert!(world.register_runner(&org, new(false)).is_err());
        let second = world.register_runner(&org, new(true)).unwrap();
        assert!(world.runner(&org, first).is_err());
        world.queue_job(TOOLS, spec("a", &["y", "X"], &[])).unwrap();
        world.connect_runner(&org, "R").unwrap().unwrap();
        assert!(world.register_runner(&org, new(true)).is_err());
        assert!(world.runner(&org, second).is_ok());
    });
}

#[tokio::test]
async fn files_of_a_commit_that_is_not_there_are_not_found() {
    let (sim, _) = sim().await;
    let path = |wanted: &str| format!("/repos/octo-org/tools/contents/README.md?ref={wanted}");
    let head = get(&sim, "/repos/octo-org/tools/actions/runs").await;
    assert_eq!(head.json()["total_count"], 0);
    for (wanted, status) in [
        ("main", 200),
        ("HEAD", 200),
        ("refs/heads/main", 200),
        ("heads/main", 200),
        ("other", 404),
    ] {
        let reply = get(&sim, &path(wanted)).await;
        assert_eq!(reply.status, status, "{wanted}");
        if status == 404 {
            assert_eq!(reply.json()["message"], "No commit found for the ref other");
        }
    }
    let ask = Ask {
        method: "GET",
        path: "/repos/octo-org/tools/contents/src/",
        token: "Bearer t",
        ..Ask::default()
    };
    let listed = send(&sim, ask.clone()).await.json();
    assert_eq!(listed[0]["path"], "src/deep");
    let object = Ask { accept: "application/vnd.github.object+json", ..ask };
    let object = send(&sim, object).await.json();
    assert_eq!(
        (&object["type"], &object["name"], &object["size"]),
        (&json!("dir"), &json!("src"), &json!(0))
    );
    assert_eq!(object["entries"], listed);
}

#[tokio::test]
async fn runs_are_searched_by_what_they_are() {
    let (sim, clock) = sim().await;
    let newest = sim.with(|world| {
        world.queue_job(TOOLS, spec("old", &["x"], &[])).unwrap();
        clock.advance(SignedDuration::from_hours(48));
        let job = world.queue_job(TOOLS, spec("new", &["ubuntu-latest"], &[])).unwrap();
        world.job(job).unwrap().run_id
    });
    let rows = [
        ("", 2),
        ("status=queued", 1),
        ("status=completed", 1),
        ("status=success", 1),
        ("status=failure", 0),
        ("event=workflow_dispatch", 2),
        ("event=push", 0),
        ("branch=main", 2),
        ("branch=x", 0),
        ("actor=octo-admin", 2),
        ("actor=mona", 0),
        ("head_sha=0", 0),
        ("created=2026-11-21", 1),
        ("created=%3E2026-11-21", 1),
    ];
    for (query, count) in rows {
        let found = get(&sim, &format!("/repos/octo-org/tools/actions/runs?{query}")).await.json();
        assert_eq!(found["total_count"], count, "{query}");
    }
    let all = get(&sim, "/repos/octo-org/tools/actions/runs").await.json();
    assert_eq!(all["workflow_runs"][0]["id"], newest, "the newest first");
    for (attempt, status) in [(0, 404), (1, 200), (2, 404)] {
        let path = format!("/repos/octo-org/tools/actions/runs/{newest}/attempts/{attempt}/jobs");
        assert_eq!(get(&sim, &path).await.status, status, "{attempt}");
    }
    assert_eq!(get(&sim, "/repos/octo-org/tools/actions/runs?created=x").await.status, 422);
}

#[tokio::test]
async fn repositories_are_listed_by_kind_and_order() {
    let (sim, clock) = sim().await;
    sim.with(|world| {
        world.add_user("mona").unwrap();
        for (name, private) in
            [("octo-admin/own", false), ("mona/shared", true), ("octo-org/hidden", true)]
        {
            clock.advance(SignedDuration::from_secs(1));
            let files = [("a".to_owned(), String::new())].into();
            let new = github_sim::world::model::NewRepo { slug: slug(name), private, files };
            world.add_repo(new).unwrap();
        }
        clock.advance(SignedDuration::from_secs(1));
        world.add_org("forks").unwrap();
        world.add_fork(&slug(TOOLS), "forks").unwrap();
        clock.advance(SignedDuration::from_secs(5));
        world.put_file("octo-admin/own", "b", "").unwrap();
        clock.advance(SignedDuration::from_secs(5));
        world.change_repo(TOOLS, |_| ()).unwrap();
    });
    let rows = [
        ("/user/repos", "forks/tools mona/shared octo-admin/own octo-org/hidden octo-org/tools"),
        ("/user/repos?type=owner", "octo-admin/own"),
        ("/user/repos?type=member", "forks/tools mona/shared octo-org/hidden octo-org/tools"),
        ("/user/repos?type=public", "forks/tools octo-admin/own octo-org/tools"),
        ("/user/repos?type=private", "mona/shared octo-org/hidden"),
        ("/user/repos?visibility=public", "forks/tools octo-admin/own octo-org/tools"),
        ("/user/repos?visibility=private", "mona/shared octo-org/hidden"),
        ("/user/repos?affiliation=owner", "octo-admin/own"),
        ("/user/repos?affiliation=collaborator", "mona/shared"),
        (
            "/user/repos?affiliation=organization_member",
            "forks/tools octo-org/hidden octo-org/tools",
        ),
        (
            "/user/repos?direction=desc",
            "octo-org/tools octo-org/hidden octo-admin/own mona/shared forks/tools",
        ),
        (
            "/user/repos?sort=created",
            "forks/tools octo-org/hidden mona/shared octo-admin/own octo-org/tools",
        ),
        (
            "/user/repos?sort=updated",
            "octo-org/tools octo-admin/own forks/tools octo-org/hidden mona/shared",
        ),
        (
            "/user/repos?sort=pushed&direction=asc",
            "octo-org/tools mona/shared octo-org/hidden forks/tools octo-admin/own",
        ),
        ("/orgs/octo-org/repos", "octo-org/hidden octo-org/tools"),
        ("/orgs/octo-org/repos?type=public", "octo-org/tools"),
        ("/orgs/octo-org/repos?type=private", "octo-org/hidden"),
        ("/orgs/octo-org/repos?type=forks", ""),
        ("/orgs/octo-org/repos?type=sources&sort=full_name", "octo-org/hidden octo-org/tools"),
        ("/orgs/forks/repos?type=forks", "forks/tools"),
        ("/orgs/forks/repos?type=sources", ""),
    ];
    for (path, expected) in rows {
        let found = get(&sim, path).await.json();
        let names: Vec<&str> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|repo| repo["full_name"].as_str().unwrap())
            .collect();
        assert_eq!(names.join(" "), expected, "{path}");
    }
    let both = get(&sim, "/user/repos?type=all&visibility=all").await;
    assert_eq!(
        (both.status, &both.json()["message"]),
        (422, &json!("If you specify visibility or affiliation, you cannot specify type."))
    );
}

#[tokio::test]
async fn a_fault_answers_as_it_was_ordered() {
    let (sim, _) = sim().await;
    let whole = get(&sim, "/user").await.body.len();
    let headers = || [("x-odd".to_owned(), "1".to_owned())].into();
    let rows = [
        (
            Fault { status: 503, headers: headers(), ..Fault::default() },
            503,
            "application/json",
            "1",
        ),
        (
            Fault { kind: FaultKind::Html, status: 502, headers: headers(), ..Fault::default() },
            502,
            "text/html; charset=utf-8",
            "1",
        ),
        (
            Fault { status: 200, body: Some("[]".into()), ..Fault::default() },
            200,
            "application/json; charset=utf-8",
            "",
        ),
        (
            Fault {
                status: 200,
                body: Some("x".into()),
                content_type: Some("text/odd".into()),
                ..Fault::default()
            },
            200,
            "text/odd",
            "",
        ),
    ];
    for (fault, status, kind, odd) in rows {
        let fault = Fault { route: "/user".into(), ..fault };
        sim.add_fault(fault.clone());
        assert_eq!(get(&sim, "/meta").await.status, 200, "another route");
        let reply = get(&sim, "/user").await;
        assert_eq!(
            (reply.status, reply.header("content-type"), reply.header("x-odd")),
            (status, kind, odd)
        );
        if let Some(body) = fault.body {
            assert_eq!(reply.body, body.as_bytes());
        } else if fault.kind != FaultKind::Html {
            assert_eq!(reply.json()["message"], "Service Unavailable");
        }
        assert_eq!(get(&sim, "/user").await.status, 200, "it hits once");
    }
    sim.add_fault(Fault {
        kind: FaultKind::Truncated,
        method: Some("get".into()),
        times: 2,
        ..Fault::default()
    });
    assert_eq!(
        post(&sim, "/orgs/octo-org/actions/runners/remove-token", Value::Null).await.status,
        201
    );
    for _ in 0..2 {
        assert_eq!(get(&sim, "/user").await.body.len(), whole / 2);
    }
    assert_eq!(get(&sim, "/user").await.body.len(), whole);
}

#[tokio::test]
async fn a_sender_names_itself_and_only_answers_to_get_have_a_tag() {
    use tower::ServiceExt as _;
    let (sim, _) = sim().await;
    let ask = |method: &str, path: &str, agent: Option<&str>, body: &'static str| {
        let mut request = http::Request::builder().method(method).uri(path);
        request = request.header("authorization", "Bearer t").header("host", "sim.test:8090");
        if let Some(agent) = agent {
            request = request.header("user-agent", agent);
        }
        sim.router().oneshot(request.body(axum::body::Body::from(body)).unwrap())
    };
    assert_eq!(ask("GET", "/user", None, "").await.unwrap().status(), 403);
    assert_eq!(ask("GET", "/user", Some("x"), "").await.unwrap().status(), 200);
    let id = sim.with(|world| world.add_offline_runner("org:octo-org", "r", &["x"]).unwrap());
    let labels = format!("/orgs/octo-org/actions/runners/{id}/labels");
    let set = ask("PUT", &labels, Some("x"), "{\"labels\": [\"y\"]}").await.unwrap();
    assert_eq!((set.status().as_u16(), set.headers().get("etag")), (200, None));
    assert_eq!(ask("PUT", &labels, Some("x"), "{\"labels\"").await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_change_weighs_five_and_only_a_post_makes_something() {
    let (sim, _) = sim().await;
    let id = sim.with(|world| world.add_offline_runner("org:octo-org", "r", &["x"]).unwrap());
    let labels = format!("/orgs/octo-org/actions/runners/{id}/labels");
    let set = || {
        let body = Some(json!({"labels": ["y"]}));
        send(&sim, Ask { method: "PUT", path: &labels, token: "Bearer t", body, ..Ask::default() })
    };
    let limits = |rest_points, content| {
        let limits =
            github_sim::world::tokens::Secondary { rest_points, content, ..Default::default() };
        sim.with(|world| world.tokens.set_secondary(limits));
    };
    limits(Some(9), None);
    assert_eq!((set().await.status, set().await.status), (200, 403));
    limits(Some(10), None);
    assert_eq!((set().await.status, set().await.status), (200, 200));
    limits(None, Some(1));
    assert_eq!((set().await.status, set().await.status), (200, 200));
    let token = "/orgs/octo-org/actions/runners/remove-token";
    assert_eq!(post(&sim, token, Value::Null).await.status, 201);
    assert_eq!(post(&sim, token, Value::Null).await.status, 403);
}
