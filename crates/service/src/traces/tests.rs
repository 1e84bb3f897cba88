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

#[test]
fn only_usual_methods_are_named() {
    for usual in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(known(&Method::from_bytes(usual.as_bytes()).unwrap()), usual);
    }
    for other in ["TRACE", "CONNECT", "get", "EVIL"] {
        assert_eq!(known(&Method::from_bytes(other.as_bytes()).unwrap()), "_OTHER");
    }
}

#[test]
fn a_collector_that_fails_is_told_of_once_and_so_is_its_return() {
    use std::io::Write;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let logging =
        crate::telemetry::dispatch(crate::telemetry::Logging::default(), move || writer.clone());
    let failing = AtomicBool::new(false);
    let answer = |status: u16| Ok(Response::builder().status(status).body(Bytes::new()).unwrap());
    tracing::dispatcher::with_default(&logging, || {
        for answer in [
            answer(200),
            answer(503),
            answer(404),
            Err("gone".into()),
            answer(200),
            answer(202),
            Err("off".into()),
        ] {
            tell(&answer, "http://c", &failing);
        }
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.splitn(4, ' ').nth(3).unwrap()).collect();
    assert_eq!(
        lines,
        [
            "traces cannot be delivered to http://c: HTTP 503 Service Unavailable",
            "traces can be delivered again",
            "traces cannot be delivered to http://c: off",
        ]
    );
}

/// What spans were given, in order.
#[derive(Clone, Default)]
struct Fields(Arc<std::sync::Mutex<Vec<String>>>);

impl field::Visit for Fields {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().push(format!("{field}={value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Fields {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        assert_eq!(attributes.metadata().target(), "traces");
        attributes.record(&mut self.clone());
    }

    fn on_record(
        &self,
        _: &tracing::Id,
        values: &tracing::span::Record<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        values.record(&mut self.clone());
    }
}

#[test]
fn a_request_s_span_says_what_was_asked_and_how_it_ended() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let begin = [
        "otel.name=GET /api/v1/jobs/{id}",
        "otel.kind=\"server\"",
        "http.request.method=\"GET\"",
        "http.route=\"/api/v1/jobs/{id}\"",
    ];
    let rows: [(u16, &[&str]); 4] = [
        (200, &["http.response.status_code=200"]),
        (404, &["http.response.status_code=404"]),
        (499, &["http.response.status_code=499"]),
        (500, &["http.response.status_code=500", "otel.status_code=\"ERROR\""]),
    ];
    for (status, end) in rows {
        let fields = Fields::default();
        let subscriber = tracing_subscriber::registry().with(fields.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = request(&Method::GET, "/api/v1/jobs/{id}", None);
            answered(&span, StatusCode::from_u16(status).unwrap());
        });
        assert_eq!(*fields.0.lock().unwrap(), [&begin[..], end].concat());
    }
    let fields = Fields::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(fields.clone()), || {
        let span = info_span!(target: TARGET, "pass", jobs = field::Empty);
        count(&span, "jobs", 7);
    });
    assert_eq!(*fields.0.lock().unwrap(), ["jobs=7"]);
}
