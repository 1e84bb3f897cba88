use super::*;
use crate::page::Page as _;
use crate::stand_in::{StandIn, at, no, ok, told};

/// How many hooks of a list could be read, and how many could not.
pub(crate) fn count_hooks(text: &str) -> (usize, usize) {
    let list: List<wire::Hook> = serde_json::from_str(text).unwrap();
    (list.entries().len(), list.odd().len())
}

/// The same of deliveries.
pub(crate) fn count_deliveries(text: &str) -> (usize, usize) {
    let page: wire::Deliveries = serde_json::from_str(text).unwrap();
    let odd = page.list().odd().len();
    (page.into_deliveries().count(), odd)
}

#[test]
fn a_delivery_s_headers_name_its_hook() {
    let known = |target, name| KnownHook::named(7, target, name).map(|known| known.place);
    let repo = HookPlace::Repo(RepoSlug::parse("o/r").unwrap());
    assert_eq!(known(HookTarget::Repository, Some("o/r")), Some(repo));
    let org = HookPlace::Org(Login::parse("o").unwrap());
    assert_eq!(known(HookTarget::Organization, Some("o")), Some(org));
    assert_eq!(known(HookTarget::Integration, None), Some(HookPlace::App));
    assert_eq!(known(HookTarget::Business, Some("o")), None);
    assert_eq!(known(HookTarget::Repository, None), None);
    assert_eq!(known(HookTarget::Repository, Some("o/../x")), None);
}

#[test]
fn every_event_is_every_event() {
    let hook = |events: &[&str]| Hook {
        id: None,
        active: None,
        events: events.iter().map(|&event| event.to_owned()).collect(),
        config: HookConfig {
            url: None,
            content_type: "json".to_owned(),
            insecure_ssl: false,
            has_secret: false,
        },
    };
    assert_eq!(hook(&["push"]).missing(&EVENTS), ["workflow_job", "repository"]);
    assert!(hook(&["*"]).missing(&EVENTS).is_empty());
}

const PLACES: [(&str, &str); 2] = [("repo", "/repos/o/r/hooks"), ("org", "/orgs/octo/hooks")];

fn place(kind: &str) -> HookPlace {
    match kind {
        "repo" => HookPlace::Repo(RepoSlug::parse("o/r").unwrap()),
        "org" => HookPlace::Org(Login::parse("octo").unwrap()),
        _ => HookPlace::App,
    }
}

#[tokio::test]
async fn a_hook_is_made_read_pinged_and_deleted_where_it_is() {
    let secret = SecretString::from("s3cret");
    let url: HookUrl = "https://ci.example/webhooks/github".parse().unwrap();
    let new = NewHook { url: &url, secret: &secret, events: &["workflow_job", "push"] };
    let config = json!({
        "url": "https://ci.example/webhooks/github", "content_type": "json", "insecure_ssl": "0",
        "secret": "s3cret",
    });
    for (kind, path) in PLACES {
        let listed = json!([{
            "id": 7, "active": false, "events": ["push", "fork"],
            "config": {"url": "https://h/", "content_type": "json", "insecure_ssl": "1", "secret": "***"},
        }, {"id": 8}]);
        let github = StandIn::new([
            (format!("GET {path}?per_page=100"), vec![ok(&listed)]),
            (format!("POST {path}"), vec![ok(&json!({"id": 9}))]),
            (format!("POST {path}/9/pings"), vec![told(204, "")]),
            (format!("DELETE {path}/9"), vec![told(204, ""), no(404, ""), no(403, "No")]),
            (format!("POST {path}/9/deliveries/77/attempts"), vec![told(202, "{}")]),
        ])
        .await;
        let (client, place) = (github.client(), place(kind));
        let hook = |id, active, events: &[&str], config| Hook {
            id: Some(id),
            active,
            events: events.iter().map(|&event| event.to_owned()).collect(),
            config,
        };
        let first = HookConfig {
            url: Some("https://h/".to_owned()),
            content_type: "json".to_owned(),
            insecure_ssl: true,
            has_secret: true,
        };
        let bare = HookConfig {
            url: None,
            content_type: "form".to_owned(),
            insecure_ssl: false,
            has_secret: false,
        };
        let expected = [hook(7, Some(false), &["push", "fork"], first), hook(8, None, &[], bare)];
        assert_eq!(client.hooks(&place).await.unwrap(), expected);
        let made = client.create_hook(&place, new).await.unwrap();
        assert_eq!(made, KnownHook { id: 9, place });
        let body = github.asked().remove(1).body;
        let events = ["workflow_job", "push"];
        let expected = json!({"name": "web", "active": true, "events": events, "config": config});
        assert_eq!(body, expected);
        assert_eq!(client.ping_hook(&made).await, Ok(()));
        assert_eq!(client.redeliver(&made, 77, Priority::Job).await, Ok(()));
        assert_eq!(client.delete_hook(&made).await, Ok(()));
        assert_eq!(client.delete_hook(&made).await, Ok(()), "it is gone already");
        let no = GitHubError::Forbidden("No".to_owned());
        assert_eq!(client.delete_hook(&made).await, Err(no));
        assert_eq!(github.lines().len(), 5);
    }
}

#[tokio::test]
async fn the_hook_of_an_app_is_shown_to_the_app_alone() {
    let config =
        json!({"url": "https://h/", "content_type": "json", "insecure_ssl": 0, "secret": "***"});
    let github = StandIn::new([
        ("GET /app/hook/config", vec![ok(&config), ok(&json!({"url": ""}))]),
        ("GET /app", vec![ok(&json!({"slug": "mayfly", "events": ["push", "x"]}))]),
        ("PATCH /app/hook/config", vec![ok(&json!({}))]),
        ("GET /app/hook/deliveries?per_page=100", vec![ok(&json!([]))]),
        ("POST /app/hook/deliveries/77/attempts", vec![told(202, "{}")]),
    ])
    .await;
    let (app, token) = (github.app(None), github.client());
    let events = vec!["push".to_owned(), "x".to_owned()];
    let config = HookConfig {
        url: Some("https://h/".to_owned()),
        content_type: "json".to_owned(),
        insecure_ssl: false,
        has_secret: true,
    };
    let hook = Hook { id: None, active: None, events: events.clone(), config };
    assert_eq!(app.hooks(&HookPlace::App).await.unwrap(), [hook]);
    assert_eq!(app.hooks(&HookPlace::App).await.unwrap(), [], "without a URL there is none");
    assert_eq!(app.app_events().await.unwrap(), events);
    let (url, secret) = ("https://ci.example/x".parse().unwrap(), SecretString::from("s3cret"));
    let new = NewHook { url: &url, secret: &secret, events: &["push"] };
    github.asked();
    app.set_app_hook(new).await.unwrap();
    let body = json!({
        "url": "https://ci.example/x", "content_type": "json", "insecure_ssl": "0", "secret": "s3cret",
    });
    assert_eq!(github.asked().remove(0).body, body);
    // The App has one hook, which is asked for without its id.
    let known = KnownHook { id: 5, place: HookPlace::App };
    assert!(app.deliveries(&known, at(0), Priority::Upkeep).await.unwrap().complete);
    assert_eq!(app.redeliver(&known, 77, Priority::Upkeep).await, Ok(()));
    let page = "this is done on the App's page at GitHub only".to_owned();
    for outcome in [app.ping_hook(&known).await, app.delete_hook(&known).await] {
        assert_eq!(outcome, Err(GitHubError::Invalid(page.clone())));
    }
    assert_eq!(github.lines().len(), 2);
    let said = "an App's hook is shown to the App alone, not to a user's token".to_owned();
    let forbidden = GitHubError::Forbidden(said);
    assert_eq!(token.hooks(&HookPlace::App).await, Err(forbidden.clone()));
    assert_eq!(token.set_app_hook(new).await, Err(forbidden.clone()));
    assert_eq!(token.redeliver(&known, 77, Priority::Job).await, Err(forbidden));
    assert!(github.lines().is_empty());
}

fn delivery(id: i64, second: i64) -> serde_json::Value {
    json!({
        "id": id, "guid": format!("g{id}"), "delivered_at": at(second).to_string(), "redelivery": true,
        "duration": 0.25, "status": "OK", "status_code": 202, "event": "push", "action": "opened",
    })
}

#[tokio::test]
async fn deliveries_are_read_as_far_back_as_they_are_wanted() {
    let path = "/repos/o/r/hooks/9/deliveries?per_page=100";
    let next = |cursor: &str| format!("<{path}&cursor={cursor}>; rel=\"next\"");
    let page = |ids: &[(i64, i64)]| {
        ok(&ids.iter().map(|&(id, second)| delivery(id, second)).collect::<serde_json::Value>())
    };
    let bare = json!({"id": 1, "guid": "g1", "delivered_at": at(10).to_string(), "event": "x"});
    let github = StandIn::new([
        (format!("GET {path}"), vec![page(&[(5, 50), (4, 40)]).with("link", next("a"))]),
        (format!("GET {path}&cursor=a"), vec![page(&[(4, 40), (3, 30)]).with("link", next("b"))]),
        (format!("GET {path}&cursor=b"), vec![ok(&json!([bare]))]),
    ])
    .await;
    let hook = KnownHook { id: 9, place: place("repo") };
    let client = github.client();
    let read = async |since| client.deliveries(&hook, at(since), Priority::Upkeep).await.unwrap();
    let one = |id: i64, second: i64| HookDelivery {
        id,
        guid: format!("g{id}"),
        delivered_at: at(second),
        redelivery: true,
        duration: 0.25,
        status: "OK".to_owned(),
        status_code: 202,
        event: "push".to_owned(),
        action: Some("opened".to_owned()),
    };
    let bare = HookDelivery {
        redelivery: false,
        duration: 0.0,
        status: String::new(),
        status_code: 0,
        event: "x".to_owned(),
        action: None,
        ..one(1, 10)
    };
    let rows = [
        (41, 1, vec![one(5, 50), one(4, 40)]),
        (40, 2, vec![one(5, 50), one(4, 40), one(3, 30)]),
        (0, 3, vec![one(5, 50), one(4, 40), one(3, 30), bare]),
    ];
    for (since, pages, list) in rows {
        assert_eq!(read(since).await, Deliveries { list, complete: true }, "{since}");
        assert_eq!(github.lines().len(), pages, "{since}");
    }
}

#[tokio::test]
async fn a_thousand_deliveries_are_read_at_most_and_none_is_guessed() {
    let path = "/orgs/octo/hooks/9/deliveries?per_page=100";
    let hundred =
        |first: i64| (first..first + 100).map(|id| delivery(id, 50)).collect::<serde_json::Value>();
    let script = (0..11).map(|number| {
        let line =
            if number == 0 { format!("GET {path}") } else { format!("GET {path}&cursor={number}") };
        let next = format!("<{path}&cursor={}>; rel=\"next\"", number + 1);
        (line, vec![ok(&hundred(number * 100)).with("link", next)])
    });
    let github = StandIn::new(script).await;
    let hook = KnownHook { id: 9, place: place("org") };
    let found = github.client().deliveries(&hook, at(0), Priority::Upkeep).await.unwrap();
    assert_eq!((found.list.len(), found.complete, github.lines().len()), (1_000, false, 10));
    // A full page without a cursor is the last one.
    let github = StandIn::new([(format!("GET {path}"), vec![ok(&hundred(0))])]).await;
    let found = github.client().deliveries(&hook, at(0), Priority::Upkeep).await.unwrap();
    assert_eq!((found.list.len(), found.complete, github.lines().len()), (100, true, 1));
}

#[test]
fn small_words_and_bounds_of_hooks() {
    assert_eq!(EVENTS, ["workflow_job", "push", "repository"]);
    let words = ["repo", "org", "app"].map(|kind| place(kind).to_string());
    assert_eq!(words, ["repository o/r", "organisation octo", "App"]);
    for (code, expected) in [(0, false), (199, false), (200, true), (299, true), (300, false)] {
        let page = json!([{
            "id": 1, "guid": "g", "delivered_at": at(0).to_string(), "event": "x", "status_code": code,
        }]);
        let page: wire::Deliveries = serde_json::from_value(page).unwrap();
        let found = page.into_deliveries().next().unwrap();
        assert_eq!(found.succeeded(), expected, "{code}");
    }
    for (text, words) in [
        ("ci.example", "must be a URL such as https://ci.example.org/webhooks/github"),
        ("https://me@ci.example/", "must not hold a user name or a password"),
        ("https://:pw@ci.example/", "must not hold a user name or a password"),
        ("https://ci.example/#", "must not hold a #"),
        (&format!("https://ci.example/{}", "x".repeat(2_030)), "must be at most 2048 bytes long"),
    ] {
        assert_eq!(text.parse::<HookUrl>().unwrap_err().to_string(), words);
    }
    let longest = format!("https://ci.example/{}", "x".repeat(2_029));
    let url: HookUrl = longest.parse().unwrap();
    assert_eq!((url.to_string().len(), url.is_plain()), (2_048, false));
    let plain: HookUrl = "http://ci.example/webhooks/github?x=1".parse().unwrap();
    assert!(plain.is_plain() && plain.is(" http://ci.example/webhooks/github?x=1\n"));
    assert_eq!(plain.path(), "/webhooks/github");
}
