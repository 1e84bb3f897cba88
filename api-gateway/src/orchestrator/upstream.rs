//! What carries requests to the orchestrator: TCP in a service, anything else that answers HTTP in a test.

use std::convert::Infallible;
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

/// The longest wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept. Shorter than servers commonly keep theirs, so that we do not send into a closing one.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries requests to the orchestrator. A request's body is whole; an answer's body is streamed.
#[derive(Debug, Clone)]
pub struct Upstream(BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, UpstreamError>);

/// Why a request got no answer.
#[derive(Debug)]
pub enum UpstreamError {
    /// There was no connection, so that nothing was sent.
    Unreachable(BoxError),
    /// The connection broke before there was an answer. The orchestrator may have acted on the request.
    Broken(BoxError),
}

impl Upstream {
    /// Plain HTTP over TCP to the host that the request names, with one pool of connections. No proxy from the environment is used:
    /// the client here knows none.
    pub fn over_tcp() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self(BoxCloneSyncService::new(answering(client)))
    }

    /// This service, such as a router in the same process; it sees the host in a header, as over HTTP/1.1.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<UpstreamError>,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(BoxCloneSyncService::new(answering(service.map_request(with_host))))
    }

    /// Sends `request` once.
    pub(super) fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Body>, UpstreamError>> + Send + use<> {
        self.0.clone().oneshot(request)
    }
}

/// The service, with answers and errors as [`Upstream`] has them.
fn answering<S, B>(
    service: S,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Body>,
    Error = UpstreamError,
    Future: Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<UpstreamError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    service.map_response(|response: Response<B>| response.map(Body::new)).map_err(Into::into)
}

/// The request, whose host is also a header.
fn with_host(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let host = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

impl From<Error> for UpstreamError {
    fn from(error: Error) -> Self {
        if error.is_connect() {
            Self::Unreachable(error.into())
        } else {
            Self::Broken(error.into())
        }
    }
}

impl From<Infallible> for UpstreamError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
