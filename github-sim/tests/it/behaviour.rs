//! What GitHub does besides answering: credentials, limits, pages, conditional requests, names without case.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use github_sim::world::Registration;
use serde_json::{Value, json};

use crate::support::{Ask, get, post, scope, send, sim, slug, spec};

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let (sim, _) = sim().await;
    let ask = |token| Ask { method: "GET", path: "/repos/octo-org/tools", token, ..Ask::default() };
    let none = send(&sim, ask("")).await;
    assert_eq!((none.status, &none.json()["message"]), (401, &json!("Requires authentication")));
    sim.with(|world| world.tokens.add("good", None));
    let bad = send(&sim, ask("Bearer other")).await;
    assert_eq!((bad.status, &bad.json()["message"]), (401, &json!("Bad credentials")));
    assert_eq!(send(&sim, ask("token good")).await.status, 200);
    sim.with(|world| world.tokens.revoke("good"));
    assert_eq!(send(&sim, ask("Bearer good")).await.status, 401);
    let app = Ask { path: "/app", ..ask("Bearer only.two") };
    assert_eq!(send(&sim, app).await.status, 401);
}

#[tokio::test]
async fn a_spent_limit_is_403_until_the_hour_is_over() {
    let (sim, clock) = sim().await;
    sim.with(|world| world.tokens.add("t", Some(2)));
    for left in ["1", "0"] {
        let reply = get(&sim, "/user").await;
        assert_eq!((reply.status, reply.header("x-ratelimit-remaining")), (200, left));
    }
    let spent = get(&sim, "/user").await;
    assert_eq!((spent.status, spent.header("x-ratelimit-remaining")), (403, "0"));
    assert_eq!(spent.header("x-ratelimit-reset"), (1_795_219_200 + 3600).to_string());
    let limits = get(&sim, "/rate_limit").await;
    assert_eq!((limits.status, &limits.json()["resources"]["core"]["used"]), (200, &json!(2)));
    clock.advance(jiff::SignedDuration::from_hours(1));
    assert_eq!(get(&sim, "/user").await.status, 200);
}

#[tokio::test]
async fn a_304_is_free_and_ends_with_a_change() {
    let (sim, _) = sim().await;
    let path = "/repos/octo-org/tools/actions/runs?status=queued";
    let first = get(&sim, path).await;
    let etag = first.header("etag").to_owned();
    let again = || {
        send(&sim, Ask { method: "GET", path, token: "Bearer t", etag: &etag, ..Ask::default() })
    };
    let same = again().await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    let left = |reply: &crate::support::Reply| reply.header("x-ratelimit-remaining").to_owned();
    assert_eq!(left(&first), left(&same));
    sim.with(|world| world.queue_job(&slug("octo-org/tools"), spec("j", &["x"], &[])).unwrap());
    let changed = again().await;
    assert_eq!((changed.status, &changed.json()["total_count"]), (200, &json!(1)));
    assert_eq!(sim.counters().not_modified, 1);
    assert_eq!(sim.counters().of("GET", "/repos/{owner}/{repo}/actions/runs"), 3);
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_each_other() {
    let (sim, _) = sim().await;
    sim.with(|world| {
        for index in 0..5 {
            world.add_offline_runner(&scope("org:octo-org"), &format!("r{index}"), &["x"]).unwrap();
        }
    });
    let base = "http://sim.test:8090/api/v3/orgs/octo-org/actions/runners";
    let mut path = "/api/v3/orgs/octo-org/actions/runners?per_page=2".to_owned();
    let mut names = Vec::new();
    loop {
        let reply = get(&sim, &path).await;
        let body = reply.json();
        assert_eq!(body["total_count"], 5);
        names.extend(body["runners"].as_array().unwrap().iter().map(|one| one["name"].clone()));
        let links = reply.header("link").to_owned();
        let next = links.split(", ").find(|link| link.ends_with("rel=\"next\""));
        let Some(next) = next else {
            assert!(
                links.contains(&format!("<{base}?per_page=2&page=1>; rel=\"first\"")),
                "{links}"
            );
            break;
        };
        path =
            next.trim_start_matches("<http://sim.test:8090").split('>').next().unwrap().to_owned();
    }
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4"]);
    assert_eq!(get(&sim, "/orgs/octo-org/actions/runners").await.header("link"), "");
    let many = get(&sim, "/orgs/octo-org/actions/runners?per_page=1000&page=0").await;
    assert_eq!(many.json()["runners"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn names_are_compared_without_case_and_strangers_are_not_found() {
    let (sim, _) = sim().await;
    let found = get(&sim, "/repos/OCTO-org/Tools").await;
    assert_eq!(found.json()["full_name"], "octo-org/tools");
    for path in [
        "/repos/octo-org/none",
        "/repos/octo-org/tools/actions/runs/1",
        "/repos/octo-org/tools/actions/jobs/x",
        "/repos/octo-org/tools/contents/none",
        "/orgs/octo-admin",
        "/orgs/octo-org/actions/runners/1",
        "/nothing/at/all",
    ] {
        let reply = get(&sim, path).await;
        assert_eq!((reply.status, &reply.json()["message"]), (404, &json!("Not Found")), "{path}");
    }
}

#[tokio::test]
async fn a_file_comes_as_base64_or_raw() {
    let (sim, _) = sim().await;
    let path = "/repos/octo-org/tools/contents/README.md";
    let coded = get(&sim, path).await.json()["content"].as_str().unwrap().replace('\n', "");
    let accept = "application/vnd.github.raw+json";
    let raw =
        send(&sim, Ask { method: "GET", path, token: "Bearer t", accept, ..Ask::default() }).await;
    assert_eq!(STANDARD.decode(coded).unwrap(), raw.body);
    assert!(raw.body.starts_with(b"# Tools\n"));
}

#[tokio::test]
async fn a_just_in_time_configuration_has_the_real_ones_shape_and_works_once() {
    let (sim, _) = sim().await;
    sim.set_public_url("http://172.17.0.1:9/");
    let body = json!({"name": "j1", "runner_group_id": 1, "labels": ["Self-Hosted"]});
    let made = post(&sim, "/orgs/octo-org/actions/runners/generate-jitconfig", body).await.json();
    assert_eq!(made["runner"]["labels"][0]["name"], "self-hosted");
    let decode = |text: &Value| -> Value {
        serde_json::from_slice(&STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap()
    };
    let config = decode(&made["encoded_jit_config"]);
    assert_eq!(decode(&config[".runner"])["serverUrl"], "http://172.17.0.1:9");
    assert!(decode(&config[".credentials_rsaparams"]).is_object());
    let secret = decode(&config[".credentials"])["data"]["secret"].clone();
    let connect = || post(&sim, "/_runner/v1/connect", json!({"secret": secret, "os": "linux"}));
    assert_eq!(connect().await.status, 201);
    assert_eq!(connect().await.status, 401);
    let one = get(&sim, &format!("/orgs/octo-org/actions/runners/{}", made["runner"]["id"])).await;
    assert_eq!(one.json()["status"], "online");
}

#[tokio::test]
async fn a_busy_runner_cannot_be_deleted() {
    let (sim, _) = sim().await;
    let org = scope("org:octo-org");
    let id = sim.with(|world| {
        let new =
            Registration { name: "r1".into(), labels: vec!["x".into()], ..Registration::default() };
        let (id, _) = world.create_jit_runner(&org, new).unwrap();
        world.queue_job(&slug("octo-org/tools"), spec("j", &["x"], &[])).unwrap();
        world.connect_runner(&org, "r1").unwrap().unwrap();
        id
    });
    let path = format!("/orgs/octo-org/actions/runners/{id}");
    let reply =
        send(&sim, Ask { method: "DELETE", path: &path, token: "Bearer t", ..Ask::default() })
            .await;
    assert_eq!(reply.status, 422);
    assert!(reply.json()["message"].as_str().unwrap().contains("currently running a job"));
}
