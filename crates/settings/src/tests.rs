//! What is accepted, what is refused, and that every refusal comes at once.

use mayfly_common::pool::PullPolicy;
use mayfly_common::quantity::{memory, nano_cpus};
use mayfly_common::scope::Login;
use secrecy::ExposeSecret as _;

use mayfly_github::Credential;

use super::*;
use mayfly_backend_docker::spec::Isolation;
use mayfly_common::material::Engine;
use mayfly_github::DiscoveryMode;

mod bounds;
mod doubts;

/// A key that is used nowhere else.
const APP_KEY_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../github/tests/data/test-only-app-key.pkcs1.pem");

fn variables(extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = vec![
        ("GITHUB_RUNNER_TOKEN", "ghp_0123456789abcdef0123456789abcdef0123"),
        ("RUNNER_IMAGE", "img:1"),
    ];
    all.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    all.extend(extra);
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(extra: &[(&str, &str)]) -> Config {
    Config::from_variables(variables(extra)).unwrap()
}

fn errors(extra: &[(&str, &str)]) -> Vec<String> {
    Config::from_variables(variables(extra)).unwrap_err().0
}

#[test]
fn a_database_with_several_names_is_told() {
    let folder = std::env::temp_dir().join(format!("mayfly-names-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("m.db");
    let warnings = || read(&[("DATABASE_PATH", path.to_str().unwrap())]).warnings;
    std::fs::write(&path, "").unwrap();
    std::os::unix::fs::symlink(&path, folder.join("link")).unwrap();
    assert_eq!(warnings(), [""; 0]);
    std::fs::hard_link(&path, folder.join("other")).unwrap();
    let expected = format!(
        "DATABASE_PATH: {} has 2 names (hard links): a second orchestrator that opens it by another one is not noticed, and the two \
         damage it; remove the other names",
        path.display()
    );
    assert_eq!(warnings(), [expected]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_seed_s_defaults_hold() {
    let config = read(&[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(
        (config.auto_create, config.check_interval.as_secs(), config.purge_interval.as_secs()),
        (false, 300, 300)
    );
    assert_eq!(config.github.api_url.as_str(), "https://api.github.com/");
    assert_eq!((config.github.discovery, config.github.cleanup), (DiscoveryMode::All, true));
    assert_eq!(
        (config.runner.pull, config.runner.registration, config.runner.max),
        (PullPolicy::Missing, Registration::Jit, 10)
    );
    assert_eq!(config.runner.profile.isolation, Isolation::Strict);
    assert_eq!(config.runner.profile.engine, None, "no Docker for jobs unless somebody says so");
    assert!(config.runner.labels.contains("self-hosted") && config.runner.labels.contains("linux"));
    assert_eq!(
        (config.shown.registry.as_str(), config.shown.user_login.as_str()),
        ("unknown", "unknown")
    );
}

#[test]
fn an_engine_for_each_runner_is_asked_for_by_name() {
    let config = read(&[("DIND_IMAGE", "own:1"), ("DIND_PRIVILEGED", "false")]).runner;
    let own = Engine { image: "own:1".to_owned(), privileged: false };
    assert_eq!((config.profile.engine, config.dind), (None, own));
    let engine = read(&[("RUNNER_DOCKER", "dind")]).runner.profile.engine.unwrap();
    assert_eq!((&*engine.image, engine.privileged), ("docker:27-dind", true));
    let found =
        errors(&[("RUNNER_DOCKER", "host"), ("DIND_IMAGE", "a b"), ("DIND_PRIVILEGED", "maybe")]);
    let names: Vec<&str> = found.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names, ["DIND_IMAGE", "DIND_PRIVILEGED", "RUNNER_DOCKER"], "{found:?}");
}

#[test]
fn images_are_named_by_docker_s_grammar() {
    for name in ["RUNNER_IMAGE", "DIND_IMAGE"] {
        for wrong in
            ["IMAGE:", "a b", "../../x", "-v", "http://127.0.0.1/x", "Acme/x:", "x@sha256:0"]
        {
            let found = errors(&[(name, wrong)]);
            let start = format!("{name}: must be an image name such as ");
            assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
        }
        read(&[(name, "127.0.0.1:5000/x/y:z")]);
    }
    let found = errors(&[("ALLOWED_IMAGES", "ghcr.io/acme/*,a b")]);
    assert_eq!(
        found,
        ["ALLOWED_IMAGES: pattern \"a b\" must be an image name, with * and ? for any characters"]
    );
}

#[test]
fn what_the_environment_names_is_allowed_for_pools() {
    let environment = [("RUNNER_IMAGE", "registry:5000/a"), ("DIND_IMAGE", "10.0.0.1/dind:1")];
    let allowed = read(&environment).runner.allowed_images;
    assert_eq!(allowed.refusal("registry:5000/a:latest"), None);
    assert_eq!(allowed.refusal("10.0.0.1/dind:1"), None);
    assert_eq!(allowed.refusal("alpine"), None);
    assert!(allowed.refusal("registry:5000/b").is_some());
    let only = read(&[environment[0], ("ALLOWED_IMAGES", "ghcr.io/acme/*")]).runner.allowed_images;
    assert_eq!(only.refusal("registry:5000/a"), None);
    assert_eq!(only.refusal("ghcr.io/acme/x"), None);
    assert!(only.refusal("alpine").is_some());
}

#[test]
fn runners_never_share_a_network_with_others() {
    for shared in ["host", "bridge", "default", "none", "container:web", "container:"] {
        let found = errors(&[("DOCKER_NETWORK", shared)]);
        assert!(
            found.len() == 1
                && found[0].starts_with("DOCKER_NETWORK: must be the name of a network")
                && found[0].contains(shared),
            "{found:?}"
        );
    }
    for own in ["hosts", "my-bridge", "runners_1"] {
        assert_eq!(read(&[("DOCKER_NETWORK", own)]).network, own);
    }
}

#[test]
fn docker_in_jobs_is_not_asked_for_and_forbidden_at_once() {
    let found = errors(&[("RUNNER_DOCKER", "dind"), ("DIND_ENABLED", "false")]);
    assert!(
        found.len() == 1 && found[0].starts_with("DIND_ENABLED: is false while RUNNER_DOCKER=dind"),
        "{found:?}"
    );
    assert!(read(&[("RUNNER_DOCKER", "dind")]).runner.dind_enabled);
    assert!(!read(&[("DIND_ENABLED", "false")]).runner.dind_enabled);
}

#[test]
fn the_database_s_folder_is_there() {
    let rows = [
        ("/no/such/folder/mayfly.db", "there is no folder /no/such/folder: create it"),
        ("/", "must name a file, and / is a folder"),
        ("/proc", "must name a file, and /proc is a folder"),
        ("/dev/null", "must name a file, and /dev/null is a device, a pipe or a socket"),
        ("/proc/version/mayfly.db", "/proc/version is no folder"),
        ("/tmp/none.db/", "must name a file, and /tmp/none.db/ is a folder"),
        (":memory:", "must be the path of a file, such as /data/mayfly.db"),
        ("file:mayfly.db?mode=rwc", "must be the path of a file, such as /data/mayfly.db"),
    ];
    for (path, why) in rows {
        assert_eq!(errors(&[("DATABASE_PATH", path)]), [format!("DATABASE_PATH: {why}")]);
    }
    assert!(read(&[("DATABASE_PATH", "mayfly.db")]).database.is_some());
    assert_eq!(
        read(&[("DATABASE_PATH", "/proc/x.db")]).warnings,
        [
            "DATABASE_PATH: the folder /proc takes no files, it is the kernel's: the job ledger is kept in memory"
        ]
    );
    assert!(read(&[("DATABASE_PATH", "/tmp/mayfly.db")]).database.is_some());
}

#[test]
fn an_engine_is_never_asked_in_plain_text_where_tls_is_meant() {
    let rows: [(&[(&str, &str)], &str); 25] = [
        (&[("DOCKER_HOST", "tcp://h:2375"), ("DOCKER_TLS", "1")], "DOCKER_TLS: asks for TLS"),
        (&[("DOCKER_HOST", "tcp://h:2375"), ("DOCKER_CERT_PATH", "/c")], "DOCKER_CERT_PATH: asks"),
        (&[("DOCKER_HOST", "ssh://me@host")], "DOCKER_HOST: ssh:// is not supported yet"),
        (&[("DOCKER_HOST", "https://host:2376")], "DOCKER_HOST: "),
        (&[("DOCKER_HOST", "tcp://host:2376")], "DOCKER_HOST: port 2376 is Docker's port for TLS"),
        (&[("DOCKER_HOST", "tcp://h:2375"), ("DOCKER_TLS_VERIFY", "1")], "DOCKER_TLS_VERIFY: "),
        (&[("DOCKER_HOST", "npipe:////./pipe/docker_engine")], "DOCKER_HOST: must begin with"),
        (&[("DOCKER_HOST", "/var/run/docker.sock")], "DOCKER_HOST: must begin with"),
        (&[("DOCKER_HOST", "unix://docker.sock")], "DOCKER_HOST: must name the socket"),
        (&[("DOCKER_HOST", "tcp://")], "DOCKER_HOST: must name a host"),
        (&[("DOCKER_HOST", "tcp://me:pw@host:2375")], "DOCKER_HOST: must not hold"),
        (
            &[("DOCKER_HOST", "tcp://h"), ("DOCKER_TLSVERIFY", "1")],
            "DOCKER_TLSVERIFY: asks for TLS",
        ),
        (&[("DOCKER_HOST", "tcp://h"), ("docker-tls", "1")], "docker-tls: asks for TLS"),
        (&[("DOCKER_HOST", "tcp://h"), ("DOCKER_CERTPATH", "/c")], "DOCKER_CERTPATH: asks for TLS"),
        (&[("DOCKER_HOST", "tcp://h"), ("DOKCER_TLS_VERIFY", "1")], "DOKCER_TLS_VERIFY: asks"),
        (&[("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_CERTDIR", "/c")], "DOCKER_TLS_CERTDIR: asks"),
        (&[("DOCKER_HOST", "tcp://me@h")], "DOCKER_HOST: must not hold"),
        (&[("DOCKER_HOST", "tcp://@h")], "DOCKER_HOST: must not hold"),
        (&[("DOCKER_HOST", "tcp://h?x")], "DOCKER_HOST: must end after the host"),
        (&[("DOCKER_HOST", "tcp://h#x")], "DOCKER_HOST: must end after the host"),
        (&[("DOCKER_HOST", "tcp://h/x")], "DOCKER_HOST: must end after the host"),
        (&[("DOCKER_HOST", "http://h:2375//")], "DOCKER_HOST: must end after the host"),
        (&[("DOCKER_HOST", "tcp://h:99999")], "DOCKER_HOST: must name a host"),
        (&[("DOCKER_HOST", "tcp://h,i:2375")], "DOCKER_HOST: must name a host"),
        (&[("DOCKER_HOST", "tcp://:2375")], "DOCKER_HOST: must name a host"),
    ];
    for (extra, start) in rows {
        let found = errors(extra);
        assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
    }
    for good in ["unix:///x/docker.sock", "tcp://socket-proxy:2375", "http://127.0.0.1:2375"] {
        assert_eq!(read(&[("DOCKER_HOST", good)]).docker_host.as_deref(), Some(good));
    }
    let rows = [
        ("tcp://host", "tcp://host:2375"),
        ("tcp://host:", "tcp://host:2375"),
        ("tcp://host/", "tcp://host:2375"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("tcp://[::1]:80", "tcp://[::1]:80"),
        ("tcp://host:80", "tcp://host:80"),
        ("http://host", "http://host"),
    ];
    for (given, meant) in rows {
        assert_eq!(read(&[("DOCKER_HOST", given)]).docker_host.as_deref(), Some(meant), "{given}");
    }
    // The socket is not encrypted, and needs not be.
    read(&[("DOCKER_TLS", "1"), ("DOCKER_HOST", "unix:///x/docker.sock")]);
    read(&[("DOCKER_TLS_VERIFY", "1"), ("DOCKER_HOST", "unix:///x/docker.sock")]);
    // Set to nothing, Docker's own image has no TLS.
    read(&[("DOCKER_TLS_CERTDIR", ""), ("DOCKER_HOST", "tcp://docker:2375")]);
}

#[test]
fn a_carriage_return_at_the_end_is_no_part_of_any_value() {
    let clean = [
        ("RUNNER_COMMAND", "/run.sh --once"),
        ("runnerenv_A", "{runner_name}"),
        ("RUNNER_IMAGE", "img:1"),
        ("RUNNER_GROUP", "gpu"),
        ("RUNNER_LABELS", "self-hosted,gpu"),
        ("MAX_RUNNERS", "3"),
        ("DOCKER_NETWORK", "runners"),
        ("DATABASE_PATH", "/tmp/mayfly.db"),
        ("REGISTRY", "r"),
        ("GITHUB_USER_LOGIN", "me"),
        ("OTEL_SERVICE_NAME", "o"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
    ];
    let dirty = clean.map(|(name, value)| (name, format!("{value}\r")));
    let dirty: Vec<(&str, &str)> = dirty.iter().map(|(name, value)| (*name, &**value)).collect();
    assert_eq!(format!("{:?}", read(&dirty)), format!("{:?}", read(&clean)));
    let named = format!("\u{feff}{}", "RUNNER_IMAGE");
    let mut variables = variables(&[]);
    variables.retain(|(name, _)| name != "RUNNER_IMAGE");
    variables.push((named, "x:1".to_owned()));
    assert_eq!(Config::from_variables(variables).unwrap().runner.image, "x:1");
}

#[test]
fn quotation_marks_are_the_reason_that_is_given() {
    for (name, value) in [
        ("RUNNER_IMAGE", "\"img:1\""),
        ("RUNNER_LABELS", "'self-hosted'"),
        ("RUNNER_GROUP", "\"gpu\""),
        ("MAX_RUNNERS", "\"3\""),
        ("AUTO_CREATE_RUNNERS", "'true'"),
        ("GITHUB_API_URL", "\"https://api.github.com\""),
        ("DISCOVERY_INCLUDE", "\"a/*\""),
        ("DATABASE_PATH", "\"/tmp/x.db\""),
        ("DOCKER_HOST", "\"unix:///x\""),
        ("REGISTRY", "\"r\""),
        ("GITHUB_USER_LOGIN", "\"r\""),
        ("OTEL_SERVICE_NAME", "\"o\""),
    ] {
        let extra = [(name, value), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")];
        let found = errors(&extra);
        let start = format!("{name}: is in quotation marks");
        assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
    }
    // Here they can be meant.
    let config = read(&[("RUNNER_COMMAND", "'/a b/run' x"), ("runnerenv_A", "\"x\"")]);
    assert_eq!(config.runner.command.unwrap(), ["/a b/run", "x"]);
    assert_eq!(config.runner.environment["A"].to_string(), "\"x\"");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let found = errors(&[("RUNNER_COMMAND", "a\r\nb")]);
    assert!(found[0].starts_with("RUNNER_COMMAND: holds a carriage return"), "{found:?}");
    let found = errors(&[("runnerenv_A", "\u{fffd}"), ("RUNNER_GROUP", "\u{fffd}")]);
    assert!(found.len() == 2 && found.iter().all(|line| line.contains("no UTF-8")), "{found:?}");
}

#[test]
fn a_proxy_that_cannot_be_read_is_refused_and_its_password_is_not_repeated() {
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        for wrong in ["::bad::", "http://user:hunter2@[bad", "ftp://h:1", "http://", "a b"] {
            let expected = format!(
                "{name}: must be the URL of a proxy, such as http://proxy.example.com:3128"
            );
            assert_eq!(errors(&[(name, wrong)]), [expected], "{wrong}");
        }
        for good in
            ["", "proxy:3128", "http://u:p@proxy:3128/", "https://[::1]:1", "socks5h://10.0.0.1:1"]
        {
            read(&[(name, good)]);
        }
    }
    let github = GitHubConfig::from_variables(variables(&[("HTTP_PROXY", "::bad::")]));
    assert!(github.unwrap_err().0[0].starts_with("HTTP_PROXY: "));
}

#[test]
fn what_is_probably_not_wanted_is_said_and_stops_nothing() {
    const SERVER: (&str, &str) = ("GITHUB_SERVER_URL", "https://git.corp.example");
    type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let rows: [Row; 21] = [
        (&[("RUNER_IMAGE", "x")], &["RUNER_IMAGE: is not read; is RUNNER_IMAGE meant?"]),
        (&[("GITHUB_TOKEN", "x")], &["GITHUB_TOKEN: is not read; is GITHUB_RUNNER_TOKEN meant?"]),
        (&[("RUNNERENV_A", "x")], &["RUNNERENV_A: is not read; "]),
        (
            &[("GITHUB_API_URL", "https://git.corp.example"), SERVER],
            &[
                "GITHUB_API_URL: GitHub Enterprise Server's API is at https://git.corp.example/api/v3",
            ],
        ),
        (
            &[("GITHUB_API_URL", "https://ghe"), SERVER],
            &["GITHUB_API_URL: GitHub Enterprise Server's API is at https://ghe/api/v3"],
        ),
        (
            &[("GITHUB_API_URL", "https://10.0.0.5:8443"), SERVER],
            &["GITHUB_API_URL: GitHub Enterprise Server's API is at https://10.0.0.5:8443/api/v3"],
        ),
        (
            &[("GITHUB_API_URL", "https://api.corp.example"), SERVER],
            &[
                "GITHUB_API_URL: GitHub Enterprise Server's API is at https://api.corp.example/api/v3",
            ],
        ),
        (
            &[("GITHUB_API_URL", "https://git.corp.example/api/v3/")],
            &["GITHUB_SERVER_URL: is not set, so it is https://github.com, while"],
        ),
        (&[("GITHUB_API_URL", "https://git.corp.example/api/v3"), SERVER], &[]),
        (
            &[
                ("GITHUB_API_URL", "https://api.octo.ghe.com"),
                ("GITHUB_SERVER_URL", "https://octo.ghe.com"),
            ],
            &[],
        ),
        (
            &[
                ("GITHUB_API_URL", "https://octo.ghe.com"),
                ("GITHUB_SERVER_URL", "https://octo.ghe.com"),
            ],
            &["GITHUB_API_URL: GitHub Enterprise Cloud's API is at https://api.octo.ghe.com"],
        ),
        (&[("GITHUB_API_URL", "http://127.0.0.1:8090")], &[]),
        (&[("GITHUB_API_URL", "http://github-sim:8090")], &["GITHUB_API_URL: GitHub Enterprise"]),
        (
            &[("GITHUB_API_URL", "http://git.corp.example/api/v3"), SERVER],
            &["GITHUB_API_URL: begins with http://: the credential"],
        ),
        (&[SERVER], &["GITHUB_API_URL: is not set, so it is https://api.github.com, while"]),
        (
            &[("RUNNER_LABELS", "[self-hosted, linux]")],
            &["RUNNER_LABELS: begins with [", "RUNNER_LABELS: lacks self-hosted"],
        ),
        (&[("RUNNER_LABELS", "gpu")], &["RUNNER_LABELS: lacks self-hosted"]),
        (
            &[("runnerenv_LABELS", "gpu"), ("runnerenv_NO_DEFAULT_LABELS", "1")],
            &["runnerenv_LABELS: lacks self-hosted"],
        ),
        (
            &[("RUNNER_COMMAND", "\"/bin/sh -c x\"")],
            &["RUNNER_COMMAND: is one word with blanks in it"],
        ),
        (
            &[
                ("runnerenv_A", "\"x y\"\r"),
                ("runnerenv_B", "say \"x\""),
                ("runnerenv_C", "'{\"a\": 1}'"),
            ],
            &["runnerenv_A: is in quotation marks", "runnerenv_C: is in quotation marks"],
        ),
        (&[("APIKEYS", "x"), ("API_KEYS", "y")], &["APIKEYS: is not read; is API_KEYS meant?"]),
    ];
    let warnings = |extra: &[(&str, &str)]| read(extra).warnings;
    assert!(warnings(&[]).is_empty());
    for (extra, expected) in rows {
        let found = warnings(extra);
        let fits = found.len() == expected.len()
            && found.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(fits, "{extra:?}: {found:?}");
    }
}

#[test]
fn a_gateway_without_its_keys_does_not_start() {
    for (name, reason) in [
        ("APIKEYS", "is not read; is API_KEYS meant?"),
        ("API_KEY_FILE", "is not read; is API_KEYS_FILE meant?"),
        ("api_keys", "is not read by Compose, for which case counts: write API_KEYS."),
    ] {
        let found = errors(&[(name, "0123456789abcdef"), ("MAYFLY_ENV_FILE", ".env")]);
        let expected = format!("{name}: {reason}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
    }
    read(&[("api_keys", "0123456789abcdef")]);
}

#[test]
fn quotation_marks_are_no_part_of_labels() {
    for (name, text) in [
        ("RUNNER_LABELS", "\"self-hosted,gpu\""),
        ("RUNNER_LABELS", "self-hosted,'gpu'"),
        ("runnerenv_LABELS", "\"self-hosted,gpu\""),
        ("runnerenv_LABELS", "self-hosted,\"gpu\""),
    ] {
        let found = errors(&[(name, text)]);
        assert!(
            found.len() == 1
                && found[0].starts_with(name)
                && found[0].contains("in quotation marks"),
            "{found:?}"
        );
    }
    let labels = read(&[("runnerenv_LABELS", "self-hosted,gpu\r")]).runner.labels;
    assert!(labels.contains("gpu"), "{labels}");
}

#[test]
fn an_address_that_can_be_no_api_is_refused() {
    for (url, why) in [
        ("https://github.com", "GITHUB_API_URL: is GitHub's web site"),
        ("https://www.github.com/api/v3", "GITHUB_API_URL: is GitHub's web site"),
        ("https://api.github.com/api/v3", "GITHUB_API_URL: must have no path at api.github.com"),
    ] {
        let found = errors(&[("GITHUB_API_URL", url)]);
        assert!(found.len() == 1 && found[0].starts_with(why), "{found:?}");
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = errors(&[
        ("GITHUB_RUNNER_TOKEN", ""),
        ("RUNNER_IMAGE", ""),
        ("ORCHESTRATOR_PORT", "0"),
        ("RUNNER_CHECK_INTERVAL", "9"),
        ("RUNNER_PURGE_INTERVAL", "soon"),
        ("AUTO_CREATE_RUNNERS", "maybe"),
        ("DISCOVERY_MODE", "everything"),
        ("GITHUB_API_URL", "ftp://x"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("RUNNER_COMMAND", "run 'it"),
        ("RUNNER_MEMORY", "1m"),
        ("RUNNER_CPUS", "-1"),
        ("runnerenv_X", "{nonsense}"),
        ("LOG_LEVEL", "LOUD"),
    ]);
    let mut names: Vec<&str> = found.iter().map(|line| line.split_once(':').unwrap().0).collect();
    names.sort_unstable();
    let expected = [
        "AUTO_CREATE_RUNNERS",
        "DISCOVERY_MODE",
        "DOCKER_HOST",
        "GITHUB_API_URL",
        "GITHUB_RUNNER_TOKEN",
        "LOG_LEVEL",
        "ORCHESTRATOR_PORT",
        "RUNNER_CHECK_INTERVAL",
        "RUNNER_COMMAND",
        "RUNNER_CPUS",
        "RUNNER_IMAGE",
        "RUNNER_MEMORY",
        "RUNNER_PURGE_INTERVAL",
        "runnerenv_X",
    ];
    assert_eq!(names, expected, "{found:#?}");
    assert!(
        found.iter().any(|line| line.starts_with("runnerenv_X: unknown placeholder {nonsense}"))
    );
}

#[test]
fn tokens_are_opaque_but_not_anything() {
    for good in
        ["github_pat_11ABC_def", "ghs_123_ey.J0.x", "0123456789012345678901234567890123456789", "t"]
    {
        let Credential::Token(token) = read(&[("GITHUB_RUNNER_TOKEN", good)]).github.credential
        else {
            panic!("a token was given");
        };
        assert_eq!(token.expose_secret(), good);
    }
    for bad in ["replace-me", "ghp_ a b", "ghp_a\nb"] {
        let found = errors(&[("GITHUB_RUNNER_TOKEN", bad)]);
        assert!(
            found.len() == 1
                && found[0].starts_with("GITHUB_RUNNER_TOKEN: ")
                && !found[0].contains("ghp_"),
            "{found:?}"
        );
    }
}

#[test]
fn a_configuration_never_shows_its_token() {
    let shown = format!("{:?}", read(&[("runnerenv_TOKEN", "{registration_token}")]));
    assert!(!shown.contains("ghp_0123"), "{shown}");
}

#[test]
fn templates_choose_the_route() {
    assert_eq!(read(&[("runnerenv_A", "x")]).runner.registration, Registration::Jit);
    assert_eq!(read(&[("runnerenv_A", "{jit_config}")]).runner.registration, Registration::Jit);
    assert_eq!(
        read(&[("runnerenv_RUNNER_TOKEN", "{registration_token}")]).runner.registration,
        Registration::Token
    );
    let both = errors(&[("runnerenv_A", "{jit_config}"), ("runnerenv_B", "{registration_token}")]);
    assert!(
        both[0].starts_with("runnerenv_B: uses {registration_token} while runnerenv_A"),
        "{both:?}"
    );
    let kept = read(&[("runnerenv_lower_Case", "$$x {\"a\": 1}")]).runner.environment;
    assert_eq!(kept["lower_Case"].to_string(), "$$x {\"a\": 1}");
}

#[test]
fn runners_are_told_of_the_cache_unless_they_were_told_otherwise() {
    let told = |extra: &[(&str, &str)]| {
        let environment = read(extra).runner.environment;
        environment.get("CUSTOM_ACTIONS_RESULTS_URL").map(ToString::to_string)
    };
    assert_eq!(told(&[]), None);
    for (text, url) in [
        ("http://cache.lan:3000", "http://cache.lan:3000/"),
        ("https://cache.lan/gha", "https://cache.lan/gha/"),
        ("https://cache.lan/{labels}/", "https://cache.lan/%7Blabels%7D/"),
    ] {
        assert_eq!(told(&[("RUNNER_CACHE_URL", text)]).as_deref(), Some(url));
    }
    let own = ("runnerenv_CUSTOM_ACTIONS_RESULTS_URL", "http://other/");
    assert_eq!(told(&[("RUNNER_CACHE_URL", "http://cache.lan"), own]).as_deref(), Some(own.1));
    for wrong in ["cache.lan:3000", "redis://cache", "http://me:secret@cache", "http://cache/?a=b"]
    {
        let found = errors(&[("RUNNER_CACHE_URL", wrong)]);
        assert!(found.len() == 1 && found[0].starts_with("RUNNER_CACHE_URL: must"), "{found:?}");
        assert!(!found[0].contains("secret"), "{found:?}");
    }
}

#[test]
fn labels_come_from_the_variable_or_from_what_the_image_is_told() {
    let labels = |extra: &[(&str, &str)]| read(extra).runner.labels;
    assert_eq!(labels(&[("RUNNER_LABELS", "self-hosted, GPU")]).to_string(), "gpu,self-hosted");
    let seed = labels(&[("runnerenv_LABELS", "self-hosted,ephemeral,orchestrator-{hostname}")]);
    assert!(
        seed.contains("linux")
            && seed.iter().any(|label| label.as_str().starts_with("orchestrator-")),
        "{seed}"
    );
    let bare = labels(&[("runnerenv_LABELS", "only"), ("runnerenv_NO_DEFAULT_LABELS", "1")]);
    assert_eq!(bare.to_string(), "only");
    let both = labels(&[("runnerenv_LABELS", "gpu"), ("runnerenv_RUNNER_LABELS", "big")]);
    assert!(both.contains("big") && !both.contains("gpu"), "{both}");
    assert_eq!(labels(&[("runnerenv_LABELS", "{labels}")]), labels(&[]));
    let config = read(&[("RUNNER_LABELS", "runner=2cpu-linux-x64, Amazon Linux 2,größe\r")]);
    assert_eq!(config.runner.labels.to_string(), "amazon linux 2,größe,runner=2cpu-linux-x64");
    let long = format!("a,{}", "x".repeat(257));
    let found = errors(&[("RUNNER_LABELS", &long)]);
    assert!(found.len() == 1 && found[0].contains(" must have 1 to 256 characters"), "{found:?}");
}

#[test]
fn sizes_and_processors() {
    let rows = [
        ("512m", Some(512 << 20)),
        ("4G", Some(4 << 30)),
        ("4gb", Some(4 << 30)),
        ("8388608", Some(8 << 20)),
        ("5m", None),
        ("x", None),
        ("", None),
        ("9999999999g", None),
    ];
    for (text, bytes) in rows {
        assert_eq!(memory(text).ok(), bytes, "{text}");
    }
    let rows = [
        ("2", Some(2_000_000_000)),
        ("0.5", Some(500_000_000)),
        ("0.001", None),
        ("1.", None),
        ("1e3", None),
        ("2000", None),
    ];
    for (text, nano) in rows {
        assert_eq!(nano_cpus(text).ok(), nano, "{text}");
    }
}

#[test]
fn a_filter_of_system_calls_is_read_from_its_file() {
    const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/seccomp/runner.json");
    let profile = read(&[("RUNNER_SECCOMP_PROFILE", OURS)]).runner.profile.seccomp.unwrap();
    let profile: serde_json::Value = serde_json::from_str(&profile).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO", "what is not named is refused");
    assert_eq!(read(&[]).runner.profile.seccomp, None);
    let not_json = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let rows = [("/does/not/exist", "cannot read"), (not_json, "is not JSON")];
    for (path, words) in rows {
        let found = errors(&[("RUNNER_SECCOMP_PROFILE", path)]);
        assert!(
            found[0].starts_with("RUNNER_SECCOMP_PROFILE: ") && found[0].contains(words),
            "{found:?}"
        );
    }
}

#[test]
fn the_mtu_is_a_number_that_packets_can_have() {
    assert_eq!(read(&[]).network_mtu, None);
    assert_eq!(read(&[("DOCKER_NETWORK_MTU", " 1450 ")]).network_mtu, Some(1450));
    for wrong in ["0", "575", "65536", "big", "-1"] {
        let found = errors(&[("DOCKER_NETWORK_MTU", wrong)]);
        assert!(found[0].starts_with("DOCKER_NETWORK_MTU: must be a whole number"), "{found:?}");
    }
}

#[test]
fn the_organisation_mode_needs_its_organisation() {
    assert_eq!(
        errors(&[("DISCOVERY_MODE", "organization")]),
        ["GITHUB_ORGANIZATION: is required when DISCOVERY_MODE=organization"]
    );
    let config = read(&[("DISCOVERY_MODE", "organization"), ("GITHUB_ORGANIZATION", "octo")]);
    assert_eq!(config.github.discovery, DiscoveryMode::Organization(Login::parse("octo").unwrap()));
}

#[test]
fn an_app_takes_the_place_of_a_token() {
    let no_token = ("GITHUB_RUNNER_TOKEN", "");
    let file = ("GITHUB_APP_PRIVATE_KEY_FILE", APP_KEY_FILE);
    let app = |extra: &[(&str, &str)]| match read(extra).github.credential {
        Credential::App(app) => (app.issuer, app.only),
        Credential::Token(_) => panic!("an App was given"),
    };
    let id = ("GITHUB_APP_ID", "12345");
    assert_eq!(app(&[no_token, id, file]), ("12345".to_owned(), None));
    let only = ("GITHUB_APP_INSTALLATION", "octo-org");
    let found = app(&[no_token, ("GITHUB_APP_ID", "Iv23liABC"), file, only]);
    assert_eq!(found, ("Iv23liABC".to_owned(), Some("octo-org".to_owned())));
    let one_line = std::fs::read_to_string(APP_KEY_FILE).unwrap().replace('\n', "\\n");
    assert_eq!(app(&[no_token, id, ("GITHUB_APP_PRIVATE_KEY", &one_line)]).0, "12345");
    let shown = format!("{:?}", read(&[no_token, id, file]).github.credential);
    assert!(!shown.contains("BEGIN") && shown.contains("12345"), "{shown}");

    let rows: [(&[(&str, &str)], &str); 7] = [
        (&[id, file], "GITHUB_RUNNER_TOKEN: is set beside GITHUB_APP_ID"),
        (
            &[file],
            "GITHUB_APP_PRIVATE_KEY_FILE: means nothing without GITHUB_APP_ID: remove it to use GITHUB_RUNNER_TOKEN, or set",
        ),
        (&[no_token, file], "GITHUB_APP_ID: is required"),
        (&[no_token, id], "GITHUB_APP_PRIVATE_KEY_FILE: is required with GITHUB_APP_ID"),
        (
            &[no_token, id, ("GITHUB_APP_PRIVATE_KEY", "x")],
            "GITHUB_APP_PRIVATE_KEY: holds no private key",
        ),
        (
            &[no_token, id, file, ("GITHUB_APP_INSTALLATION", "a/b")],
            "GITHUB_APP_INSTALLATION: must be",
        ),
        (&[("GITHUB_APP_INSTALLATION", "o")], "GITHUB_APP_INSTALLATION: means nothing without"),
    ];
    for (extra, expected) in rows {
        let found = errors(extra);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }
}

#[test]
fn which_repositories_are_served() {
    let config =
        read(&[("DISCOVERY_INCLUDE", "my-org/*, infra-?"), ("ALLOW_PUBLIC_REPOS", "true")]);
    assert!(config.github.filter.include.len() == 2 && config.github.filter.public);
    assert!(!read(&[]).github.filter.public);
    let found = errors(&[("DISCOVERY_EXCLUDE", "a/b/c,ok,[x]"), ("GITHUB_CA_FILE", "/not/there")]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("GITHUB_CA_FILE: cannot read /not/there")));
}

#[test]
fn the_example_file_lists_every_variable() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/.env.example"))
            .unwrap();
    // `Debug` of the raw variables names each of them: no second list to forget.
    let shown = format!("{:?}", Raw::default());
    let names = shown
        .trim_start_matches("Raw { ")
        .split(": None")
        .map(|name| name.trim_start_matches([',', ' ']));
    let names: Vec<String> =
        names.filter(|name| !name.contains('}')).map(str::to_uppercase).collect();
    assert!(
        names.len() > 30 && names.contains(&"GITHUB_RUNNER_TOKEN_FILE".to_owned()),
        "{names:?}"
    );
    let listed = |name: &str| {
        text.lines()
            .any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{name}=")))
    };
    let is_known = |name: &str| mayfly_service::env::known::known().any(|known| known == name);
    let unknown: Vec<&String> = names.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "mayfly_service::env::known does not list {unknown:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !listed(name)).collect();
    assert!(missing.is_empty(), "deploy/.env.example does not list {missing:?}");
}
