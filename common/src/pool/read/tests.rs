use super::*;
use serde_json::json;

fn pointers(value: &Value) -> Vec<String> {
    let errors = PoolSpec::from_json(value, "").unwrap_err();
    errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn a_full_pool_is_read_and_written_back_the_same() {
    let full = json!({
        "name": "ci", "scopes": ["discovered", "repo:o/*", "org:o"], "labels": ["Linux", "self-hosted"],
        "image": "a/b:c", "pull_policy": "always", "command": ["/run.sh"], "env": {"A": "{runner_name}"},
        "resources": {"memory": "4g", "cpus": "2", "pids": 100}, "isolation": "compat", "docker": "dind",
        "min_idle": 2, "max": 9, "priority": -3,
        "autoscaling": {"policy": "ratio", "jobs_per_runner": 3, "scale_up_threshold": 0, "scale_down_threshold": 1, "cooldown": 60},
        "schedules": [{"when": "* 8-17 * * mon-fri", "timezone": "Europe/Berlin", "min_idle": 5}],
        "registration_timeout": 100, "idle_timeout": 50, "max_lifetime": 5000, "rotation_interval": 3600,
        "naming": "stable", "name_prefix": "runner", "enabled": false, "paused": true
    });
    let spec = PoolSpec::from_json(&full, "").unwrap();
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(PoolSpec::from_json(&written, "").unwrap(), spec);
    let mut expected = full;
    expected["labels"] = json!(["linux", "self-hosted"]);
    assert_eq!(written, expected);
}

#[test]
fn windows_line_ends_are_no_part_of_a_pool() {
    let pool = json!({"name": "ci", "command": ["/run.sh\r", "a\nb\n"], "env": {"A": "x\r", "B": "x\r\ny\n"}});
    let pool = PoolSpec::from_json(&pool, "").unwrap();
    assert_eq!(pool.command.unwrap(), ["/run.sh", "a\nb\n"]);
    assert_eq!((&*pool.env["A"], &*pool.env["B"]), ("x", "x\r\ny\n"));
    assert_eq!(pointers(&json!({"name": "ci", "command": ["a\u{0}"]})), ["/command/0"]);
}

#[test]
fn a_name_is_enough() {
    let spec = PoolSpec::from_json(&json!({"name": "ci", "image": null}), "").unwrap();
    assert_eq!(spec, PoolSpec::named(PoolName::parse("ci").unwrap()));
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(PoolSpec::from_json(&written, "").unwrap(), spec);
}

#[test]
fn every_bad_field_is_named_at_once() {
    let bad = json!({
        "name": "a b", "scopes": ["nowhere", "discovered"], "labels": [], "runner_group": "gpu", "image": "a b",
        "pull_policy": "often", "command": [], "env": {"A=": "x", "B": 1, "C": "ghp_0123"},
        "resources": {"memory": "1", "cpus": 0, "disk": 1}, "isolation": 3, "docker": "host", "min_idle": 5, "max": 4,
        "priority": 1.5, "autoscaling": {"policy": "ratio", "jobs_per_runner": 0}, "schedules": [{"when": "*"}],
        "registration_timeout": 1, "rotation_interval": 5, "naming": "odd", "name_prefix": "-", "enabled": "yes", "colour": "red"
    });
    let mut found = pointers(&bad);
    found.sort();
    let expected = [
        "/autoscaling/jobs_per_runner",
        "/colour",
        "/command",
        "/docker",
        "/enabled",
        "/env/A=",
        "/env/B",
        "/env/C",
        "/image",
        "/isolation",
        "/labels",
        "/min_idle",
        "/name",
        "/name_prefix",
        "/naming",
        "/priority",
        "/pull_policy",
        "/registration_timeout",
        "/resources/cpus",
        "/resources/disk",
        "/resources/memory",
        "/rotation_interval",
        "/runner_group",
        "/schedules/0/min_idle",
        "/schedules/0/when",
        "/scopes/0",
    ];
    assert_eq!(found, expected);
}

#[test]
fn fields_that_contradict_each_other() {
    let rows = [
        (json!({}), "/name"),
        (json!({"name": "default"}), "/name"),
        (json!({"name": "a", "scopes": []}), "/scopes"),
        (json!({"name": "a", "runner_group": "gpu"}), "/runner_group"),
        (json!({"name": "a", "registration_timeout": 100, "max_lifetime": 100}), "/max_lifetime"),
        (json!({"name": "a", "name_prefix": "x"}), "/name_prefix"),
        (json!({"name": "a", "naming": "stable"}), "/max"),
        (json!({"name": "a", "autoscaling": {}}), "/autoscaling/policy"),
        (
            json!({"name": "a", "autoscaling": {"policy": "per-job", "cooldown": 1}}),
            "/autoscaling/cooldown",
        ),
        (
            json!({"name": "a", "schedules": [{"when": "* * * * *", "timezone": "x", "min_idle": 1}]}),
            "/schedules/0/timezone",
        ),
        (json!([]), ""),
    ];
    for (value, pointer) in rows {
        assert_eq!(pointers(&value), [pointer], "{value}");
    }
    let grouped = json!({"name": "a", "runner_group": "gpu", "scopes": ["org:o", "enterprise:e"]});
    assert!(PoolSpec::from_json(&grouped, "").is_ok());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = PoolSpec::from_body(&bytes);
    }
}

#[test]
fn each_number_has_its_bounds() {
    let rows = [
        ("/min_idle", 0, 10_000),
        ("/max", 0, 10_000),
        ("/priority", -1000, 1000),
        ("/registration_timeout", 10, 86_400),
        ("/idle_timeout", 10, 31_536_000),
        ("/max_lifetime", 60, 31_536_000),
        ("/rotation_interval", 0, 31_536_000),
        ("/resources/pids", 16, 4_194_304),
        ("/autoscaling/jobs_per_runner", 1, 10_000),
        ("/autoscaling/scale_up_threshold", 0, 10_000),
        ("/autoscaling/scale_down_threshold", 0, 10_000),
        ("/autoscaling/cooldown", 0, 86_400),
        ("/schedules/0/min_idle", 0, 10_000),
    ];
    for (pointer, least, most) in rows {
        let read = |number: i64| {
            let mut pool = json!({
                "name": "a", "resources": {}, "autoscaling": {"policy": "ratio"},
                "schedules": [{"when": "* * * * *", "min_idle": 0}],
            });
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            pool.pointer_mut(parent).unwrap()[name] = json!(number);
            let written = PoolSpec::from_json(&pool, "")?;
            let written = serde_json::to_value(written).unwrap();
            Ok::<_, Vec<FieldError>>(written.pointer(pointer).and_then(Value::as_i64))
        };
        let said = |name: &str| {
            let detail = format!("must be a whole number from {least} to {most}");
            vec![error(name, detail)]
        };
        assert_eq!(read(least), Ok(Some(least)), "{pointer}");
        assert_eq!(read(most), Ok(Some(most)), "{pointer}");
        assert_eq!(read(least - 1), Err(said(pointer)));
        assert_eq!(read(most + 1), Err(said(pointer)));
    }
}

#[test]
fn each_list_and_text_has_its_bounds() {
    let many = |item: &str, count| json!(vec![item; count]);
    let schedule = json!({"when": "* * * * *", "min_idle": 0});
    let group = |length| json!("g".repeat(length));
    let rows = [
        ("scopes", many("org:o", 100), true),
        ("scopes", many("org:o", 101), false),
        ("labels", many("x", 100), true),
        ("labels", many("x", 101), false),
        ("command", many("x", 100), true),
        ("command", many("x", 101), false),
        ("schedules", json!([]), true),
        ("schedules", json!(vec![schedule.clone(); 100]), true),
        ("schedules", json!(vec![schedule; 101]), false),
        ("runner_group", group(64), true),
        ("runner_group", group(65), false),
        ("runner_group", json!(" "), false),
        ("runner_group", json!("a\u{7}"), false),
        ("name_prefix", json!("x".repeat(58)), true),
        ("name_prefix", json!("x".repeat(59)), false),
        ("rotation_interval", json!(1), false),
        ("rotation_interval", json!(59), false),
        ("rotation_interval", json!(60), true),
        ("max", json!(4), false),
        ("max", json!(5), true),
        ("max_lifetime", json!(100), false),
        ("max_lifetime", json!(101), true),
    ];
    for (field, value, good) in rows {
        let mut pool = json!({
            "name": "a", "scopes": ["org:o"], "naming": "stable", "min_idle": 5, "max": 9, "registration_timeout": 100,
        });
        pool[field] = value;
        assert_eq!(PoolSpec::from_json(&pool, "").is_ok(), good, "{pool}");
    }
}

/// What is said of a pool, each pointer with its detail.
fn said(value: &Value) -> Vec<(String, String)> {
    let errors = PoolSpec::from_json(value, "").unwrap_err();
    errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
}

#[test]
fn each_mistake_is_said_in_its_own_words() {
    let token = "looks like a GitHub token; pools are stored, and credentials do not belong there";
    let variable = "is not the name of a variable";
    let own =
        "is the platform's own: default is made from the environment, manual is for single runners";
    let rows = [
        ("/name", json!("default"), own),
        ("/name", json!("manual"), own),
        ("/name", json!("a b"), "must be 1 to 32 letters, digits, '_' or '-'"),
        ("/name", json!(1), "must be a string"),
        ("/scopes", json!([]), "must hold 1 to 100 items"),
        ("/scopes", json!("org:o"), "must be a list"),
        (
            "/scopes/0",
            json!("x"),
            "must be discovered, repo:owner/name (with * and ? for any characters), org:login or enterprise:slug",
        ),
        ("/scopes/0", json!(1), "must be a string"),
        ("/runner_group", json!(" "), "must have 1 to 64 printable characters"),
        ("/pull_policy", json!("often"), "must be one of missing, always, never"),
        ("/isolation", json!("no"), "must be one of strict, compat"),
        ("/docker", json!("host"), "must be one of none, dind"),
        ("/naming", json!("odd"), "must be one of unique, stable"),
        ("/autoscaling/policy", json!("odd"), "must be one of per-job, ratio"),
        ("/autoscaling/policy", json!(null), "is required: per-job or ratio"),
        ("/autoscaling", json!(1), "must be an object"),
        ("/command/0", json!("a\0b"), "must not hold a zero byte"),
        ("/env", json!([]), "must be an object of names and texts"),
        ("/env/A", json!(1), "must be a string"),
        ("/env/A", json!("a\0"), "must not hold a zero byte"),
        ("/env/A", json!("x ghp_"), token),
        ("/env/A", json!("gho_"), token),
        ("/env/A", json!("ghu_"), token),
        ("/env/A", json!("ghs_"), token),
        ("/env/A", json!("ghr_"), token),
        ("/env/A", json!("github_pat_"), token),
        ("/env/A=", json!("x"), variable),
        ("/env/A B", json!("x"), variable),
        ("/env/A\u{7}", json!("x"), variable),
        ("/env/", json!("x"), variable),
        ("/resources", json!([]), "must be an object"),
        ("/resources/memory", json!("1"), "must be a size of at least 6m, such as 512m or 4g"),
        (
            "/resources/cpus",
            json!(0),
            "must be a number of processors from 0.01 to 1024, such as 2 or 0.5",
        ),
        (
            "/resources/cpus",
            json!("x"),
            "must be a number of processors from 0.01 to 1024, such as 2 or 0.5",
        ),
        ("/resources/cpus", json!([]), "must be a string"),
        ("/resources/gpus", json!(1), "is not a known field; known are memory, cpus, pids"),
        ("/enabled", json!("yes"), "must be true or false"),
        ("/paused", json!(1), "must be true or false"),
        ("/schedules", json!({}), "must be a list"),
        ("/schedules/0/min_idle", json!(null), "is required"),
        (
            "/schedules/0/timezone",
            json!("x"),
            "\"x\" is no time zone; write one such as Europe/Berlin or UTC",
        ),
        ("/rotation_interval", json!(5), "must be 0 (never) or at least 60 seconds"),
        ("/min_idle", json!(10), "must not be more than max, which is 9"),
        ("/min_idle", json!(1.5), "must be a whole number from 0 to 10000"),
        ("/max_lifetime", json!(100), "must be longer than registration_timeout"),
        (
            "/name_prefix",
            json!("-"),
            "may hold only letters, digits, '_', '.' and '-', and must start with a letter or digit",
        ),
        ("/a~1b~0c", json!(1), "is not a known field; known are "),
    ];
    for (pointer, value, detail) in rows {
        let mut pool = json!({
            "name": "a", "scopes": ["org:o"], "naming": "stable", "max": 9, "registration_timeout": 100, "command": ["a"],
            "resources": {}, "env": {}, "autoscaling": {"policy": "ratio"},
            "schedules": [{"when": "* * * * *", "min_idle": 0, "timezone": "UTC"}],
        });
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        match pool.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[0] = value.clone(),
            object => object[name] = value.clone(),
        }
        let found = said(&pool);
        assert_eq!((found.len(), &*found[0].0), (1, pointer), "{pointer} {value}: {found:?}");
        let whole =
            found[0].1 == detail || (detail.ends_with("are ") && found[0].1.starts_with(detail));
        assert!(whole, "{pointer} {value}: {found:?}");
    }
    let only = |pointer: &str, detail: &str| vec![(pointer.to_owned(), detail.to_owned())];
    assert_eq!(said(&json!({})), only("/name", "is required"));
    assert_eq!(
        said(&json!({"name": "a", "runner_group": "gpu"})),
        only(
            "/runner_group",
            "only organisations and enterprises have runner groups; name only org: and enterprise: under scopes"
        )
    );
    assert_eq!(
        said(&json!({"name": "a", "name_prefix": "x"})),
        only("/name_prefix", "goes with naming: stable")
    );
    let prefix = |prefix: &str| {
        said(&json!({"name": "a", "naming": "stable", "max": 1, "name_prefix": prefix}))
    };
    assert_eq!(
        prefix(&"é".repeat(61)),
        only(
            "/name_prefix",
            "must have at most 58 characters, has 61: a number follows in the names of runners, up to -10000"
        )
    );
    assert_eq!(
        prefix("a b"),
        only(
            "/name_prefix",
            "may hold only letters, digits, '_', '.' and '-', and must start with a letter or digit"
        )
    );
    assert_eq!(
        said(&json!({"name": "a", "naming": "stable"})),
        only("/max", "is required with naming: stable: it is how many places there are")
    );
    let bare = said(&json!({"name": "a", "schedules": [{"min_idle": 1}]}));
    assert_eq!(bare, only("/schedules/0/when", "is required: five fields as crontab has them"));
    let malformed = PoolSpec::from_body(b"{").unwrap_err();
    assert_eq!(malformed.status, 400);
    assert!(malformed.detail.unwrap().starts_with("The body is not JSON: EOF while parsing"));
    assert_eq!(PoolSpec::from_body(b"{}").unwrap_err().status, 422);
}

#[test]
fn every_word_is_read_and_written_as_it_is() {
    let rows = [
        ("pull_policy", "missing"),
        ("pull_policy", "always"),
        ("pull_policy", "never"),
        ("isolation", "strict"),
        ("isolation", "compat"),
        ("docker", "dind"),
        ("naming", "unique"),
        ("naming", "stable"),
    ];
    for (field, word) in rows {
        let mut pool = json!({"name": "a", "max": 3});
        pool[field] = json!(word);
        let spec = PoolSpec::from_json(&pool, "").unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap()[field], word, "{field}");
    }
    let spec = |pool: Value| PoolSpec::from_json(&pool, "").unwrap();
    assert_eq!(spec(json!({"name": "a", "docker": "none"})).docker, DockerMode::None);
    assert_eq!(serde_json::to_value(DockerMode::None).unwrap(), "none");
    assert_eq!(
        spec(json!({"name": "a", "runner_group": " Default "})).runner_group.as_deref(),
        Some("Default")
    );
    let ratio = spec(json!({"name": "a", "autoscaling": {"policy": "ratio"}})).autoscaling;
    assert_eq!(
        serde_json::to_value(ratio).unwrap(),
        json!({"policy": "ratio", "jobs_per_runner": 2, "scale_up_threshold": 2, "scale_down_threshold": 0, "cooldown": 300})
    );
    let resources = json!({"memory": "4g", "cpus": 1.5, "pids": 16.0});
    let resources = spec(json!({"name": "a", "resources": resources})).resources;
    let expected =
        Resources { memory: Some("4g".into()), cpus: Some("1.5".into()), pids: Some(16) };
    assert_eq!(resources, expected);
    let body = br#"{"name": "a", "image": " ghcr.io/a/b:1 "}"#;
    assert_eq!(PoolSpec::from_body(body).unwrap().image.as_deref(), Some("ghcr.io/a/b:1"));
}

#[test]
fn no_field_of_a_pool_holds_a_credential_and_no_mistake_repeats_one() {
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let fine = format!("github_pat_{}", "a1B2".repeat(9));
    let registration = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234";
    let github = "looks like a GitHub token";
    let url = "holds a URL with a password";
    let rows = [
        (json!({"command": ["sh", "-c", format!("TOKEN={token} ./run.sh")]}), "/command/2", github),
        (json!({"command": [format!("--token={fine}")]}), "/command/0", github),
        (json!({"labels": ["a", token]}), "/labels/1", github),
        (json!({"env": {&*token: "x"}}), "/env", "has a name that looks like a GitHub token"),
        (json!({"runner_group": token}), "/runner_group", github),
        (json!({&*token: 1}), "", "has a name that looks like a GitHub token"),
        (json!({"env": {"A": registration}}), "/env/A", "looks like a registration token"),
        (json!({"command": [registration]}), "/command/0", "looks like a registration token"),
        (json!({"env": {"A": "https://me:s3cret@proxy.example:3128"}}), "/env/A", url),
        (json!({"env": {"A": "https://:s3cret@proxy.example"}}), "/env/A", url),
        (
            json!({"env": {"A": "-----BEGIN RSA PRIVATE KEY-----\nx"}}),
            "/env/A",
            "holds a private key",
        ),
    ];
    for (more, pointer, words) in rows {
        let mut pool = json!({"name": "a", "scopes": ["org:o"]});
        pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = said(&pool);
        assert!(
            found.iter().any(|(at, why)| at == pointer && why.starts_with(words)),
            "{more}: {found:?}"
        );
        for secret in [&token, &fine, registration, "s3cret"] {
            assert!(!format!("{found:?}").contains(secret), "{found:?}");
        }
    }
    for fine in [
        json!({"command": ["sh", "-c", "git clone https://x:$TOKEN@github.com/o/r; ghs_tool"]}),
        json!({"labels": ["ghp_builders"]}),
        json!({"env": {"A": "https://{name}:{token}@cache", "B": "https://proxy:3128/a@b", "C": "ABC234"}}),
        json!({"env": {"A": "https://user@host:80", "GH_TOKEN_FILE": "/run/secrets/a"}}),
    ] {
        let mut pool = json!({"name": "a"});
        pool.as_object_mut().unwrap().extend(fine.as_object().unwrap().clone());
        assert!(PoolSpec::from_json(&pool, "").is_ok(), "{fine}");
    }
}
