use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing_subscriber::Layer;

use super::*;

#[test]
fn only_usual_methods_are_named() {
    for usual in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(known(&Method::from_bytes(usual.as_bytes()).unwrap()), usual);
    }
    for other in ["TRACE", "CONNECT", "get", "EVIL"] {
        assert_eq!(known(&Method::from_bytes(other.as_bytes()).unwrap()), "_OTHER");
    }
}

/// What spans were given, in order.
#[derive(Clone, Default)]
struct Fields(Arc<Mutex<Vec<String>>>);

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
