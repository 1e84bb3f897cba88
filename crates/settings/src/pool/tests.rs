//! What a pool is made of: its owner's words first, the environment's variables where they say nothing.

use mayfly_common::material::Engine;
use mayfly_common::pool::{Autoscaling, Isolation};
use serde_json::{Value, json};

use super::*;

fn config(extra: &[(&str, &str)]) -> Config {
    let mut all = vec![("GITHUB_RUNNER_TOKEN", "t"), ("RUNNER_IMAGE", "env-image:1")];
    all.extend(extra);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Config::from_variables(all.into_iter().map(owned).collect()).unwrap()
}

/// An environment in which every variable has a value of its own.
fn telling() -> Config {
    config(&[
        ("RUNNER_PULL_POLICY", "always"),
        ("RUNNER_COMMAND", "/run env"),
        ("runnerenv_A", "of-env"),
        ("RUNNER_LABELS", "self-hosted,env"),
        ("RUNNER_GROUP", "env-group"),
        ("MAX_RUNNERS", "7"),
        ("RUNNER_MIN_IDLE", "3"),
        ("RUNNER_ROTATION_INTERVAL", "600"),
        ("RUNNER_REGISTRATION_TIMEOUT", "120"),
        ("RUNNER_MAX_LIFETIME", "4000"),
        ("RUNNER_PURGE_INTERVAL", "90"),
        ("RUNNER_MEMORY", "3g"),
        ("RUNNER_CPUS", "1.5"),
        ("RUNNER_PIDS_LIMIT", "333"),
        ("RUNNER_ISOLATION", "compat"),
        ("RUNNER_DOCKER", "dind"),
        ("DIND_IMAGE", "env-dind:1"),
        ("DIND_PRIVILEGED", "false"),
    ])
}

fn spec(value: &Value) -> PoolSpec {
    PoolSpec::from_json(value, "").unwrap()
}

fn pool(value: &Value, config: &Config) -> Pool {
    Pool::of(spec(value), config).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

const NOW: &str = "2027-01-15T08:00:00Z";

/// What both kinds of pools are asked for in the end.
fn asked(pool: &Pool) -> (PoolPolicy, Material, i64) {
    let before = Some(at("2027-01-01T00:00:00Z"));
    let policy = pool.policy("inst", before, at(NOW));
    (policy, pool.material.clone(), pool.max_lifetime.as_secs())
}

#[test]
fn the_environment_s_pool_is_as_the_variables_say() {
    let pool = Pool::default_pool(&telling());
    let (policy, material, lifetime) = asked(&pool);
    let profile = Profile {
        memory: 3 << 30,
        nano_cpus: 1_500_000_000,
        pids: 333,
        isolation: Isolation::Compat,
        seccomp: None,
        engine: Some(Engine { image: "env-dind:1".to_owned(), privileged: false }),
    };
    assert_eq!(
        material,
        Material {
            image: "env-image:1".to_owned(),
            command: Some(vec!["/run".to_owned(), "env".to_owned()]),
            profile,
            fingerprint: material.fingerprint.clone(),
        }
    );
    assert_eq!(
        policy,
        PoolPolicy {
            name: PoolName::default_pool(),
            backend: mayfly_common::identity::BackendName::default(),
            scopes: vec![PoolScope::Discovered],
            labels: LabelSet::requested(["self-hosted", "env"]),
            group: Some("env-group".to_owned()),
            image: "env-image:1".to_owned(),
            engine_image: Some("env-dind:1".to_owned()),
            min_idle: 3,
            max: 7,
            pull: PullPolicy::Always,
            priority: 0,
            autoscaling: Autoscaling::PerJob,
            registration_timeout: seconds(120),
            max_lifetime: seconds(4_000),
            idle_timeout: seconds(90),
            rotation: Some(seconds(600)),
            rotate_before: Some(at("2027-01-01T00:00:00Z")),
            fingerprint: material.fingerprint.clone(),
            // The runner and its engine.
            memory: 6 << 30,
            nano_cpus: 3_000_000_000,
            naming: Naming::Unique,
            name_prefix: "mayfly-inst-default".to_owned(),
            enabled: true,
            paused: false,
        }
    );
    assert_eq!((lifetime, pool.registration), (4_000, Registration::Jit));
    // What the API shows of it.
    assert_eq!(
        serde_json::to_value(&pool.spec).unwrap(),
        json!({
            "name": "default", "scopes": ["discovered"], "labels": ["env", "self-hosted"],
            "runner_group": "env-group", "image": "env-image:1", "pull_policy": "always",
            "command": ["/run", "env"], "resources": {"memory": "3g", "cpus": "1.5", "pids": 333},
            "isolation": "compat", "docker": "dind", "min_idle": 3, "max": 7, "priority": 0,
            "autoscaling": {"policy": "per-job"}, "registration_timeout": 120, "idle_timeout": 90,
            "max_lifetime": 4000, "rotation_interval": 600, "naming": "unique", "enabled": true,
            "paused": false
        })
    );
}

#[test]
fn a_pool_that_says_all_is_as_it_says() {
    let own = pool(
        &json!({
            "name": "ci", "scopes": ["org:octo-org"], "labels": ["self-hosted", "own"],
            "runner_group": "own-group", "image": "ghcr.io/own/image:2", "pull_policy": "never",
            "command": ["/own"], "env": {"B": "of-pool", "T": "{registration_token}"},
            "resources": {"memory": "512m", "cpus": "0.5", "pids": 99}, "isolation": "strict",
            "min_idle": 2, "max": 5, "priority": -4, "registration_timeout": 61,
            "idle_timeout": 62, "max_lifetime": 6300, "rotation_interval": 0, "naming": "stable",
            "name_prefix": "desk", "enabled": false, "paused": true
        }),
        &telling(),
    );
    let (policy, material, lifetime) = asked(&own);
    assert_eq!(
        policy,
        PoolPolicy {
            name: PoolName::parse("ci").unwrap(),
            backend: mayfly_common::identity::BackendName::default(),
            scopes: vec![PoolScope::One("org:octo-org".parse().unwrap())],
            labels: LabelSet::requested(["self-hosted", "own"]),
            group: Some("own-group".to_owned()),
            image: "ghcr.io/own/image:2".to_owned(),
            engine_image: None,
            min_idle: 2,
            max: 5,
            pull: PullPolicy::Never,
            priority: -4,
            autoscaling: Autoscaling::PerJob,
            registration_timeout: seconds(61),
            max_lifetime: seconds(6_300),
            idle_timeout: seconds(62),
            rotation: None,
            rotate_before: Some(at("2027-01-01T00:00:00Z")),
            fingerprint: material.fingerprint.clone(),
            memory: 512 << 20,
            nano_cpus: 500_000_000,
            naming: Naming::Stable,
            name_prefix: "desk".to_owned(),
            enabled: false,
            paused: true,
        }
    );
    let profile = Profile {
        memory: 512 << 20,
        nano_cpus: 500_000_000,
        pids: 99,
        isolation: Isolation::Strict,
        seccomp: None,
        engine: None,
    };
    assert_eq!((material.profile, material.command), (profile, Some(vec!["/own".to_owned()])));
    assert_eq!((lifetime, own.registration), (6_300, Registration::Token));
    let variables: Vec<String> =
        own.environment.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(variables, ["A=of-env", "B=of-pool", "T={registration_token}"]);
}

#[test]
fn a_pool_that_says_nothing_is_as_the_environment_says_but_for_what_is_its_owner_s() {
    let config = telling();
    let (policy, material, lifetime) = asked(&pool(&json!({"name": "ci"}), &config));
    let (of_env, env_material, env_lifetime) = asked(&Pool::default_pool(&config));
    let profile = Profile { engine: None, ..env_material.profile };
    let material_of_env =
        Material { profile, fingerprint: material.fingerprint.clone(), ..env_material };
    assert_eq!((&material, lifetime), (&material_of_env, env_lifetime));
    assert_eq!(
        policy,
        PoolPolicy {
            name: PoolName::parse("ci").unwrap(),
            group: None,
            engine_image: None,
            min_idle: 0,
            rotation: Some(seconds(86_400)),
            fingerprint: material.fingerprint,
            memory: 3 << 30,
            nano_cpus: 1_500_000_000,
            name_prefix: "mayfly-inst-ci".to_owned(),
            ..of_env
        }
    );
    // A pool's own word on a variable wins over the environment's.
    let own = pool(&json!({"name": "ci", "env": {"A": "own"}}), &config);
    assert_eq!(own.environment["A"].to_string(), "own");
    // The names of numbered places; a prefix without places is nobody's.
    let prefix = |value: Value| pool(&value, &config).policy("inst", None, at(NOW)).name_prefix;
    assert_eq!(prefix(json!({"name": "ci", "naming": "stable", "max": 2})), "mayfly-inst-ci");
    let mut odd = spec(&json!({"name": "ci"}));
    odd.name_prefix = Some("desk".to_owned());
    let odd = Pool::of(odd, &config).unwrap();
    assert_eq!(odd.policy("inst", None, at(NOW)).name_prefix, "mayfly-inst-ci");
}

#[test]
fn a_runner_is_replaced_for_what_it_is_made_from_and_for_nothing_else() {
    let config = config(&[("DIND_ENABLED", "true")]);
    let fingerprint = |change: Value| {
        let mut all = json!({"name": "ci", "image": "a:1"});
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        pool(&all, &config).material.fingerprint
    };
    let base = fingerprint(json!({}));
    assert!(base.len() == 12 && base.bytes().all(|byte| byte.is_ascii_hexdigit()), "{base}");
    let makes = [
        json!({"image": "b:1"}),
        json!({"command": ["/run"]}),
        json!({"resources": {"memory": "1g"}}),
        json!({"resources": {"cpus": "0.25"}}),
        json!({"resources": {"pids": 50}}),
        json!({"isolation": "compat"}),
        json!({"docker": "dind"}),
        json!({"labels": ["other"]}),
        json!({"scopes": ["org:o"], "runner_group": "g"}),
        json!({"env": {"A": "x"}}),
        json!({"env": {"A": "y"}}),
        json!({"env": {"B": "x"}}),
        json!({"env": {"T": "{registration_token}"}}),
    ];
    let mut seen = std::collections::BTreeSet::from([base.clone()]);
    for change in makes {
        assert!(seen.insert(fingerprint(change.clone())), "{change}");
    }
    for change in [
        json!({"min_idle": 1, "max": 9, "priority": 3, "paused": true}),
        json!({"registration_timeout": 99, "idle_timeout": 99, "max_lifetime": 9999}),
        json!({"pull_policy": "never", "rotation_interval": 0}),
    ] {
        assert_eq!(fingerprint(change.clone()), base, "{change}");
    }
}

#[test]
fn of_several_schedules_the_highest_counts_and_never_more_than_the_most() {
    // 2027-01-15 is a Friday.
    let pool = pool(
        &json!({"name": "ci", "min_idle": 1, "max": 6, "schedules": [
            {"when": "* 9-11 * * fri", "min_idle": 2},
            {"when": "* 10 * * *", "min_idle": 4},
            {"when": "30-59 11 * * *", "min_idle": 6},
            {"when": "* 13 * * *", "min_idle": 0},
        ]}),
        &config(&[]),
    );
    let rows = [
        ("2027-01-15T08:59:59Z", 1, "2027-01-15T09:00:00Z"),
        ("2027-01-15T09:00:00Z", 2, "2027-01-15T10:00:00Z"),
        ("2027-01-15T10:30:00Z", 4, "2027-01-15T11:00:00Z"),
        ("2027-01-15T11:00:00Z", 2, "2027-01-15T11:30:00Z"),
        ("2027-01-15T11:45:00Z", 6, "2027-01-15T12:00:00Z"),
        ("2027-01-15T13:00:00Z", 0, "2027-01-15T14:00:00Z"),
    ];
    for (now, waiting, next) in rows {
        let policy = pool.policy("inst", None, at(now));
        let found = (policy.min_idle, pool.keeps_some_waiting(at(now)), pool.next_change(at(now)));
        assert_eq!(found, (waiting, waiting > 0, Some(at(next))), "{now}");
    }
    let mut small = pool;
    small.max = 3;
    assert_eq!(small.policy("inst", None, at("2027-01-15T11:45:00Z")).min_idle, 3);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let wrong = |spec: PoolSpec, config: &Config| {
        let errors = Pool::of(spec, config).unwrap_err();
        errors.into_iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect()
    };
    let mut all = spec(&json!({
        "name": "ci", "docker": "dind", "labels": ["a,b"], "env": {"J": "{jit_config}", "T": "{registration_token}"}
    }));
    all.env.insert("X/Y~Z".to_owned(), "{nonsense}".to_owned());
    let all: Vec<String> = wrong(all, &config(&[]));
    assert_eq!(
        all,
        [
            "/docker must be none: Docker inside jobs is allowed by DIND_ENABLED=true in the orchestrator's environment",
            "/env/X~1Y~0Z unknown placeholder {nonsense}; GET /api/v1/config/placeholders, or .env.example, lists those there are",
            "/env/T uses {registration_token} while another variable uses {jit_config}; a runner registers one way",
            "/labels label \"a,b\" has a comma: an image that registers itself takes it for two labels",
        ]
    );
    // What the environment's variables say counts beside the pool's own.
    let token = config(&[("runnerenv_TOKEN", "{registration_token}")]);
    let both: Vec<String> =
        wrong(spec(&json!({"name": "ci", "env": {"J": "{jit_config}"}})), &token);
    assert_eq!(
        both,
        [
            "/env/TOKEN uses {registration_token} while another variable uses {jit_config}; a runner registers one way"
        ]
    );
    let replaced = json!({"name": "ci", "env": {"TOKEN": "{jit_config}"}, "labels": ["a,b"]});
    assert_eq!(pool(&replaced, &token).registration, Registration::Jit);
}
