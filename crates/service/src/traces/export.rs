//! The way of spans to a collector.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::{TARGET, TraceConfig};

/// How long the collector may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for what was not delivered yet.
const LAST: Duration = Duration::from_secs(3);
/// Most bytes read of the collector's answer.
const MAX_ANSWER: usize = 64 * 1024;
/// The way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// Sets the way up. Nothing is sent before there is a span. Must be called on a runtime, which then carries the requests.
    ///
    /// Errors: another `OTEL_` variable asks for what there is not (compression, say).
    pub fn to(config: &TraceConfig) -> Result<Self, String> {
        let collector = Collector {
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            runtime: Handle::current(),
            endpoint: config.endpoint.clone(),
            failing: Arc::new(AtomicBool::new(false)),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(&config.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", mayfly_common::VERSION))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// Turns spans into traces.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mayfly"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }

    /// Delivers what is left, as far as that takes a few seconds only. After that, spans go nowhere.
    pub async fn finish(self) {
        // It blocks, and waits for requests that this runtime carries.
        let last = move || self.provider.shutdown_with_timeout(LAST);
        // That the collector cannot be reached was told.
        let _ = tokio::task::spawn_blocking(last).await;
    }
}

/// Sends what the exporter's own thread hands out.
#[derive(Debug)]
struct Collector {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    endpoint: String,
    failing: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, endpoint) = (self.client.clone(), self.endpoint.clone());
        let failing = Arc::clone(&self.failing);
        let sent = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(TIMEOUT, send(&client, request)).await;
            let answer = sent.unwrap_or_else(|late| Err(late.into()));
            tell(&answer, &endpoint, &failing);
            answer
        });
        sent.await.unwrap_or_else(|ended| Err(ended.into()))
    }
}

/// Says once that traces cannot be delivered, and once that they can again.
fn tell(answer: &Result<Response<Bytes>, HttpError>, endpoint: &str, failing: &AtomicBool) {
    match answer {
        Ok(answer) if answer.status().is_success() => {
            if failing.swap(false, Ordering::Relaxed) {
                info!("traces can be delivered again");
            }
        }
        _ if failing.swap(true, Ordering::Relaxed) => {}
        Ok(answer) => warn!("traces cannot be delivered to {endpoint}: HTTP {}", answer.status()),
        Err(error) => warn!("traces cannot be delivered to {endpoint}: {error}"),
    }
}

async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

#[cfg(test)]
mod tests;
