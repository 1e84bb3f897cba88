use serde_json::{Value, json};

use super::*;
use crate::stand_in::{StandIn, Told, at, no, ok};

const LIST: &str = "GET /app/installations?per_page=100";

fn installation(id: i64, login: &str) -> Value {
    json!({"id": id, "account": {"login": login, "type": "Organization"}})
}

fn listed(list: &[Value]) -> Told {
    ok(&list.iter().cloned().collect())
}

fn owner(login: &str) -> Who {
    Who::Owner(Login::parse(login).unwrap())
}

fn not_installed(what: &str) -> GitHubError {
    GitHubError::NotInstalled(what.to_owned())
}

#[tokio::test]
async fn all_that_is_told_of_an_installation_is_read() {
    let list = json!([
        {
            "id": 1, "account": {"login": "octo", "type": "Organization"}, "suspended_at": null,
            "repository_selection": "selected", "permissions": {"actions": "read", "odd": 7},
        },
        {
            "id": 2, "account": {"login": "me", "type": "User"}, "suspended_at": "2027-01-01T00:00:00Z",
            "repository_selection": "all", "permissions": {"contents": "write"},
        },
        {"id": 3, "account": {"slug": "an-enterprise"}}, {"id": 4},
    ]);
    let one = |id, login: &str, organization, (name, level): (&str, &str)| Installation {
        id,
        owner: Login::parse(login).unwrap(),
        organization,
        suspended: !organization,
        all_repositories: !organization,
        permissions: BTreeMap::from([(name.to_owned(), level.to_owned())]),
    };
    let octo = one(1, "octo", true, ("actions", "read"));
    let me = one(2, "me", false, ("contents", "write"));
    let rows = [
        (None, vec![me.clone(), octo.clone()]),
        (Some("OCTO"), vec![octo.clone()]),
        (Some("2"), vec![me]),
        (Some("7"), vec![]),
    ];
    for (only, expected) in rows {
        let github = StandIn::new([(LIST, vec![ok(&list)])]).await;
        let client = github.app(only);
        assert_eq!(client.installations().await.unwrap(), expected, "{only:?}");
        assert_eq!(client.only_installation(), only);
    }
    let github = StandIn::new::<&str>([]).await;
    let token = github.client();
    assert_eq!(token.installations().await.unwrap(), []);
    assert_eq!((token.only_installation(), token.is_app(), github.lines().len()), (None, false, 0));
}

#[tokio::test]
async fn the_list_is_read_again_after_ten_minutes_or_one_where_something_may_have_changed() {
    let octo = || installation(1, "octo");
    let mut ended = installation(2, "other");
    ended["suspended_at"] = "x".into();
    let script = vec![
        listed(&[octo()]),
        listed(&[octo(), ended]),
        listed(&[octo(), installation(2, "other")]),
    ];
    let github = StandIn::new([(LIST, script)]).await;
    let client = github.app(None);
    let account = async |login: &str| client.account(&owner(login)).await;
    let octo = Ok(Account::Installation(1));
    let none = Err(not_installed("other: it is not installed there"));
    let suspended = Err(not_installed("other: installation 2 is suspended"));
    let other = Ok(Account::Installation(2));
    // When who is asked about; the answer, and whether the list was read for it.
    let rows = [
        (0, "octo", octo.clone(), 1),
        (599, "octo", octo.clone(), 0),
        (600, "octo", octo.clone(), 1),
        // One is suspended now.
        (659, "other", suspended, 0),
        (660, "other", other.clone(), 1),
        (1_259, "octo", octo.clone(), 0),
        (1_259, "other", other, 0),
        (1_260, "octo", octo, 1),
    ];
    for (second, login, expected, requests) in rows {
        github.clock.set(second);
        assert_eq!(
            (account(login).await, github.lines().len()),
            (expected, requests),
            "{second} {login}"
        );
    }
    // One that is missing is looked for again after a minute.
    let github = StandIn::new([(LIST, vec![listed(&[installation(1, "octo")])])]).await;
    let client = github.app(None);
    for (second, requests) in [(0, 1), (59, 0), (60, 1), (61, 0)] {
        github.clock.set(second);
        let found = client.account(&owner("other")).await;
        assert_eq!((found, github.lines().len()), (none.clone(), requests), "{second}");
    }
    client.installations_changed().await;
    assert_eq!(client.account(&owner("octo")).await, Ok(Account::Installation(1)));
    assert_eq!(github.lines().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_of_the_list_is_as_it_was() {
    let both = [installation(1, "octo"), installation(2, "other")];
    let odd = [installation(1, "octo"), json!({"id": "x"})];
    let script = vec![listed(&both), listed(&odd), listed(&both[..1])];
    let github = StandIn::new([(LIST, script)]).await;
    let client = github.app(None);
    let other = async || client.account(&owner("other")).await;
    let nobody = async || client.account(&owner("nobody")).await;
    assert_eq!(other().await, Ok(Account::Installation(2)));
    github.clock.set(600);
    assert_eq!(other().await, Ok(Account::Installation(2)));
    let unread = "nobody: no installation that can be read is there, and 1 cannot be read";
    assert_eq!(nobody().await, Err(not_installed(unread)));
    github.clock.set(1_200);
    assert_eq!(other().await, Err(not_installed("other: it is not installed there")));
}

#[tokio::test]
async fn each_account_is_asked_in_its_own_name() {
    let token =
        |text: &str, second: i64| ok(&json!({"token": text, "expires_at": at(second).to_string()}));
    let tokens = "POST /app/installations/1/access_tokens";
    let get = "GET /thing";
    let github = StandIn::new([
        (LIST, vec![listed(&[installation(1, "octo")])]),
        (tokens, vec![token("one", 3_600), token("two", 3_600), token("three", 9_000)]),
        (get, vec![ok(&json!({})), no(401, ""), ok(&json!({}))]),
    ])
    .await;
    let client = github.app(None);
    let ask = async |who: Who| {
        let call = client.call(who, Priority::Demand, "/thing", &[], &[]);
        client.get::<Value>(&call).await.unwrap();
        let asked = github.asked();
        let sent = asked.iter().filter(|one| one.line == get);
        sent.map(|one| one.headers["authorization"].to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(owner("octo")).await, ["Bearer one"]);
    // A token that is not accepted is renewed at once.
    assert_eq!(ask(Who::Installation(1)).await, ["Bearer one", "Bearer two"]);
    github.clock.set(3_299);
    assert_eq!(ask(Who::Installation(1)).await, ["Bearer two"]);
    github.clock.set(3_300);
    assert_eq!(ask(Who::Installation(1)).await, ["Bearer three"]);
    for who in [Who::App, Who::User] {
        let sent = ask(who).await;
        assert!(sent[0].split('.').count() == 3, "a JSON Web Token: {sent:?}");
    }
}

#[tokio::test]
async fn an_installation_without_a_token_is_told_of() {
    let ended = "installation 1: it was ended, or is suspended";
    let rows = [
        (no(403, "suspended"), not_installed(ended)),
        (no(404, ""), not_installed(ended)),
        (no(500, ""), GitHubError::Server(500)),
    ];
    for (answer, expected) in rows {
        let github =
            StandIn::new([("POST /app/installations/1/access_tokens", vec![answer])]).await;
        let client = github.app(None);
        let call = client.call(Who::Installation(1), Priority::Demand, "/thing", &[], &[]);
        assert_eq!(client.get::<Value>(&call).await, Err(expected));
    }
}

#[tokio::test]
async fn that_an_installation_was_suspended_is_told_by_its_name_and_the_list_read_again() {
    let token = ok(&json!({"token": "one", "expires_at": at(3_600).to_string()}));
    let said = "This installation has been suspended";
    let script = vec![no(403, said), no(403, "This installation may not"), no(403, "suspended")];
    let github = StandIn::new([
        (LIST, vec![listed(&[installation(1, "octo")])]),
        ("POST /app/installations/1/access_tokens", vec![token.clone()]),
        ("POST /app/installations/2/access_tokens", vec![token]),
        ("GET /thing", script),
        ("GET /other", vec![no(403, said)]),
    ])
    .await;
    let client = github.app(None);
    let ask = async |who: Who, route: &'static str| {
        let call = client.call(who, Priority::Demand, route, &[], &[]);
        client.get::<Value>(&call).await.unwrap_err()
    };
    let octo = not_installed("octo: installation 1 is suspended");
    assert_eq!(ask(owner("octo"), "/thing").await, octo);
    github.lines();
    let forbidden = |text: &str| GitHubError::Forbidden(text.to_owned());
    assert_eq!(ask(owner("octo"), "/thing").await, forbidden("This installation may not"));
    assert_eq!(github.lines(), [LIST, "GET /thing"], "the list may be out of date");
    assert_eq!(ask(owner("octo"), "/thing").await, forbidden("suspended"));
    let unnamed = not_installed("an account: installation 2 is suspended");
    assert_eq!(ask(Who::Installation(2), "/other").await, unnamed);
}

#[tokio::test]
async fn another_token_is_tried_only_where_there_is_one() {
    let github = StandIn::new::<&str>([]).await;
    let (app, token) = (github.app(None), github.client());
    let rows = [
        (&app, Account::Installation(1), false, true),
        (&app, Account::App, true, true),
        (&app, Account::App, false, false),
        (&token, Account::User, true, false),
    ];
    for (client, account, clock_differs, expected) in rows {
        assert_eq!(client.identity.renew(account, clock_differs).await, expected, "{account}");
    }
}
