//! `mayfly pool`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::answers::{pool, status};
use super::{Gateway, compare, problem};

fn platform(what: &str) -> (u16, Value) {
    match what {
        "GET /status" => (200, status()),
        "GET /pools" => (200, json!({"total_count": 1, "pools": [pool()]})),
        "DELETE /pools/ci" => (200, Value::Null),
        "POST /pools" | "GET /pools/ci" | "PATCH /pools/ci" | "POST /pools/ci/rotate" => {
            (200, pool())
        }
        _ => problem(404),
    }
}

#[tokio::test]
async fn each_command_asks_for_one_thing_and_says_what_was_done() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let commands = [
        "pool list",
        "pool ls",
        "pool status",
        "pool show ci",
        "pool show --pool ci",
        "pool status ci",
        "pool status --pool ci",
        "pool create ci --max 4",
        "pool update ci --max 4",
        "pool update ci",
        "pool enable ci --max 4",
        "pool disable ci",
        "pool pause ci",
        "pool resume ci",
        "pool rotate ci",
        "pool delete ci",
        "pool rm --pool ci",
        "pool scale ci --count 9",
        "pool scale ci --count 7",
        "pool scale ci --count 9 --max 10",
        "pool scale ci --count 9 --max 3",
        "pool scale ci --max 3",
    ];
    compare("pool", &gateway.transcript(commands).await);
    let one = pool();
    for words in [
        "show ci",
        "status ci",
        "create ci",
        "update ci --max 4",
        "enable ci",
        "disable ci",
        "pause ci",
        "resume ci",
        "rotate ci",
        "scale ci --max 3",
    ] {
        gateway.tells(&format!("pool {words}"), &one).await;
    }
    gateway.tells("pool list", &json!({"total_count": 1, "pools": [one]})).await;
    gateway.tells("pool delete ci", &json!({"deleted": "ci"})).await;
}

#[tokio::test]
async fn a_pool_that_is_enabled_is_made_where_it_is_not() {
    let gateway = Gateway::start(|what, _| match what {
        "PATCH /pools/ci" => problem(404),
        _ => platform(what),
    })
    .await;
    compare("pool_enable_makes_it", &gateway.transcript(["pool enable ci --max 4"]).await);
    let gateway = Gateway::start(|_, _| problem(409)).await;
    gateway.fails("pool enable ci", 1, "error: It is refused.\n").await;
    assert_eq!(gateway.asked("POST /pools"), 0);
}

#[tokio::test]
async fn a_pool_of_the_environment_with_little_to_say_is_a_short_page() {
    let gateway = Gateway::start(|_, _| {
        let status = json!({
            "state": "paused", "labels": ["x"], "image": "example/runner:2", "image_state": "missing", "runners": {},
            "min_idle": 0, "max": 1, "queued_jobs": 2,
        });
        (200, json!({"name": "default", "source": "environment", "revision": 0, "spec": {"priority": 0}, "status": status}))
    })
    .await;
    compare("pool_of_the_environment", &gateway.transcript(["pool show default"]).await);
}

#[tokio::test]
async fn each_option_is_a_field_of_what_is_sent() {
    let gateway = Gateway::start(|what, _| platform(what)).await;
    let rows = [
        ("--scope repo:o/a,org:o --repo o/b", r#"{"scopes":["repo:o/a","org:o","repo:o/b"]}"#),
        ("--labels linux,x", r#"{"labels":["self-hosted","linux","x"]}"#),
        ("--labels x,Self-Hosted", r#"{"labels":["x","Self-Hosted"]}"#),
        ("--group big", r#"{"runner_group":"big"}"#),
        ("--image i:1", r#"{"image":"i:1"}"#),
        ("--pull-policy missing", r#"{"pull_policy":"missing"}"#),
        ("--pull-policy always", r#"{"pull_policy":"always"}"#),
        ("--pull-policy never", r#"{"pull_policy":"never"}"#),
        ("--isolation strict", r#"{"isolation":"strict"}"#),
        ("--isolation compat", r#"{"isolation":"compat"}"#),
        ("--docker none", r#"{"docker":"none"}"#),
        ("--docker dind", r#"{"docker":"dind"}"#),
        ("--env A=b=c --env D=", r#"{"env":{"A":"b=c","D":""}}"#),
        ("--memory 4g", r#"{"resources":{"memory":"4g"}}"#),
        ("--cpus 0.5", r#"{"resources":{"cpus":"0.5"}}"#),
        ("--memory 4g --cpus 0.5", r#"{"resources":{"memory":"4g","cpus":"0.5"}}"#),
        ("--min 1 --max 2", r#"{"min_idle":1,"max":2}"#),
        ("--min-idle 1 --max-runners 2", r#"{"min_idle":1,"max":2}"#),
        ("--min-runners 1", r#"{"min_idle":1}"#),
        ("--priority -4", r#"{"priority":-4}"#),
        ("--idle-timeout 5 --rotation-interval 6", r#"{"idle_timeout":5,"rotation_interval":6}"#),
    ];
    for (options, body) in rows {
        let asked = format!("PATCH /pools/ci {body}");
        gateway.shows(&format!("pool update ci {options}"), &asked, "Pool ci is changed.\n").await;
    }
    gateway.fails("pool update ci --env A", 2, "error: --env \"A\": write NAME=TEMPLATE\n").await;
}

#[tokio::test]
async fn runners_that_are_to_wait_are_waited_for() {
    let later = |idle: usize, short: Option<&str>| {
        let mut pool = pool();
        pool["status"]["runners"]["idle"] = json!(idle);
        pool["status"]["short"] = json!(short);
        pool["status"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        pool
    };
    let gateway = Gateway::start(move |what, before| match what {
        "GET /pools/ci" => (200, later(before + 5, None)),
        _ => platform(what),
    })
    .await;
    let asked =
        "PATCH /pools/ci {\"max\":8,\"min_idle\":6}\nGET /status\nGET /pools/ci\nGET /pools/ci";
    gateway
        .shows("pool scale ci --count 6 --max 8 --wait", asked, "Pool ci: 6 runners wait.\n")
        .await;
    gateway.tells("pool scale ci --max 8 --wait", &later(7, None)).await;

    let gateway = Gateway::start(move |what, _| match what {
        "GET /pools/ci" => (200, later(5, Some("no room"))),
        _ => platform(what),
    })
    .await;
    let words = "pool scale ci --max 8 --wait --timeout 0";
    gateway.fails(words, 1, "error: pool ci: 5 of 6 runners wait after 0 s: no room\n").await;
    assert_eq!(gateway.asked("GET /pools/ci"), 1);

    let gateway = Gateway::start(move |what, _| match what {
        "GET /pools/ci" => (200, later(5, None)),
        "GET /status" => {
            let mut status = status();
            status["auto_create"] = json!(false);
            (200, status)
        }
        _ => platform(what),
    })
    .await;
    gateway.fails("pool scale ci --max 8 --wait", 1, "error: pool ci: 5 of 6 runners wait\n").await;
    assert_eq!(gateway.asked("GET /pools/ci"), 1);
}

#[tokio::test]
async fn runners_that_no_pool_will_have_are_not_waited_for() {
    let stands = |state: &'static str, min_idle: usize, max: usize| {
        move |what: &str, _: usize| match what {
            "GET /pools/ci" | "PATCH /pools/ci" => {
                let mut pool = pool();
                let status = &mut pool["status"];
                status["state"] = json!(state);
                (status["min_idle"], status["max"]) = (json!(min_idle), json!(max));
                (200, pool)
            }
            _ => platform(what),
        }
    };
    let none = Gateway::start(stands("active", 0, 0)).await;
    let why = "error: pool ci: no runner is to wait: the pool's max is 0\n";
    none.fails("pool scale ci --count 2 --wait", 1, why).await;
    let disabled = Gateway::start(stands("disabled", 0, 8)).await;
    let why =
        "error: pool ci: no runner is to wait: the pool is disabled (mayfly pool enable ci)\n";
    disabled.fails("pool scale ci --count 2 --wait", 1, why).await;
    let why = "error: pool ci: is disabled (mayfly pool enable ci)\n";
    disabled.fails("pool scale ci --max 8 --wait", 1, why).await;
    assert_eq!(disabled.asked("GET /status"), 1, "only the last one looked");
}

/// Pools of the API as they would be read from a file, and one of the environment.
fn three() -> Value {
    let of = |name: &str, source: &str, revision: i64, max: u32| {
        let mut pool = pool();
        (pool["name"], pool["source"], pool["revision"]) =
            (json!(name), json!(source), json!(revision));
        pool["spec"] = json!({
            "name": name, "max": max, "scopes": ["discovered"], "autoscaling": {"policy": "per-job"}, "enabled": true, "min_idle": 0,
            "naming": "unique", "paused": false, "priority": 0, "rotation_interval": 86_400,
        });
        pool
    };
    let pools = [
        of("ci", "api", 7, 4),
        of("old", "api", 8, 5),
        of("same", "api", 9, 6),
        of("default", "environment", 0, 7),
    ];
    json!({"total_count": 4, "pools": pools})
}

#[tokio::test]
async fn pools_of_a_file_are_changed_as_they_were_when_it_was_decided() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripted-apply");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("p.yaml"),
        "pools: [{name: ci, max: 5, image: i}, {name: new}, {name: same, max: 6}]\n",
    )
    .unwrap();
    fs::write(folder.join("none.yaml"), "pools: []\n").unwrap();
    fs::write(folder.join("twice.yaml"), "pools: [{name: a}, {name: b}, {name: a}]\n").unwrap();
    fs::write(folder.join("wrong.yaml"), "pools: [{name: a, max: x}]\n").unwrap();
    let gateway = Gateway::start(|what, _| match what {
        "GET /pools" => (200, three()),
        _ => (200, Value::Null),
    })
    .await;
    let applied = "~ ci: changed\n    image: not set → \"i\"\n    max: 4 → 5\n+ new: created\n= same: unchanged\n- old: deleted\n";
    let output = gateway.run_in(&folder, &["pool", "apply", "-f", "p.yaml", "--prune"]).await;
    assert_eq!(
        (String::from_utf8(output.stdout).unwrap().as_str(), output.status.code()),
        (applied, Some(0))
    );
    let asked = gateway.whole.lock().unwrap().join("\n");
    let rest = r#""priority":0,"autoscaling":{"policy":"per-job"},"rotation_interval":86400,"naming":"unique","enabled":true,"paused":false}"#;
    let expected = format!(
        "GET /pools
PUT /pools/ci \"7\" {{\"name\":\"ci\",\"scopes\":[\"discovered\"],\"image\":\"i\",\"min_idle\":0,\"max\":5,{rest}
POST /pools {{\"name\":\"new\",\"scopes\":[\"discovered\"],\"min_idle\":0,{rest}
DELETE /pools/old \"8\""
    );
    assert_eq!(asked, expected);
    let output =
        gateway.run_in(&folder, &["pool", "apply", "-f", "p.yaml", "--dry-run", "--json"]).await;
    let changes = ["image: not set → \"i\"", "max: 4 → 5"];
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({"dry_run": true, "pools": [
            {"pool": "ci", "outcome": "changed", "changes": changes},
            {"pool": "new", "outcome": "created", "changes": []},
            {"pool": "same", "outcome": "unchanged", "changes": []},
        ]})
    );
    assert_eq!(gateway.asked("POST /pools"), 1, "a dry run changes nothing");
    let rows = [
        ("none.yaml", 0, "The file has no pool.\n", ""),
        ("twice.yaml", 2, "", "error: twice.yaml: \n  pools.2.name a is there twice\n"),
        (
            "wrong.yaml",
            2,
            "",
            "error: wrong.yaml: \n  pools.0.max must be a whole number from 0 to 10000\n",
        ),
    ];
    for (file, code, text, error) in rows {
        let output = gateway.run_in(&folder, &["pool", "apply", "-f", file]).await;
        let said = (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!((said.0, &*said.1, &*said.2), (Some(code), text, error), "{file}");
    }
    // Nothing can be read from standard input here, which is no list of pools.
    let (code, _, error) = gateway.says("pool apply -f -").await;
    assert!(code == 2 && error.starts_with("error: standard input: "), "{error}");

    let gateway = Gateway::start(|what, _| match what {
        "GET /pools" => (200, three()),
        "POST /pools" => problem(409),
        _ => (200, Value::Null),
    })
    .await;
    let output = gateway.run_in(&folder, &["pool", "apply", "-f", "p.yaml", "--prune"]).await;
    let error = "error: ~ ci: changed\n    image: not set → \"i\"\n    max: 4 → 5\npool new: It is refused.\n→ what stands above is done; repeat the command when this is mended\n";
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (Some(1), error)
    );
    assert_eq!(gateway.asked("DELETE /pools/old"), 0, "nothing after what failed");
}

/// What is in it may be a secret.
#[tokio::test]
async fn of_a_file_without_pools_nothing_is_repeated() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripted-no-pools");
    fs::create_dir_all(&folder).unwrap();
    let gateway = Gateway::start(|_, _| (200, three())).await;
    let no_pools = "a file of pools is `pools:` with a list of pools below it, and nothing else";
    let rows = [
        ("# Settings\nAPI_KEYS=hunter2\nGITHUB_RUNNER_TOKEN=hunter2\n", Some(no_pools)),
        ("GITHUB_RUNNER_TOKEN: hunter2\n", Some(no_pools)),
        ("pools: []\nGITHUB_RUNNER_TOKEN: hunter2\n", Some(no_pools)),
        ("pools: hunter2\n", Some(no_pools)),
        ("A: \"x\nGITHUB_RUNNER_TOKEN: hunter2\n", None),
        ("A: x\n  GITHUB_RUNNER_TOKEN: [hunter2\n", None),
    ];
    for (text, words) in rows {
        fs::write(folder.join("service.env"), text).unwrap();
        let output = gateway.run_in(&folder, &["pool", "apply", "-f", "service.env"]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("error: service.env: ") && !error.contains("hunter2"), "{error}");
        assert!(words.is_none_or(|words| error.contains(words)), "{error}");
    }
    assert_eq!(gateway.asked("GET /pools"), 0);
    fs::remove_dir_all(&folder).unwrap();
}
