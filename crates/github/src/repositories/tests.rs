use mayfly_common::scope::RepoSlug;
use serde_json::{Value, json};

use super::*;
use crate::stand_in::{StandIn, Told, no, ok};

const OWN: &str = "GET /user/repos?type=owner&sort=pushed&direction=desc&per_page=100";
const ORG: &str = "GET /orgs/octo/repos?type=all&sort=pushed&direction=desc&per_page=100";

fn repo(id: i64, name: &str, pushed: &str) -> Value {
    json!({"id": id, "full_name": name, "pushed_at": pushed})
}

fn page(repos: &[Value]) -> Told {
    ok(&repos.iter().cloned().collect())
}

fn octo() -> DiscoveryMode {
    DiscoveryMode::Organization(Login::parse("octo").unwrap())
}

fn ids(listed: &Listed) -> Vec<i64> {
    listed.repositories.iter().map(|repository| repository.id).collect()
}

#[tokio::test]
async fn all_that_is_told_of_a_repository_is_read() {
    let flags = ["private", "fork", "archived", "disabled"];
    let given: Vec<_> = flags
        .iter()
        .zip(1..)
        .map(|(flag, id)| {
            let mut one = repo(id, &format!("o/{flag}"), "2027-01-01T00:00:00Z");
            one[*flag] = true.into();
            one
        })
        .collect();
    let github = StandIn::new([(OWN, vec![page(&given)])]).await;
    let client = github.client();
    let listed =
        client.repositories(&DiscoveryMode::All, Depth::Whole, Priority::Discovery, |_| true);
    let listed = listed.await.unwrap();
    let expected: Vec<_> = flags
        .iter()
        .zip(1..)
        .map(|(&flag, id)| Repository {
            id,
            slug: RepoSlug::parse(&format!("o/{flag}")).unwrap(),
            pushed_at: Some("2027-01-01T00:00:00Z".to_owned()),
            private: (flag == "private").then_some(true),
            fork: flag == "fork",
            archived: flag == "archived",
            disabled: flag == "disabled",
        })
        .collect();
    assert_eq!((listed.repositories, listed.coverage), (expected, Coverage::Whole));
    assert_eq!(github.lines(), [OWN], "no organisation was named");
}

#[tokio::test]
async fn an_organisation_and_the_user_are_listed_and_each_repository_counts_once() {
    let both = vec![page(&[repo(3, "octo/c", "3"), repo(1, "octo/a", "1")])];
    let own = |answer| [(ORG, both.clone()), (OWN, vec![answer])];
    // What the user's list gives; what is listed then, how much of all it is, and what is told.
    let forbidden = || GitHubError::Forbidden("No".to_owned());
    let rows = [
        (
            page(&[repo(1, "octo/a", "1"), repo(2, "me/b", "0")]),
            vec![1, 2, 3],
            Coverage::Whole,
            vec![],
        ),
        (
            page(&[repo(2, "me/b", "0"), json!({"id": 4})]),
            vec![1, 2, 3],
            Coverage::Readable,
            vec![],
        ),
        // A token of an organisation has no user behind it.
        (no(403, "No"), vec![1, 3], Coverage::Whole, vec![]),
        (no(404, ""), vec![1, 3], Coverage::Whole, vec![]),
        (
            no(500, ""),
            vec![1, 3],
            Coverage::Part,
            vec![("the user".to_owned(), GitHubError::Server(500))],
        ),
    ];
    for (answer, expected, coverage, problems) in rows {
        let github = StandIn::new(own(answer)).await;
        let listed = github
            .client()
            .repositories(&octo(), Depth::Whole, Priority::Discovery, |_| true)
            .await
            .unwrap();
        assert_eq!((ids(&listed), listed.coverage), (expected, coverage));
        assert_eq!(listed.problems, problems);
        assert_eq!(github.lines(), [ORG, OWN]);
    }
    // Where nothing else is there, it is told.
    let github = StandIn::new([(OWN, vec![no(403, "No")])]).await;
    let mode = DiscoveryMode::All;
    let listed = github
        .client()
        .repositories(&mode, Depth::Whole, Priority::Discovery, |_| true)
        .await
        .unwrap();
    assert_eq!(
        (listed.coverage, listed.problems),
        (Coverage::Part, vec![("the user".to_owned(), forbidden())])
    );
    let github =
        StandIn::new([(ORG, vec![no(403, "No")]), (OWN, vec![page(&[repo(2, "me/b", "0")])])])
            .await;
    let listed = github
        .client()
        .repositories(&octo(), Depth::Whole, Priority::Discovery, |_| true)
        .await
        .unwrap();
    assert_eq!((ids(&listed), listed.problems), (vec![2], vec![("octo".to_owned(), forbidden())]));
}

#[tokio::test]
async fn reading_ends_where_nothing_is_new_if_the_list_is_in_order() {
    let second = "GET /user/repos?type=owner&sort=pushed&direction=desc&per_page=100&page=2";
    let more = |answer: Told| answer.with("link", format!("<{}>; rel=\"next\"", &second[4..]));
    let ordered = || more(page(&[repo(1, "o/a", "9"), repo(2, "o/b", "8"), repo(3, "o/c", "8")]));
    let mixed = || more(page(&[repo(1, "o/a", "8"), repo(2, "o/b", "9"), repo(3, "o/c", "8")]));
    let odd = || more(page(&[repo(1, "o/a", "9"), json!({"id": 9}), repo(3, "o/c", "8")]));
    let last = || page(&[repo(4, "o/d", "1")]);
    let recent = Depth::Recent;
    let rows = [
        // The last one of the page is known: the rest is older.
        (ordered(), recent, vec![3], vec![1, 2, 3], Coverage::Part, 1),
        (ordered(), recent, vec![1, 2], vec![1, 2, 3, 4], Coverage::Whole, 2),
        (mixed(), recent, vec![1, 2, 3], vec![1, 2, 3, 4], Coverage::Whole, 2),
        (ordered(), Depth::Whole, vec![1, 2, 3], vec![1, 2, 3, 4], Coverage::Whole, 2),
        (odd(), recent, vec![], vec![1, 3, 4], Coverage::Readable, 2),
        // All of it was read all the same.
        (last(), recent, vec![4], vec![4], Coverage::Whole, 1),
        (page(&[]), recent, vec![], vec![], Coverage::Whole, 1),
    ];
    for (first, depth, known, expected, coverage, requests) in rows {
        let github = StandIn::new([(OWN, vec![first]), (second, vec![last()])]).await;
        let known = |repository: &Repository| known.contains(&repository.id);
        let all = DiscoveryMode::All;
        let listed =
            github.client().repositories(&all, depth, Priority::Discovery, known).await.unwrap();
        assert_eq!((ids(&listed), listed.coverage), (expected, coverage));
        assert_eq!(github.lines().len(), requests);
    }
}

#[tokio::test]
async fn an_app_lists_what_its_installations_have() {
    let account = |login: &str| json!({"login": login, "type": "Organization"});
    let installations = json!([
        {"id": 1, "account": account("octo")}, {"id": 2, "account": account("other")},
        {"id": 3, "account": account("gone"), "suspended_at": "2027-01-01T00:00:00Z"},
    ]);
    let token = |text: &str| ok(&json!({"token": text, "expires_at": "2027-01-15T09:00:00Z"}));
    let list = |id, name| json!({"total_count": 1, "repositories": [repo(id, name, "1")]});
    let repositories = "GET /installation/repositories?per_page=100";
    let github = StandIn::new([
        ("GET /app/installations?per_page=100", vec![ok(&installations)]),
        ("POST /app/installations/1/access_tokens", vec![token("one")]),
        ("POST /app/installations/2/access_tokens", vec![token("two")]),
        (
            repositories,
            vec![ok(&list(10, "octo/a")), ok(&list(20, "other/b")), ok(&list(10, "octo/a"))],
        ),
    ])
    .await;
    let client = github.app(None);
    let read = async |mode: &DiscoveryMode| {
        client.repositories(mode, Depth::Recent, Priority::Discovery, |_| true).await.unwrap()
    };
    let listed = read(&DiscoveryMode::All).await;
    assert_eq!(
        (ids(&listed), listed.coverage, listed.problems.len()),
        (vec![10, 20], Coverage::Whole, 0)
    );
    let suspended: Vec<_> =
        listed.suspended.iter().map(|one| (one.id, one.owner.as_str())).collect();
    assert_eq!(suspended, [(3, "gone")]);
    let asked = github.asked();
    let tokens: Vec<_> = asked
        .iter()
        .filter(|one| one.line == repositories)
        .map(|one| one.headers["authorization"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer one", "Bearer two"]);
    let listed = read(&octo()).await;
    assert_eq!((ids(&listed), listed.suspended.len()), (vec![10], 0), "the others are not asked");
    assert_eq!(github.lines(), [repositories]);
}

#[tokio::test]
async fn where_an_installation_cannot_be_read_the_list_is_not_whole() {
    let installations = json!([{"id": "x"}]);
    let github =
        StandIn::new([("GET /app/installations?per_page=100", vec![ok(&installations)])]).await;
    let mode = DiscoveryMode::All;
    let listed =
        github.app(None).repositories(&mode, Depth::Whole, Priority::Discovery, |_| true).await;
    assert_eq!(listed.unwrap().coverage, Coverage::Readable);
}
