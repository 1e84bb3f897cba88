use std::collections::BTreeMap;

use mayfly_common::scope::EnterpriseSlug;

use super::*;

fn wanted(org: Option<&str>, hooks: bool, enterprise: bool) -> Wanted {
    let login = |text| Login::parse(text).unwrap();
    Wanted {
        discovery: org.map_or(DiscoveryMode::All, |org| DiscoveryMode::Organization(login(org))),
        filter: mayfly_planner::filter::Filter::default(),
        repository: None,
        hooks,
        enterprise: enterprise.then(|| EnterpriseSlug::parse("corp").unwrap()),
    }
}

/// What is not as it should be, with `!` for a failure and `?` for a warning.
fn wrong(found: &[Finding]) -> Vec<String> {
    let bad = found.iter().filter(|finding| finding.level != Level::Ok);
    bad.map(|finding| {
        assert!(finding.hint.is_some(), "what to do is said: {finding:?}");
        format!("{}{}", if finding.level == Level::Failure { '!' } else { '?' }, finding.what)
    })
    .collect()
}

#[track_caller]
fn same(found: &[Finding], expected: &[&str]) {
    let found = wrong(found);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let (mark, words) = expected.split_at(1);
        assert!(found.starts_with(mark) && found.contains(words), "{found} is not {expected}");
    }
}

#[test]
fn scopes_of_classic_tokens() {
    let all = "repo, admin:org, admin:org_hook, manage_runners:enterprise";
    let rows: [(&str, Wanted, &[&str]); 10] = [
        ("repo", wanted(None, false, false), &[]),
        ("repo", wanted(None, true, false), &[]),
        ("REPO ,gist", wanted(None, false, false), &[]),
        (all, wanted(Some("octo"), true, true), &[]),
        ("repo, manage_runners:org", wanted(Some("octo"), false, false), &[]),
        ("repo", wanted(Some("octo"), false, false), &["?lacks the scope admin:org"]),
        (
            "repo",
            wanted(Some("octo"), true, true),
            &["?admin:org", "?admin:org_hook", "!manage_runners:enterprise"],
        ),
        (
            "gist",
            wanted(None, false, false),
            &["!register runners at repositories", "!read workflow files", "!read runs and jobs"],
        ),
        // Enough for public repositories alone, and not for their runners.
        ("public_repo", wanted(None, false, false), &["!register", "!files", "!runs"]),
        (
            "admin:repo_hook, admin:enterprise",
            wanted(None, true, true),
            &["!register", "!files", "!runs"],
        ),
    ];
    for (text, wanted, expected) in rows {
        same(&classic(&scopes(text), &wanted), expected);
    }
}

fn installed(owner: &str, permissions: &[(&str, &str)]) -> Installation {
    let pairs = permissions.iter().map(|&(name, level)| (name.to_owned(), level.to_owned()));
    Installation {
        id: 1,
        owner: Login::parse(owner).unwrap(),
        organization: true,
        suspended: false,
        all_repositories: true,
        permissions: pairs.collect::<BTreeMap<_, _>>(),
    }
}

const BASIC: [(&str, &str); 3] =
    [("administration", "write"), ("contents", "read"), ("actions", "read")];

#[test]
fn permissions_of_apps() {
    let basic = installed("octo", &BASIC);
    let suspended = Installation { suspended: true, ..installed("other", &BASIC) };
    let read_only = installed(
        "octo",
        &[("administration", "read"), ("contents", "write"), ("actions", "admin")],
    );
    let none = installed("octo", &[]);
    let job = ["workflow_job".to_owned()];
    let (plain, hooks) = (wanted(None, false, false), wanted(None, true, false));
    let of = |found: &[Installation], events: &[String], only, wanted: &Wanted| {
        app(events, found, only, wanted)
    };
    let one = std::slice::from_ref(&basic);
    same(&of(one, &[], None, &plain), &[]);
    same(&of(one, &job, None, &hooks), &[]);
    same(&of(one, &[], None, &hooks), &["?install webhooks at repositories"]);
    same(&of(&[basic.clone(), suspended.clone()], &[], None, &plain), &["?suspended on other"]);
    same(&of(&[suspended], &[], None, &plain), &["!suspended on other"]);
    same(&of(&[read_only], &[], None, &plain), &["!cannot register runners at repositories"]);
    same(&of(&[none], &[], None, &plain), &["!register", "!files", "!runs"]);
    same(&of(&[], &[], None, &plain), &["!not installed anywhere"]);
    same(&of(&[], &[], Some("octo"), &plain), &["!not installed on octo"]);
    let organisation = wanted(Some("octo"), false, false);
    same(&of(one, &[], None, &organisation), &["?runners of the organisation octo"]);
    let elsewhere = wanted(Some("nobody"), false, false);
    same(&of(one, &[], None, &elsewhere), &["!not installed on nobody"]);
    same(
        &of(one, &[], None, &wanted(None, false, true)),
        &["!cannot register runners at an enterprise"],
    );
}

#[test]
fn what_was_tried() {
    let needs = of_repositories(true);
    let judged = |index: usize, outcome| probed(&needs[index], "o/r", outcome);
    let forbidden =
        || GitHubError::Forbidden("No; it takes the permission administration=read".to_owned());
    let ok = judged(0, Ok(()));
    assert_eq!(ok.level, Level::Ok);
    assert!(
        ok.what.contains("that it may also write shows"),
        "reading proves no more: {}",
        ok.what
    );
    same(&[judged(0, Err(forbidden()))], &["!it takes the permission administration=read"]);
    same(&[judged(1, Err(GitHubError::NotFound))], &["!does not show"]);
    same(&[judged(3, Err(forbidden()))], &["?install webhooks"]);
    let until = jiff::Timestamp::UNIX_EPOCH;
    same(&[judged(2, Err(GitHubError::RateLimited { until }))], &["?rate limit"]);
}

#[test]
fn troubles_are_told_apart() {
    let hint = |error: GitHubError| trouble("asked", &error).hint.unwrap_or_default();
    let network = |text: &str| GitHubError::Network(text.to_owned());
    assert!(hint(network("invalid peer certificate: UnknownIssuer")).contains("GITHUB_CA_FILE"));
    assert!(hint(network("connection refused")).contains("NO_PROXY"));
    assert!(hint(GitHubError::TimedOut).contains("NO_PROXY"));
    assert!(hint(GitHubError::NotFound).contains("/api/v3"));
    assert!(hint(GitHubError::Malformed("it is HTML".to_owned())).contains("/api/v3"));
    assert!(hint(GitHubError::Unauthorized).contains("revoked"));
    assert!(hint(GitHubError::Server(502)).contains("status"));
    let until = jiff::Timestamp::UNIX_EPOCH;
    let put_off = GitHubError::PutOff { until, why: "kept for jobs".to_owned() };
    assert_eq!(trouble("asked", &put_off).level, Level::Warning, "a wait is no failure");
}
