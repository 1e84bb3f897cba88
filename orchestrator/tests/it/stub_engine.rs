//! A Docker Engine of which only the answers are there, over TCP; it can freeze.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Value, json};

/// How the stub freezes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freeze {
    /// It does not.
    Not = 0,
    /// It takes every call and answers none.
    Silent = 1,
    /// It begins every answer and ends none.
    HalfWay = 2,
}

#[derive(Default)]
struct Shared {
    freeze: AtomicU8,
    containers: Mutex<Vec<Value>>,
}

/// The stub, until it is dropped.
pub(crate) struct StubEngine {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for StubEngine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl StubEngine {
    /// An engine with an image and no container.
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/_ping", get(async || "OK"))
            .route("/version", get(async || Json(json!({"ApiVersion": "1.41"}))))
            .route("/info", get(async || Json(json!({"ID": "STUB", "NCPU": 2, "MemTotal": 4096}))))
            .route("/containers/json", get(containers))
            .route("/containers/{id}/top", get(broken))
            .route("/images/{name}/json", get(async || Json(json!({"Id": "sha256:0"}))))
            .with_state(Arc::clone(&shared))
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), freeze));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the stub serves");
        });
        Self { shared, address, serving }
    }

    /// As `DOCKER_HOST` has it.
    pub(crate) fn host(&self) -> String {
        format!("tcp://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn freeze(&self, how: Freeze) {
        self.shared.freeze.store(how as u8, Ordering::Relaxed);
    }

    /// A running container with these labels.
    pub(crate) fn add(&self, labels: &Value) {
        let container = json!({"Id": "c0", "State": "running", "Labels": labels});
        self.shared.containers.lock().unwrap_or_else(PoisonError::into_inner).push(container);
    }
}

async fn containers(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    Json(shared.containers.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

async fn broken() -> Response {
    let said = Json(json!({"message": "ps: cannot allocate memory"}));
    (StatusCode::INTERNAL_SERVER_ERROR, said).into_response()
}

async fn freeze(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let how = shared.freeze.load(Ordering::Relaxed);
    if how == Freeze::Silent as u8 {
        return std::future::pending().await;
    }
    if how == Freeze::HalfWay as u8 {
        let first = stream::iter([Ok::<_, std::io::Error>("[")]);
        return Body::from_stream(first.chain(stream::pending())).into_response();
    }
    next.run(request).await
}
