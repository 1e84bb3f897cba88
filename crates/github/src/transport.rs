//! The way to GitHub: TLS, proxies, redirects, time-outs.
//!
//! Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), as for every other program. Invariant: a request
//! to this machine itself takes no proxy: it could not reach it, and would be given the credential.

use std::time::Duration;

use mayfly_common::loopback::is_this_machine;
use reqwest::redirect;
use reqwest::{Certificate, Client, Url};

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

/// A client for `api` that waits `timeout` for a whole answer, and trusts the certificates (PEM) in `ca` too.
pub(super) fn client(
    api: &Url,
    timeout: Duration,
    ca: Option<&[u8]>,
) -> Result<Client, TransportError> {
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
        .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")))
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
pub(super) fn causes(error: &reqwest::Error) -> String {
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
