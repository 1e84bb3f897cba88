//! What a runner is told: every placeholder's value, and how it gets to GitHub.

use secrecy::SecretString;

use super::super::testing::{at, backends, config, launch, scope};
use super::*;
use mayfly_backend::fake::FakeBackend;
use mayfly_common::clock::SystemClock;
use mayfly_common::pool::PoolSpec;
use mayfly_github::GitHubSettings;
use mayfly_store::Store;

/// A launcher of an installation in which every variable has a value of its own.
fn launcher(variables: &[(&str, &str)]) -> Launcher {
    let base = [
        ("API_GATEWAY_PORT", "8088"),
        ("ORCHESTRATOR_PORT", "8008"),
        ("DOCKER_NETWORK", "net"),
        ("REGISTRY", "registry.lan"),
        ("GITHUB_USER_LOGIN", "somebody"),
    ];
    let mut config = config(&[&base, variables].concat());
    config.shown.hostname = "machine".to_owned();
    let book = Arc::new(Book::new(&config, Store::in_memory().unwrap()));
    let settings = GitHubSettings { retries: 0, ..config.github.client() };
    let github = Arc::new(GitHubClient::new(settings, Arc::new(SystemClock)).unwrap());
    Launcher::new(&config, book, backends(Arc::new(FakeBackend::new())), github)
}

fn pool(launcher: &Launcher, spec: &serde_json::Value) -> Pool {
    Pool::of(PoolSpec::from_json(spec, "").unwrap(), &launcher.config).unwrap()
}

fn jit() -> Credentials {
    let secret = SecretString::from("the-config".to_owned());
    Credentials { id: Some(RunnerId(1)), placeholder: "jit_config", secret }
}

fn token() -> Credentials {
    let secret = SecretString::from("the-token".to_owned());
    Credentials { id: None, placeholder: "registration_token", secret }
}

#[test]
fn every_placeholder_stands_for_what_its_description_says() {
    let launcher = launcher(&[("RUNNER_CACHE_URL", "http://cache.lan/")]);
    let pool = pool(&launcher, &serde_json::json!({"name": "ci", "image": "img:1"}));
    // 2027-01-15T08:00:59Z, which is a minute and a day without a digit twice.
    let told = |launch: &Launch| {
        let values = launcher.values(launch, &pool, "inst", at(59));
        let plain = |value: Value| match value {
            Value::Plain(text) => text,
            Value::Secret(_) => panic!("a credential"),
        };
        values.into_iter().map(|(name, value)| (name, plain(value))).collect::<Vec<_>>()
    };
    let of = |place: &str, group: Option<&str>| {
        let mut launch = Launch { group: group.map(str::to_owned), ..launch("r-1", None) };
        launch.identity.scope = scope(place);
        launch
    };
    let all = [
        ("api_gateway_port", "8088"),
        ("cache_url", "http://cache.lan/"),
        ("docker_network", "net"),
        ("hostname", "machine"),
        ("labels", "gpu,self-hosted"),
        ("orchestrator_id", "inst"),
        ("orchestrator_port", "8008"),
        ("registry_url", "registry.lan"),
        ("repo_full_name", "octo-org/app"),
        ("repo_name", "app"),
        ("repo_owner", "octo-org"),
        ("runner_group", "Default"),
        ("runner_image", "img:1"),
        ("runner_name", "r-1"),
        ("scope_name", "octo-org/app"),
        ("timestamp", "1800000059"),
        ("timestamp_date", "2027-01-15"),
        ("timestamp_iso", "2027-01-15T08:00:59Z"),
        ("timestamp_time", "08-00-59"),
        ("user_login", "somebody"),
    ];
    let expected = |changes: &[(&str, &str)]| -> Vec<(&str, String)> {
        let value = |name: &str, usual: &str| {
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            changed.map_or(usual, |(_, value)| value).to_owned()
        };
        all.iter().map(|(name, usual)| (*name, value(name, usual))).collect()
    };
    assert_eq!(told(&of("repo:octo-org/app", None)), expected(&[]));
    let org = [
        ("repo_full_name", "octo-org"),
        ("repo_name", "octo-org"),
        ("repo_owner", "unknown"),
        ("scope_name", "octo-org"),
        ("runner_group", "big"),
    ];
    assert_eq!(told(&of("org:octo-org", Some("big"))), expected(&org));
    let enterprise = [
        ("repo_full_name", "corp"),
        ("repo_name", "corp"),
        ("repo_owner", "unknown"),
        ("scope_name", "corp"),
    ];
    assert_eq!(told(&of("enterprise:corp", None)), expected(&enterprise));
    // These and the two credentials are all there are.
    let mut names: Vec<&str> = all.map(|(name, _)| name).to_vec();
    names.extend(["jit_config", "registration_token"]);
    names.sort_unstable();
    assert_eq!(names, mayfly_settings::template::PLACEHOLDERS.map(|(name, _)| name));
}

#[test]
fn a_runner_gets_to_github_one_way_and_a_request_s_word_overrules_the_templates() {
    let environment = |variables: &[(&str, &str)], launch: &Launch, credentials: Credentials| {
        let launcher = launcher(variables);
        let pool = pool(&launcher, &serde_json::json!({"name": "ci"}));
        let (plain, bootstrap) = launcher.environment(launch, &pool, credentials, "inst", at(0));
        let secret = bootstrap.expose().map(|(name, value)| (name.to_owned(), value.to_owned()));
        (plain, secret.collect::<Vec<_>>())
    };
    let told = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let explicit = Launch { explicit_labels: true, ..launch("r-1", None) };
    let no_group = Launch { group: None, ..launch("r-1", None) };
    let version = ("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1");
    let usual = ("ACTIONS_RUNNER_INPUT_JITCONFIG", "the-config");
    assert_eq!(environment(&[], &explicit, jit()), (told(&[version]), told(&[usual])));
    // A template that takes the configuration itself is the only one that has it.
    let own = [("runnerenv_CONFIG", "x {jit_config}"), ("runnerenv_A", "{runner_name}")];
    assert_eq!(
        environment(&own, &explicit, jit()),
        (told(&[("A", "r-1"), version]), told(&[("CONFIG", "x the-config")]))
    );
    let template = [
        ("runnerenv_T", "{registration_token}"),
        ("runnerenv_RUNNER_LABELS", "self-hosted,gpu,fixed"),
    ];
    let token_is = ("T", "the-token");
    let fixed = ("RUNNER_LABELS", "self-hosted,gpu,fixed");
    let rows = [
        (&explicit, vec![("RUNNER_GROUP", "big"), ("RUNNER_LABELS", "gpu,self-hosted")]),
        (&launch("r-1", None), vec![("RUNNER_GROUP", "big"), fixed]),
        (&no_group, vec![fixed]),
    ];
    for (launch, expected) in rows {
        let expected = (told(&expected), told(&[token_is]));
        assert_eq!(environment(&template, launch, token()), expected, "{launch:?}");
    }
}
