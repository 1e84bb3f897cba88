//! `mayfly webhook`, as people call it: a simulated GitHub that really delivers, a gateway that receives, and
//! an orchestrator behind it.

#![cfg(feature = "platform")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::future::pending;
use std::process::{Command, Output};
use std::time::Duration;

use github_sim::world::deliveries::{DeliveryFault, DeliveryFaultKind};
use github_sim::world::hooks::{HookConfig, NewHook};
use github_sim::world::model::{JobSpec, NewRepo};
use github_sim::{Checked, Clock, SimConfig};
use jiff::{SignedDuration, Timestamp};
use mayfly_common::scope::RepoSlug;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

#[path = "../../crates/service/tests/support/in_time.rs"]
mod in_time;

use in_time::InTime as _;

/// No output may hold these, or a part of them.
const TOKEN: &str = "ghp_topsecret0123456789topsecret0123456789";
const SECRET: &str = "topsecret that the gateway knows";
/// Far beyond what any of these takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// GitHub with the private repository `octo-admin/app`, and the platform.
struct Scene {
    sim: Checked,
    clock: Clock,
    url: String,
}

impl Scene {
    async fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let config = SimConfig { clock: clock.clone(), ..SimConfig::default() };
        let sim = Checked::start(config).await.unwrap();
        sim.with(|world| {
            world.add_user("octo-admin").unwrap();
            world
                .add_repo(NewRepo {
                    slug: app().to_string().parse().unwrap(),
                    private: true,
                    files: BTreeMap::new(),
                })
                .unwrap();
        });
        let (internal, public) = (free_port().await, free_port().await);
        let orchestrator = format!("http://{}", internal.local_addr().unwrap());
        let url = format!("http://{}/webhooks/github", public.local_addr().unwrap());
        let variables = [
            ("GITHUB_API_URL", &*sim.url()),
            ("GITHUB_RUNNER_TOKEN", TOKEN),
            ("RUNNER_IMAGE", "example/runner"),
            // No engine is there, and none is needed.
            ("DOCKER_HOST", "tcp://127.0.0.1:1"),
        ];
        let config = mayfly_settings::Config::from_variables(owned(&variables)).unwrap();
        tokio::spawn(orchestrator::run(config, internal, pending()));
        let variables = [("ORCHESTRATOR_URL", &*orchestrator), ("WEBHOOK_SECRET", SECRET)];
        let config = api_gateway::Config::from_variables(owned(&variables)).unwrap();
        tokio::spawn(api_gateway::run(config, public, pending()));
        Self { sim, clock, url }
    }

    /// `mayfly webhook COMMAND --repo octo-admin/app` with these variables beside the credential.
    async fn webhook(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let repo = ["--repo", "octo-admin/app", "--url", &self.url];
        let credential =
            owned(&[("GITHUB_API_URL", &self.sim.url()), ("GITHUB_RUNNER_TOKEN", TOKEN)]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.env_clear().arg("webhook").args(arguments).args(repo);
        command.envs(credential).envs(variables.iter().copied());
        // The simulated GitHub must go on meanwhile.
        let output = tokio::task::spawn_blocking(move || command.output_in_time()).await.unwrap();
        assert!(!format!("{output:?}").contains("topsecret"), "{output:?}");
        output
    }

    async fn json(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, Value) {
        let output = self.webhook(&[arguments, &["--json"]].concat(), variables).await;
        let line = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), line)
    }

    async fn delivered(&self) {
        let quiet = self.sim.until(|world| world.deliveries_under_way() == 0);
        timeout(PATIENCE, quiet).await.unwrap();
    }
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn app() -> RepoSlug {
    RepoSlug::parse("octo-admin/app").unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_webhook_is_made_tried_shown_replaced_and_removed() {
    let scene = Scene::new().await;
    let known = [("WEBHOOK_SECRET", SECRET)];
    // The option wins over the variable.
    let other = [("MAYFLY_WEBHOOK_URL", "https://other.example/webhooks/github")];
    let none = scene.webhook(&["status"], &other).await;
    assert!(text(&none).contains(&format!("that sends to {}.", scene.url)), "{none:?}");
    let none = scene.webhook(&["status"], &[]).await;
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none).contains("there is no webhook"), "{none:?}");

    let made = scene.webhook(&["install"], &known).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(text(&made).contains("GitHub tried it: 202: it works."), "{made:?}");
    let (code, again) = scene.json(&["install"], &known).await;
    assert_eq!((code, &again["good"], &again["tried"]["works"]), (0, &true.into(), &true.into()));
    assert_eq!(again["replaced"].as_array().unwrap().len(), 1);
    assert_ne!(again["replaced"][0], again["hook"]);

    // GitHub tries it when it is made, too.
    scene.delivered().await;
    let (code, status) = scene.json(&["status"], &[]).await;
    assert_eq!((code, status["hooks"].as_array().unwrap().len()), (0, 1), "{status}");
    assert_eq!(status["hooks"][0]["hook"]["id"], again["hook"]);
    assert_eq!(status["hooks"][0]["last"][0]["event"], "ping");
    let mut whole = status;
    for taken in ["hook", "last"] {
        whole["hooks"][0][taken].take();
    }
    let hook = json!({
        "hook": null, "events_missing": [], "deliveries": 2, "complete": true, "failures": {}, "due": 0, "given_up": 0, "last": null,
    });
    assert_eq!(whole, json!({"place": "repository octo-admin/app", "hooks": [hook], "good": true}));
    let (_, none) = scene.json(&["status", "--last", "0"], &[]).await;
    assert_eq!((&none["hooks"][0]["last"], &none["good"]), (&json!([]), &json!(true)));

    scene.clock.advance(SignedDuration::from_hours(25));
    let (_, later) = scene.json(&["status"], &[]).await;
    let hook = &later["hooks"][0];
    assert_eq!(
        (&hook["deliveries"], hook["last"].as_array().unwrap().len()),
        (&json!(0), 2),
        "{later}"
    );

    let removed = scene.webhook(&["remove"], &[]).await;
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    let (place, url) = ("repository octo-admin/app", &scene.url);
    let gone = format!(
        "{place}: the webhook that sent to {url} is removed. Jobs are found by polling from now on.\n"
    );
    assert_eq!(text(&removed), gone);
    let (code, gone) = scene.json(&["remove"], &[]).await;
    assert_eq!((code, gone), (0, json!({"place": place, "url": url, "removed": [], "good": true})));
    let none = scene.webhook(&["remove"], &[]).await;
    assert_eq!(text(&none), format!("{place}: there is no webhook that sends to {url}.\n"));
    let none = scene.webhook(&["status"], &[]).await;
    assert_eq!(
        text(&none),
        format!(
            "{place}: there is no webhook that sends to {url}. mayfly webhook install makes one.\n"
        )
    );
    let (code, none) = scene.json(&["status"], &[]).await;
    assert_eq!((code, none), (1, json!({"place": place, "hooks": [], "good": false})));
    let (code, none) = scene.json(&["redeliver"], &[]).await;
    let error = format!(
        "{place}: there is no webhook that sends to {url}; mayfly webhook install makes one"
    );
    assert_eq!((code, none), (1, json!({"error": error})));
    let (_, made) = scene.json(&["install"], &known).await;
    let (_, gone) = scene.json(&["remove"], &[]).await;
    assert_eq!(gone["removed"], json!([made["hook"]]));
}

#[tokio::test]
async fn another_webhook_of_the_repository_is_left_alone() {
    let scene = Scene::new().await;
    let theirs = scene.sim.with(|world| {
        let config = HookConfig::json("http://127.0.0.1:1/theirs", "their secret");
        let events = ["push".to_owned()].into();
        let repo = app().to_string().parse().unwrap();
        world.add_repo_hook(&repo, NewHook { config, events, active: true }).unwrap()
    });
    scene.delivered().await;
    let (code, made) = scene.json(&["install"], &[("WEBHOOK_SECRET", SECRET)]).await;
    assert_eq!((code, &made["replaced"]), (0, &json!([])), "{made}");
    scene.delivered().await;
    let (_, status) = scene.json(&["status"], &[]).await;
    let (_, asked) = scene.json(&["redeliver"], &[]).await;
    for (told, id) in [(&status, "/hooks/0/hook/id"), (&asked, "/hooks/0/hook")] {
        assert_eq!(told["hooks"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!(told.pointer(id), Some(&made["hook"]), "{told}");
    }
    let (_, gone) = scene.json(&["remove"], &[]).await;
    assert_eq!(gone["removed"], json!([made["hook"]]));
    let left = scene.sim.with(|world| world.hooks().map(|hook| hook.id).collect::<Vec<_>>());
    assert_eq!(left, [theirs]);
}

#[tokio::test]
async fn a_secret_that_the_gateway_does_not_know_is_told() {
    let scene = Scene::new().await;
    let wrong = [("WEBHOOK_SECRET", "topsecret of somebody else")];
    let refused = scene.webhook(&["install"], &wrong).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("401") && text(&refused).contains("secrets differ"));
    let status = scene.webhook(&["status"], &[]).await;
    assert_eq!(status.status.code(), Some(1), "its last delivery failed: {status:?}");

    // Where there is none, one is made and shown, and that the gateway cannot know it yet is no fault.
    let new = scene.webhook(&["install"], &[]).await;
    assert_eq!(new.status.code(), Some(0), "{new:?}");
    let line = text(&new).lines().find(|line| line.starts_with("WEBHOOK_SECRET=")).map(str::len);
    assert_eq!(line, Some("WEBHOOK_SECRET=".len() + 64));
}

#[tokio::test]
async fn what_could_not_be_delivered_is_asked_for_again() {
    let scene = Scene::new().await;
    let (code, _) = scene.json(&["install"], &[("WEBHOOK_SECRET", SECRET)]).await;
    assert_eq!(code, 0);
    scene.sim.with(|world| {
        world.add_delivery_fault(DeliveryFault::next(DeliveryFaultKind::WrongSecret));
        let spec = JobSpec { labels: vec!["self-hosted".to_owned()], ..JobSpec::default() };
        world.queue_job(&app(), spec).unwrap();
    });
    scene.delivered().await;
    let (code, status) = scene.json(&["status"], &[]).await;
    assert_eq!((code, &status["hooks"][0]["failures"]["401"]), (1, &1.into()), "{status}");
    for (minutes, asked_for) in [(0, 0), (2, 1)] {
        scene.clock.advance(SignedDuration::from_mins(minutes));
        let (code, asked) = scene.json(&["redeliver"], &[]).await;
        assert_eq!((code, &asked["good"]), (0, &true.into()), "{asked}");
        let mut whole = asked;
        let asked = whole["hooks"][0]["redelivered"].take();
        assert_eq!(asked.as_array().unwrap().len(), asked_for, "not before a minute is over");
        assert!(whole["hooks"][0]["hook"].take().is_i64());
        let hook =
            json!({"hook": null, "read": 3, "redelivered": null, "refused": [], "given_up": 0});
        assert_eq!(
            whole,
            json!({"place": "repository octo-admin/app", "hooks": [hook], "good": true})
        );
    }
    let said = text(&scene.webhook(&["redeliver"], &[]).await);
    let (start, end) = (
        "repository octo-admin/app: webhook ",
        "once more; mayfly webhook status shows what comes of it.\n",
    );
    assert!(
        said.starts_with(start)
            && said.ends_with(&format!(": GitHub was asked for 0 deliveries {end}")),
        "{said}"
    );
    scene.delivered().await;
    let (code, status) = scene.json(&["status"], &[]).await;
    assert_eq!((code, &status["hooks"][0]["due"]), (0, &0.into()), "it arrived: {status}");
}

#[tokio::test]
async fn wrong_arguments_and_variables_are_named() {
    let scene = Scene::new().await;
    let weak = scene.webhook(&["install"], &[("WEBHOOK_SECRET", "short")]).await;
    assert_eq!(weak.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&weak.stderr).contains("WEBHOOK_SECRET: secret 1"), "{weak:?}");
    for (arguments, words) in [
        (&["status"][..], "--app takes the App's credential"),
        (&["remove"], "GitHub lets nobody remove an App's webhook from here"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command
            .env_clear()
            .env("GITHUB_RUNNER_TOKEN", TOKEN)
            .arg("webhook")
            .args(arguments)
            .args(["--app", "--url", &scene.url]);
        let output = command.output_in_time();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && said.starts_with("error: ") && said.contains(words),
            "{said}"
        );
    }
    let both = scene.webhook(&["status", "--app"], &[]).await;
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    let unknown = scene.webhook(&["status"], &[("GITHUB_APP_ID", "1")]).await;
    assert_eq!(unknown.status.code(), Some(2), "two credentials at once: {unknown:?}");
}
