//! Defaults, bounds, and that each variable goes to its own field.

use mayfly_backend_docker::DockerSettings;
use mayfly_common::pool::DockerMode;
use mayfly_github::{GitHubSettings, checkup::Wanted};
use mayfly_planner::filter::Pattern;
use mayfly_service::telemetry::Format;
use mayfly_service::traces::TraceConfig;

use super::*;

/// Variables that others need to be valid, the variable, what is taken, and what is not.
type Bounds = (
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn numbers_have_their_bounds() {
    let rows: [Bounds; 17] = [
        (&[], "RUNNER_CHECK_INTERVAL", &["10", "31536000"], &["9", "31536001", "1.5", "10s"]),
        (&[], "RUNNER_PURGE_INTERVAL", &["10", "31536000"], &["9", "31536001"]),
        (&[], "MAX_RUNNERS", &["1", "10000"], &["0", "10001", "-1"]),
        (&[], "MAX_RUNNERS_PER_OWNER", &["1", "10000"], &["0", "10001"]),
        (&[], "MAX_RUNNERS_PER_REPO", &["1", "10000"], &["0", "10001"]),
        (&[("MAX_RUNNERS", "10000")], "RUNNER_MIN_IDLE", &["0", "10000"], &["10001", "-1"]),
        (&[("MAX_RUNNERS", "7")], "RUNNER_MIN_IDLE", &["7"], &["8"]),
        (&[], "RUNNER_ROTATION_INTERVAL", &["0", "60", "31536000"], &["1", "59", "31536001"]),
        (&[], "RUNNER_REGISTRATION_TIMEOUT", &["10", "86400"], &["9", "86401"]),
        (
            &[("RUNNER_REGISTRATION_TIMEOUT", "10")],
            "RUNNER_MAX_LIFETIME",
            &["60", "31536000"],
            &["59", "31536001"],
        ),
        (&[("RUNNER_REGISTRATION_TIMEOUT", "300")], "RUNNER_MAX_LIFETIME", &["301"], &["300"]),
        (&[], "RUNNER_PIDS_LIMIT", &["16", "4194304"], &["15", "4194305"]),
        (&[], "DOCKER_NETWORK_MTU", &["576", "65535"], &["575", "65536"]),
        (&[], "ORCHESTRATOR_PORT", &["1", "65535"], &["0", "65536"]),
        (&[], "API_GATEWAY_PORT", &["1", "65535"], &["0", "65536"]),
        (&[], "RUNNER_MEMORY", &["6m", "1024g"], &["6291455", "5m", "x"]),
        (&[], "MAX_RUNNERS_MEMORY", &["6m"], &["5m", "x"]),
    ];
    for (others, variable, taken, refused) in rows {
        let with = |value| [others, &[(variable, value)]].concat();
        for value in taken {
            read(&with(value));
        }
        for value in refused {
            let found = errors(&with(value));
            let start = format!("{variable}: must ");
            assert!(found.len() == 1 && found[0].starts_with(&start), "{value}: {found:?}");
        }
    }
}

#[test]
fn names_have_their_lengths_and_their_characters() {
    let long = |length| "a".repeat(length);
    let app = |id: &str| {
        let file = ("GITHUB_APP_PRIVATE_KEY_FILE", APP_KEY_FILE);
        variables(&[("GITHUB_RUNNER_TOKEN", ""), file, ("GITHUB_APP_ID", id)])
    };
    assert!(Config::from_variables(app(&long(64))).is_ok());
    for wrong in [&*long(65), "a b", "a-b"] {
        let found = Config::from_variables(app(wrong)).unwrap_err().0;
        assert_eq!(
            found,
            ["GITHUB_APP_ID: must be the App's id or client id, as its settings page shows it"]
        );
    }
    let id = "ORCHESTRATOR_ID";
    let network = "DOCKER_NETWORK";
    for (variable, taken) in
        [(id, &*long(24)), (id, "a-1"), (id, "7"), (network, &*long(64)), (network, "1_a.b-C")]
    {
        let config = read(&[(variable, taken)]);
        let found = if variable == id { config.installation.unwrap() } else { config.network };
        assert_eq!(found, taken);
    }
    let not_id = "must be 1 to 24 lower-case letters, digits or '-', not at the ends";
    let not_network =
        "must be 1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit";
    for (variable, wrong, why) in [
        (id, &*long(25), not_id),
        (id, "-a", not_id),
        (id, "a-", not_id),
        (id, "A", not_id),
        (id, "a_b", not_id),
        (network, &*long(65), not_network),
        (network, "-a", not_network),
        (network, "_a", not_network),
        (network, "a b", not_network),
        (network, "a/b", not_network),
    ] {
        assert_eq!(errors(&[(variable, wrong)]), [format!("{variable}: {why}")], "{wrong}");
    }
    let labels = |count: usize| {
        (1..count).fold("self-hosted".to_owned(), |text, number| text + &format!(",l{number}"))
    };
    assert_eq!(read(&[("RUNNER_LABELS", &labels(100))]).runner.labels.len(), 100);
    let many = "RUNNER_LABELS: must hold 1 to 100 labels, separated by commas";
    assert_eq!(errors(&[("RUNNER_LABELS", &labels(101))]), [many]);
    assert_eq!(errors(&[("RUNNER_LABELS", " , ")]), [many]);
}

#[test]
fn a_url_has_a_scheme_a_host_and_nothing_secret() {
    let form = "must be a URL such as https://ghe.example.com/api/v3";
    let scheme = "must begin with http:// or https:// and name a host";
    let secret = "must not hold a user name or password";
    let more = "must not have a query or a fragment";
    for (text, why) in [
        ("nowhere", form),
        ("ftp://x", scheme),
        ("data:x", scheme),
        ("https://me@x.example", secret),
        ("https://:pw@x.example", secret),
        ("https://x.example/?a", more),
        ("https://x.example/#a", more),
    ] {
        assert_eq!(errors(&[("GITHUB_SERVER_URL", text)]), [format!("GITHUB_SERVER_URL: {why}")]);
    }
    let clear =
        "must begin with https://: the credential would go through the network in the clear";
    for text in [
        "http://api.github.com",
        "http://API.GITHUB.COM./",
        "http://api.octo.ghe.com",
        "http://api.octo.GHE.com.",
    ] {
        assert_eq!(errors(&[("GITHUB_API_URL", text)]), [format!("GITHUB_API_URL: {clear}")]);
    }
}

#[test]
fn a_last_dot_makes_no_other_host() {
    let path = "GITHUB_API_URL: must have no path at api.github.com; /api/v3 is of GitHub Enterprise Server";
    assert_eq!(errors(&[("GITHUB_API_URL", "https://api.github.com./api/v3")]), [path]);
    let site = "GITHUB_API_URL: is GitHub's web site; its API is at https://api.github.com";
    assert_eq!(errors(&[("GITHUB_API_URL", "https://GitHub.com.")]), [site]);
    assert!(read(&[("GITHUB_API_URL", "https://api.github.com.")]).warnings.is_empty());
}

#[test]
fn white_space_that_is_written_out_at_the_end_is_told() {
    let broken = "ends in a line break that is written out (\\n or \\r): remove it";
    let tab = "ends in a tab that is written out (\\t): remove it";
    for (end, why) in [("\\r", broken), ("\\n", broken), ("\\r\\n ", broken), ("\\t", tab)] {
        for name in ["RUNNER_COMMAND", "OTEL_SERVICE_NAME", "RUNNER_GROUP"] {
            let text = format!("/runner-sim{end}");
            assert_eq!(errors(&[(name, &text)]), [format!("{name}: {why}")]);
        }
        // It is free text.
        let config = read(&[("runnerenv_A", &format!("x{end}"))]);
        assert_eq!(config.warnings, [format!("runnerenv_A: {why}, if it is not meant")]);
    }
    assert!(read(&[("RUNNER_COMMAND", "printf '\\n' x")]).warnings.is_empty());
}

#[test]
fn an_organization_that_is_wrong_is_not_also_missing() {
    let found = errors(&[
        ("DISCOVERY_MODE", "organization"),
        ("GITHUB_ORGANIZATION", "https://github.com/x"),
    ]);
    assert!(found.len() == 1 && !found[0].contains("is required"), "{found:?}");
}

#[test]
fn a_cap_that_is_smaller_than_one_runner_is_warned_of() {
    let end = "none of the environment's pool can start";
    let warned = |memory: &str, cpus: &str, docker: &str| {
        let config = read(&[
            ("RUNNER_MEMORY", "256m"),
            ("RUNNER_CPUS", "1"),
            ("MAX_RUNNERS_MEMORY", memory),
            ("MAX_RUNNERS_CPUS", cpus),
            ("RUNNER_DOCKER", docker),
        ]);
        config.warnings
    };
    assert!(warned("256m", "1", "none").is_empty() && warned("512m", "2", "dind").is_empty());
    assert_eq!(
        warned("255m", "0.5", "none"),
        [
            format!("MAX_RUNNERS_MEMORY: is less than one runner needs (RUNNER_MEMORY): {end}"),
            format!("MAX_RUNNERS_CPUS: is less than one runner needs (RUNNER_CPUS): {end}"),
        ]
    );
    let twice = "which counts twice with RUNNER_DOCKER=dind";
    assert_eq!(
        warned("511m", "1.9", "dind"),
        [
            format!(
                "MAX_RUNNERS_MEMORY: is less than one runner needs (RUNNER_MEMORY, {twice}): {end}"
            ),
            format!(
                "MAX_RUNNERS_CPUS: is less than one runner needs (RUNNER_CPUS, {twice}): {end}"
            ),
        ]
    );
}

#[test]
fn what_is_not_set_has_its_default() {
    let config = read(&[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert!(!config.public_hosts.answer_to("mayfly.example"));
    let logging = config.logging;
    assert_eq!(
        (logging.level, logging.verbose, logging.format),
        (tracing::Level::INFO, false, Format::Text)
    );
    assert_eq!(config.traces, None);
    assert_eq!(
        (config.docker_host, config.network.as_str(), config.network_mtu),
        (None, "mayfly-runners", None)
    );
    assert_eq!((config.installation, config.database, config.auto_create), (None, None, false));
    let seconds = [config.check_interval, config.purge_interval].map(|span| span.as_secs());
    assert_eq!(seconds, [300, 300]);
    let shown = config.shown;
    assert_eq!(
        (shown.api_gateway_port, &*shown.registry, &*shown.user_login),
        (8080, "unknown", "unknown")
    );
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(shown.hostname, kernel.trim());

    let github = config.github;
    assert_eq!(github.api_url.as_str(), "https://api.github.com/");
    assert_eq!(github.server_url.as_str(), "https://github.com/");
    assert_eq!((github.ca, github.discovery, github.cleanup), (None, DiscoveryMode::All, true));
    let filter = github.filter;
    assert_eq!((filter.include.len(), filter.exclude.len(), filter.public), (0, 0, false));

    let runner = config.runner;
    assert_eq!((&*runner.image, runner.pull, runner.command), ("img:1", PullPolicy::Missing, None));
    assert!(runner.environment.is_empty());
    assert_eq!(runner.registration, Registration::Jit);
    assert_eq!((&*runner.cache_url, runner.group), ("", None));
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    assert_eq!(
        runner.labels,
        mayfly_common::label::LabelSet::requested([
            "self-hosted",
            "linux",
            architecture,
            "ephemeral"
        ])
    );
    assert_eq!((runner.max, runner.max_memory, runner.max_nano_cpus), (10, None, None));
    assert_eq!((runner.max_per_owner, runner.max_per_repo), (None, None));
    assert_eq!((runner.min_idle, runner.rotation_interval), (0, 86_400));
    let spans = [runner.registration_timeout, runner.max_lifetime].map(|span| span.as_secs());
    assert_eq!(spans, [300, 432_000]);
    let profile = runner.profile;
    assert_eq!(
        (profile.memory, profile.nano_cpus, profile.pids),
        (4_294_967_296, 2_000_000_000, 4_096)
    );
    assert_eq!(
        (profile.isolation, profile.seccomp, profile.engine),
        (Isolation::Strict, None, None)
    );
    assert_eq!((&*runner.dind.image, runner.dind.privileged), ("docker:27-dind", true));
    assert!(!runner.dind_enabled);
}

#[test]
fn every_variable_goes_to_its_own_field() {
    let config = read(&[
        ("ORCHESTRATOR_HOST", "127.0.0.2"),
        ("ORCHESTRATOR_PORT", "8011"),
        ("PUBLIC_HOSTS", "mayfly.example"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_VERBOSE", "true"),
        ("LOG_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
        ("GITHUB_API_URL", "https://ghe.example/api/v3"),
        ("GITHUB_SERVER_URL", "https://ghe.example"),
        ("GITHUB_ORGANIZATION", "octo"),
        ("DISCOVERY_MODE", "organization"),
        ("DISCOVERY_INCLUDE", "a/*"),
        ("DISCOVERY_EXCLUDE", "a/b,a/c"),
        ("ALLOW_PUBLIC_REPOS", "true"),
        ("GITHUB_CLEANUP_ENABLED", "false"),
        ("GITHUB_USER_LOGIN", "me"),
        ("AUTO_CREATE_RUNNERS", "true"),
        ("RUNNER_CHECK_INTERVAL", "31"),
        ("RUNNER_PURGE_INTERVAL", "32"),
        ("RUNNER_REGISTRATION_TIMEOUT", "33"),
        ("RUNNER_MAX_LIFETIME", "340"),
        ("RUNNER_ROTATION_INTERVAL", "350"),
        ("MAX_RUNNERS", "36"),
        ("MAX_RUNNERS_MEMORY", "370m"),
        ("MAX_RUNNERS_CPUS", "38"),
        ("MAX_RUNNERS_PER_OWNER", "29"),
        ("MAX_RUNNERS_PER_REPO", "28"),
        ("RUNNER_MIN_IDLE", "4"),
        ("RUNNER_IMAGE", "img:2"),
        ("RUNNER_PULL_POLICY", "always"),
        ("RUNNER_COMMAND", "run 'a b'"),
        ("RUNNER_GROUP", "gpu"),
        ("RUNNER_MEMORY", "41m"),
        ("RUNNER_CPUS", "1.5"),
        ("RUNNER_PIDS_LIMIT", "43"),
        ("RUNNER_ISOLATION", "compat"),
        ("RUNNER_DOCKER", "dind"),
        ("DIND_IMAGE", "own:1"),
        ("DIND_PRIVILEGED", "false"),
        ("DATABASE_PATH", "/tmp/mayfly.db"),
        ("DOCKER_HOST", "tcp://h:44"),
        ("DOCKER_NETWORK", "own"),
        ("DOCKER_NETWORK_MTU", "1450"),
        ("ORCHESTRATOR_ID", "id"),
        ("API_GATEWAY_PORT", "8081"),
        ("REGISTRY", "r"),
    ]);
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.listen.to_string(), "127.0.0.2:8011");
    assert!(config.public_hosts.answer_to("mayfly.example"));
    let logging = config.logging;
    assert_eq!(
        (logging.level, logging.verbose, logging.format),
        (tracing::Level::WARN, true, Format::Json)
    );
    let traces = TraceConfig {
        endpoint: "http://c:4318/v1/traces".to_owned(),
        service: "orchestrator".to_owned(),
    };
    assert_eq!(config.traces.as_ref(), Some(&traces));
    let docker = DockerSettings {
        host: Some("tcp://h:44".to_owned()),
        name: mayfly_common::identity::BackendName::default(),
        installation: Some("id".to_owned()),
        network: "own".to_owned(),
        mtu: Some(1450),
    };
    assert_eq!(format!("{:?}", config.docker()), format!("{docker:?}"));
    assert_eq!(config.database.as_deref(), Some(std::path::Path::new("/tmp/mayfly.db")));
    assert!(config.auto_create);
    let seconds = [config.check_interval, config.purge_interval].map(|span| span.as_secs());
    assert_eq!(seconds, [31, 32]);
    let shown = config.shown;
    assert_eq!((shown.api_gateway_port, &*shown.registry, &*shown.user_login), (8081, "r", "me"));

    let github = config.github;
    let settings: GitHubSettings = github.client();
    assert_eq!(settings.api_url.as_str(), "https://ghe.example/api/v3");
    assert_eq!(github.server_url.as_str(), "https://ghe.example/");
    assert!(!github.cleanup);
    let patterns = |texts: &[&str]| -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    };
    let filter = &github.filter;
    assert_eq!(
        format!("{:?}", (&filter.include, &filter.exclude, filter.public)),
        format!("{:?}", (patterns(&["a/*"]), patterns(&["a/b", "a/c"]), true))
    );
    let octo = DiscoveryMode::Organization(Login::parse("octo").unwrap());
    assert_eq!(github.discovery, octo);
    let wanted = Wanted::new(octo, filter.clone());
    assert_eq!(format!("{:?}", github.wanted()), format!("{wanted:?}"));

    let runner = config.runner;
    assert_eq!((&*runner.image, runner.pull), ("img:2", PullPolicy::Always));
    assert_eq!(runner.docker(), DockerMode::Dind);
    assert_eq!(runner.command.unwrap(), ["run", "a b"]);
    assert_eq!(runner.group.as_deref(), Some("gpu"));
    assert_eq!(
        (runner.max, runner.max_memory, runner.max_nano_cpus),
        (36, Some(370 << 20), Some(38_000_000_000))
    );
    assert_eq!((runner.max_per_owner, runner.max_per_repo), (Some(29), Some(28)));
    assert_eq!((runner.min_idle, runner.rotation_interval), (4, 350));
    let spans = [runner.registration_timeout, runner.max_lifetime].map(|span| span.as_secs());
    assert_eq!(spans, [33, 340]);
    let profile = runner.profile;
    assert_eq!((profile.memory, profile.nano_cpus, profile.pids), (41 << 20, 1_500_000_000, 43));
    let own = Engine { image: "own:1".to_owned(), privileged: false };
    assert_eq!((profile.isolation, profile.engine.as_ref()), (Isolation::Compat, Some(&own)));
    assert_eq!((runner.dind, runner.dind_enabled), (own, true));
}

#[test]
fn words_are_taken_in_any_case() {
    for (text, policy) in [
        ("Missing", PullPolicy::Missing),
        (" ALWAYS ", PullPolicy::Always),
        ("never", PullPolicy::Never),
    ] {
        assert_eq!(read(&[("RUNNER_PULL_POLICY", text)]).runner.pull, policy);
    }
    assert_eq!(
        read(&[("RUNNER_ISOLATION", " Strict")]).runner.profile.isolation,
        Isolation::Strict
    );
    assert_eq!(
        read(&[("RUNNER_ISOLATION", "COMPAT ")]).runner.profile.isolation,
        Isolation::Compat
    );
    assert_eq!(read(&[("RUNNER_DOCKER", " None")]).runner.profile.engine, None);
    assert!(read(&[("RUNNER_DOCKER", "DinD ")]).runner.profile.engine.is_some());
    assert_eq!(read(&[("DISCOVERY_MODE", " All")]).github.discovery, DiscoveryMode::All);
    for (variable, why) in [
        ("RUNNER_PULL_POLICY", "must be missing, always or never"),
        ("RUNNER_ISOLATION", "must be strict or compat"),
        ("RUNNER_DOCKER", "must be none or dind"),
        ("DISCOVERY_MODE", "must be all or organization"),
        ("ORCHESTRATOR_HOST", "must be an IP address"),
    ] {
        assert_eq!(errors(&[(variable, "odd")]), [format!("{variable}: {why}")]);
    }
}

#[test]
fn what_is_said_of_a_command_and_of_variables_for_runners() {
    let command = |text| errors(&[("RUNNER_COMMAND", text)]);
    assert_eq!(command("a 'b"), ["RUNNER_COMMAND: has a quotation mark without its partner"]);
    assert_eq!(command("# nothing"), ["RUNNER_COMMAND: must hold a command"]);
    assert!(command("a\0b")[0].starts_with("RUNNER_COMMAND: holds a carriage return or a zero"));
    for wrong in ["runnerenv_", "runnerenv_a b", "runnerenv_a\tb", "runnerenv_a\u{1}"] {
        let expected = format!("{wrong}: must have a variable name after the prefix");
        assert_eq!(errors(&[(wrong, "x")]), [expected]);
    }
    let warned = |extra: &[(&str, &str)]| read(extra).warnings;
    // One word with a blank in it can be meant, if the marks are not around all of it.
    assert!(warned(&[("RUNNER_COMMAND", "/a\\ b")]).is_empty());
    assert!(warned(&[("RUNNER_COMMAND", "'/run'")]).is_empty());
    assert!(warned(&[("RUNNER_LABELS", "[self-hosted,self-hosted")]).is_empty());
}

#[test]
fn an_image_that_is_told_its_labels_has_them_beside_the_usual_ones() {
    let labels = |extra: &[(&str, &str)]| read(extra).runner.labels;
    let usual = labels(&[]);
    let more = labels(&[("runnerenv_LABELS", "gpu")]);
    assert_eq!(more.len(), usual.len() + 1);
    assert!(usual.iter().all(|label| more.contains(label.as_str())) && more.contains("gpu"));
    let host = read(&[]).shown.hostname.to_lowercase();
    let named = labels(&[("runnerenv_LABELS", "on-{hostname}{runner_name}")]);
    assert!(named.contains(&format!("on-{host}")), "{named}");
}
