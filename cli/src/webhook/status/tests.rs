//! What is said of a hook and of a day's deliveries.

use mayfly_github::hooks::{HookConfig, HookDelivery};

use super::*;

fn delivery(id: i64, status_code: u16, guid: &str) -> HookDelivery {
    HookDelivery {
        id,
        guid: guid.to_owned(),
        delivered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        redelivery: false,
        duration: 0.1,
        status: "x".to_owned(),
        status_code,
        event: "workflow_job".to_owned(),
        action: None,
    }
}

#[test]
fn a_hook_is_described_with_all_that_is_wrong() {
    let hook = Hook {
        id: Some(7),
        active: Some(false),
        events: vec!["push".to_owned(), "ping\u{1b}".to_owned()],
        config: HookConfig {
            url: Some("https://h/x".to_owned()),
            content_type: "json".to_owned(),
            insecure_ssl: true,
            has_secret: false,
        },
    };
    let list = vec![
        delivery(1, 502, "a"),
        delivery(2, 502, "b"),
        delivery(3, 404, "c"),
        delivery(4, 202, "d"),
    ];
    let found = Deliveries { list, complete: false };
    let seen = Seen { failed: BTreeMap::from([(404, 1), (502, 2)]), due: 5, given_up: 6 };
    let mut text = String::new();
    describe(&mut text, "repository o/r", &hook, &found, &seen);
    let expected = "repository o/r: webhook 7 sends to https://h/x
  events: push, ping\u{20}
  missing: workflow_job, repository; polling finds what they would tell
  note: it is switched off
  note: it has no secret, so the gateway refuses what it sends
  note: GitHub does not check the receiver's certificate
  in a day: 4 deliveries (and more), 3 failed
  1 × 404: nothing takes webhooks there: the path must be /webhooks/github, and the gateway needs WEBHOOK_SECRET (without it, webhooks are off)
  2 × 502: GitHub gets no answer: check the name, the firewall, the certificate and the reverse proxy, and that gateway and orchestrator run
  5 can be had once more: mayfly webhook redeliver
  6 given up after three tries
";
    assert_eq!(text, expected);
    let well = Hook {
        id: None,
        active: None,
        events: EVENTS.map(str::to_owned).to_vec(),
        config: HookConfig {
            url: None,
            content_type: "json".to_owned(),
            insecure_ssl: false,
            has_secret: true,
        },
    };
    let found = Deliveries { list: vec![delivery(1, 202, "a")], complete: true };
    let mut text = String::new();
    describe(
        &mut text,
        "App",
        &well,
        &found,
        &Seen { failed: BTreeMap::new(), due: 0, given_up: 0 },
    );
    let expected = format!(
        "App: webhook sends to nowhere\n  events: {}\n  in a day: 1 delivery, 0 failed\n",
        EVENTS.join(", ")
    );
    assert_eq!(text, expected);
}

#[test]
fn failures_are_counted_by_what_was_answered() {
    let list = vec![
        delivery(4, 502, "a"),
        delivery(3, 202, "b"),
        delivery(2, 401, "c"),
        delivery(1, 502, "d"),
    ];
    let now = "2026-01-02T04:00:00Z".parse().unwrap();
    let seen = Seen::of(&Deliveries { list, complete: true }, now);
    assert_eq!(seen.failures(), json!({"401": 1, "502": 2}));
    assert_eq!((seen.due, seen.given_up), (3, 0));
    let thrice = (1..=4).map(|id| delivery(id, 502, "same")).collect();
    let seen = Seen::of(&Deliveries { list: thrice, complete: true }, now);
    assert_eq!((seen.due, seen.given_up), (0, 1));
}
