use super::*;

#[test]
fn a_pool_s_name_is_plain() {
    for good in ["ci", "GPU_1", "a-b", &"x".repeat(32)] {
        assert!(PoolName::parse(good).is_ok(), "{good}");
    }
    for wrong in ["", "a b", "a.b", "ä", "a/b", &"x".repeat(33)] {
        assert!(PoolName::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_scope_tells_where_a_job_s_runner_registers() {
    let repo = |text: &str| RepoSlug::parse(text).unwrap();
    let rows = [
        ("discovered", "o/r", Some("repo:o/r")),
        ("repo:o/r", "O/R", Some("repo:o/r")),
        ("repo:o/r", "o/other", None),
        ("repo:o/*", "o/other", Some("repo:o/other")),
        ("repo:o/*", "ox/other", None),
        ("repo:*/infra-?", "any/infra-1", Some("repo:any/infra-1")),
        ("org:o", "o/r", Some("org:o")),
        ("org:o", "p/r", None),
        ("enterprise:e", "o/r", None),
    ];
    for (scope, of, place) in rows {
        let found = scope.parse::<PoolScope>().unwrap().place_for(&repo(of));
        assert_eq!(found.map(|scope| scope.to_string()), place.map(str::to_owned), "{scope} {of}");
    }
    for wrong in ["", "repo:", "repo:*", "repo:a/b/*", "org:a/*", "user:o", "repo:o/r r*", "o/r"] {
        assert!(wrong.parse::<PoolScope>().is_err(), "{wrong}");
    }
}

#[test]
fn a_pool_with_a_name_only_does_as_the_environment_says() {
    let written = serde_json::to_value(PoolSpec::named(PoolName::parse("ci").unwrap())).unwrap();
    let expected = serde_json::json!({
        "name": "ci", "scopes": ["discovered"], "min_idle": 0, "priority": 0,
        "autoscaling": {"policy": "per-job"}, "rotation_interval": 86400, "naming": "unique",
        "enabled": true, "paused": false,
    });
    assert_eq!(written, expected);
}

#[test]
fn two_names_are_the_platform_s() {
    let rows = [("default", true), ("manual", true), ("Default", false), ("ci", false)];
    for (text, reserved) in rows {
        let name: PoolName = text.parse().unwrap();
        assert_eq!(
            (name.is_reserved(), name.as_str(), name.to_string()),
            (reserved, text, text.into())
        );
    }
    assert_eq!(PoolName::default_pool().as_str(), "default");
    assert_eq!(PoolName::manual().as_str(), "manual");
    assert_eq!(format!("{:?}", PoolName::manual()), "pool:manual");
    assert_eq!(InvalidPoolName.to_string(), "must be 1 to 32 letters, digits, '_' or '-'");
    assert!(serde_json::from_str::<PoolName>("\"a b\"").is_err());
}

#[test]
fn a_pool_s_scope_is_shown_as_it_is_written() {
    let longest = format!("repo:o/{}*", "x".repeat(137));
    for text in
        ["discovered", "repo:O/*", "repo:?/a_b.c-d", "repo:o/r", "org:o", "enterprise:e", &longest]
    {
        let scope: PoolScope = text.parse().unwrap();
        assert_eq!(scope.to_string(), text);
        assert_eq!(serde_json::to_value(&scope).unwrap(), text);
    }
    let too_long = format!("repo:o/{}*", "x".repeat(138));
    for wrong in [&*too_long, "repo:o*", "repo:o/é*", "Discovered"] {
        assert_eq!(wrong.parse::<PoolScope>(), Err(InvalidPoolScope), "{wrong}");
    }
    assert_eq!(
        InvalidPoolScope.to_string(),
        "must be discovered, repo:owner/name (with * and ? for any characters), org:login or enterprise:slug"
    );
    let place = |scope: &str, repo: &str| {
        let scope: PoolScope = scope.parse().unwrap();
        scope.place_for(&RepoSlug::parse(repo).unwrap()).is_some()
    };
    assert!(place("repo:O/R?", "o/rx") && !place("repo:O/R?", "o/r") && !place("repo:?/r", "oo/r"));
}
