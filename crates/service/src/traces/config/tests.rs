use super::*;

#[test]
fn a_collector_is_an_http_url() {
    for (text, expected) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        (" http://127.0.0.1:4318/ ", "http://127.0.0.1:4318/v1/traces"),
        ("http://[::1]:4318/otlp/", "http://[::1]:4318/otlp/v1/traces"),
    ] {
        assert_eq!(collector(text).as_deref(), Ok(expected));
    }
    for wrong in
        ["collector:4318", "/x", "https://collector", "http://me:secret@collector", "http://c/?a=b"]
    {
        let mut check = Checker::new();
        assert_eq!(TraceConfig::read(&mut check, Some(wrong.into()), None, "s"), None);
        let errors = check.finish(Some(())).unwrap_err().to_string();
        assert!(errors.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: must"), "{wrong}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
    let mut check = Checker::new();
    assert_eq!(TraceConfig::read(&mut check, Some(" ".into()), None, "s"), None);
    assert!(check.finish(Some(())).is_ok(), "blank is unset");
}

#[test]
fn a_collector_s_address_is_refused_in_words() {
    let tls = "must begin with http://; for TLS let a collector beside this service pass traces on";
    let rows = [
        ("a b", "must be a URL"),
        ("/x", "must be a URL with a host"),
        ("collector:4318", tls),
        ("https://collector", tls),
        ("http://me@collector", "must not hold a user name or password"),
        ("http://c/?a=b", "must not have a query"),
    ];
    for (text, why) in rows {
        assert_eq!(collector(text), Err(why), "{text}");
    }
}

#[test]
fn a_service_is_named_by_itself_or_by_its_owner() {
    let read = |service: Option<&str>| {
        let endpoint = Some("http://c:1/".to_owned());
        TraceConfig::read(&mut Checker::new(), endpoint, service.map(str::to_owned), "default")
    };
    let config = |service: &str| {
        Some(TraceConfig {
            endpoint: "http://c:1/v1/traces".to_owned(),
            service: service.to_owned(),
        })
    };
    assert_eq!(
        (read(None), read(Some(" ")), read(Some(" mine "))),
        (config("default"), config("default"), config("mine"))
    );
}
