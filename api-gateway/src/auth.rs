//! The layer that asks for an API key.
//!
//! Invariant: a refusal says whether a key was shown, and no more: every wrong key gets the same answer.
//!
//! Wrong keys draw on the quota of the address they come from. A known key is let through even from an address whose
//! wrong ones are being turned away: behind a shared address a stranger could otherwise lock the owner out. Guessing is
//! hopeless either way (16 characters at least); the limit keeps a guesser from the processor, and `edge` from the log.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures::future::{Either, Ready, ready};
use mayfly_common::problem::Problem;
use mayfly_service::problem::HttpProblem;
use tower::{Layer, Service};

use crate::api_keys::presented;
use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::rate_limit::{Bucket, RateLimits};

/// The layer that lets a request through if its caller showed a known key, or any if no key is configured. A service of
/// its own rather than a function, because every function layer allocates several times per request.
#[derive(Clone)]
pub(crate) struct RequireKey {
    pub(crate) limits: Arc<RateLimits>,
    pub(crate) metrics: Arc<Metrics>,
    /// `false` if no key is configured.
    pub(crate) required: bool,
}

/// A service behind [`RequireKey`].
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    require: RequireKey,
    inner: S,
}

impl<S> Layer<S> for RequireKey {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { require: self.clone(), inner }
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for Guarded<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.require.refusal(&request) {
            None => Either::Left(self.inner.call(request)),
            Some(problem) => Either::Right(ready(Ok(HttpProblem(problem).into_response()))),
        }
    }
}

impl RequireKey {
    /// Why `request` is refused, if it is.
    fn refusal(&self, request: &Request) -> Option<Problem> {
        let caller = Caller::of(request);
        if !self.required || caller.is_some_and(|caller| caller.key.is_some()) {
            return None;
        }
        self.metrics.unauthorized.inc();
        Some(match self.limits.draw(&Bucket::of_address(caller)) {
            Ok(()) if presented(request.headers()).is_some() => Problem::invalid_key(),
            Ok(()) => Problem::unauthorized(),
            Err(problem) => problem,
        })
    }
}
