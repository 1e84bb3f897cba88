use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_variables(pairs).map_err(|errors| errors.to_string())
}

const KEY: &str = "0123456789abcdef";

#[test]
fn an_empty_environment_gives_the_defaults_on_loopback() {
    let config = read(&[]).unwrap();
    assert_eq!(config.address().to_string(), "127.0.0.1:8080");
    assert_eq!(config.orchestrator.to_string(), "http://orchestrator:8000");
    assert_eq!((config.rate_per_second.get(), config.rate_burst.get()), (20, 100));
    assert_eq!(config.request_timeout, Duration::from_mins(1));
    assert!(config.keys.is_empty());
}

#[test]
fn only_a_variable_makes_it_listen_beyond_this_machine() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("API_KEYS", KEY)], "127.0.0.1"),
        (&[("ALLOW_ANONYMOUS", "true")], "127.0.0.1"),
        (&[("API_KEYS", KEY), ("API_GATEWAY_HOST", "0.0.0.0")], "0.0.0.0"),
        (&[("API_GATEWAY_HOST", "localhost")], "127.0.0.1"),
        (&[("API_GATEWAY_HOST", "::1")], "::1"),
    ];
    for (pairs, host) in cases {
        assert_eq!(read(pairs).unwrap().host.to_string(), host, "{pairs:?}");
    }
    let refused = read(&[("API_GATEWAY_HOST", "0.0.0.0")]).unwrap_err();
    assert!(refused.contains("API_KEYS") && refused.contains("ALLOW_ANONYMOUS"), "{refused}");
    read(&[("API_GATEWAY_HOST", "0.0.0.0"), ("ALLOW_ANONYMOUS", "true")]).unwrap();
    let both = read(&[("API_KEYS", KEY), ("ALLOW_ANONYMOUS", "true")]).unwrap();
    assert!(!both.keys.is_empty(), "keys are asked for all the same");
}

#[test]
fn every_mistake_is_reported_at_once_and_no_key_is_shown() {
    let errors = read(&[
        ("API_GATEWAY_PORT", "0"),
        ("API_GATEWAY_HOST", "here"),
        ("ORCHESTRATOR_URL", "https://orchestrator"),
        ("API_KEYS", "tooshort,white space inside it,"),
        ("WEBHOOK_SECRET", "fifteen letters"),
        ("RATE_LIMIT_PER_SECOND", "0"),
        ("RATE_LIMIT_BURST", "many"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("PUBLIC_HOSTS", "https://ci.example.com"),
        ("PUBLIC_BASE_PATH", "mayfly"),
        ("REQUEST_TIMEOUT", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_VERBOSE", "perhaps"),
        ("LOG_FORMAT", "xml"),
        ("ALLOW_ANONYMOUS", "maybe"),
    ])
    .unwrap_err();
    for variable in [
        "API_GATEWAY_PORT",
        "API_GATEWAY_HOST",
        "ORCHESTRATOR_URL",
        "API_KEYS",
        "WEBHOOK_SECRET",
        "RATE_LIMIT_PER_SECOND",
        "RATE_LIMIT_BURST",
        "TRUSTED_PROXIES",
        "CORS_ORIGINS",
        "PUBLIC_HOSTS",
        "PUBLIC_BASE_PATH",
        "REQUEST_TIMEOUT",
        "LOG_LEVEL",
        "LOG_VERBOSE",
        "LOG_FORMAT",
        "ALLOW_ANONYMOUS",
    ] {
        assert!(
            errors.lines().any(|line| line.starts_with(&format!("{variable}: "))),
            "{variable} is missing in:\n{errors}"
        );
    }
    assert!(!errors.contains("tooshort") && !errors.contains("inside"), "{errors}");
    assert!(!errors.contains("fifteen"), "{errors}");
}

#[test]
fn keys_come_from_a_file_with_comments() {
    let path = std::env::temp_dir().join(format!("mayfly-gateway-keys-{}", std::process::id()));
    std::fs::write(&path, format!("# for the CLI\n{KEY}\n\n  another-key-of-16+  \n")).unwrap();
    let file = path.to_string_lossy().into_owned();
    let config = read(&[("API_KEYS_FILE", &file)]).unwrap();
    assert_eq!(config.keys.len(), 2);
    assert!(config.keys.find(b"another-key-of-16+").is_some());
    std::fs::write(&path, "# nothing but this\n").unwrap();
    let errors = read(&[("API_KEYS_FILE", &file)]).unwrap_err();
    assert_eq!(errors, "API_KEYS_FILE: holds no key");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn every_page_may_call_only_where_a_key_is_asked_for() {
    let refused = read(&[("CORS_ORIGINS", "*")]).unwrap_err();
    assert!(refused.starts_with("CORS_ORIGINS: * lets every web page"), "{refused}");
    assert!(read(&[("CORS_ORIGINS", "*"), ("API_KEYS", KEY)]).is_ok());
    assert!(read(&[("CORS_ORIGINS", "https://ci.example.com")]).is_ok());
}

#[test]
fn a_misspelt_name_of_the_keys_stops_the_start() {
    for name in ["API_KEY", "APIKEYS", "apikey", "api_key", "API_KEYS_FILES", "API_KEY_FILE"] {
        let refused = read(&[(name, KEY)]).unwrap_err();
        let start = format!("{name}: is not read; is API_KEYS");
        assert!(refused.starts_with(&start) && refused.lines().count() == 1, "{refused}");
        assert!(!refused.contains(KEY), "{refused}");
        // With a key the gateway is not open: a word will do.
        let config = read(&[(name, "x"), ("API_KEYS", KEY)]).unwrap();
        assert!(config.warnings.len() == 1 && config.warnings[0].starts_with(name));
        assert!(read(&[(name, " ")]).unwrap().warnings.is_empty(), "Compose passes it empty");
    }
    let config = read(&[("TRUSTED_PROXY", "x"), ("RATE_LIMIT_BRUST", "1")]).unwrap();
    assert_eq!(
        config.warnings,
        [
            "RATE_LIMIT_BRUST: is not read; is RATE_LIMIT_BURST meant?",
            "TRUSTED_PROXY: is not read; is TRUSTED_PROXIES meant?"
        ]
    );
}

#[test]
fn health_is_asked_for_where_the_gateway_listens() {
    let port = |name: &str, value: &str| healthcheck_port(&[(name.to_owned(), value.to_owned())]);
    assert_eq!(healthcheck_port(&[]), Ok(DEFAULT_PORT));
    for (name, value) in
        [("API_GATEWAY_PORT", "81"), ("api_gateway_port", "81\r"), ("Api_Gateway_Port", " 81 ")]
    {
        assert_eq!(port(name, value), Ok(81), "{name}={value:?}");
        assert_eq!(read(&[(name, value)]).unwrap().port, 81, "{name}={value:?}");
    }
    for wrong in ["\"81\"", "0", "x"] {
        let refused = port("API_GATEWAY_PORT", wrong).unwrap_err();
        assert_eq!(read(&[("API_GATEWAY_PORT", wrong)]).unwrap_err(), refused);
    }
}

#[test]
fn what_surrounds_a_secret_is_cleaned_or_the_reason() {
    let rows = [
        ("API_KEYS", format!("\"{KEY}\""), "API_KEYS: key 1 is in quotation marks"),
        ("API_KEYS", format!("{KEY},'{KEY}'"), "API_KEYS: key 2 is in quotation marks"),
        (
            "API_KEYS",
            format!("{KEY}\\r\\n"),
            "API_KEYS: key 1 ends in a line break that is written out",
        ),
        ("API_KEYS", format!("\"{KEY},{KEY}x\""), "API_KEYS: the whole list is in quotation marks"),
        ("WEBHOOK_SECRET", format!("'{KEY}, b'"), "WEBHOOK_SECRET: the whole list is in quotation"),
        ("WEBHOOK_SECRET", format!("\"{KEY}\""), "WEBHOOK_SECRET: secret 1 is in quotation marks"),
        ("WEBHOOK_SECRET", format!("{KEY}\\n"), "WEBHOOK_SECRET: secret 1 ends in a line break"),
        ("API_GATEWAY_PORT", "\"8080\"".to_owned(), "API_GATEWAY_PORT: is in quotation marks"),
        ("CORS_ORIGINS", "'https://a.example'".to_owned(), "CORS_ORIGINS: is in quotation marks"),
    ];
    for (name, value, start) in &rows {
        let refused = read(&[(name, value)]).unwrap_err();
        assert!(refused.starts_with(start) && refused.lines().count() == 1, "{refused}");
        assert!(!refused.contains(KEY), "{refused}");
    }
    let clean = read(&[("API_KEYS", &format!("\u{feff}{KEY}\r")), ("API_GATEWAY_PORT", "81\r")]);
    let clean = clean.unwrap();
    assert!(clean.port == 81 && clean.keys.find(KEY.as_bytes()).is_some());
}

#[test]
fn debug_shows_no_key() {
    let config = read(&[("API_KEYS", KEY)]).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains(KEY) && shown.contains("1 key"), "{shown}");
}

#[test]
fn webhook_secrets_come_from_the_variable_or_a_file() {
    let old = "It's a Secret to Everybody";
    let both = read(&[("WEBHOOK_SECRET", &format!("the new secret of many letters,{old}"))]);
    let both = both.unwrap().webhook_secrets;
    assert_eq!((both.len(), &*format!("{both:?}")), (2, "2 secrets"));
    let path = std::env::temp_dir().join(format!("mayfly-gateway-hooks-{}", std::process::id()));
    std::fs::write(&path, format!("{old}\n")).unwrap();
    let file = path.to_string_lossy().into_owned();
    assert_eq!(read(&[("WEBHOOK_SECRET_FILE", &file)]).unwrap().webhook_secrets.len(), 1);
    let twice = read(&[("WEBHOOK_SECRET_FILE", &file), ("WEBHOOK_SECRET", old)]).unwrap_err();
    assert!(twice.starts_with("WEBHOOK_SECRET: is set twice"), "{twice}");
    std::fs::write(&path, "short\n").unwrap();
    let errors = read(&[("WEBHOOK_SECRET_FILE", &file)]).unwrap_err();
    assert_eq!(errors, "WEBHOOK_SECRET_FILE: secret 1 is shorter than 16 characters");
    std::fs::remove_file(path).unwrap();
    let without = read(&[("WEBHOOK_SECRET", " ")]).unwrap();
    assert!(without.webhook_secrets.is_empty(), "blank is unset");
    assert!(without.host.is_loopback(), "a webhook's secret guards nothing but the webhook");
}

#[test]
fn the_example_file_and_the_compose_file_list_every_variable() {
    let file = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/");
        std::fs::read_to_string(format!("{folder}{name}")).unwrap()
    };
    let (example, compose) = (file(".env.example"), file("compose.yaml"));
    // `Debug` of the raw variables names each of them: no second list to forget.
    let shown = format!("{:?}", Raw::default());
    let names = shown.split(": None").map(|name| name.trim_start_matches([',', ' ']));
    let names = names.map(|name| name.trim_start_matches("Raw { ").to_uppercase());
    let names: Vec<String> = names.filter(|name| !name.contains('}')).collect();
    assert!(names.len() > 14 && names.contains(&"WEBHOOK_SECRET_FILE".to_owned()), "{names:?}");
    for name in names {
        let starts = |line: &str, sign: char| {
            line.trim_start_matches(['#', ' ']).starts_with(&format!("{name}{sign}"))
        };
        assert!(example.lines().any(|line| starts(line, '=')), "{name} is not in .env.example");
        let known = mayfly_service::env::known::known().any(|known| known == name);
        assert!(known, "{name} is not in mayfly_service::env::known");
        assert!(compose.lines().any(|line| starts(line, ':')), "{name} is not in compose.yaml");
    }
}

#[test]
fn every_variable_sets_its_own_field() {
    let config = read(&[
        ("API_GATEWAY_HOST", "192.0.2.8"),
        ("API_GATEWAY_PORT", "8081"),
        ("ORCHESTRATOR_URL", "http://elsewhere:8001"),
        ("API_KEYS", KEY),
        ("WEBHOOK_SECRET", "It's a Secret to Everybody,the new secret of many letters"),
        ("RATE_LIMIT_PER_SECOND", "7"),
        ("RATE_LIMIT_BURST", "9"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("CORS_ORIGINS", "https://page.example"),
        ("PUBLIC_HOSTS", "name.example"),
        ("PUBLIC_BASE_PATH", "/tools"),
        ("REQUEST_TIMEOUT", "11"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_VERBOSE", "true"),
        ("LOG_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_SERVICE_NAME", "edge"),
    ])
    .unwrap();
    let Config {
        host,
        port,
        orchestrator,
        keys,
        webhook_secrets,
        rate_per_second,
        rate_burst,
        trusted_proxies,
        cors,
        public_hosts,
        base_path,
        request_timeout,
        logging,
        traces,
        warnings,
    } = config;
    assert_eq!((host.to_string(), port), ("192.0.2.8".to_owned(), 8081));
    assert_eq!(
        format!("{orchestrator} {orchestrator:?}"),
        "http://elsewhere:8001 http://elsewhere:8001"
    );
    assert_eq!(keys.find(KEY.as_bytes()), Some(crate::api_keys::KeyId(1)));
    assert_eq!((keys.len(), webhook_secrets.len()), (1, 2));
    assert_eq!((rate_per_second.get(), rate_burst.get()), (7, 9));
    assert_eq!(trusted_proxies, TrustedProxies::parse("10.0.0.1").unwrap());
    assert_eq!(cors, CorsOrigins::parse("https://page.example").unwrap());
    assert!(public_hosts.answer_to("name.example") && !public_hosts.answer_to("page.example"));
    assert_eq!(base_path.as_str(), "/tools");
    assert_eq!(request_timeout, Duration::from_secs(11));
    let expected = Logging {
        level: parse_level("WARN").unwrap(),
        verbose: true,
        format: parse_format("json").unwrap(),
    };
    assert_eq!(logging, expected);
    let expected = TraceConfig {
        endpoint: "http://collector:4318/v1/traces".to_owned(),
        service: "edge".to_owned(),
    };
    assert_eq!(traces, Some(expected));
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn what_is_not_set_has_its_default() {
    let config = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")]).unwrap();
    assert_eq!(config.traces.unwrap().service, "api-gateway");
    let config = read(&[]).unwrap();
    assert_eq!((config.cors, config.traces), (CorsOrigins::None, None));
    assert_eq!(config.trusted_proxies, TrustedProxies::default());
    assert_eq!((config.base_path.as_str(), config.webhook_secrets.len()), ("", 0));
    assert!(!config.public_hosts.answer_to("name.example"));
    let expected = Logging {
        level: parse_level("INFO").unwrap(),
        verbose: false,
        format: parse_format("text").unwrap(),
    };
    assert_eq!(config.logging, expected);
}

#[test]
fn each_number_has_its_bounds() {
    for (name, least, most) in [
        ("API_GATEWAY_PORT", 1, 65_535),
        ("RATE_LIMIT_PER_SECOND", 1, 1_000_000),
        ("RATE_LIMIT_BURST", 1, 1_000_000),
        ("REQUEST_TIMEOUT", 1, 3600),
    ] {
        for (number, taken) in [(least, true), (least - 1, false), (most, true), (most + 1, false)]
        {
            assert_eq!(read(&[(name, &number.to_string())]).is_ok(), taken, "{name}={number}");
        }
    }
    assert!(read(&[("API_KEYS", &KEY[1..])]).unwrap_err().contains("shorter than 16"));
}

#[test]
fn what_is_open_to_all_is_refused_with_what_to_do_about_it() {
    let host = "API_GATEWAY_HOST: 0.0.0.0 can be reached from other machines and no API key is asked for: \
        set API_KEYS or API_KEYS_FILE, or listen on 127.0.0.1, or, if anybody may start runners here, \
        set ALLOW_ANONYMOUS=true";
    let cors = "CORS_ORIGINS: * lets every web page that a browser shows use a gateway that asks for no key: \
        name the origins, or set API_KEYS or API_KEYS_FILE";
    let wide = [("API_GATEWAY_HOST", "0.0.0.0"), ("CORS_ORIGINS", "*")];
    assert_eq!(read(&wide).unwrap_err().lines().collect::<Vec<_>>(), [host, cors]);
    let anonymous = [wide[0], wide[1], ("ALLOW_ANONYMOUS", "true")];
    assert_eq!(read(&anonymous).unwrap_err(), cors, "that anybody may call is not any page");
    let closed = [wide[0], wide[1], ("API_KEYS", KEY), ("ALLOW_ANONYMOUS", "false")];
    assert!(read(&closed).is_ok());
    let odd = read(&[("API_GATEWAY_HOST", "here")]).unwrap_err();
    assert_eq!(odd, "API_GATEWAY_HOST: must be an IP address or localhost");
}

#[test]
fn what_may_be_meant_for_several_secrets_is_told_by_its_place() {
    let (two, lines) = (format!("{KEY};{KEY}1"), format!("{KEY}\n# a;b\n{KEY},{KEY}1\n"));
    let file = std::env::temp_dir().join(format!("mayfly-keys-{}", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    let (list, ends) = (format!("{KEY}, {two}"), format!(";{KEY};"));
    let key = "API_KEYS: key 1 has ';' in it, and is one key; several are separated by commas";
    let rows = [
        ("API_KEYS", KEY, None),
        ("API_KEYS", &*ends, None),
        ("API_KEYS", &*two, Some(key.to_owned())),
        ("API_KEYS", &*list, Some(key.replace("key 1", "key 2"))),
        (
            "API_KEYS_FILE",
            file.to_str().unwrap(),
            Some(
                "API_KEYS_FILE: key 2 has ',' in it, and is one key; several stand one on a line"
                    .to_owned(),
            ),
        ),
        (
            "WEBHOOK_SECRET",
            &*two,
            Some(
                key.replace("API_KEYS: key 1", "WEBHOOK_SECRET: secret 1").replace("key", "secret"),
            ),
        ),
        // A secret in a file may have any sign in it.
        ("WEBHOOK_SECRET_FILE", file.to_str().unwrap(), None),
    ];
    for (name, value, expected) in rows {
        let config = read(&[(name, value)]).unwrap();
        assert_eq!(config.warnings, expected.into_iter().collect::<Vec<_>>(), "{name}={value}");
        assert!(!config.keys.is_empty() || name.starts_with("WEBHOOK"));
    }
    std::fs::remove_file(file).unwrap();
    // A blank or a line break never is a part of a key.
    for value in [format!("{KEY} {KEY}1"), format!("{KEY}\n{KEY}1")] {
        let told = read(&[("API_KEYS", &value)]).unwrap_err();
        assert!(told.starts_with("API_KEYS: key 1 ") && !told.contains(KEY), "{told}");
    }
}

#[test]
fn who_trusts_everybody_is_told_what_that_means() {
    let words = "is everybody: any client can then claim any address, by X-Forwarded-For, and so pass the rate limit; \
        name the proxies' addresses";
    for (value, network) in [
        ("0.0.0.0/0", Some("0.0.0.0/0")),
        ("10.0.0.0/8, ::/0", Some("::/0")),
        ("10.0.0.0/8,::1", None),
        ("", None),
    ] {
        let warnings = read(&[("TRUSTED_PROXIES", value)]).unwrap().warnings;
        let expected = network.map(|network| format!("TRUSTED_PROXIES: {network} {words}"));
        assert_eq!(warnings, expected.into_iter().collect::<Vec<_>>(), "{value}");
    }
}
