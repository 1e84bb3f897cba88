//! Questions to the engine past the client library. That refuses a whole answer, a list of all containers say, for one word in it that
//! it does not know; a newer engine may have new ones.
//!
//! And it reads answers of any length into memory.
//!
//! Invariants: what cannot be read of one container, or of one field, reads as if it were missing, and hides nothing beside it. No
//! answer that is read here takes more memory than its bound.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerState, ContainerSummary, Health, HealthcheckResult, NetworkInspect,
};
use mayfly_common::foreign_text::line;
use mayfly_common::lenient::{List, option, texts};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::connection::{ANSWER, OPENING, PROBE_AFTER, PROBE_EVERY, PROBES, UNACKNOWLEDGED};
use super::error::{TITLE, short};
use mayfly_backend::BackendError;

/// Where the engine listens if nothing is said.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// Longest list of all things of a kind, in bytes. A container takes some kilobytes of it.
pub(super) const LIST: usize = 16 << 20;
/// Longest answer about one thing, in bytes: sixteen of them are read at a time.
const ONE: usize = 1 << 20;

/// The engine, by both ways.
pub(super) struct Connection {
    docker: Docker,
    client: Client,
    base: String,
}

impl std::ops::Deref for Connection {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

/// The engine's answer to what it does not do.
#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    #[serde(deserialize_with = "option")]
    id: Option<String>,
    #[serde(deserialize_with = "texts")]
    names: Vec<String>,
    #[serde(deserialize_with = "option")]
    state: Option<String>,
    #[serde(deserialize_with = "option")]
    status: Option<String>,
    #[serde(deserialize_with = "option")]
    labels: Option<HashMap<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    #[serde(deserialize_with = "option")]
    state: Option<State>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    #[serde(deserialize_with = "option")]
    status: Option<String>,
    #[serde(deserialize_with = "option")]
    exit_code: Option<i64>,
    #[serde(deserialize_with = "option", rename = "OOMKilled")]
    oom_killed: Option<bool>,
    #[serde(deserialize_with = "option")]
    health: Option<Healthy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Healthy {
    #[serde(deserialize_with = "option")]
    status: Option<String>,
    #[serde(deserialize_with = "option")]
    log: Option<List<Check>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    #[serde(deserialize_with = "option")]
    output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    #[serde(deserialize_with = "option")]
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Top {
    #[serde(deserialize_with = "option")]
    processes: Option<Vec<Vec<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Image {
    #[serde(deserialize_with = "option")]
    id: Option<String>,
}

/// The engine and its machine.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Info {
    /// The engine's id.
    #[serde(deserialize_with = "option", rename = "ID")]
    pub(super) id: Option<String>,
    /// How many processors there are.
    #[serde(deserialize_with = "option", rename = "NCPU")]
    pub(super) ncpu: Option<i64>,
    /// The memory, in bytes.
    #[serde(deserialize_with = "option")]
    pub(super) mem_total: Option<i64>,
}

impl From<Listed> for ContainerSummary {
    fn from(listed: Listed) -> Self {
        let labels = listed.labels.map(|labels| {
            let text = |(name, value)| match value {
                Value::String(value) => Some((name, value)),
                _ => None,
            };
            labels.into_iter().filter_map(text).collect()
        });
        Self {
            id: listed.id,
            names: Some(listed.names),
            state: listed.state.and_then(|word| word.parse().ok()),
            status: listed.status,
            labels,
            ..Self::default()
        }
    }
}

impl From<State> for ContainerState {
    fn from(state: State) -> Self {
        let check = |check: Check| HealthcheckResult { output: check.output, ..Default::default() };
        let health = state.health.map(|health| Health {
            status: health.status.and_then(|word| word.parse().ok()),
            log: health.log.map(|log| log.into_entries().into_iter().map(check).collect()),
            ..Health::default()
        });
        Self {
            status: state.status.and_then(|word| word.parse().ok()),
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
            health,
            ..Self::default()
        }
    }
}

impl Connection {
    /// The engine at `host` (as `DOCKER_HOST`), beside what the library has opened. Like that, asked in its newest version.
    pub(super) fn new(docker: Docker, host: Option<&str>) -> Result<Self, BackendError> {
        let (client, base) = client(host, ANSWER)?;
        Ok(Self { docker, client, base })
    }

    /// All containers that `filters` let through, those that have ended included.
    pub(super) async fn containers(
        &self,
        filters: &HashMap<String, Vec<String>>,
    ) -> Result<Vec<ContainerSummary>, BackendError> {
        self.containers_within(LIST, filters).await
    }

    /// The containers of one runner, which `filters` let through: few.
    pub(super) async fn containers_of_one(
        &self,
        filters: &HashMap<String, Vec<String>>,
    ) -> Result<Vec<ContainerSummary>, BackendError> {
        self.containers_within(ONE, filters).await
    }

    async fn containers_within(
        &self,
        most: usize,
        filters: &HashMap<String, Vec<String>>,
    ) -> Result<Vec<ContainerSummary>, BackendError> {
        let what = "list containers";
        let filters = Value::from_iter(filters.clone()).to_string();
        let query = [("all", "true"), ("filters", &filters)];
        let body = self.ask((what, most), "/containers/json", &query).await?;
        let found: List<Listed> = read(what, &body)?;
        for odd in found.odd() {
            debug!("a container in the engine's list cannot be read: {odd}");
        }
        Ok(found.into_entries().into_iter().map(ContainerSummary::from).collect())
    }

    /// The state of a container; `None` if there is none.
    pub(super) async fn state(
        &self,
        what: &'static str,
        id: &str,
    ) -> Result<Option<ContainerState>, BackendError> {
        let found = self.find((what, ONE), &format!("/containers/{id}/json")).await?;
        Ok(found.map(|found: Inspected| found.state.unwrap_or_default().into()))
    }

    /// The id of an image; `None` if it is not there.
    pub(super) async fn image(&self, name: &str) -> Result<Option<String>, BackendError> {
        let what = ("inspect an image", ONE);
        let found = self.find(what, &format!("/images/{name}/json")).await?;
        Ok(found.map(|found: Image| found.id.unwrap_or_default()))
    }

    /// A network, with what is connected to it; `None` if there is none of that name.
    pub(super) async fn network(
        &self,
        what: &'static str,
        name: &str,
    ) -> Result<Option<NetworkInspect>, BackendError> {
        self.find((what, LIST), &format!("/networks/{name}")).await
    }

    /// The names of all networks that `filters` let through.
    pub(super) async fn networks(
        &self,
        filters: &HashMap<String, Vec<String>>,
    ) -> Result<Vec<String>, BackendError> {
        let what = "list networks";
        let filters = Value::from_iter(filters.clone()).to_string();
        let body = self.ask((what, LIST), "/networks", &[("filters", &filters)]).await?;
        let found: List<Network> = read(what, &body)?;
        Ok(found.into_entries().into_iter().filter_map(|network| network.name).collect())
    }

    /// What `ps` with these arguments says of the processes in a container: a row of columns each.
    pub(super) async fn processes(
        &self,
        id: &str,
        ps_args: &str,
    ) -> Result<Vec<Vec<String>>, BackendError> {
        let what = "list processes";
        let path = format!("/containers/{id}/top");
        let top: Top = read(what, &self.ask((what, ONE), &path, &[("ps_args", ps_args)]).await?)?;
        Ok(top.processes.unwrap_or_default())
    }

    /// The engine and its machine.
    pub(super) async fn info(&self, what: &'static str) -> Result<Info, BackendError> {
        read(what, &self.ask((what, ONE), "/info", &[]).await?)
    }

    /// What the engine says of one thing; `None` if there is no such thing.
    async fn find<T: DeserializeOwned>(
        &self,
        (what, most): (&'static str, usize),
        path: &str,
    ) -> Result<Option<T>, BackendError> {
        match self.send((what, most), path, &[]).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if !status.is_success() => Err(refusal(what, status, &body)),
            (_, body) => read(what, &body).map(Some),
        }
    }

    /// The engine's answer. That there is no such thing is none.
    async fn ask(
        &self,
        (what, most): (&'static str, usize),
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, BackendError> {
        let (status, body) = self.send((what, most), path, query).await?;
        if status.is_success() { Ok(body) } else { Err(refusal(what, status, &body)) }
    }

    async fn send(
        &self,
        (what, most): (&'static str, usize),
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(StatusCode, Vec<u8>), BackendError> {
        let request = self.client.get(format!("{}{path}", self.base)).query(query);
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        Ok((status, body(what, answer, most).await?))
    }
}

/// The body of an answer, at most so many bytes.
///
/// Errors: it is longer, or broken off.
pub(super) async fn body(
    what: &'static str,
    mut answer: Response,
    most: usize,
) -> Result<Vec<u8>, BackendError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&error))? {
        if chunk.len() > most - body.len() {
            let reason = format!("its answer is longer than {} MiB", most >> 20);
            return Err(BackendError::Refused { title: TITLE, what, reason });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the engine says instead of an answer.
pub(super) fn refusal(what: &'static str, status: StatusCode, body: &[u8]) -> BackendError {
    let told = serde_json::from_slice::<Refusal>(body).ok();
    let reason = told.map_or_else(|| format!("HTTP {status}"), |told| short(&told.message));
    BackendError::Refused { title: TITLE, what, reason }
}

/// Reads an answer.
pub(super) fn read<T: DeserializeOwned>(
    what: &'static str,
    body: &[u8],
) -> Result<T, BackendError> {
    serde_json::from_slice(body).map_err(|error| BackendError::Refused {
        title: TITLE,
        what,
        reason: line(&format!("its answer cannot be read: {error}")),
    })
}

/// A client of the engine at `host` (as `DOCKER_HOST`), which waits so long for an answer, and how its URLs begin.
pub(super) fn client(
    host: Option<&str>,
    patience: Duration,
) -> Result<(Client, String), BackendError> {
    // The client wants to know a provider even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = host.unwrap_or(SOCKET);
    let builder = Client::builder()
        .timeout(patience)
        .connect_timeout(OPENING)
        .tcp_keepalive(PROBE_AFTER)
        .tcp_keepalive_interval(PROBE_EVERY)
        .tcp_keepalive_retries(PROBES)
        .tcp_user_timeout(UNACKNOWLEDGED)
        .pool_max_idle_per_host(0)
        .tls_certs_only([])
        .no_proxy();
    let (builder, base) = match host.split_once("://") {
        Some(("unix", path)) => (builder.unix_socket(path), "http://docker".to_owned()),
        Some((_, address)) => (builder, format!("http://{}", address.trim_end_matches('/'))),
        None => (builder, format!("http://{host}")),
    };
    Ok((builder.build().map_err(|error| unreachable(&error))?, base))
}

/// The engine did not answer; the innermost cause says most.
pub(super) fn unreachable(error: &reqwest::Error) -> BackendError {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    BackendError::unreachable(TITLE, short(&cause.to_string()))
}
