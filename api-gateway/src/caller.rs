//! Who asks, and under which id.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use uuid::Uuid;

use crate::api_keys::{ApiKeys, KeyId, presented};
use crate::client_address::TrustedProxies;

/// Carries a request's id, from the client or made up here, to the orchestrator and back.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken from a client.
const MAX_ID_LENGTH: usize = 64;

/// Who sent a request, and the request's id. The outermost layer attaches it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) id: HeaderValue,
    pub(crate) address: IpAddr,
    /// The key it showed, if that is one of ours.
    pub(crate) key: Option<KeyId>,
}

impl Caller {
    /// Reads them from a fresh request.
    pub(crate) fn identify<T>(
        request: &Request<T>,
        keys: &ApiKeys,
        proxies: &TrustedProxies,
    ) -> Self {
        let extensions = request.extensions();
        let peer = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0)
            .or_else(|| extensions.get::<MockConnectInfo<SocketAddr>>().map(|info| info.0));
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let headers = request.headers();
        Self {
            id: request_id(headers),
            address: proxies.client(peer, headers),
            key: presented(headers).and_then(|key| keys.find(key)),
        }
    }

    /// The caller of a request that went through the outermost layer.
    pub(crate) fn of<T>(request: &Request<T>) -> Option<&Self> {
        request.extensions().get()
    }

    /// The id as text.
    pub(crate) fn id(&self) -> &str {
        // Both sources are visible ASCII, so this cannot fail.
        self.id.to_str().unwrap_or_default()
    }
}

/// The client's id if it is sane, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(X_REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=MAX_ID_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(new_id)
}

/// A new id: this process' random part and a running number, which needs no system call for each request.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{}-{number}", &PROCESS[..16])).expect("hexadecimal is ASCII")
}
