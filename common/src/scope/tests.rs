use super::*;

#[test]
fn repositories_are_owner_slash_name_and_nothing_else() {
    for good in [
        "o/r",
        "octo-org/octo.repo_1-x",
        "octo_acme/r",
        "a/.github",
        &format!("a/{}", "x".repeat(100)),
    ] {
        assert_eq!(RepoSlug::parse(good).unwrap().to_string(), good);
    }
    let cases = [
        ("", InvalidScope::NotOwnerRepo),
        ("owner", InvalidScope::NotOwnerRepo),
        ("owner/../x", InvalidScope::NotOwnerRepo),
        ("o/r/forks?x=", InvalidScope::NotOwnerRepo),
        ("o/..", InvalidScope::Repo),
        ("o/.", InvalidScope::Repo),
        ("o/", InvalidScope::Repo),
        ("o/r?x", InvalidScope::Repo),
        ("o/r%2f", InvalidScope::Repo),
        ("o/{registration_token}", InvalidScope::Repo),
        ("/r", InvalidScope::Login),
        ("-o/r", InvalidScope::Login),
        ("o-/r", InvalidScope::Login),
        ("o--o/r", InvalidScope::Login),
        ("../r", InvalidScope::Login),
    ];
    for (bad, why) in cases {
        assert_eq!(RepoSlug::parse(bad), Err(why), "{bad:?}");
    }
    assert!(RepoSlug::parse(&format!("a/{}", "x".repeat(101))).is_err());
    assert!(Login::parse(&"x".repeat(40)).is_err());
}

#[test]
fn case_does_not_tell_scopes_apart() {
    assert_eq!(RepoSlug::parse("Octo/Repo"), RepoSlug::parse("octo/repo"));
    let org = Scope::parse(ScopeKind::Org, "OCTO").unwrap();
    assert!(org.covers(&RepoSlug::parse("octo/any").unwrap()));
    assert!(!org.covers(&RepoSlug::parse("other/any").unwrap()));
}

#[test]
fn an_enterprise_is_a_slug_and_no_job_counts_on_it() {
    for good in ["octo", "Octo-Corp-1", "-odd-", &"x".repeat(60)] {
        assert_eq!(EnterpriseSlug::parse(good).unwrap().to_string(), good);
    }
    for bad in ["", "a/b", "a b", "a_b", "a.b", "..", "é", "a%2f", &"x".repeat(61)] {
        assert_eq!(EnterpriseSlug::parse(bad), Err(InvalidScope::Enterprise), "{bad:?}");
    }
    let scope = Scope::parse(ScopeKind::Enterprise, "Octo").unwrap();
    assert_eq!(scope, "enterprise:octo".parse().unwrap());
    assert_eq!((scope.kind(), scope.name()), (ScopeKind::Enterprise, "Octo".to_owned()));
    assert!(!scope.covers(&RepoSlug::parse("octo/any").unwrap()));
}

#[test]
fn the_stored_form_reads_back() {
    for text in ["repo:octo/repo", "org:octo", "enterprise:octo-corp"] {
        assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }
    assert_eq!("octo".parse::<Scope>(), Err(InvalidScope::Kind));
}

#[test]
fn logins_are_as_github_makes_them() {
    for good in ["o", "o-o", &"x".repeat(39), "octo-cat_acme1"] {
        assert_eq!(Login::parse(good).map(|login| login.as_str().to_owned()), Ok(good.to_owned()));
    }
    for bad in ["", "a.b", "_a", "a_", "a_b_c", "a_b-c", "é", &"x".repeat(40)] {
        assert_eq!(Login::parse(bad), Err(InvalidScope::Login), "{bad}");
    }
}

#[test]
fn why_a_scope_is_none_is_said() {
    let rows = [
        (InvalidScope::NotOwnerRepo, "must have the form owner/repo"),
        (
            InvalidScope::Login,
            "owner must be 1 to 39 letters, digits or single hyphens, not starting or ending with a hyphen",
        ),
        (
            InvalidScope::Repo,
            "repository must be 1 to 100 letters, digits, '_', '.' or '-', and not '.' or '..'",
        ),
        (
            InvalidScope::Enterprise,
            "enterprise must be 1 to 60 letters, digits or hyphens: its name in the address of its page",
        ),
        (InvalidScope::Kind, "must start with repo:, org: or enterprise:"),
    ];
    for (why, said) in rows {
        assert_eq!(why.to_string(), said);
    }
}

#[test]
fn what_is_equal_sorts_and_hashes_alike_whatever_its_case() {
    use std::collections::{BTreeSet, HashSet};

    let texts = [
        "enterprise:Octo",
        "org:B",
        "repo:b/A",
        "repo:A/z",
        "repo:a/Y",
        "org:a",
        "enterprise:acme",
    ];
    let all = texts.iter().flat_map(|text| {
        let (kind, name) = text.split_once(':').unwrap();
        [
            (*text).to_owned(),
            format!("{kind}:{}", name.to_ascii_uppercase()),
            format!("{kind}:{}", name.to_ascii_lowercase()),
        ]
    });
    let scopes: Vec<Scope> = all.map(|text| text.parse().unwrap()).collect();
    let sorted: BTreeSet<&Scope> = scopes.iter().collect();
    let lower: Vec<String> =
        sorted.iter().map(|scope| scope.to_string().to_ascii_lowercase()).collect();
    let expected = [
        "repo:a/y",
        "repo:a/z",
        "repo:b/a",
        "org:a",
        "org:b",
        "enterprise:acme",
        "enterprise:octo",
    ];
    assert_eq!(lower, expected);
    assert_eq!(scopes.iter().collect::<HashSet<_>>().len(), expected.len());
    assert_ne!(RepoSlug::parse("a/b"), RepoSlug::parse("a/c"));
    assert_ne!(RepoSlug::parse("a/b"), RepoSlug::parse("b/b"));
    assert_ne!(EnterpriseSlug::parse("a"), EnterpriseSlug::parse("b"));
}

#[test]
fn a_scope_is_shown_with_its_kind() {
    let rows = [
        ("repo:O/r", ScopeKind::Repo, "O/r", "\"repo\""),
        ("org:O", ScopeKind::Org, "O", "\"org\""),
        ("enterprise:E", ScopeKind::Enterprise, "E", "\"enterprise\""),
    ];
    for (text, kind, name, spelt) in rows {
        let scope: Scope = text.parse().unwrap();
        assert_eq!(
            (scope.kind(), scope.name(), format!("{scope:?}")),
            (kind, name.into(), text.into())
        );
        assert_eq!(serde_json::to_string(&kind).unwrap(), spelt);
        assert_eq!(Scope::parse(kind, name), Ok(scope));
    }
    let slug = RepoSlug::parse("O/r").unwrap();
    assert_eq!((slug.owner().as_str(), slug.name()), ("O", "r"));
    assert_eq!(
        (format!("{slug:?}"), format!("{:?}", slug.owner())),
        ("repo:O/r".into(), "login:O".into())
    );
    let enterprise = EnterpriseSlug::parse("E").unwrap();
    assert_eq!((enterprise.as_str(), format!("{enterprise:?}")), ("E", "enterprise:E".into()));
    let repo: Scope = "repo:o/r".parse().unwrap();
    assert!(repo.covers(&slug) && !repo.covers(&RepoSlug::parse("o/x").unwrap()));
}
