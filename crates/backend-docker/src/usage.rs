//! How much the engine stores: `GET /system/df` (Engine API reference, "Get data usage information").
//!
//! Asked past the client library: it reads the form of API 1.52 and later only, and most engines are older. Up to 1.51 the answer
//! has one form, and newer engines still speak that version, so it is the one asked for.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::{labels, raw};
use mayfly_backend::{BackendError, Storage};

/// How long the engine may measure. It walks through volumes file by file.
const TIMEOUT: Duration = Duration::from_mins(2);
/// The last version (minor part) with the form below.
const NEWEST: usize = 51;
/// What is asked.
const WHAT: &str = "measure its storage";

/// How long to wait before the engine is asked again after it failed, at first; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The part of the answer that counts. Lists are null if they are empty.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    layers_size: Option<i64>,
    containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    labels: Option<HashMap<String, String>>,
    size_rw: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    usage_data: Option<VolumeUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUsage {
    /// -1 for drivers that do not tell.
    size: Option<i64>,
}

/// What the engine at `host` (as `DOCKER_HOST`), which speaks API 1.`minor`, stores; of containers only those of `installation`.
///
/// Errors: it cannot be reached, or refuses, as a filtering proxy may.
pub(super) async fn measure(
    host: Option<&str>,
    minor: usize,
    installation: &str,
) -> Result<Storage, BackendError> {
    let (client, base) = raw::client(host, TIMEOUT)?;
    let url = format!("{base}/v1.{}/system/df", minor.min(NEWEST));
    let (until, mut wait) = (Instant::now() + TIMEOUT, FIRST_WAIT);
    let usage = loop {
        let answer = client.get(&url).send().await.map_err(|error| raw::unreachable(&error))?;
        let status = answer.status();
        let body = raw::body(WHAT, answer, raw::LIST).await?;
        if status.is_success() {
            break body;
        }
        // It measures for one caller at a time, and refuses all others meanwhile; a measuring that an orchestrator asked for goes on
        // when that one is gone, so that the next one often meets it at its start. It also fails when a container goes while it counts.
        if !status.is_server_error() || Instant::now() + wait > until {
            return Err(raw::refusal(WHAT, status, &body));
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
    };
    let usage: Usage = raw::read(WHAT, &usage)?;
    Ok(usage.sum(installation))
}

impl Usage {
    fn sum(self, installation: &str) -> Storage {
        let ours = |container: &Container| {
            let labels = container.labels.as_ref();
            labels
                .and_then(|all| all.get(labels::INSTALLATION))
                .is_some_and(|of| of == installation)
        };
        let containers = self.containers.unwrap_or_default();
        let volumes = self.volumes.unwrap_or_default();
        Storage {
            containers: containers
                .iter()
                .filter(|container| ours(container))
                .map(|container| bytes(container.size_rw))
                .sum(),
            images: bytes(self.layers_size),
            volumes: volumes
                .iter()
                .map(|volume| bytes(volume.usage_data.as_ref().and_then(|usage| usage.size)))
                .sum(),
        }
    }
}

fn bytes(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn only_our_containers_count_and_what_is_not_told_is_nothing() {
        let rows = [
            (
                r#"{"LayersSize": 1000, "Images": null, "Containers": [
                    {"Labels": {"dev.mayfly.instance": "a"}, "SizeRw": 5},
                    {"Labels": {"dev.mayfly.instance": "a"}},
                    {"Labels": {"dev.mayfly.instance": "b"}, "SizeRw": 70},
                    {"Labels": null, "SizeRw": 900}
                ], "Volumes": [{"UsageData": {"Size": 7, "RefCount": 1}}, {"UsageData": {"Size": -1}}, {"UsageData": null}]}"#,
                (5, 1000, 7),
            ),
            (r#"{"LayersSize": 0, "Containers": null, "Volumes": null}"#, (0, 0, 0)),
        ];
        for (text, expected) in rows {
            let sum = serde_json::from_str::<Usage>(text).unwrap().sum("a");
            assert_eq!((sum.containers, sum.images, sum.volumes), expected);
        }
    }

    /// An engine that answers so until `free`, and tells its storage then. Answers its address.
    async fn busy_until(free: Instant, status: u16, message: &'static str) -> String {
        let df = async move || {
            if Instant::now() < free {
                let told = serde_json::json!({ "message": message });
                let status = http::StatusCode::from_u16(status).unwrap();
                return (status, axum::Json(told));
            }
            (http::StatusCode::OK, axum::Json(serde_json::json!({ "LayersSize": 7 })))
        };
        let router = axum::Router::new().route("/v1.41/system/df", axum::routing::get(df));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        host
    }

    #[tokio::test]
    async fn a_measuring_under_way_is_waited_for_and_a_refusal_is_not() {
        let free = Instant::now() + Duration::from_secs(1);
        let host = busy_until(free, 500, "a disk usage operation is already running").await;
        assert_eq!(measure(Some(&host), 41, "a").await.unwrap().images, 7);
        let never = Instant::now() + Duration::from_hours(1);
        let host = busy_until(never, 403, "closed by the proxy").await;
        let refused = measure(Some(&host), 41, "a").await.unwrap_err();
        assert!(refused.to_string().ends_with("closed by the proxy"), "{refused}");
    }

    /// The clock goes on by itself where everybody waits.
    #[tokio::test(start_paused = true)]
    async fn a_measuring_that_goes_on_is_asked_for_less_and_less_often_for_two_minutes() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, start) = (Arc::clone(&asked), Instant::now());
        let df = async move || {
            noted.lock().unwrap().push(start.elapsed().as_millis());
            http::StatusCode::INTERNAL_SERVER_ERROR
        };
        let router = axum::Router::new().route("/v1.51/system/df", axum::routing::get(df));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        // The version that newer engines still speak.
        assert!(measure(Some(&host), 60, "a").await.is_err());
        let seconds = [
            0, 250, 750, 1_750, 3_750, 7_750, 15_750, 30_750, 45_750, 60_750, 75_750, 90_750,
            105_750,
        ];
        assert_eq!(*asked.lock().unwrap(), seconds);
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told() {
        for host in ["tcp://127.0.0.1:1", "unix:///does/not/exist.sock"] {
            let error = measure(Some(host), 41, "a").await.unwrap_err();
            assert!(matches!(error, BackendError::Unreachable { .. }), "{error}");
        }
    }
}
