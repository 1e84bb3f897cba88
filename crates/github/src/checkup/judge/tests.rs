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
    same(&[judged(2, Err(GitHubError::RateLimited { until, why: "x".into() }))], &["?rate limit"]);
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

/// A finding in one line: how serious it is, what it is, and what to do.
fn lines(found: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let hint = finding.hint.as_deref().map(|hint| format!(" → {hint}")).unwrap_or_default();
        format!("{:?}: {}{hint}", finding.level, finding.what)
    };
    found.iter().map(line).collect()
}

#[test]
fn what_lacks_is_named_with_where_to_give_it() {
    let classic = classic(&scopes("gist"), &wanted(Some("octo"), true, true));
    let tick = |scope: &str| {
        format!(
            "tick {scope} in Settings → Developer settings → Personal access tokens → Tokens (classic)"
        )
    };
    let cannot = |level: &str, does: &str, scope: &str| {
        format!("{level}: the token cannot {does}: it lacks the scope {scope} → {}", tick(scope))
    };
    let expected = [
        "Ok: it is a classic token with the scopes gist".to_owned(),
        cannot("Failure", "register runners at repositories", "repo"),
        cannot("Failure", "read workflow files", "repo"),
        cannot("Failure", "read runs and jobs", "repo"),
        cannot("Warning", "install webhooks at repositories", "repo"),
        cannot("Warning", "register or see runners of the organisation octo", "admin:org"),
        cannot("Warning", "install a webhook at the organisation", "admin:org_hook"),
        cannot("Failure", "register runners at the enterprise", "manage_runners:enterprise"),
    ];
    assert_eq!(lines(&classic), expected);
    let app = app(&[], &[installed("octo", &[])], None, &wanted(Some("octo"), true, true));
    let cannot = |level: &str, does: &str, setting: &str| {
        format!(
            "{level}: on octo the App cannot {does} → it takes {setting} in the App's settings → Permissions & events; then octo has to accept it: its settings → GitHub Apps → Review request"
        )
    };
    let expected = [
        "Ok: the App is installed on octo, with all repositories".to_owned(),
        cannot(
            "Failure",
            "register runners at repositories",
            "Repository permissions: Administration: Read and write",
        ),
        cannot("Failure", "read workflow files", "Repository permissions: Contents: Read-only"),
        cannot("Failure", "read runs and jobs", "Repository permissions: Actions: Read-only"),
        cannot(
            "Warning",
            "install webhooks at repositories",
            "Repository permissions: Webhooks: Read and write",
        ),
        cannot(
            "Warning",
            "register or see runners of the organisation octo",
            "Organization permissions: Self-hosted runners: Read and write",
        ),
        cannot(
            "Warning",
            "install a webhook at the organisation",
            "Organization permissions: Webhooks: Read and write",
        ),
        "Failure: a GitHub App cannot register runners at an enterprise → use a classic token with the scope manage_runners:enterprise: Settings → Developer settings → Personal access tokens → Tokens (classic)".to_owned(),
    ];
    assert_eq!(lines(&app), expected);
    assert_eq!(
        enterprise().setting,
        "no fine-grained permission: it takes a classic token with the scope manage_runners:enterprise"
    );
}

#[test]
fn one_scope_or_permission_is_enough_for_what_it_is_for() {
    // Which of eight things a token with this one scope may do.
    let all = wanted(Some("octo"), true, true);
    let may = |scope: &str| -> Vec<String> {
        let found = classic(&scopes(scope), &all);
        let may = found
            .iter()
            .find_map(|finding| finding.what.strip_prefix("it may ").map(str::to_owned));
        may.map(|may| may.split(", ").map(str::to_owned).collect()).unwrap_or_default()
    };
    let rows: [(&str, &[&str]); 10] = [
        (
            "repo",
            &[
                "register runners at repositories",
                "read workflow files",
                "read runs and jobs",
                "install webhooks at repositories",
            ],
        ),
        ("admin:repo_hook", &["install webhooks at repositories"]),
        ("write:repo_hook", &["install webhooks at repositories"]),
        ("read:repo_hook", &[]),
        ("admin:org", &["register or see runners of the organisation octo"]),
        ("manage_runners:org", &["register or see runners of the organisation octo"]),
        ("admin:org_hook", &["install a webhook at the organisation"]),
        ("manage_runners:enterprise", &["register runners at the enterprise"]),
        ("admin:enterprise", &["register runners at the enterprise"]),
        ("read:org", &[]),
    ];
    for (scope, expected) in rows {
        assert_eq!(may(scope), expected, "{scope}");
    }
    let rows = [
        ("administration", "write", Some("register runners at repositories")),
        ("administration", "admin", Some("register runners at repositories")),
        ("administration", "read", None),
        ("contents", "read", Some("read workflow files")),
        ("actions", "write", Some("read runs and jobs")),
        ("repository_hooks", "write", Some("install webhooks at repositories")),
        ("repository_hooks", "read", None),
        (
            "organization_self_hosted_runners",
            "write",
            Some("register or see runners of the organisation octo"),
        ),
        ("organization_hooks", "write", Some("install a webhook at the organisation")),
        ("actions", "something new", None),
    ];
    for (name, level, expected) in rows {
        let found = app(&[], &[installed("octo", &[(name, level)])], None, &all);
        let may = found.iter().find_map(|finding| finding.what.strip_prefix("it may "));
        assert_eq!(may, expected, "{name}: {level}");
    }
    // What concerns an organisation is asked of that one alone, and hooks only where the App is not told.
    let everywhere = app(&[], &[installed("else", &[])], None, &all);
    assert!(
        !lines(&everywhere)
            .iter()
            .any(|line| line.contains("on else the App cannot register or see"))
    );
    let told = app(&["workflow_job".to_owned()], &[installed("octo", &[])], None, &all);
    assert!(!lines(&told).iter().any(|line| line.contains("webhook")), "{told:?}");
}

#[test]
fn where_an_app_is_not_it_is_said_what_to_do() {
    let rows = [
        (
            app(&[], &[], None, &wanted(None, false, false)),
            vec![
                "Failure: the App is not installed anywhere → install it on your account or organisation: its settings → Install App",
            ],
        ),
        (
            app(
                &[],
                &[Installation { suspended: true, ..installed("octo", &BASIC) }],
                None,
                &wanted(None, false, false),
            ),
            vec![
                "Failure: the App is suspended on octo: no job is served there → let it go on: octo's settings → GitHub Apps → Configure",
            ],
        ),
        (
            app(
                &[],
                &[Installation { suspended: true, ..installed("me", &BASIC) }],
                None,
                &wanted(Some("octo"), false, false),
            ),
            vec![
                "Failure: the App is suspended on me: no job is served there → let it go on: me's settings → GitHub Apps → Configure",
                "Failure: the App is not installed on octo, whose repositories are to be served → install it there: its settings → Install App",
            ],
        ),
    ];
    for (found, expected) in rows {
        assert_eq!(lines(&found), expected);
    }
}

#[test]
fn every_trouble_has_its_hint() {
    let until = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let text = || "x".to_owned();
    let ask_again = "nothing is wrong with the credential as far as is known; ask again then";
    let network = "look at GITHUB_API_URL, the network, and HTTPS_PROXY, HTTP_PROXY and NO_PROXY";
    let address = "look at GITHUB_API_URL: of GitHub Enterprise Server it ends in /api/v3";
    let rows = [
        (GitHubError::RateLimited { until, why: "x".into() }, Level::Warning, Some(ask_again)),
        (GitHubError::PutOff { until, why: text() }, Level::Warning, Some(ask_again)),
        (
            GitHubError::Network("bad Certificate".to_owned()),
            Level::Failure,
            Some("a GitHub or proxy with a certificate of your own takes GITHUB_CA_FILE"),
        ),
        (GitHubError::Network(text()), Level::Failure, Some(network)),
        (GitHubError::TimedOut, Level::Failure, Some(network)),
        (GitHubError::NotFound, Level::Failure, Some(address)),
        (GitHubError::Malformed(text()), Level::Failure, Some(address)),
        (
            GitHubError::Server(500),
            Level::Failure,
            Some("www.githubstatus.com tells whether GitHub is in trouble"),
        ),
        (GitHubError::Forbidden(text()), Level::Failure, None),
    ];
    for (error, level, hint) in rows {
        let hint = hint.map(str::to_owned);
        let expected = Finding { level, what: format!("asked: {error}"), hint };
        assert_eq!(trouble("asked", &error), expected);
    }
}
