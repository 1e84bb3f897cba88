//! A real pull by the real engine, from a registry that this test is (OCI distribution specification, as far as a pull goes).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bollard::query_parameters::RemoveImageOptionsBuilder;
use futures::stream;
use http::StatusCode;
use mayfly_backend::{BackendError, ImageStore as _, Progress};
use ring::digest::{SHA256, digest};
use serde_json::json;
use tokio::sync::Notify;

use crate::docker::{engine, until};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image of one layer; the second half of the layer comes when `go_on` is told.
struct Registry {
    layer: Bytes,
    config: Bytes,
    manifest: Bytes,
    go_on: Notify,
}

fn sha256(bytes: &[u8]) -> String {
    let sum = digest(&SHA256, bytes);
    sum.as_ref().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

impl Registry {
    fn new() -> Self {
        // Nothing that another image has.
        let id = uuid::Uuid::new_v4();
        let content: Vec<u8> = id.as_bytes().iter().copied().cycle().take(4 << 20).collect();
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, "content", &*content).unwrap();
        let layer = archive.into_inner().unwrap();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/content"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
        })
        .to_string();
        let part = |kind: &str, bytes: &[u8]| {
            let media_type = format!("application/vnd.docker.{kind}");
            json!({"mediaType": media_type, "size": bytes.len(), "digest": sha256(bytes)})
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": part("container.image.v1+json", config.as_bytes()),
            "layers": [part("image.rootfs.diff.tar.gzip", &layer)],
        })
        .to_string();
        Self {
            layer: layer.into(),
            config: config.into(),
            manifest: manifest.into(),
            go_on: Notify::new(),
        }
    }

    /// Serves; tells the image's name without its tag.
    async fn serve(self: &Arc<Self>) -> String {
        let router = Router::new()
            .route("/v2/", get(async || StatusCode::OK))
            .route("/v2/runner/manifests/{reference}", get(manifest))
            .route("/v2/runner/blobs/{digest}", get(blob))
            .with_state(Arc::clone(self));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("{address}/runner")
    }
}

async fn manifest(State(registry): State<Arc<Registry>>, Path(tag): Path<String>) -> Response {
    let digest = sha256(&registry.manifest);
    if tag != "1" && tag != digest {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [("content-type", MANIFEST), ("docker-content-digest", &*digest)];
    (headers, registry.manifest.clone()).into_response()
}

async fn blob(State(registry): State<Arc<Registry>>, Path(digest): Path<String>) -> Response {
    if digest == sha256(&registry.config) {
        return registry.config.clone().into_response();
    }
    if digest != sha256(&registry.layer) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (first, second) = registry.layer.split_at(registry.layer.len() / 2);
    let halves = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)];
    let length = registry.layer.len();
    let pieces = stream::unfold((0, halves, registry), async |(sent, halves, registry)| {
        if sent == 1 {
            registry.go_on.notified().await;
        }
        let piece = halves.get(sent)?.clone();
        Some((Ok::<_, std::io::Error>(piece), (sent + 1, halves, registry)))
    });
    ([("content-length", length.to_string())], Body::from_stream(pieces)).into_response()
}

#[tokio::test]
#[cfg_attr(without_docker, ignore = "MAYFLY_TEST_DOCKER=0")]
async fn an_image_is_fetched_and_how_far_that_is_can_be_seen() {
    let engine = engine().await;
    let registry = Arc::new(Registry::new());
    let repository = registry.serve().await;
    let backend = engine.backend(&[]);

    let missing = format!("{repository}:2");
    let error = backend.pull_image(&missing, &Progress::default()).await.unwrap_err();
    assert!(
        matches!(&error, BackendError::PullFailed { image, .. } if *image == missing),
        "{error}"
    );

    let image = format!("{repository}:1");
    let progress = Progress::default();
    let pull = backend.pull_image(&image, &progress);
    let watch = async {
        until("half of it is here", async || {
            progress.get().is_some_and(|(done, size)| done > 0 && done < size)
        })
        .await;
        registry.go_on.notify_one();
    };
    let (pulled, ()) = tokio::join!(pull, watch);
    let id = backend.image_id(&image).await;
    // Before anything can fail.
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    let removed = engine.docker.remove_image(&image, Some(options), None).await;
    pulled.unwrap();
    let whole = registry.layer.len() as u64;
    assert_eq!(progress.get(), Some((whole, whole)));
    assert!(id.unwrap().is_some());
    removed.unwrap();
}
