//! The formats in which metrics are served.

use axum::body::Body;
use http::Method;

use crate::support::{gateway, request};

#[tokio::test]
async fn prometheus_older_format_is_for_those_who_ask_for_it() {
    let (client, _) = gateway().await;
    client.get("/api/v1/status").await;
    for (accept, kind, counter) in [
        (None, "application/openmetrics-text", "# TYPE mayfly_gateway_requests counter\n"),
        (Some("*/*"), "application/openmetrics-text", "# TYPE mayfly_gateway_requests counter\n"),
        (Some("text/plain"), "text/plain", "# TYPE mayfly_gateway_requests_total counter\n"),
        (
            Some("text/plain;version=0.0.4;q=1,*/*;q=0.1"),
            "text/plain",
            "# TYPE mayfly_gateway_requests_total counter\n",
        ),
    ] {
        let mut asked = request(Method::GET, "/metrics");
        if let Some(accept) = accept {
            asked = asked.header("accept", accept);
        }
        let answer = client.send(asked.body(Body::empty()).unwrap()).await;
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{accept:?}");
        let text = answer.text();
        assert!(text.contains(counter), "{accept:?}: {text}");
        assert_eq!(text.ends_with("# EOF\n"), kind != "text/plain", "{accept:?}: {text}");
    }
}
