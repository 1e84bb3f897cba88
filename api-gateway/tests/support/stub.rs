//! A small orchestrator in memory: enough of one to tell whether the gateway speaks with it properly.
//!
//! Its runners never do anything; a runner whose name begins with `busy-` counts as executing a job.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use mayfly_common::api::{
    CleanupReport, ConfigInfo, ConfigPlaceholders, ConfigValidation, CreateRunners, DeleteQuery,
    DrainStatus, GitHubStatus, Health, HealthStatus, ListQuery, PassReport, Runner, RunnerList,
    RunnerLogs, Status, UninstallReport,
};
use mayfly_common::problem::Problem;
use mayfly_common::runner::RunnerState;
use mayfly_common::webhook::{Delivery, Outcome, Receipt};
use mayfly_service::problem::HttpProblem;
use tokio::net::TcpListener;

/// Most runners it takes.
const CAPACITY: usize = 1000;

/// What the gateway sent.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

/// The orchestrator's memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    runners: Vec<Runner>,
    made: usize,
    pub(crate) seen: Vec<Seen>,
    pub(crate) deliveries: Vec<Delivery>,
}

/// A handle on a running stub.
#[derive(Clone, Default)]
pub(crate) struct Stub(Arc<Mutex<Memory>>);

impl Stub {
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("no handler panics while it holds the memory")
    }

    /// Serves on a free port until the runtime ends.
    pub(crate) async fn start(self) -> SocketAddr {
        serve(self.remembering()).await
    }

    /// The routes, and the memory of requests.
    pub(crate) fn remembering(self) -> Router {
        self.router().layer(from_fn_with_state(self, remember))
    }

    /// The routes, without the memory of requests: what the benchmark measures against.
    pub(crate) fn router(&self) -> Router {
        let api = Router::new()
            .route("/runners", get(list).post(create))
            .route("/runners/cleanup", post(cleanup))
            .route("/runners/{id}", get(read).delete(remove))
            .route("/runners/{id}/logs", get(logs))
            .route("/drain", get(drain).put(drain).delete(drain))
            .route("/uninstall", post(uninstall))
            .route("/deliveries", post(deliver))
            .route("/status", get(status))
            .route("/config/info", get(config_info))
            .route("/config/validate", get(config_validate))
            .route("/config/placeholders", get(config_placeholders));
        Router::new()
            .nest("/api/v1", api)
            .route("/health", get(health))
            .route("/readyz", get(async || Json(serde_json::json!({"status": "healthy"}))))
            .with_state(self.clone())
    }
}

/// Serves `router` on a free port until the runtime ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn remember(State(stub): State<Stub>, request: Request, next: Next) -> Response {
    stub.memory().seen.push(Seen {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: request.headers().clone(),
    });
    next.run(request).await
}

async fn list(State(stub): State<Stub>, Query(query): Query<ListQuery>) -> Json<RunnerList> {
    Json(RunnerList::page(stub.memory().runners.clone(), &query))
}

async fn create(State(stub): State<Stub>, body: Bytes) -> Result<Response, HttpProblem> {
    let wanted = CreateRunners::from_json(&body)?;
    let mut memory = stub.memory();
    if memory.runners.len() + usize::from(wanted.count) > CAPACITY {
        return Err(
            Problem::conflict("no-room", "There are as many runners as there may be.").into()
        );
    }
    let mut names: Vec<String> = wanted.names.iter().map(|name| name.as_str().to_owned()).collect();
    while names.len() < usize::from(wanted.count) {
        memory.made += 1;
        names.push(format!("mayfly-stub-{}", memory.made));
    }
    if names.iter().any(|name| memory.runners.iter().any(|runner| runner.name == *name)) {
        return Err(Problem::conflict("name-taken", "A runner of that name exists.").into());
    }
    let labels = wanted.labels.map_or_else(|| vec!["self-hosted".to_owned()], |it| it.to_strings());
    let runners: Vec<Runner> = names
        .into_iter()
        .map(|name| Runner {
            id: name.clone(),
            state: if name.starts_with("busy-") { RunnerState::Busy } else { RunnerState::Idle },
            name,
            pool: "manual".to_owned(),
            backend: "docker".to_owned(),
            scope: wanted.scope.kind(),
            scope_name: wanted.scope.name(),
            labels: labels.clone(),
            reason: Some("asked for through the API".to_owned()),
            container_id: Some("0123456789ab".to_owned()),
            image: "mayfly/runner:stub".to_owned(),
            github_runner_id: Some(42),
            created_at: Timestamp::UNIX_EPOCH,
            deadline: Timestamp::UNIX_EPOCH,
        })
        .collect();
    memory.runners.extend(runners.iter().cloned());
    let answer = RunnerList { total_count: runners.len(), runners };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn unknown() -> HttpProblem {
    Problem::not_found("There is no runner of that id.").into()
}

async fn read(
    State(stub): State<Stub>,
    Path(id): Path<String>,
) -> Result<Json<Runner>, HttpProblem> {
    let memory = stub.memory();
    memory.runners.iter().find(|runner| runner.id == id).cloned().map(Json).ok_or_else(unknown)
}

async fn remove(
    State(stub): State<Stub>,
    Path(id): Path<String>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, HttpProblem> {
    let mut memory = stub.memory();
    let place = memory.runners.iter().position(|runner| runner.id == id).ok_or_else(unknown)?;
    if memory.runners[place].state == RunnerState::Busy && !query.force {
        return Err(Problem::conflict("runner-busy", "The runner is executing a job.").into());
    }
    memory.runners.remove(place);
    Ok(StatusCode::NO_CONTENT)
}

async fn logs(
    State(stub): State<Stub>,
    Path(id): Path<String>,
) -> Result<Json<RunnerLogs>, HttpProblem> {
    let known = stub.memory().runners.iter().any(|runner| runner.id == id);
    let logs = "Listening for Jobs\n".to_owned();
    known.then_some(Json(RunnerLogs { id, logs })).ok_or_else(unknown)
}

async fn cleanup(Query(query): Query<BTreeMap<String, bool>>) -> Json<CleanupReport> {
    let dry_run = query.get("dry_run").copied().unwrap_or_default();
    Json(CleanupReport {
        dry_run,
        total: 0,
        cleaned: 0,
        failed: 0,
        actions: Vec::new(),
        problems: Vec::new(),
    })
}

async fn deliver(State(stub): State<Stub>, Json(delivery): Json<Delivery>) -> Response {
    let mut memory = stub.memory();
    let again = memory.deliveries.iter().any(|known| known.id == delivery.id);
    let outcome = if again { Outcome::Duplicate } else { Outcome::Accepted };
    memory.deliveries.push(delivery);
    (StatusCode::ACCEPTED, Json(Receipt { outcome })).into_response()
}

/// It drains all the time, and no runner leaves by itself.
async fn drain(State(stub): State<Stub>) -> Json<DrainStatus> {
    let left = Some(stub.memory().runners.len());
    let since = Some(Timestamp::UNIX_EPOCH);
    Json(DrainStatus { draining: true, since, stored: true, left, busy: left })
}

async fn uninstall(State(stub): State<Stub>) -> Result<Json<UninstallReport>, HttpProblem> {
    if stub.memory().runners.is_empty() {
        return Ok(Json(UninstallReport::default()));
    }
    Err(Problem::conflict("not-drained", "Runners are left.").into())
}

async fn status(State(stub): State<Stub>) -> Json<Status> {
    let mut runners = BTreeMap::new();
    for runner in &stub.memory().runners {
        *runners.entry(runner.state.as_str().to_owned()).or_default() += 1;
    }
    Json(Status {
        version: mayfly_common::VERSION.to_owned(),
        installation: "stub".to_owned(),
        draining_since: None,
        auto_create: true,
        max_runners: CAPACITY,
        labels: vec!["self-hosted".to_owned()],
        image: "mayfly/runner:stub".to_owned(),
        image_state: "ready".to_owned(),
        runners,
        held_back: BTreeMap::new(),
        github: GitHubStatus::default(),
        last_pass: PassReport::default(),
        finished: Vec::new(),
    })
}

async fn config_info() -> Json<ConfigInfo> {
    Json(ConfigInfo {
        runner_image: "mayfly/runner:stub".to_owned(),
        total_variables: 1,
        variable_names: vec!["LABELS".to_owned()],
        has_configuration: true,
        available_placeholders: 1,
        orchestrator_id: "stub".to_owned(),
        registration: "jit".to_owned(),
    })
}

async fn config_validate() -> Json<ConfigValidation> {
    Json(ConfigValidation {
        valid: true,
        errors: Vec::new(),
        warnings: Vec::new(),
        recommendations: vec!["Set MAX_RUNNERS.".to_owned()],
    })
}

async fn config_placeholders() -> Json<ConfigPlaceholders> {
    let placeholders =
        BTreeMap::from([("{runner_name}".to_owned(), "The runner's name".to_owned())]);
    Json(ConfigPlaceholders { total_placeholders: placeholders.len(), placeholders })
}

async fn health() -> Json<Health> {
    Json(Health {
        status: HealthStatus::Healthy,
        service: "orchestrator".to_owned(),
        version: mayfly_common::VERSION.to_owned(),
        dependencies: BTreeMap::from([("docker".to_owned(), "healthy".to_owned())]),
        answered_seconds_ago: BTreeMap::from([("docker".to_owned(), 3)]),
        orchestrator: None,
    })
}
