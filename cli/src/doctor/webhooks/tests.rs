//! Tables of what there is and what is said about it.

use mayfly_common::scope::Login;
use mayfly_github::checkup::Level;
use mayfly_github::hooks::HookConfig;

use super::super::finding::told;
use super::*;

fn hook(url: Option<&str>) -> Hook {
    Hook {
        id: Some(7),
        active: Some(true),
        events: EVENTS.map(str::to_owned).to_vec(),
        config: HookConfig {
            url: url.map(str::to_owned),
            content_type: "json".to_owned(),
            insecure_ssl: false,
            has_secret: true,
        },
    }
}

fn delivery(status_code: u16) -> HookDelivery {
    HookDelivery {
        id: 1,
        guid: "g".to_owned(),
        delivered_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        redelivery: false,
        duration: 0.1,
        status: "OK".to_owned(),
        status_code,
        event: "ping".to_owned(),
        action: None,
    }
}

#[test]
fn the_place_is_what_the_credential_can_see() {
    let (repo, org) = (RepoSlug::parse("o/r").unwrap(), Login::parse("o").unwrap());
    let of_org = DiscoveryMode::Organization(org.clone());
    let cases = [
        (false, DiscoveryMode::All, None, None),
        (true, DiscoveryMode::All, None, Some(HookPlace::App)),
        (true, of_org.clone(), None, Some(HookPlace::App)),
        (false, of_org.clone(), None, Some(HookPlace::Org(org))),
        (true, of_org, Some(&repo), Some(HookPlace::Repo(repo.clone()))),
    ];
    for (is_app, mode, repo, expected) in cases {
        assert_eq!(places(is_app, &mode, repo), expected, "{is_app} {mode:?} {repo:?}");
    }
}

#[test]
fn a_hook_is_ours_by_its_url() {
    let url: HookUrl = "https://h.example/x".parse().unwrap();
    for (there, wanted, expected) in [
        (Some("https://h.example/x"), Some(&url), true),
        (Some("https://h.example/webhooks/github"), Some(&url), false),
        (Some("https://h.example/webhooks/github"), None, true),
        (Some("https://h.example/else"), None, false),
        (Some("nonsense"), None, false),
        (None, None, false),
    ] {
        assert_eq!(ours(&hook(there), wanted), expected, "{there:?}");
    }
}

#[test]
fn what_is_wrong_with_a_hook_is_a_warning() {
    let place = HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
    let good = hook(Some("https://h/webhooks/github"));
    let last = |code| Last { newest: Some(delivery(code)), count: 3, failed: 1 };
    let without = |event: &str| Hook {
        events: good.events.iter().filter(|one| *one != event).cloned().collect(),
        ..good.clone()
    };
    let no_secret =
        Hook { config: HookConfig { has_secret: false, ..good.config.clone() }, ..good.clone() };
    let off = Hook { active: Some(false), ..good.clone() };
    let cases = [
        (good.clone(), last(202), 0, "answered 202 OK; 1 of 3 in a day failed"),
        (good.clone(), last(502), 1, "answered 502"),
        (good.clone(), Last::default(), 0, "delivered nothing"),
        (off, last(202), 1, "switched off"),
        (no_secret, last(202), 1, "no secret"),
        (without("workflow_job"), last(202), 1, "does not send workflow_job"),
        (without("push"), last(202), 0, "does not send push"),
    ];
    for (hook, last, wrong, words) in cases {
        let found = judge(&place, &hook, &last);
        let count = found.iter().filter(|one| one.level == Level::Warning).count();
        assert_eq!(count, wrong, "{found:?}");
        assert!(found.iter().any(|one| one.what.contains(words)), "{words} in {found:?}");
        assert!(found.iter().all(|one| one.level < Level::Failure), "asking finds jobs, too");
    }
}

#[test]
fn what_is_said_of_hooks_is_said_in_full() {
    let repo = HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
    let org = HookPlace::Org(Login::parse("o").unwrap());
    let good = hook(Some("https://h/webhooks/github"));
    let last = |code| Last { newest: Some(delivery(code)), count: 3, failed: 1 };
    let failed = told(&judge(&repo, &good, &last(502)));
    let expected = "Warning: repository o/r: webhook 7: its last delivery (ping, 2026-01-02 03:04 UTC) was answered 502 OK; 1 of 3 in a day failed → mayfly webhook status --repo o/r tells what that means; jobs are found by asking meanwhile";
    assert_eq!(failed, [expected]);
    let bad = Hook {
        active: Some(false),
        events: vec!["push".to_owned()],
        config: HookConfig { has_secret: false, ..good.config.clone() },
        ..good.clone()
    };
    let expected = [
        "Ok: note: organisation o: webhook 7 delivered nothing in a day, or GitHub forgot it".to_owned(),
        "Warning: organisation o: webhook 7 is switched off → switch it on at GitHub, or make it anew: mayfly webhook install --org o".to_owned(),
        "Warning: organisation o: webhook 7 has no secret, so the gateway refuses what it sends → make it anew: mayfly webhook install --org o".to_owned(),
        format!("Warning: organisation o: webhook 7 does not send {}: jobs are found by asking only → make it anew: mayfly webhook install --org o", bad.missing(&EVENTS).join(", ")),
    ];
    assert_eq!(told(&judge(&org, &bad, &Last::default())), expected);
    let of_app = Hook { id: None, active: None, events: vec!["workflow_job".to_owned()], ..good };
    let found = told(&judge(&HookPlace::App, &of_app, &last(202)));
    let events = of_app.missing(&EVENTS).join(", ");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("Ok: App: webhook: its last delivery"), "{found:?}");
    assert_eq!(
        found[1],
        format!("Ok: note: App: webhook does not send {events}; asking finds what they would tell")
    );
    let failing = told(&judge(&HookPlace::App, &of_app, &last(500)));
    assert!(failing[0].contains("→ mayfly webhook status --app tells"), "{failing:?}");
}

#[test]
fn where_there_is_no_hook_it_is_said_where_was_looked() {
    let url: HookUrl = "https://h.example/x".parse().unwrap();
    let repo = || HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
    let rest = "the credential sees no webhook that sends to";
    let end = "; mayfly webhook install makes one";
    let found = [
        none(&[], None),
        none(&[repo()], Some(&url)),
        none(&[repo(), repo()], None),
        unused(),
        unseen("x", &GitHubError::Server(502)),
    ];
    let expected = [
        format!("Ok: note: no repository is served, so {rest} a gateway (…/webhooks/github){end}"),
        format!("Ok: note: repository o/r: {rest} https://h.example/x{end}"),
        format!("Ok: note: at the 2 repositories pushed to last {rest} a gateway (…/webhooks/github){end}"),
        "Ok: note: webhooks are not used (neither WEBHOOK_SECRET nor MAYFLY_WEBHOOK_URL is set): jobs are found by asking".to_owned(),
        "Ok: note: what became of webhooks cannot be seen (x): GitHub has trouble (502)".to_owned(),
    ];
    assert_eq!(told(&found), expected);
}
