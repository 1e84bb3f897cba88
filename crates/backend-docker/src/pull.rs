//! Pulls of images, and how far one is: the engine tells of every layer on its own (Docker Engine API, `POST /images/create`).

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::TryStreamExt as _;
use mayfly_backend::{BackendError, Progress};
use tokio::time::timeout;

use super::error::refused;
use super::raw::Connection;

/// How long a pull may go without a word from the engine, which tells of every layer that moves. Checking a large layer takes
/// minutes, and nothing is said meanwhile.
const PULL_SILENCE: Duration = Duration::from_mins(5);
/// Pulls an image, and tells `progress` how far it is.
///
/// Errors: the engine is silent for [`PULL_SILENCE`], cannot be reached, or cannot have the image.
pub(super) async fn image(
    connection: &Connection,
    image: &str,
    progress: &Progress,
) -> Result<(), BackendError> {
    // A registry that is slow to answer keeps the engine's first word back.
    let docker = Docker::clone(connection).with_timeout(PULL_SILENCE);
    let options = CreateImageOptionsBuilder::default().from_image(image);
    // Without a tag or digest the engine would pull every tag there is.
    let named = image.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    let options = if named { options.build() } else { options.tag("latest").build() };
    let mut layers = Layers::default();
    let mut told = std::pin::pin!(docker.create_image(Some(options), None, None));
    let outcome = loop {
        match timeout(PULL_SILENCE, told.try_next()).await {
            Ok(Ok(Some(told))) => layers.note(told, progress),
            Ok(Ok(None)) => break Ok(()),
            Ok(Err(error)) => break Err(error),
            Err(_) => {
                let minutes = PULL_SILENCE.as_secs() / 60;
                return Err(BackendError::PullFailed {
                    image: image.to_owned(),
                    reason: format!("the engine told of no progress for {minutes} minutes"),
                });
            }
        }
    };
    match outcome {
        Ok(()) => Ok(()),
        // The stream can end badly after a good pull; the image's presence is the truth.
        Err(_) if matches!(connection.image(image).await, Ok(Some(_))) => Ok(()),
        Err(error) => match refused("pull an image")(error) {
            BackendError::Refused { reason, .. } => {
                Err(BackendError::PullFailed { image: image.to_owned(), reason })
            }
            other => Err(other),
        },
    }
}

/// What is known of the layers of an image that is being pulled.
#[derive(Default)]
struct Layers {
    /// By layer: bytes that are here, and bytes in all.
    known: BTreeMap<String, (u64, u64)>,
}

impl Layers {
    /// Takes in what the engine says, and passes on where that leads to.
    fn note(&mut self, told: CreateImageInfo, progress: &Progress) {
        let Some(layer) = told.id else { return };
        let bytes =
            |count: Option<i64>| u64::try_from(count.unwrap_or_default()).unwrap_or_default();
        let detail = told.progress_detail.unwrap_or_default();
        let (done, size) = (bytes(detail.current), bytes(detail.total));
        match told.status.as_deref() {
            // Smaller layers come before the engine says how large they are.
            Some("Downloading") if size > 0 => drop(self.known.insert(layer, (done, size))),
            Some("Download complete" | "Pull complete") => {
                if let Some((done, size)) = self.known.get_mut(&layer) {
                    *done = *size;
                }
            }
            _ => return,
        }
        let sum = |of: fn(&(u64, u64)) -> u64| self.known.values().map(of).sum();
        progress.set(sum(|(done, _)| *done), sum(|(_, size)| *size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    #[test]
    fn layers_add_up() {
        let (progress, mut layers) = (Progress::default(), Layers::default());
        let mut note = |id: &str, status: &str, detail: Option<(i64, i64)>| {
            let detail = detail.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            });
            let told = CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: detail,
                ..CreateImageInfo::default()
            };
            layers.note(told, &progress);
            progress.get()
        };
        assert_eq!(note("27-dind", "Pulling from library/docker", None), None);
        assert_eq!(note("a", "Pulling fs layer", None), None);
        assert_eq!(note("a", "Downloading", Some((10, 100))), Some((10, 100)));
        assert_eq!(note("b", "Downloading", Some((50, 50))), Some((60, 150)));
        assert_eq!(note("a", "Download complete", None), Some((150, 150)));
        assert_eq!(note("a", "Extracting", Some((1, 100))), Some((150, 150)));
        assert_eq!(note("c", "Already exists", None), Some((150, 150)));
        // Smaller layers come before their size is told; one that was told of counts when it is there.
        assert_eq!(note("d", "Downloading", Some((5, 0))), Some((150, 150)));
        assert_eq!(note("d", "Pull complete", None), Some((150, 150)));
        assert_eq!(note("e", "Downloading", Some((7, 50))), Some((157, 200)));
        assert_eq!(note("e", "Downloading", Some((-1, 50))), Some((150, 200)));
        assert_eq!(note("e", "Verifying Checksum", Some((50, 50))), Some((150, 200)));
        assert_eq!(note("e", "Pull complete", None), Some((200, 200)));
    }
}
