//! The layer behind every check of who may call how often: what comes here is admitted, and gets its two log lines.
//!
//! A service of its own rather than a function, because every function layer allocates several times per request.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::TryFutureExt as _;
use futures::future::MapOk;
use mayfly_service::telemetry::REQUEST;
use tower::{Layer, Service};
use tracing::{Level, enabled, info};

use crate::caller::Caller;
use crate::paths::{is_probe, shortened};

/// Marks the answer to a request that was admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted;

/// The layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admit;

/// A service behind [`Admit`].
#[derive(Debug, Clone)]
pub(crate) struct Admitting<S>(S);

impl<S> Layer<S> for Admit {
    type Service = Admitting<S>;

    fn layer(&self, inner: S) -> Admitting<S> {
        Admitting(inner)
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for Admitting<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response) -> Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        arrived(&request);
        self.0.call(request).map_ok(mark)
    }
}

/// Logs that a request was admitted.
pub(crate) fn arrived<T>(request: &http::Request<T>) {
    let path = request.uri().path();
    if is_probe(path) || !enabled!(Level::INFO) {
        return;
    }
    if let Some(caller) = Caller::of(request) {
        info!(
            category = REQUEST,
            client = %caller.address,
            request_id = caller.id(),
            "{} {}",
            request.method(),
            shortened(path)
        );
    }
}

/// Marks `response` as the answer to a request that was admitted.
pub(crate) fn mark(mut response: Response) -> Response {
    response.extensions_mut().insert(Admitted);
    response
}
