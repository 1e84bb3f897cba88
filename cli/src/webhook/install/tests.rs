//! What is said of an installation and of GitHub's try.

use mayfly_common::scope::RepoSlug;
use serde_json::Value;

use super::*;

fn delivery(status_code: u16) -> HookDelivery {
    HookDelivery {
        id: 1,
        guid: "g".to_owned(),
        delivered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        redelivery: false,
        duration: 0.1,
        status: "so\u{1b}so".to_owned(),
        status_code,
        event: "ping".to_owned(),
        action: None,
    }
}

#[test]
fn what_github_s_try_tells_is_told_and_judged() {
    let ended = |code| Tried::Ended(delivery(code));
    let differ = "the secrets differ: give the gateway the same WEBHOOK_SECRET and restart it, or run install with the gateway's";
    let nothing = "nothing takes webhooks there: the path must be /webhooks/github, and the gateway needs WEBHOOK_SECRET (without it, webhooks are off)";
    let unknown = "it gets there; the gateway does not know the secret yet";
    let rows = [
        (ended(202), false, "GitHub tried it: 202: it works.", true),
        (ended(202), true, "GitHub tried it: 202: it works.", true),
        (ended(401), false, &*format!("GitHub tried it: 401 so so: {differ}."), false),
        (ended(401), true, &*format!("GitHub tried it: 401: {unknown}."), true),
        (ended(404), false, &*format!("GitHub tried it: 404 so so: {nothing}."), false),
        (ended(404), true, &*format!("GitHub tried it: 404: {unknown}."), true),
        (
            ended(500),
            true,
            "GitHub tried it: 500 so so: the gateway has trouble: its log says why.",
            false,
        ),
        (
            Tried::Unknown,
            true,
            "GitHub was asked to try it and told nothing within 12 seconds; see mayfly webhook status.",
            false,
        ),
        (
            Tried::Not,
            false,
            "GitHub tries it with the next event; see mayfly webhook status.",
            true,
        ),
        (
            Tried::Failed(GitHubError::Server(502)),
            true,
            "It was not tried: GitHub has trouble (502).",
            false,
        ),
    ];
    for (outcome, new, line, good) in rows {
        assert_eq!(tried(&outcome, new), (format!("{line}\n"), good));
    }
}

#[test]
fn an_installation_is_reported_in_full() {
    let repo = HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
    let url = |text: &str| text.parse::<HookUrl>().unwrap();
    let there = url("https://h.example/webhooks/github");
    let known = HookSecret { text: "secret".into(), new: false };
    let made = |replaced: &[i64], tried| Installed {
        hook: Some(7),
        replaced: replaced.to_vec(),
        missing: Vec::new(),
        tried,
    };
    let works = "GitHub tried it: 202: it works.\n";
    let first = report(&repo, &there, &known, &made(&[], Tried::Ended(delivery(202))));
    assert_eq!(first.text, format!("repository o/r: webhook 7 sends to {there}.\n{works}"));
    let json = json!({
        "place": "repository o/r", "url": "https://h.example/webhooks/github", "hook": 7, "replaced": [], "events_missing": [],
        "secret_line": null, "tried": {"status_code": 202, "status": "so\u{1b}so", "works": true, "meaning": "it works"}, "good": true,
    });
    assert_eq!((first.json, first.good), (json, true));
    let plain = url("http://h.example/x");
    let again =
        report(&repo, &plain, &known, &made(&[5, 6], Tried::Failed(GitHubError::Server(502))));
    let text = format!(
        "repository o/r: webhook 7 sends to {plain}, in place of the former one.
Note: what is sent over http can be read on the way; use https.
Note: the gateway takes webhooks at /webhooks/github.
It was not tried: GitHub has trouble (502).
"
    );
    assert_eq!((again.text, again.good), (text, false));
    assert_eq!(again.json["replaced"], json!([5, 6]));
    assert_eq!(
        (&again.json["tried"], &again.json["good"]),
        (&json!({"error": "GitHub has trouble (502)"}), &json!(false))
    );

    let new = HookSecret { text: "0f".into(), new: true };
    let of_app = Installed {
        hook: None,
        replaced: Vec::new(),
        missing: vec!["push", "x"],
        tried: Tried::Not,
    };
    let app = report(&HookPlace::App, &there, &new, &of_app);
    let text = format!(
        "App: its webhook sends to {there}.
The App does not get these events: push, x.
Tick them on the App's page, under \"Permissions & events\", \"Subscribe to events\" (workflow_job takes \"Actions\": read, push \"Contents\": read).
GitHub tries it with the next event; see mayfly webhook status.

A new secret was made. It is shown this once; put it into .env and restart the gateway:

WEBHOOK_SECRET=0f

Then run install again with this secret set, to have GitHub try it.
"
    );
    assert_eq!((app.text, app.good), (text, false));
    let told =
        ["hook", "events_missing", "secret_line", "tried", "good"].map(|key| app.json[key].clone());
    assert_eq!(
        told,
        [Value::Null, json!(["push", "x"]), json!("WEBHOOK_SECRET=0f"), Value::Null, json!(false)]
    );
}
