use mayfly_common::scope::Login;
use serde_json::{Value, json};

use super::*;
use crate::stand_in::{NOW, StandIn, Told, no, ok, silence};

/// A finding in one line: how serious it is, what it is, and what to do.
fn lines(found: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let level = serde_json::to_value(finding.level).unwrap();
        let hint = finding.hint.as_deref().map(|hint| format!(" → {hint}")).unwrap_or_default();
        format!("{}: {}{hint}", level.as_str().unwrap(), finding.what)
    };
    found.iter().map(line).collect()
}

fn wanted() -> Wanted {
    Wanted::new(DiscoveryMode::All, Filter { public: true, ..Filter::default() })
}

fn left(answer: Told, remaining: i64, limit: i64) -> Told {
    answer
        .with("x-ratelimit-limit", limit.to_string())
        .with("x-ratelimit-remaining", remaining.to_string())
        .with("x-ratelimit-reset", (NOW + 1_800).to_string())
}

const CLOCK: &str = "ok: this machine's clock agrees with GitHub's";
const OCTOCAT: &str = "ok: GitHub knows the token: it is octocat's";
const OWN: &str = "GET /user/repos?type=owner&sort=pushed&direction=desc&per_page=100";

fn octocat() -> Told {
    ok(&json!({"login": "octocat"}))
}

#[tokio::test]
async fn a_classic_token_is_told_in_words_with_what_is_left_and_the_clock() {
    let scopes = "ok: it is a classic token with the scopes repo";
    let may =
        "ok: it may register runners at repositories, read workflow files, read runs and jobs";
    let few =
        " → discovery waits for the next hour, and what is left is kept for jobs; an App has more";
    let server = "ok: it is GitHub Enterprise Server 3.14.1";
    let date = |text: &str| octocat().with("x-oauth-scopes", "repo").with("date", text);
    let ntp = " → have it set by NTP; until then GitHub's time is reckoned with";
    let rows = [
        (date("Fri, 15 Jan 2027 08:00:29 GMT"), vec![OCTOCAT, scopes, may, CLOCK]),
        (
            date("Fri, 15 Jan 2027 08:00:30 GMT"),
            vec![
                OCTOCAT,
                scopes,
                may,
                "warning: this machine's clock is 30 s behind GitHub's{ntp}",
            ],
        ),
        (
            date("Fri, 15 Jan 2027 07:58:59 GMT").with("x-github-enterprise-version", "3.14.1"),
            vec![
                OCTOCAT,
                server,
                scopes,
                may,
                "warning: this machine's clock is 61 s ahead of GitHub's{ntp}",
            ],
        ),
        (
            left(octocat().with("x-oauth-scopes", "repo"), 500, 5_000),
            vec![
                OCTOCAT,
                scopes,
                may,
                "ok: token: 500 of 5000 requests left (core) until 08:30 UTC",
                CLOCK,
            ],
        ),
        (
            left(octocat().with("x-oauth-scopes", "repo"), 499, 5_000),
            vec![
                OCTOCAT,
                scopes,
                may,
                "warning: token: 499 of 5000 requests left (core) until 08:30 UTC{few}",
                CLOCK,
            ],
        ),
    ];
    for (answer, expected) in rows {
        let github = StandIn::new([("GET /user", vec![answer])]).await;
        let found = github.client().checkup(&wanted()).await;
        let expected: Vec<_> =
            expected.iter().map(|line| line.replace("{ntp}", ntp).replace("{few}", few)).collect();
        assert_eq!(lines(&found), expected);
        assert_eq!(github.lines().len(), 1);
    }
}

const TRIED: &str = "ok: it is not a classic token with scopes: what it may do is tried, by reading what needs each permission";

fn looks(what: &str, place: &str) -> String {
    format!(
        "ok: it may look at what it takes to {what} (tried on {place}); that it may also write shows when it does"
    )
}

#[tokio::test]
async fn a_fine_grained_token_is_tried_on_a_repository_that_is_served() {
    let repo = |id: i64, name: &str, private: bool| json!({"id": id, "full_name": name, "private": private});
    let public = repo(1, "o/public", false);
    let mut fork = repo(9, "o/fork", true);
    fork["fork"] = true.into();
    let listed: Value = json!([fork, public, repo(2, "o/secret", true), repo(3, "o/later", false)]);
    let of = |below: &str| format!("GET /repos/o/secret/{below}");
    let page = ok(&json!([]));
    let script = || {
        [
            ("GET /user".to_owned(), vec![octocat().with("x-oauth-scopes", " ")]),
            (OWN.to_owned(), vec![ok(&listed)]),
            (of("actions/runners?per_page=1"), vec![ok(&json!({}))]),
            (of("contents/.github/workflows"), vec![no(404, "")]),
            (of("actions/runs?per_page=1"), vec![no(403, "Resource not accessible")]),
            (of("hooks?per_page=1"), vec![page.clone()]),
            (
                "GET /orgs/octo/repos?type=all&sort=pushed&direction=desc&per_page=100".to_owned(),
                vec![no(404, "")],
            ),
            ("GET /orgs/octo/actions/runners?per_page=1".to_owned(), vec![no(404, "")]),
            ("GET /orgs/octo/hooks?per_page=1".to_owned(), vec![page.clone()]),
            ("GET /enterprises/corp/actions/runners?per_page=1".to_owned(), vec![no(500, "")]),
        ]
    };
    let takes = "Settings → Developer settings → Personal access tokens → Fine-grained tokens";
    let basic = |place: &str| {
        vec![
            OCTOCAT.to_owned(),
            TRIED.to_owned(),
            looks("register runners at repositories", place),
            format!("ok: it may read workflow files (tried on {place})"),
            format!(
                "failure: the token cannot read runs and jobs: tried on {place}, GitHub says: Resource not accessible → it takes Repository permissions: Actions: Read-only in {takes}"
            ),
        ]
    };
    let github = StandIn::new(script()).await;
    let found = github.client().checkup(&wanted()).await;
    assert_eq!(lines(&found), [basic("o/secret"), vec![CLOCK.to_owned()]].concat());
    assert_eq!(github.lines().len(), 5);
    let all = Wanted {
        discovery: DiscoveryMode::Organization(Login::parse("octo").unwrap()),
        repository: Some(RepoSlug::parse("o/secret").unwrap()),
        hooks: true,
        enterprise: Some(EnterpriseSlug::parse("corp").unwrap()),
        ..wanted()
    };
    let found = github.client().checkup(&all).await;
    let more = [
        looks("install webhooks at repositories", "o/secret"),
        format!("warning: the token cannot register or see runners of the organisation octo: tried on octo, which GitHub does not show to it → it takes Organization permissions: Self-hosted runners: Read and write in {takes}"),
        looks("install a webhook at the organisation", "octo"),
        "failure: GitHub was asked whether the token may register runners at the enterprise: GitHub has trouble (500) → www.githubstatus.com tells whether GitHub is in trouble".to_owned(),
        CLOCK.to_owned(),
    ];
    assert_eq!(lines(&found), [basic("o/secret"), more.to_vec()].concat());
    assert!(!github.lines().contains(&OWN.to_owned()), "one was named");
}

#[tokio::test]
async fn a_token_that_cannot_be_tried_says_why() {
    let nothing = "warning: the token sees no repository that is served, so its permissions could not be tried → give it repositories (Settings → Developer settings → Personal access tokens → Fine-grained tokens, Repository access), or look at DISCOVERY_MODE, DISCOVERY_INCLUDE and ALLOW_PUBLIC_REPOS".to_owned();
    let trouble = "failure: GitHub was asked for the token's repositories: GitHub has trouble (502) → www.githubstatus.com tells whether GitHub is in trouble".to_owned();
    let nobody = "warning: no user is behind this token → such a token lives an hour at most: make one of a user's, or have GITHUB_APP_ID set and the App's key".to_owned();
    let rows = [
        (octocat(), ok(&json!([])), OCTOCAT.to_owned(), nothing.clone()),
        (octocat(), no(502, ""), OCTOCAT.to_owned(), trouble),
        (no(403, "No"), ok(&json!([])), nobody, nothing),
    ];
    for (user, list, first, last) in rows {
        let github = StandIn::new([("GET /user", vec![user]), (OWN, vec![list])]).await;
        let found = github.client().checkup(&wanted()).await;
        assert_eq!(lines(&found), [first, TRIED.to_owned(), last, CLOCK.to_owned()]);
    }
}

#[tokio::test]
async fn whose_token_it_is_may_not_be_told() {
    let asked = "failure: GitHub was asked whose token this is";
    let mistyped = format!(
        "{asked}: GitHub does not accept the credential (401); check the token, or the App's id and key → the token was mistyped, revoked or has run out; of an App, the id or the key is another's"
    );
    let silent = format!(
        "{asked}: GitHub cannot be reached: no answer in time → look at GITHUB_API_URL, the network, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    );
    let rows = [
        (no(401, ""), vec![mistyped, CLOCK.to_owned()]),
        // Nothing is known of its clock.
        (silence(), vec![silent]),
    ];
    for (answer, expected) in rows {
        let github = StandIn::new([("GET /user", vec![answer])]).await;
        let client =
            github.client_with(|settings| settings.timeout = std::time::Duration::from_millis(200));
        assert_eq!(lines(&client.checkup(&wanted()).await), expected);
    }
}

#[tokio::test]
async fn an_app_is_told_with_its_installations() {
    let list = json!([{
        "id": 1, "account": {"login": "octo", "type": "Organization"}, "repository_selection": "selected",
        "permissions": {"administration": "write", "contents": "read", "actions": "read"},
    }]);
    let installations = "GET /app/installations?per_page=100";
    let app = ok(&json!({"slug": "mayfly", "events": ["workflow_job"]}));
    let known = "ok: GitHub knows the App mayfly".to_owned();
    let at = "ok: the App is installed on octo, with selected repositories".to_owned();
    let may =
        "ok: it may register runners at repositories, read workflow files, read runs and jobs"
            .to_owned();
    let where_ = "failure: GitHub was asked where the App is installed: GitHub has trouble (500) → www.githubstatus.com tells whether GitHub is in trouble".to_owned();
    let which = "failure: GitHub was asked which App this is: GitHub does not know it, or does not show it to this credential (404) → look at GITHUB_API_URL: of GitHub Enterprise Server it ends in /api/v3".to_owned();
    let not_there = "failure: the App is not installed on other → look at GITHUB_APP_INSTALLATION, or install the App there: its settings → Install App".to_owned();
    let clock = CLOCK.to_owned();
    let hooks = Wanted { hooks: true, ..wanted() };
    let server = app.clone().with("x-github-enterprise-version", "3.14.1");
    let version = "ok: it is GitHub Enterprise Server 3.14.1".to_owned();
    let on_server = vec![known.clone(), version, at.clone(), may.clone(), clock.clone()];
    let rows = [
        (server, ok(&list), None, on_server),
        (app.clone(), ok(&list), None, vec![known.clone(), at, may, clock.clone()]),
        (app.clone(), ok(&list), Some("other"), vec![known.clone(), not_there, clock.clone()]),
        (app, no(500, ""), None, vec![known, where_, clock.clone()]),
        (no(404, ""), ok(&list), None, vec![which, clock]),
    ];
    for (answer, list, only, expected) in rows {
        let github = StandIn::new([("GET /app", vec![answer]), (installations, vec![list])]).await;
        assert_eq!(lines(&github.app(only).checkup(&hooks).await), expected);
    }
}
