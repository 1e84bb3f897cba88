//! A Docker Engine of which only the answers are there, over TCP; it can freeze, and refuse what is asked of one container.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
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
    /// Answers to the paths that begin so, in place of any other; none is silence.
    refusals: Mutex<Vec<(String, Option<StatusCode>)>>,
    removed: Mutex<Vec<String>>,
    /// The paths of all calls.
    asked: Mutex<Vec<String>>,
    /// Networks are such that containers reach each other.
    open: AtomicBool,
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
            .route("/info", get(info))
            .route("/containers/json", get(containers))
            .route("/containers/create", post(create))
            .route("/containers/{id}", delete(remove))
            .route("/containers/{id}/start", post(start))
            .route("/networks", get(networks))
            .route("/networks/{id}", get(network).delete(remove))
            .route("/images/create", post(pull))
            .route("/containers/{id}/json", get(inspect))
            .route("/containers/{id}/logs", get(log))
            .route("/containers/{id}/top", get(broken))
            .route("/images/{name}/json", get(image))
            .with_state(Arc::clone(&shared))
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), refuse))
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
        self.add_one("c0", ("running", "Up 5 minutes"), labels);
    }

    /// A container of this name with this state and the words for it in a list; its id is its name.
    pub(crate) fn add_one(&self, name: &str, (state, status): (&str, &str), labels: &Value) {
        let names = [format!("/{name}")];
        let container = json!({
            "Id": name, "Names": names, "State": state, "Status": status, "Labels": labels,
            "Ports": [{"PrivatePort": 80, "Type": "new"}], "Health": {"Status": "new"},
        });
        lock(&self.shared.containers).push(container);
    }

    /// From now on networks are such that containers reach each other.
    pub(crate) fn open_networks(&self) {
        self.shared.open.store(true, Ordering::Relaxed);
    }

    /// Paths that begin so are answered with this status; none is silence.
    pub(crate) fn refuse(&self, path: &str, status: Option<u16>) {
        let status = status.map(|code| StatusCode::from_u16(code).expect("a status"));
        lock(&self.shared.refusals).push((path.to_owned(), status));
    }

    /// The containers and networks that were removed, by name.
    pub(crate) fn removed(&self) -> Vec<String> {
        lock(&self.shared.removed).clone()
    }

    /// The number of calls whose path ended so.
    pub(crate) fn asked(&self, end: &str) -> usize {
        lock(&self.shared.asked).iter().filter(|path| path.ends_with(end)).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All, whatever the filter: who asks must look at the names itself.
async fn containers(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    Json(lock(&shared.containers).clone())
}

async fn info() -> Json<Value> {
    Json(json!({
        "ID": "STUB", "NCPU": 2, "MemTotal": 4096, "CgroupVersion": "new", "Isolation": "new",
        "Swarm": {"LocalNodeState": "new"},
    }))
}

async fn image() -> Json<Value> {
    let identity = json!({"Signature": [{"SignatureType": "new", "KnownSigner": "new"}]});
    Json(json!({"Id": "sha256:0", "Manifests": [{"Kind": "new"}], "Identity": identity}))
}

async fn inspect(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match lock(&shared.containers).iter().find(|one| one["Id"] == *id) {
        Some(one) => {
            let health = json!({"Status": "new", "Log": [{"ExitCode": "new", "Output": "asleep"}]});
            let state = json!({"Status": one["State"], "ExitCode": 3, "Health": health});
            let host = json!({"RestartPolicy": {"Name": "new"}, "Isolation": "new"});
            Json(json!({"Id": id, "State": state, "HostConfig": host})).into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, Json(json!({"message": "no such container"}))).into_response()
        }
    }
}

/// Every network is there, and has no MTU of its own.
async fn network(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Json<Value> {
    let open = shared.open.load(Ordering::Relaxed).to_string();
    Json(json!({"Name": id, "Options": {"com.docker.network.bridge.enable_icc": open}}))
}

/// Under our mark, the network that is configured, and one of another installation.
async fn networks(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let marked = query["filters"].contains("dev.mayfly.network");
    let names = if marked { &["runners", "runners-of-others"][..] } else { &["mayfly-i-1-docker"] };
    Json(names.iter().map(|name| json!({"Name": name})).collect())
}

/// Pulls nothing, and remembers what was asked for.
async fn pull(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> &'static str {
    let tag = query.get("tag").map(String::as_str).unwrap_or_default();
    lock(&shared.asked).push(format!("{} {tag}", query["fromImage"]));
    "{}"
}

/// The same line for every container; how many were asked for is remembered.
async fn log(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> &'static str {
    let tail = query.get("tail").map(String::as_str).unwrap_or_default();
    lock(&shared.asked).push(format!("tail {tail}"));
    "Listening for Jobs\n"
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(body): Json<Value>,
) -> Response {
    let name = &query["name"];
    let container = json!({
        "Id": name, "Names": [format!("/{name}")], "State": "created", "Status": "Created", "Labels": body["Labels"],
    });
    lock(&shared.containers).push(container);
    (StatusCode::CREATED, Json(json!({"Id": name, "Warnings": []}))).into_response()
}

/// Starts it, and breaks off before the answer ends.
async fn start(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    for one in lock(&shared.containers).iter_mut().filter(|one| one["Id"] == *id) {
        one["State"] = json!("running");
    }
    let broken = stream::iter([Err::<&str, _>(std::io::Error::other("broken off"))]);
    (StatusCode::INTERNAL_SERVER_ERROR, Body::from_stream(broken)).into_response()
}

async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    lock(&shared.containers).retain(|one| one["Id"] != *id);
    lock(&shared.removed).push(id);
    StatusCode::NO_CONTENT
}

async fn refuse(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    lock(&shared.asked).push(path.clone());
    let found = lock(&shared.refusals).iter().find(|(begin, _)| path.contains(begin)).cloned();
    match found {
        Some((_, Some(status))) => {
            (status, Json(json!({"message": "its\nlayer \u{1b}is lost"}))).into_response()
        }
        Some((_, None)) => std::future::pending().await,
        None => next.run(request).await,
    }
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
