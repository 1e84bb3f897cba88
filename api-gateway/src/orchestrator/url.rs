//! Where the orchestrator is.

use std::fmt;

use http::Uri;
use http::uri::Authority;

/// The orchestrator's address: `http://host:port`, nothing more. It is on an internal network, so plain HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct OrchestratorUrl(Authority);

impl OrchestratorUrl {
    /// Takes `http://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "must be http://host:port, without a path or credentials".to_owned();
        let uri: Uri = text.trim().parse().map_err(|_| wrong())?;
        let bare = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|it| bare && !it.as_str().contains('@'));
        authority.cloned().map(Self).ok_or_else(wrong)
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.0
    }
}

impl Default for OrchestratorUrl {
    /// `http://orchestrator:8000`: the service's name in the compose file.
    fn default() -> Self {
        Self(Authority::from_static("orchestrator:8000"))
    }
}

impl fmt::Display for OrchestratorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

impl fmt::Debug for OrchestratorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_http_address_is_taken() {
        for good in ["http://orchestrator:8000", "http://127.0.0.1:1/", "http://[::1]:8000"] {
            let parsed = OrchestratorUrl::parse(good).unwrap();
            assert_eq!(parsed.to_string(), good.trim_end_matches('/'));
        }
        for bad in
            ["orchestrator:8000", "https://o", "http://o/api", "http://u:p@o", "http://o/?x", ""]
        {
            assert!(OrchestratorUrl::parse(bad).is_err(), "{bad:?}");
        }
    }
}
