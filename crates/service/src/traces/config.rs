//! The settings of traces, which every reader of a service's environment checks, whether or not it can send any.

use http::Uri;
use http::uri::Scheme;

use crate::env::Checker;

/// Where traces go, and who they say they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, with the path for traces that belongs to it (`/v1/traces`).
    pub endpoint: String,
    /// `OTEL_SERVICE_NAME`.
    pub service: String,
}

impl TraceConfig {
    /// What the variables `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME` say; none without a collector.
    pub fn read(
        check: &mut Checker,
        endpoint: Option<String>,
        service: Option<String>,
        default_service: &str,
    ) -> Option<Self> {
        let parse = |text: &str| collector(text).map(Some);
        let service = check.text("OTEL_SERVICE_NAME", service);
        let endpoint = check.optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint, None, parse)?;
        Some(Self { endpoint, service: service.unwrap_or_else(|| default_service.to_owned()) })
    }
}

/// The address for traces of the collector at `text`.
fn collector(text: &str) -> Result<String, &'static str> {
    let uri: Uri = text.trim().parse().map_err(|_| "must be a URL")?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or("must be a URL with a host")?;
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err(
            "must begin with http://; for TLS let a collector beside this service pass traces on",
        );
    }
    if authority.as_str().contains('@') {
        return Err("must not hold a user name or password");
    }
    if uri.query().is_some() {
        return Err("must not have a query");
    }
    Ok(format!("http://{authority}{}/v1/traces", uri.path().trim_end_matches('/')))
}

#[cfg(test)]
mod tests;
