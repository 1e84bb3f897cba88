use super::*;

#[test]
fn a_misspelt_name_means_the_nearest_known_one() {
    let rows = [
        ("RUNER_IMAGE", "RUNNER_IMAGE"),
        ("MAX_RUNNER", "MAX_RUNNERS"),
        ("RUNNERS_MAX", "MAX_RUNNERS"),
        ("GITHUB_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GITHUB_API_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GH_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("access_token", "GITHUB_RUNNER_TOKEN"),
        ("API_KEY", "API_KEYS"),
        ("APIKEYS", "API_KEYS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("AUTO_CREATE_RUNNER", "AUTO_CREATE_RUNNERS"),
        ("DISCOVERY-MODE", "DISCOVERY_MODE"),
        ("DISCOVERY-MODES", "DISCOVERY_MODE"),
        ("WEBHOOK_SECRETS", "WEBHOOK_SECRET"),
        ("ALLOWED_IMAGE", "ALLOWED_IMAGES"),
        ("max_runner", "MAX_RUNNERS"),
        ("MAX_RUNNERS_MEM", "MAX_RUNNERS_MEMORY"),
        ("DOCKER_NET", "DOCKER_NETWORK"),
        ("RUNNER_MEM", "RUNNER_MEMORY"),
        ("MAYFLY_MAX_RUNNERS", "MAX_RUNNERS"),
        ("MIN_RUNNERS", "RUNNER_MIN_IDLE"),
        ("GITHUB_APP_PRIVATE_KEY_PATH", "GITHUB_APP_PRIVATE_KEY_FILE"),
        ("ALLOW_PUBLIC_REPOSITORIES", "ALLOW_PUBLIC_REPOS"),
        ("RUNNER_PIDS", "RUNNER_PIDS_LIMIT"),
        ("RUNNER_IDLE_TIMEOUT", "RUNNER_ROTATION_INTERVAL"),
        ("LOG_LVL", "LOG_LEVEL"),
        ("DOCKER_MTU", "DOCKER_NETWORK_MTU"),
        ("CHECK_INTERVAL", "RUNNER_CHECK_INTERVAL"),
        ("DB_PATH", "DATABASE_PATH"),
        ("GITHUB_API", "GITHUB_API_URL"),
        ("GITHUB_URL", "GITHUB_SERVER_URL"),
        ("APP_ID", "GITHUB_APP_ID"),
        ("RATE_LIMIT_REQUESTS", "RATE_LIMIT_PER_SECOND"),
        ("RUNNER_ISOLATE", "RUNNER_ISOLATION"),
        ("RUNNER_DIND", "DIND_ENABLED"),
        ("API_TOKENS", "API_KEYS"),
        ("ORCHESTRATOR_NAME", "ORCHESTRATOR_ID"),
        ("X_API_KEY", "API_KEYS"),
        ("X-API-Key", "API_KEYS"),
        ("RUNNERENV_TZ", RUNNER_PREFIX),
        ("RunnerEnv_TZ", RUNNER_PREFIX),
        ("runner_env_TZ", RUNNER_PREFIX),
        ("runnerenvTZ", RUNNER_PREFIX),
    ];
    for (name, expected) in rows {
        assert_eq!(meant(name), Some(expected), "{name}");
    }
}

#[test]
fn a_known_or_foreign_name_means_nothing_else() {
    let known = known().chain(["runner_image", "Max_Runners", "runnerenv_TZ"]);
    // What shells, systemd, Kubernetes, Compose and GitHub's own runner set.
    let foreign = [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TERM",
        "PWD",
        "SHLVL",
        "HOSTNAME",
        "TZ",
        "LOGNAME",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "NOTIFY_SOCKET",
        "STATE_DIRECTORY",
        "KUBERNETES_PORT",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "RUST_LOG",
        "CI",
        "XDG_CONFIG_HOME",
        "DOCKER_CERT_PATH",
        "DOCKER_CONFIG",
        "DOCKER_API_VERSION",
        "COMPOSE_FILE",
        "NO_COLOR",
        "RUNNER_OS",
        "RUNNER_ARCH",
        "RUNNER_TEMP",
        "RUNNER_NAME",
        "RUNNER_TOOL_CACHE",
        "RUNNER_WORKSPACE",
        "RUNNER_ENVIRONMENT",
        "RUNNER_DEBUG",
        "RUNNER_TRACKING_ID",
        "GITHUB_ACTIONS",
        "GITHUB_ACTOR",
        "GITHUB_ENV",
        "GITHUB_JOB",
        "GITHUB_REF",
        "GITHUB_RUN_ID",
        "GITHUB_SHA",
        "GITHUB_REPOSITORY",
        "GITHUB_WORKSPACE",
        "GITHUB_EVENT_NAME",
        "GITHUB_STATE",
        "GITHUB_GRAPHQL_URL",
        "API_TOKEN",
        "API_SECRET",
        "AUTH_TOKEN",
        "GITHUB_SIM_LISTEN",
        "GITHUB_SIM_SEED_DEMO",
        "MAYFLY_TEST_DOCKER",
        "ORCHESTRATOR_SERVICE_HOST",
        "OTEL_RESOURCE_ATTRIBUTES",
    ];
    for name in known.chain(foreign) {
        assert_eq!(meant(name), None, "{name}");
    }
}

#[test]
fn only_what_is_set_is_told_and_never_its_value() {
    let pairs = [("RUNER_IMAGE", "ghp_secret"), ("MAX_RUNNER", " "), ("RUNNERENV_A", "x")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        unknown(&pairs),
        [
            "RUNER_IMAGE: is not read; is RUNNER_IMAGE meant?",
            "RUNNERENV_A: is not read; a variable for runners begins with runnerenv_, in lower case",
        ]
    );
}

#[test]
fn what_compose_alone_reads_is_told_outside_compose() {
    let lines = |more: &[(&str, &str)]| {
        let pairs = [("DOCKER_SOCKET", "/run/user/1000/docker.sock"), ("api_gateway_bind", "::")];
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        unknown(&pairs.iter().chain(more).map(owned).collect::<Vec<_>>())
    };
    assert_eq!(
        lines(&[("DOCKER_SOCKET_USER", " ")]),
        [
            "DOCKER_SOCKET: is read by Compose alone; outside Compose DOCKER_HOST names the socket, as unix:// and its path",
            "api_gateway_bind: is read by Compose alone; outside Compose the gateway listens on API_GATEWAY_HOST",
        ]
    );
    assert!(lines(&[("MAYFLY_ENV_FILE", ".env")]).is_empty());
    assert!(OF_COMPOSE_ALONE.iter().all(|(name, _)| OF_COMPOSE.contains(name)));
}

#[test]
fn what_our_own_files_set_or_read_is_known() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut folders: Vec<_> = ["deploy", "docs", "cli/src", "orchestrator/src", "api-gateway/src"]
        .map(|folder| root.join(folder))
        .into();
    let mut names = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else {
                folders.extend(path.is_dir().then_some(path));
                continue;
            };
            let name = |rest: &str| {
                let plain = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
                rest.bytes().take_while(plain).map(char::from).collect::<String>()
            };
            let is_compose = path.extension().is_some_and(|end| end == "yaml");
            let filled = text.split("${").skip(1).filter(|_| is_compose).map(name);
            let told = text.split("Environment=").skip(1).map(name);
            let ours = text.split("MAYFLY_").skip(1).map(|rest| format!("MAYFLY_{}", name(rest)));
            names.extend(filled.chain(told).chain(ours).filter(|name| name.len() > 7));
        }
    }
    // Not for services: Cargo's and the tests', and Docker's.
    for other in ["MAYFLY_TEST_DOCKER", "MAYFLY_VERSION", "BUILDX_CONFIG"] {
        names.remove(other);
    }
    names.retain(|name| !known().any(|known| known == name) && name != "API_KEY");
    assert!(names.is_empty(), "{names:?} are not listed");
}

#[test]
fn the_example_file_and_this_list_have_the_same_variables() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/.env.example");
    let text = std::fs::read_to_string(file).unwrap();
    let name = |line: &str| {
        let name = line.trim_start_matches('#').split_once('=')?.0.to_owned();
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        (!name.is_empty() && name.bytes().all(plain)).then_some(name)
    };
    let listed: std::collections::BTreeSet<String> = text.lines().filter_map(name).collect();
    // The command line's, which say where a gateway is and not how one runs, and the demo's.
    let others = ["API_KEY", "API_KEY_FILE", "DEMO_NET", "PRICE_PER_MINUTE", "PROFILE", "URL"];
    let others = others.map(|name| format!("MAYFLY_{name}"));
    let known = known().map(str::to_owned);
    let known: std::collections::BTreeSet<String> =
        known.filter(|name| !others.contains(name)).collect();
    assert_eq!(listed, known);
    let all: std::collections::BTreeSet<&str> = super::known().collect();
    assert_eq!(all.len(), super::known().count(), "each is listed once");
    assert!(OF_COMPOSE.is_sorted() && OTHER.is_sorted());
}

#[test]
fn names_of_other_tools_mean_ours() {
    let rows = [
        ("GITHUB_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GITHUB_API_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GH_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GH_PAT", "GITHUB_RUNNER_TOKEN"),
        ("ACCESS_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GITHUB_PAT", "GITHUB_RUNNER_TOKEN"),
        ("GITHUB_ACCESS_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("RUNNER_TOKEN", "GITHUB_RUNNER_TOKEN"),
        ("GITHUB_ORG", "GITHUB_ORGANIZATION"),
        ("ORG_NAME", "GITHUB_ORGANIZATION"),
        ("GITHUB_APP_KEY", "GITHUB_APP_PRIVATE_KEY"),
        ("GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_INSTALLATION"),
        ("GITHUB_WEBHOOK_SECRET", "WEBHOOK_SECRET"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("DOCKER_CONTEXT", "DOCKER_HOST"),
        ("RUNNERS_MAX", "MAX_RUNNERS"),
        ("RUNNER_MAX", "MAX_RUNNERS"),
        ("MIN_IDLE", "RUNNER_MIN_IDLE"),
    ];
    for (name, expected) in rows {
        assert_eq!(meant(name), Some(expected), "{name}");
        assert_eq!(meant(&name.to_ascii_lowercase().replace('_', "-")), Some(expected), "{name}");
    }
}

#[test]
fn a_short_name_may_have_one_wrong_letter_and_a_longer_one_two() {
    let rows = [
        // REGISTRY, with one, two and three letters gone.
        ("REGISTR", Some("REGISTRY")),
        ("REGIST", None),
        ("REGISTXX", Some("REGISTRY")),
        ("REGISXXX", None),
        ("LOGLEVEL", Some("LOG_LEVEL")),
        ("LOGLEVL", None),
        ("RUNNER_GROOP", Some("RUNNER_GROUP")),
        ("RUNNER_GRXXX", None),
        // Words of three letters and more may be cut short, all in their places.
        ("RUN_REG_TIM", Some("RUNNER_REGISTRATION_TIMEOUT")),
        ("RUN_RE_TIM", None),
        ("REG_RUN_TIM", None),
        ("RUN_REG", None),
        ("REGIS", None),
    ];
    for (name, expected) in rows {
        assert_eq!(meant(name), expected, "{name}");
    }
}

#[test]
fn a_variable_is_told_once_and_the_lines_are_in_order() {
    let pairs =
        [("RUNER_IMAGE", "x"), ("MAX_RUNNER", "x"), ("API_KEY", "x"), ("Docker_Socket_User", "x")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let errors = ConfigErrors(vec![
        "API_KEY: is not read; is API_KEYS meant? Without a key anybody may call".to_owned(),
        "PORT: is odd".to_owned(),
    ]);
    let beside = [
        "Docker_Socket_User: is read by Compose alone; outside Compose the user who runs the orchestrator opens the socket",
        "MAX_RUNNER: is not read; is MAX_RUNNERS meant?",
        "RUNER_IMAGE: is not read; is RUNNER_IMAGE meant?",
    ];
    assert_eq!(unknown_beside(&errors, &pairs), beside);
    assert_eq!(unknown(&pairs)[0], "API_KEY: is not read; is API_KEYS meant?");
    assert_eq!(unknown(&pairs)[1..], beside);
}

#[test]
fn compose_is_known_by_the_variable_that_it_sets() {
    let within = |name: &str, value: &str| in_compose(&[(name.to_owned(), value.to_owned())]);
    assert!(within("MAYFLY_ENV_FILE", ".env"));
    assert!(
        !within("MAYFLY_ENV_FILE", " ") && !within("mayfly_env_file", ".env") && !in_compose(&[])
    );
}
