//! What carries requests to GitHub: the network in a service, anything else that answers HTTP in a test. Over the network, TLS,
//! proxies, redirects and time-outs are its business.
//!
//! Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), as for every other program. Invariant: a request
//! to this machine itself takes no proxy: it could not reach it, and would be given the credential.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use mayfly_common::loopback::is_this_machine;
use reqwest::redirect;
use reqwest::{Certificate, Client, Url};
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _, service_fn};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed: a renamed repository gives one.
const MAX_REDIRECTS: usize = 3;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The bundle of `GITHUB_CA_FILE` cannot be read.
    #[error("GITHUB_CA_FILE holds no certificate that can be read: {0}")]
    Certificates(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Carries requests to GitHub, and streams the answers' bodies back.
#[derive(Debug, Clone)]
pub struct Transport(BoxCloneSyncService<Request<Bytes>, Response<Pieces>, NoAnswer>);

/// An answer's body, piece by piece.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, NoAnswer>>;

/// Why there is no answer, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It did not come in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection failed, for these reasons.
    #[error("{0}")]
    Failed(String),
}

/// Where an answer came from, if that is another address than was asked. It is an extension of the answer.
#[derive(Debug, Clone)]
pub struct RedirectedTo(pub Url);

impl Transport {
    /// HTTP and HTTPS to `api`. It waits `timeout` for a whole answer, and trusts the certificates (PEM) in `ca` too.
    ///
    /// Errors: TLS cannot be set up, or a certificate cannot be read.
    pub fn over_network(
        api: &Url,
        timeout: Duration,
        ca: Option<&[u8]>,
    ) -> Result<Self, TransportError> {
        let client = client(api, timeout, ca)?;
        let service = service_fn(move |request| fetch(client.clone(), request));
        Ok(Self(BoxCloneSyncService::new(service)))
    }

    /// This service, such as a router in the same process; it sees the host in a header, as over HTTP/1.1. Redirects are not followed. An error that is an [`Elapsed`], or a
    /// [`NoAnswer`] that says so, is a time-out.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: BodyExt<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let pieces =
            |body: B| body.into_data_stream().map_err(|error| no_answer(error.into())).boxed();
        let service = service
            .map_request(|request: Request<Bytes>| with_host(request).map(Full::new))
            .map_response(move |response| response.map(pieces))
            .map_err(|error| no_answer(error.into()));
        Self(BoxCloneSyncService::new(service))
    }

    /// Sends `request` once.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Pieces>, NoAnswer> {
        self.0.clone().oneshot(request).await
    }
}

/// The request, whose host is also a header.
fn with_host(mut request: Request<Bytes>) -> Request<Bytes> {
    let host = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// What an error of a service means.
fn no_answer(error: BoxError) -> NoAnswer {
    match error.downcast::<NoAnswer>() {
        Ok(known) => *known,
        Err(error) if error.is::<Elapsed>() => NoAnswer::TimedOut,
        Err(error) => NoAnswer::Failed(error.to_string()),
    }
}

/// Sends `request` over the network.
async fn fetch(client: Client, request: Request<Bytes>) -> Result<Response<Pieces>, NoAnswer> {
    let failed = |error: reqwest::Error| {
        if error.is_timeout() { NoAnswer::TimedOut } else { NoAnswer::Failed(causes(&error)) }
    };
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    let asked = request.url().clone();
    let answer = client.execute(request).await.map_err(failed)?;
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    response.headers_mut().clone_from(answer.headers());
    if *answer.url() != asked {
        response.extensions_mut().insert(RedirectedTo(answer.url().clone()));
    }
    let pieces = stream::try_unfold(answer, move |mut answer| async move {
        let piece = answer.chunk().await.map_err(failed)?;
        Ok(piece.map(|piece| (piece, answer)))
    });
    Ok(response.map(|()| pieces.boxed()))
}

/// A client for `api` that waits `timeout` for a whole answer, and trusts the certificates (PEM) in `ca` too.
fn client(api: &Url, timeout: Duration, ca: Option<&[u8]>) -> Result<Client, TransportError> {
    // An error means that another part of the process was faster, with the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The bundled roots make a client possible in an image without a CA bundle; the system's come on top.
    let mut roots: Vec<Certificate> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    if let Some(bundle) = ca {
        roots.extend(certificates(bundle)?);
    }
    let mut builder = Client::builder();
    if api.host_str().is_some_and(is_this_machine) {
        builder = builder.no_proxy();
    }
    builder
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .redirect(redirect::Policy::custom(same_host))
        .tls_certs_merge(roots)
        .build()
        .map_err(|error| TransportError::Tls(causes(&error)))
}

/// The certificates of a bundle, at least one.
///
/// Errors: there is none, or one is broken.
pub fn certificates(bundle: &[u8]) -> Result<Vec<Certificate>, TransportError> {
    let found = Certificate::from_pem_bundle(bundle)
        .map_err(|error| TransportError::Certificates(causes(&error)))?;
    if found.is_empty() {
        return Err(TransportError::Certificates("there is no BEGIN CERTIFICATE".to_owned()));
    }
    Ok(found)
}

/// Follows redirects on the same host only: a credential goes nowhere else.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// The causes of an error. The URL of the request is left out: it says nothing that the causes don't.
fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    if texts.is_empty() { "the connection failed".to_owned() } else { texts.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let none = "GITHUB_CA_FILE holds no certificate that can be read";
        for wrong in ["", "hello"] {
            let error = certificates(wrong.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("{none}: there is no BEGIN CERTIFICATE"), "{wrong:?}");
        }
        let broken = certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap_err().to_string();
        assert!(broken.starts_with(&format!("{none}: ")), "{broken}");
        let one = include_bytes!("../tests/data/test-only-ca.pem");
        assert_eq!(certificates(&[one.as_slice(), one].concat()).unwrap().len(), 2);
    }
}
