//! How far a pull is: the engine tells of every layer on its own (Docker Engine API, `POST /images/create`).

use std::collections::BTreeMap;

use bollard::models::CreateImageInfo;

use mayfly_backend::Progress;

/// What is known of the layers of an image that is being pulled.
#[derive(Default)]
pub(super) struct Layers {
    /// By layer: bytes that are here, and bytes in all.
    known: BTreeMap<String, (u64, u64)>,
}

impl Layers {
    /// Takes in what the engine says, and passes on where that leads to.
    pub(super) fn note(&mut self, told: CreateImageInfo, progress: &Progress) {
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
