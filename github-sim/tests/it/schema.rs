//! Every answer of every served path against GitHub's own description.

use std::collections::BTreeSet;
use std::time::Duration;

use github_sim::Checked;
use github_sim::conformance::Description;
use github_sim::world::hooks::HookConfig;
use github_sim::world::model::Conclusion;
use serde_json::{Value, json};

use crate::support::{Ask, Reply, scope, send, sim, slug, spec};

const DESCRIPTION: &str = include_str!("../data/github-rest-trimmed.json");

struct Checker {
    description: Description,
    seen: BTreeSet<(String, String)>,
    sim: Checked,
}

impl Checker {
    /// Sends, checks request and answer, and demands this status.
    async fn ask(&mut self, status: u16, ask: Ask<'_>) -> Reply {
        let reply = send(&self.sim, ask.clone()).await;
        let shown = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, status, "{} {}: {shown}", ask.method, ask.path);
        // The answer's own media type says "JSON"; which JSON was asked for by `Accept`.
        let object = ask.accept.contains("vnd.github.object");
        let kind =
            if object { "application/vnd.github.object" } else { reply.header("content-type") };
        let kind = Some(kind).filter(|kind| !kind.is_empty());
        let wrong =
            self.description.check_response(ask.method, ask.path, status, kind, &reply.body);
        assert_eq!(wrong, Vec::<String>::new(), "{} {}: {shown}", ask.method, ask.path);
        if status < 400 {
            let body = ask.body.as_ref().map(ToString::to_string).unwrap_or_default();
            let wrong = self.description.check_request(ask.method, ask.path, body.as_bytes());
            assert_eq!(wrong, Vec::<String>::new(), "{} {}", ask.method, ask.path);
            let recorded = self.sim.recorded();
            let last = recorded.last().expect("the request was recorded");
            self.seen.insert((last.method.clone(), last.route.clone()));
        }
        assert!(!reply.header("x-github-request-id").is_empty(), "{}", ask.path);
        reply
    }

    async fn get(&mut self, path: &str) -> Value {
        self.ask(200, Ask { method: "GET", path, token: "Bearer t", ..Ask::default() }).await.json()
    }

    async fn get_as_app(&mut self, path: &str) -> Value {
        let ask = Ask { method: "GET", path, token: "Bearer a.b.c", ..Ask::default() };
        self.ask(200, ask).await.json()
    }

    async fn change(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        self.ask(status, Ask { method, path, token: "token t", body, ..Ask::default() }).await
    }
}

#[tokio::test]
async fn every_answer_fits_the_description() {
    let (sim, _) = sim().await;
    let org = scope("org:octo-org");
    let (run, job) = sim.with(|world| {
        world.add_runner_group("octo-org", "big").unwrap();
        let run =
            world.dispatch_workflow(&slug("octo-org/tools"), ".github/workflows/ci.yml").unwrap();
        world.add_offline_runner(&org, "r1", &["self-hosted", "linux"]).unwrap();
        let job = world.connect_runner(&org, "r1").unwrap().unwrap();
        world.report_step(job, 1, Conclusion::Success).unwrap();
        world.finish_job(job, Conclusion::Success).unwrap();
        world.queue_job(&slug("octo-org/tools"), spec("later", &["nobody"], &[])).unwrap();
        (run, job)
    });
    let description = Description::from_json(DESCRIPTION).unwrap();
    let mut check = Checker { description, seen: BTreeSet::new(), sim };

    for path in [
        "/",
        "/meta",
        "/user",
        "/user/installations",
        "/user/repos",
        "/user/repos?visibility=all&sort=pushed&direction=asc",
    ] {
        check.get(path).await;
    }
    for path in ["/rate_limit", "/orgs/octo-org", "/orgs/octo-org/repos?type=all&per_page=1"] {
        check.get(path).await;
    }
    check.get_as_app("/app").await;
    let installations = check.get_as_app("/app/installations").await;
    let installation = installations.as_array().unwrap().last().unwrap()["id"].clone();
    check.get_as_app(&format!("/app/installations/{installation}")).await;
    check.get_as_app("/orgs/octo-org/installation").await;
    check.get_as_app("/repos/octo-org/tools/installation").await;
    let path = format!("/app/installations/{installation}/access_tokens");
    let ask = Ask { method: "POST", path: &path, token: "Bearer a.b.c", ..Ask::default() };
    let token = check.ask(201, ask).await.json()["token"].as_str().unwrap().to_owned();
    let token = format!("Bearer {token}");
    let path = "/installation/repositories";
    let found = check.ask(200, Ask { method: "GET", path, token: &token, ..Ask::default() }).await;
    assert_eq!(found.json()["total_count"], 1);
    check.ask(403, Ask { method: "GET", path: "/user", token: &token, ..Ask::default() }).await;
    check.change(403, "GET", path, None).await;

    let repo = "/repos/octo-org/tools";
    check.get(repo).await;
    for path in ["README.md", ".github/workflows", "src", ".github/workflows/ci.yml?ref=main"] {
        check.get(&format!("{repo}/contents/{path}")).await;
    }
    let path = format!("{repo}/contents/src/deep");
    let accept = "application/vnd.github.object+json";
    check
        .ask(200, Ask { method: "GET", path: &path, token: "Bearer t", accept, ..Ask::default() })
        .await;
    let tree = check.get(&format!("{repo}/git/trees/main?recursive=1")).await;
    let paths: Vec<_> = tree["tree"].as_array().unwrap().iter().map(|item| &item["path"]).collect();
    assert_eq!(paths[0], ".github");
    assert!(paths.contains(&&json!("src/deep/x.txt")), "{paths:?}");
    let below = tree["tree"].as_array().unwrap().iter().find(|item| item["path"] == "src").unwrap();
    let sha = below["sha"].as_str().unwrap();
    assert_eq!(check.get(&format!("{repo}/git/trees/{sha}")).await["tree"][0]["path"], "deep");

    let workflows = check.get(&format!("{repo}/actions/workflows")).await;
    let workflow = &workflows["workflows"][0]["id"];
    check.get(&format!("{repo}/actions/workflows/{workflow}")).await;
    check.get(&format!("{repo}/actions/workflows/ci.yml")).await;
    check.get(&format!("{repo}/actions/runs")).await;
    for filter in [
        "status=queued",
        "status=in_progress&created=%3E%3D2026-11-21T00:00:00Z",
        "event=push&branch=main",
    ] {
        check.get(&format!("{repo}/actions/runs?{filter}")).await;
    }
    check.get(&format!("{repo}/actions/runs/{run}")).await;
    let jobs = check.get(&format!("{repo}/actions/runs/{run}/jobs?filter=latest")).await;
    assert_eq!(jobs["total_count"], 3);
    check.get(&format!("{repo}/actions/runs/{run}/attempts/1/jobs")).await;
    let job = check.get(&format!("{repo}/actions/jobs/{job}")).await;
    assert_eq!(
        (&job["runner_name"], &job["steps"][1]["conclusion"]),
        (&json!("r1"), &json!("success"))
    );

    for base in [repo, "/orgs/octo-org"] {
        let runners = format!("{base}/actions/runners");
        let new =
            json!({"name": "j1", "runner_group_id": 1, "labels": ["X", "y"], "work_folder": "_w"});
        let jit = format!("{runners}/generate-jitconfig");
        let made = check.change(201, "POST", &jit, Some(new.clone())).await.json();
        assert_eq!(made["runner"]["status"], "offline");
        check.change(409, "POST", &jit, Some(new.clone())).await;
        for (status, field, value) in [
            (422, "labels", json!([])),
            (422, "labels", json!("x")),
            (422, "name", json!("")),
            (422, "runner_group_id", json!("one")),
            (404, "runner_group_id", json!(77)),
        ] {
            let mut wrong = new.clone();
            wrong["name"] = "j2".into();
            wrong[field] = value;
            check.change(status, "POST", &jit, Some(wrong)).await;
        }
        check.change(422, "POST", &jit, Some(json!({}))).await;
        check.get(&runners).await;
        assert_eq!(check.get(&format!("{runners}?name=J1")).await["total_count"], 1);
        check.get(&format!("{runners}/downloads")).await;
        for kind in ["registration-token", "remove-token"] {
            check.change(201, "POST", &format!("{runners}/{kind}"), None).await;
        }
        let one = format!("{runners}/{}", made["runner"]["id"]);
        check.get(&one).await;
        check.get(&format!("{one}/labels")).await;
        check.change(200, "POST", &format!("{one}/labels"), Some(json!({"labels": ["z"]}))).await;
        check.change(422, "POST", &format!("{one}/labels"), Some(json!({"labels": []}))).await;
        check.change(200, "DELETE", &format!("{one}/labels/z"), None).await;
        check.change(404, "DELETE", &format!("{one}/labels/z"), None).await;
        check.change(200, "PUT", &format!("{one}/labels"), Some(json!({"labels": ["q"]}))).await;
        let left = check.change(200, "DELETE", &format!("{one}/labels"), None).await.json();
        assert_eq!(left["total_count"], 0);
        check.change(204, "DELETE", &one, None).await;
        check.change(404, "DELETE", &one, None).await;
    }
    check.get("/orgs/octo-org/actions/runner-groups").await;
    check.get("/orgs/octo-org/actions/runner-groups/1").await;

    // Nothing listens there: a delivery that failed has the shape of any.
    let hook = json!({
        "name": "web", "active": true, "events": ["meta", "push"],
        "config": {"url": "http://127.0.0.1:9/", "content_type": "json", "secret": "s"},
    });
    check.get_as_app("/app/hook/config").await;
    check.sim.with(|world| world.set_app_hook(HookConfig::json("http://127.0.0.1:9/", "s")));
    assert_eq!(check.get_as_app("/app/hook/config").await["secret"], "********");
    for base in [repo, "/orgs/octo-org"] {
        let hooks = format!("{base}/hooks");
        let made = check.change(201, "POST", &hooks, Some(hook.clone())).await.json();
        check.change(422, "POST", &hooks, Some(hook.clone())).await;
        check.get(&hooks).await;
        let one = format!("{hooks}/{}", made["id"]);
        check.change(204, "POST", &format!("{one}/pings"), None).await;
        let quiet = check.sim.until(|world| world.deliveries_under_way() == 0);
        tokio::time::timeout(Duration::from_secs(20), quiet).await.expect("they fail at once");
        check.get(&one).await;
        let deliveries = format!("{one}/deliveries");
        let list = check.get(&format!("{deliveries}?per_page=1&status=failure")).await;
        let delivery = format!("{deliveries}/{}", list[0]["id"]);
        check.get(&delivery).await;
        check.change(202, "POST", &format!("{delivery}/attempts"), None).await;
        check.change(204, "DELETE", &one, None).await;
        check.change(404, "DELETE", &one, None).await;
    }
    let list = check.get_as_app("/app/hook/deliveries?per_page=1").await;
    let delivery = format!("/app/hook/deliveries/{}", list[0]["id"]);
    check.get_as_app(&delivery).await;
    let path = format!("{delivery}/attempts");
    check
        .ask(202, Ask { method: "POST", path: &path, token: "Bearer a.b.c", ..Ask::default() })
        .await;
    check.get_as_app("/users/octo-admin/installation").await;

    let missed: Vec<_> = check
        .description
        .operations()
        .filter(|(method, path)| !check.seen.contains(&((*method).to_owned(), (*path).to_owned())))
        .collect();
    assert_eq!(missed, [], "described and not served");
    assert_eq!(check.sim.with(|world| world.violations()), Vec::<String>::new());
}
